//! The form of a row: fields of the columns that the user may change, the values that were shown, and
//! a reason.

use super::Column;
use super::column::Kind;
use super::desk::Desk;
use super::entry::Entry;
use super::policy::may_write;
use crate::db::{Values, restored_all, stored_all};
use crate::forms::{Field, FieldOptions, FieldSpec, FieldsView, Input, Line, OpenForm, Shape};
use crate::views::{Error, ErrorKind, Result};
use axum::extract::Request;
use palisade_crypto::signing::{Compress, Signer};
use palisade_template::Value;

/// Field with the values that were shown.
pub(crate) const SEEN: &str = "seen";
/// Field with the reason of a change.
pub(crate) const WHY: &str = "why";

/// A submitted form, by column.
pub(crate) struct Typed {
    pub(crate) values: Values,
    pub(crate) why: String,
    pub(crate) seen: String,
}

impl Desk {
    /// The columns that the user may write.
    pub(crate) fn writable<'a>(&self, entry: &'a Entry) -> Vec<&'a Column> {
        let is_writable = |column: &&Column| may_write(column, |name| self.actor.may(name));
        entry.columns.iter().filter(is_writable).collect()
    }

    /// Reads a submitted form of these columns.
    ///
    /// # Errors
    /// 400 for a field that the user may not write, and for a body that is no form.
    pub(crate) async fn open_form(
        &self,
        columns: &[&Column],
        request: Request,
    ) -> Result<OpenForm> {
        let mut form = OpenForm::new(request, specs(columns)).await?;
        if let Err(error) = form.require_readable() {
            self.denied("a form with other fields", super::policy::Verdict::Forbid);
            return Err(error);
        }
        Ok(form)
    }

    /// An empty form, or one with values.
    pub(crate) async fn form(
        &self,
        columns: &[&Column],
        values: Vec<(&'static str, Vec<String>)>,
    ) -> Result<Value> {
        let chosen = |name: &str| {
            let mut all = values.iter();
            let found = all.find(|(known, _)| *known == name);
            found
                .and_then(|(_, values)| values.first().cloned())
                .unwrap_or_default()
        };
        let options = self.form_options(columns, chosen).await?;
        let view = FieldsView::with_options(specs(columns), options, self.zone());
        Ok(view.filled(values))
    }

    /// The choices of foreign keys: those that the search of the URL finds, and the chosen one.
    pub(crate) async fn form_options(
        &self,
        columns: &[&Column],
        chosen: impl Fn(&str) -> String,
    ) -> Result<FieldOptions> {
        let mut options = FieldOptions::new();
        for column in columns.iter().filter(|column| column.kind == Kind::Row) {
            let (chosen, search) = (chosen(column.name), self.find(column.name));
            options.insert(
                column.name,
                self.choices_in_time(column, &search, &chosen).await?,
            );
        }
        Ok(options)
    }

    /// The search for choices of a foreign key, `?find_assignee_id=ann`.
    fn find(&self, name: &str) -> String {
        let wanted = format!("find_{name}");
        let mut all = url::form_urlencoded::parse(self.query.as_bytes());
        let found = all.find(|(name, _)| **name == wanted);
        found
            .map(|(_, value)| value.chars().take(100).collect())
            .unwrap_or_default()
    }

    fn signer(&self, entry: &Entry, key: &str) -> Signer {
        let purpose = format!("admin seen {} {} {key}", self.user_id(), entry.name);
        Signer::new(&self.site.ring, purpose)
    }

    /// The values of a page, signed for this user and row.
    pub(crate) fn seal_seen(&self, entry: &Entry, key: &str, seen: &Values) -> String {
        let seen = stored_all(seen).unwrap_or_default();
        self.signer(entry, key).dumps(&seen, 0, Compress::IfShorter)
    }

    /// # Errors
    /// 400 for the values of another row, user or resource.
    pub(crate) fn open_seen(&self, entry: &Entry, key: &str, text: &str) -> Result<Values> {
        let opened = self.signer(entry, key).loads(text).ok();
        let values = opened.and_then(|(json, _)| restored_all(&json));
        values.ok_or_else(|| {
            self.denied("a form of another row", super::policy::Verdict::Forbid);
            let said = "The form belongs to another page. Load the page again.";
            Error::new(ErrorKind::BadRequest, said)
        })
    }
}

/// Reads all columns, so that all errors are found at once; `None` if there is one.
pub(crate) fn read(columns: &[&Column], input: &mut Input) -> Option<Typed> {
    let mut values = Some(Values::new());
    for column in columns {
        let value = column.parse(input);
        values = values.zip(value).map(|(mut values, value)| {
            values.insert(column.name.to_owned(), value);
            values
        });
    }
    let why = input.field::<Option<Line<200>>>(WHY);
    let seen = input.field::<SeenText>(SEEN);
    Some(Typed {
        values: values?,
        why: why?.map_or_else(String::new, |why| why.to_string()),
        seen: seen?.0,
    })
}

pub(crate) fn specs(columns: &[&Column]) -> Vec<FieldSpec> {
    let own = columns.iter().map(|column| column.spec);
    own.chain([WHY_FIELD, SEEN_FIELD]).collect()
}

const WHY_FIELD: FieldSpec = FieldSpec {
    name: WHY,
    label: "Reason",
    help: "Kept in the history.",
    empty: "",
    shape: <Option<Line<200>> as Field>::SHAPE,
};

const SEEN_FIELD: FieldSpec = FieldSpec {
    name: SEEN,
    label: "",
    help: "",
    empty: "",
    shape: SeenText::SHAPE,
};

/// The signed values; empty on the form of a new row.
struct SeenText(String);

impl Field for SeenText {
    const SHAPE: Shape = Shape {
        kind: "hidden",
        is_required: false,
        ..Shape::of_text(LONGEST_SEEN)
    };

    fn parse(raw: Option<&str>) -> std::result::Result<Self, String> {
        Ok(Self(raw.unwrap_or_default().to_owned()))
    }
}

/// Longest text of the field, in characters.
const LONGEST_SEEN: usize = 60_000;
