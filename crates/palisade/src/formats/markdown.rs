use palisade_template::{Preset, TrustedHtml};
use pulldown_cmark::{Event, Options, Parser, html};

/// Longest text that is formatted, in bytes.
const MOST_BYTES: usize = 256 * 1024;

/// Markdown ([CommonMark](https://spec.commonmark.org/0.31.2/), tables, strikethrough) as sanitized
/// HTML, for `context! { body => markdown(&note.body) }` (ASVS 1.3.5). HTML in it is shown as text;
/// links have `http`, `https` or `mailto`. A text of more than 256 KiB is shown as it is.
///
/// ```
/// use palisade::formats::markdown;
/// let html = markdown("**Hello** <script>alert(1)</script> [x](javascript:alert(1))");
/// assert!(html.as_str().contains("<strong>Hello</strong>"));
/// assert!(!html.as_str().contains("<script") && !html.as_str().contains("javascript:"));
/// ```
pub fn markdown(text: &str) -> TrustedHtml {
    if text.len() > MOST_BYTES {
        let text = palisade_template::escape_html(text);
        return TrustedHtml::sanitize(&text, Preset::Plain);
    }
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let events = Parser::new_ext(text, options).map(|event| match event {
        Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
        other => other,
    });
    let mut formatted = String::new();
    html::push_html(&mut formatted, events);
    TrustedHtml::sanitize(&formatted, Preset::Article)
}
