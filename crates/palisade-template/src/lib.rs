//! Templates that escape by context, for Jinja files. No HTTP.
//!
//! Authors write plain Jinja. Every value is encoded for the place where it is printed: text, an attribute, a part of a URL, a style, a
//! string in a script. Nothing has to be marked and nothing can be switched off; where no encoding makes a value safe, the template is
//! refused when it is loaded, with the line, the column and what to do. A value is trusted only by its type ([`TrustedHtml`] and the others).
//!
//! The form token and the script nonce are written into the page by [`Templates`], from the request and never from template variables:
//! into every `<form method="post">` that stays on this site, every `<script>` and every `<style>`.
//!
//! ```
//! use palisade_template::{Layer, PageSecrets, Templates, context};
//! let templates = Templates::load(vec![Layer::embedded(&[(
//!     "hello.html",
//!     "<a href=\"/people?name={{ name }}\">{{ name }}</a><script>greet({{ name }})</script>",
//! )])])?;
//! let page = templates.render("hello.html", context! { name => "</b>" }, PageSecrets::new("n0nce", String::new))?;
//! let script = r#"<script nonce="n0nce">greet("\u003C\/b\u003E")</script>"#;
//! assert_eq!(page, format!("<a href=\"/people?name=%3C%2Fb%3E\">&lt;/b&gt;</a>{script}"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it works
//!
//! The engine is [`minijinja`]. Its own parser reads a template; a machine that knows contexts walks through
//! the tree and knows the place of every value; the source is rewritten so that every value goes through the escaper of its place; and
//! what was written is read and walked through once more, before the engine gets it. See `docs/templates.md` for each context, what comes out,
//! and each error.

mod analysis;
mod context;
mod engine;
mod error;
mod escape;
mod layer;
mod print;
mod sanitize;
mod templates;
mod tree;
mod trusted;

pub use analysis::Use;
pub use context::StaticLink;
pub use error::{LoadError, Problem, RenderError};
pub use escape::escape_html;
pub use layer::{Layer, html_files};
pub use minijinja::{
    context,
    value::{Object, Serde, Value},
};
pub use sanitize::Preset;
pub use templates::{Blocked, Options, PageSecrets, Templates, check, check_all};
pub use trusted::{
    TrustedAttr, TrustedCss, TrustedHtml, TrustedJs, TrustedJsString, TrustedSrcset, TrustedUrl,
};
