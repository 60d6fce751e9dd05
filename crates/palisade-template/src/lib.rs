//! Templates that escape by context, for Jinja files. No HTTP.
//!
//! Authors write plain Jinja. Every value is encoded for the place where it is printed: text, an
//! attribute, a part of a URL, a style, a string in a script. Nothing has to be marked and nothing
//! can be switched off; where no encoding makes a value safe, the template is refused when it is
//! loaded, with line, column and fix. A value is trusted only by its type ([`TrustedHtml`] and the
//! others).
//!
//! [`Templates`] inserts the CSRF token and the script nonce, from the request and never from
//! template variables: into every same-site `<form method="post">`, every `<script>` and every
//! `<style>`. A form with a field of files is multipart.
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
//! The engine is [`minijinja`]. Its parser reads a template; a state machine of contexts walks
//! through the tree and determines the place of every value; the source is rewritten so that every
//! value passes the escaper of its place; and the result is parsed and validated once more, before
//! the engine gets it. See `docs/templates.md` for each context, its output, and each error.

mod absent;
mod analysis;
mod blocked;
mod context;
mod engine;
mod error;
mod escape;
mod filters;
mod form_token;
mod layer;
mod multipart;
mod predicate;
mod print;
mod sanitize;
mod templates;
mod tree;
mod trusted;

pub use absent::absent;
pub use analysis::Use;
pub use blocked::Blocked;
pub use context::StaticLink;
pub use error::{LoadError, Problem, RenderError};
pub use escape::escape_html;
pub use layer::{Layer, html_files};
pub use minijinja::{
    context,
    value::{Object, Serde, Value},
};
pub use predicate::predicate;
pub use sanitize::Preset;
pub use templates::{Options, PageSecrets, Templates, check, check_all};
pub use trusted::{
    TrustedAttr, TrustedCss, TrustedHtml, TrustedJs, TrustedJsString, TrustedSrcset, TrustedUrl,
};
