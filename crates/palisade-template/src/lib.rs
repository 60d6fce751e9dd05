//! Templates that escape without being told. No HTTP.
//!
//! Authors write plain Jinja. Every value is escaped, nothing can switch that off, and a value is trusted only by its type
//! ([`TrustedHtml`]). The form token and the script nonce are written into the page by [`Templates`], from the request and never from
//! template variables: into every `<form method="post">` that stays on this site, every `<script>` and every `<style>`.
//!
//! Templates are checked when they are loaded; what cannot be made safe is refused then, with the line and what to do.
//!
//! ```
//! use palisade_template::{Layer, PageSecrets, Templates, context};
//! let templates = Templates::load(vec![Layer::embedded(&[("hello.html", "<p>Hello {{ name }}</p>")])])?;
//! let page = templates.render("hello.html", context! { name => "<script>" }, PageSecrets::none())?;
//! assert_eq!(page, "<p>Hello &lt;script&gt;</p>");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod rewrite;
mod templates;
#[cfg(test)]
mod tests;
mod trusted;

pub use error::{LoadError, Problem, RenderError};
pub use minijinja::{
    context,
    value::{Object, Serde, Value},
};
pub use rewrite::check;
pub use templates::{Layer, PageSecrets, Templates};
pub use trusted::TrustedHtml;
