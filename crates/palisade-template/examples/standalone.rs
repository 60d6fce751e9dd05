//! Templates without the rest of Palisade: `cargo run -p palisade-template --example standalone -- '<script>alert(1)</script>'`.

use palisade_template::{
    Blocked, Layer, Options, PageSecrets, Preset, Templates, TrustedHtml, context,
};

const PAGE: &str = r#"<!doctype html>
<title>{{ name }}</title>
<p class="{{ name }}"><a href="/people?name={{ name }}">{{ name }}</a> says {{ words }}</p>
<a href="{{ name }}">home page</a>
<script>greet({{ name }})</script>
"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "javascript:alert('Ann')".into());
    let told = |blocked: &Blocked<'_>| {
        eprintln!(
            "refused in {}:{}: {}",
            blocked.template, blocked.line, blocked.context
        )
    };
    let templates = Templates::load_with(
        vec![Layer::embedded(&[("page.html", PAGE)])],
        Options::new().on_blocked(told),
    )?;
    let words = TrustedHtml::sanitize("<b onclick=\"alert(1)\">hello</b>", Preset::Comment);
    let secrets = PageSecrets::new("fresh-for-each-page", || "token-of-the-visitor".into());
    println!(
        "{}",
        templates.render("page.html", context! { name, words }, secrets)?
    );
    Ok(())
}
