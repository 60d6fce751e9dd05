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

use chrono_tz::Tz;
use std::collections::BTreeMap;

mod bounded;
mod choices;
mod codes;
mod columns;
mod dates;
mod encrypted;
mod errors;
mod extract;
mod fields;
mod files;
mod flat;
mod group_names;
mod input;
mod json;
mod many;
mod multipart;
mod multipart_form;
mod nested;
mod numbers;
mod pages;
mod patterns;
mod received_file;
mod row_column;
mod seen;
mod show;
mod start;
#[cfg(test)]
mod tests;
mod view;

#[doc(hidden)]
pub use bounded::read_bounded;
pub use bounded::{Bounded, JsonBody};
pub use choices::{NOT_A_CHOICE, RowChoices};
pub use codes::{Code, DigitCode};
pub use columns::{FieldValues, FillFrom, IntoColumn, RowForm, ShowColumn};
pub use dates::{Day, Moment};
pub(crate) use extract::OpenForm;
pub(crate) use extract::is_form;
pub use extract::{Form, InvalidForm, Query};
pub use fields::{Email, Line, Number, Password, Text, Token, Username, WebUrl};
pub use files::FileShape;
pub(crate) use files::{FileReceiver, ReceiveFiles};
pub(crate) use flat::texts as json_texts;
pub(crate) use input::single;
pub use input::{Input, Pairs, RawError, RuleError, pairs};
pub use json::Json;
pub(crate) use json::read_json_object;
pub use many::Many;
pub use multipart::{Multipart, Part};
pub use nested::{Group, Repeated};
pub use numbers::{Decimal, Money};
pub use pages::{show_form, show_template};
pub use patterns::{Digits, Hex, PatternType, Slug};
#[doc(hidden)]
pub use patterns::{Regex, compiled, parse_pattern};
pub use received_file::ReceivedFile;
pub use row_column::PlainColumn;
pub(crate) use row_column::RowColumn;
pub use seen::{Seen, SeenForm};
pub(crate) use start::{FormStart, TOKEN_FIELD, multipart_text, multipart_token};
pub(crate) use view::FieldsView;
pub use view::FormView;

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
    note = "write `Line<120>` for one line, `Text<10_000>` for several, `Email`, `Number<1, 100>`, `bool`, or an enum with #[derive(Choice)]",
    note = "a `Pick<note::Entity>` needs `impl Labelled for note::Entity` and a policy, `impl Scoped`"
)]
pub trait Field: Sized {
    /// How it is displayed.
    const SHAPE: Shape;

    /// Parses the input; `None` if there was none.
    ///
    /// # Errors
    /// A sentence for the visitor.
    fn parse(raw: Option<&str>) -> Result<Self, String>;

    /// Reads the field from a form, and records its errors.
    fn read(input: &mut Input, name: &'static str) -> Option<Self> {
        input.field(name)
    }

    /// Parses all values that were sent for this field. `zone` is the time zone of the site. Only a
    /// field whose [`Shape::is_many`] is set can get several values.
    ///
    /// # Errors
    /// A sentence for the visitor.
    fn parse_all(values: &[String], zone: Tz) -> Result<Self, String> {
        let _ = zone;
        Self::parse(values.first().map(String::as_str))
    }
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
    /// Label of the empty option of a choice.
    pub empty: &'static str,
    /// How it is displayed.
    pub shape: Shape,
}

/// How a field is displayed.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// `text`, `textarea`, `email`, `password`, `number`, `url`, `date`, `datetime-local`,
    /// `checkbox`, `checkboxes`, `select`, `list`, `file`, `hidden`.
    pub kind: &'static str,
    /// Most characters.
    pub max_length: usize,
    /// Least and largest whole number.
    pub range: Option<(i64, i64)>,
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
    /// Choices from the database.
    pub choices: Option<RowChoices>,
    /// Whether it takes several values.
    pub is_many: bool,
    /// Most values.
    pub max_count: usize,
    /// Kind and size of its files, of a field of files.
    pub file: Option<FileShape>,
    /// The fields of a group.
    pub group: Option<&'static [FieldSpec]>,
}

/// Names and labels of a choice from the database.
pub type Options = Vec<(String, String)>;

/// Choices from the database, by field.
pub(crate) type FieldOptions = BTreeMap<&'static str, Options>;

impl Shape {
    /// One line of text.
    pub const fn of_text(max_length: usize) -> Self {
        Self::new("text", max_length)
    }

    /// A file.
    pub(crate) const fn of_file() -> Self {
        Self::new("file", 100)
    }

    /// The shape of a field with one value, for `Option` and lists of it.
    pub(crate) const fn of_one_value(self) -> Self {
        assert!(
            self.group.is_none(),
            "a group is a field of its own: Group or Repeated"
        );
        self
    }

    pub(crate) const fn new(kind: &'static str, max_length: usize) -> Self {
        Self {
            kind,
            max_length,
            range: None,
            is_required: true,
            autocomplete: "",
            inputmode: "",
            autocapitalize: "",
            enterkeyhint: "",
            options: &[],
            choices: None,
            is_many: false,
            max_count: 1,
            file: None,
            group: None,
        }
    }
}

/// Longest encoded form of these fields: each character may take four bytes, and each byte three
/// when encoded.
pub(crate) fn most_bytes(fields: &[FieldSpec]) -> usize {
    fields
        .iter()
        .map(|field| {
            let own = field.name.len() + 6 + field.shape.max_length.saturating_mul(4 * 3);
            let inner = field.shape.group.map_or(0, most_bytes);
            own.saturating_add(inner)
                .saturating_mul(field.shape.max_count)
        })
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
        ..T::SHAPE.of_one_value()
    };

    fn parse(raw: Option<&str>) -> Result<Self, String> {
        raw.filter(|raw| !raw.trim().is_empty())
            .map(|raw| T::parse(Some(raw)))
            .transpose()
    }

    fn parse_all(values: &[String], zone: Tz) -> Result<Self, String> {
        match values.iter().all(|value| value.trim().is_empty()) {
            true => Ok(None),
            false => T::parse_all(values, zone).map(Some),
        }
    }
}

/// Whole numbers of a column's type.
macro_rules! integers {
    ($($type:ty),+) => {
        $(
            impl Field for $type {
                const SHAPE: Shape = Shape {
                    range: Some((<$type>::MIN as i64, <$type>::MAX as i64)),
                    ..Shape::new("number", 20)
                };

                fn parse(raw: Option<&str>) -> Result<Self, String> {
                    let number = raw.unwrap_or_default().trim().parse();
                    let (min, max) = (Self::MIN, Self::MAX);
                    number.map_err(|_| format!("Enter a whole number from {min} to {max}."))
                }
            }
        )+
    };
}

integers!(i32, i64);

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
