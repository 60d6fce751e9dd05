//! Typed forms: input becomes a struct whose fields have limits, or the page is shown again with
//! the input and its errors. A form is never the model, so unnamed fields cannot be assigned (mass
//! assignment).
//!
//! ```
//! use palisade::prelude::*;
//! #[derive(Form)]
//! struct NewTicket {
//!     subject: Line<120>,
//!     #[form(label = "What happened?")]
//!     body: Text<10_000>,
//! }
//!
//! async fn open(form: Form<NewTicket>) -> Result<Response> {
//!     let new = form.valid_or_show("tickets/new.html").await?; // 422, the page again, what was typed, the errors
//!     Ok(redirect_to(format!("/tickets?opened={}", new.subject.len())))
//! }
//! ```
//!
//! A `String` has no limit, so it does not compile as a field:
//!
//! ```compile_fail
//! use palisade::prelude::*;
//! #[derive(Form)]
//! struct Unbounded { subject: String }
//! ```

mod codes;
mod extract;
mod fields;
mod input;
mod json;
mod multipart;
mod start;
#[cfg(test)]
mod tests;

pub use codes::{Code, DigitCode};
pub(crate) use extract::is_form;
pub use extract::{Form, InvalidForm, Query};
pub use fields::{Email, Line, Number, Password, Text, Token, Username};
pub use input::{Input, Pairs, RawError, pairs};
pub use json::Json;
pub use multipart::{Multipart, Part};
pub(crate) use start::{FormStart, TOKEN_FIELD, multipart_token};

/// A struct that is parsed and validated from a form: derive it.
pub trait Fields: Sized + Send {
    /// The fields in order.
    const FIELDS: &'static [FieldSpec];

    /// Parses every field, so that all errors are found at once. `None` if there is one.
    fn read(input: &mut Input) -> Option<Self>;
}

/// A field type of a form. It has a limit.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a form, because it has no limit",
    label = "how long may this be?",
    note = "write `Line<120>` for one line, `Text<10_000>` for several, `Email`, `Number<1, 100>`, `bool`, or an enum with #[derive(Choice)]"
)]
pub trait Field: Sized {
    /// How it is displayed.
    const SHAPE: Shape;

    /// Parses the input; `None` if there was none.
    ///
    /// # Errors
    /// A sentence for the visitor.
    fn parse(raw: Option<&str>) -> Result<Self, String>;
}

/// An enum that is chosen by name: derive it.
pub trait Choice: Copy + PartialEq + Sized + 'static {
    /// All variants.
    const ALL: &'static [Self];
    /// Name and label of all variants, in the same order.
    const OPTIONS: &'static [(&'static str, &'static str)];

    /// The name in forms, URLs and columns.
    fn code(&self) -> &'static str;

    /// The variant with this name.
    fn from_code(code: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|choice| choice.code() == code)
    }

    /// The display name.
    fn label(&self) -> &'static str {
        let code = self.code();
        Self::OPTIONS
            .iter()
            .find(|(known, _)| *known == code)
            .map_or(code, |(_, label)| label)
    }
}

/// Properties of a field, for templates.
#[derive(Debug, Clone, Copy)]
pub struct FieldSpec {
    /// Name in the form.
    pub name: &'static str,
    /// Label.
    pub label: &'static str,
    /// Help text below the field, may be empty.
    pub help: &'static str,
    /// How it is displayed.
    pub shape: Shape,
}

/// How a field is displayed.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// `text`, `textarea`, `email`, `password`, `number`, `checkbox`, `select`, `hidden`.
    pub kind: &'static str,
    /// Most characters.
    pub max_length: usize,
    /// Whether input is required.
    pub is_required: bool,
    /// The `autocomplete` attribute.
    pub autocomplete: &'static str,
    /// The keyboard of phones (`inputmode`), such as `numeric`; may be empty.
    pub inputmode: &'static str,
    /// Automatic capitals on phones (`autocapitalize`): `none` and `characters` also disable the
    /// spell checker; may be empty.
    pub autocapitalize: &'static str,
    /// Label of the Enter key on phones (`enterkeyhint`); may be empty.
    pub enterkeyhint: &'static str,
    /// Names and labels of a choice.
    pub options: &'static [(&'static str, &'static str)],
}

impl Shape {
    pub(crate) const fn new(kind: &'static str, max_length: usize) -> Self {
        Self {
            kind,
            max_length,
            is_required: true,
            autocomplete: "",
            inputmode: "",
            autocapitalize: "",
            enterkeyhint: "",
            options: &[],
        }
    }
}

/// Longest encoded form of these fields: each character may take four bytes, and each byte three
/// when encoded.
pub(crate) fn most_bytes(fields: &[FieldSpec]) -> usize {
    fields
        .iter()
        .map(|field| field.name.len() + 2 + field.shape.max_length.saturating_mul(4 * 3))
        .fold(1024, usize::saturating_add)
}

impl<T: Choice> Field for T {
    const SHAPE: Shape = Shape {
        options: T::OPTIONS,
        ..Shape::new("select", 100)
    };

    fn parse(raw: Option<&str>) -> Result<Self, String> {
        raw.and_then(T::from_code)
            .ok_or_else(|| "Choose one of the list.".into())
    }
}

impl<T: Field> Field for Option<T> {
    const SHAPE: Shape = Shape {
        is_required: false,
        ..T::SHAPE
    };

    fn parse(raw: Option<&str>) -> Result<Self, String> {
        raw.filter(|raw| !raw.trim().is_empty())
            .map(|raw| T::parse(Some(raw)))
            .transpose()
    }
}

impl Field for bool {
    const SHAPE: Shape = Shape {
        is_required: false,
        ..Shape::new("checkbox", 5)
    };

    fn parse(raw: Option<&str>) -> Result<Self, String> {
        match raw {
            None | Some("" | "off" | "false") => Ok(false),
            Some("on" | "true") => Ok(true),
            Some(_) => Err("Tick the box or leave it.".into()),
        }
    }
}
