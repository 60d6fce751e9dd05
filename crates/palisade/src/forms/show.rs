//! The fields of a form as values for templates.

use super::group_names::{GroupErrors, filled_rows};
use super::input::Values;
use super::{FieldSpec, Options, ReceivedFile};
use crate::views::RequestContext;
use axum::response::{IntoResponse, Response};
use chrono::DateTime;
use chrono_tz::Tz;
use http::{StatusCode, header};
use palisade_template::{Value, context};
use serde_json::json;
use std::collections::BTreeMap;

/// Values that were seen, unless they are long, and values that are there, by field.
pub(super) type Conflicts = BTreeMap<&'static str, (Option<String>, String)>;

/// A form as it is shown: its fields with input, choices and errors.
pub(super) struct Shown<'a> {
    pub(super) fields: Vec<FieldSpec>,
    pub(super) typed: &'a Values,
    pub(super) errors: BTreeMap<&'static str, Vec<String>>,
    /// Errors above the form.
    pub(super) general: Vec<String>,
    /// Errors of groups, by the full names of their fields.
    pub(super) groups: GroupErrors,
    pub(super) conflicts: Conflicts,
    /// Choices from the database, by field.
    pub(super) options: BTreeMap<&'static str, Options>,
    /// Time zone of moments.
    pub(super) zone: Tz,
}

static NOTHING: Values = Values::new();

impl Default for Shown<'_> {
    fn default() -> Self {
        Self {
            fields: Vec::new(),
            typed: &NOTHING,
            errors: BTreeMap::new(),
            general: Vec::new(),
            groups: GroupErrors::new(),
            conflicts: Conflicts::new(),
            options: BTreeMap::new(),
            zone: Tz::UTC,
        }
    }
}

impl Shown<'_> {
    /// The value `form` of a template.
    pub(super) fn render(&self) -> Value {
        let fields: Vec<Value> = self.fields.iter().map(|spec| self.field(spec)).collect();
        context! { fields, errors => self.general.clone() }
    }

    fn field(&self, spec: &FieldSpec) -> Value {
        let Some(group) = spec.shape.group else {
            let errors = self.errors.get(spec.name).cloned();
            return self.field_named(spec, spec.name, errors.unwrap_or_default());
        };
        let rows: Vec<Value> = match spec.shape.kind {
            "rows" => {
                let rows = self.rows(spec).zip(1..);
                let row = |(row, number): (usize, usize)| {
                    self.group(group, (&format!("{}.{row}", spec.name), Some(number)))
                };
                rows.map(row).collect()
            }
            _ => vec![self.group(group, (spec.name, None))],
        };
        let errors = self.errors.get(spec.name).cloned().unwrap_or_default();
        context! { name => spec.name, label => spec.label, help => spec.help, kind => "group", rows, errors }
    }

    /// The rows with input, and empty ones for more.
    fn rows(&self, spec: &FieldSpec) -> impl Iterator<Item = usize> {
        let values = self.typed.iter();
        let values = values.map(|(name, values)| (name.as_str(), values.as_slice()));
        let filled = filled_rows(values, spec.name);
        let next = filled.last().map_or(0, |last| last + 1);
        let free = spec
            .shape
            .max_count
            .saturating_sub(filled.len())
            .min(MORE_INPUTS);
        let most = spec.shape.max_count;
        filled.into_iter().take(most).chain(next..next + free)
    }

    fn group(&self, fields: &[FieldSpec], (name, number): (&str, Option<usize>)) -> Value {
        let field = |spec: &FieldSpec| {
            let full = format!("{name}.{}", spec.name);
            let errors = self.groups.get(&full).cloned().unwrap_or_default();
            self.field_named(spec, &full, errors)
        };
        let fields: Vec<Value> = fields.iter().map(field).collect();
        context! { fields, number }
    }

    fn field_named(&self, spec: &FieldSpec, name: &str, errors: Vec<String>) -> Value {
        let shape = spec.shape;
        let values = self.values(spec, name);
        let first = values.first().copied().unwrap_or_default();
        let value = match shape.kind {
            "datetime-local" => local_time(first, self.zone),
            _ => first.to_owned(),
        };
        let inputs = inputs(&values, shape.max_count);
        let (value, held) = match shape.file {
            Some(_) => (String::new(), self.held(name)),
            None => (value, Vec::new()),
        };
        // an empty row is left out
        let is_row = name.matches('.').count() == 2;
        context! {
            name => name.to_owned(), label => spec.label, help => spec.help, kind => shape.kind, value, inputs, max_length => shape.max_length,
            required => shape.is_required && !is_row, optional => !shape.is_required, autocomplete => autocomplete(spec, &self.fields),
            inputmode => shape.inputmode, autocapitalize => if spec.name == "username" { "none" } else { shape.autocapitalize }, enterkeyhint => shape.enterkeyhint,
            options => self.options(spec, &values), empty => spec.empty, has_empty => !shape.is_required || shape.choices.is_some(),
            errors, conflict => self.conflict(spec), held, accept => shape.file.map_or("", |file| file.accept),
            most_bytes => shape.file.map_or(0, |file| file.most_bytes), multiple => shape.max_count > 1,
        }
    }

    /// The files of a field that are held for the visitor.
    fn held(&self, name: &str) -> Vec<Value> {
        let files = self.typed.get(name).into_iter().flatten();
        let files = files.filter_map(|file| serde_json::from_str::<ReceivedFile>(file).ok());
        let shown = |file: ReceivedFile| context! { token => file.token, name => file.name, bytes => file.bytes };
        files.map(shown).collect()
    }

    /// The value of a field that was seen and the present one, as a user reads them.
    fn conflict(&self, spec: &FieldSpec) -> Option<Value> {
        let (seen, now) = self.conflicts.get(spec.name)?;
        let readable = |value: &str| {
            let mut options = spec.shape.options.iter();
            let label = options.find(|(code, _)| *code == value);
            label.map_or(value, |(_, label)| label).to_owned()
        };
        let seen = seen.as_deref().map(readable);
        Some(context! { seen, now => readable(beginning(now, spec.shape.max_length)) })
    }

    /// The input of a field. Passwords are never sent back, and other input is truncated to its
    /// field: one request must not cause a response of megabytes.
    fn values(&self, spec: &FieldSpec, name: &str) -> Vec<&str> {
        let typed = self
            .typed
            .get(name)
            .filter(|_| spec.shape.kind != "password");
        let typed = typed.into_iter().flatten().take(spec.shape.max_count);
        typed
            .map(|typed| beginning(typed, spec.shape.max_length))
            .collect()
    }

    fn options(&self, spec: &FieldSpec, values: &[&str]) -> Vec<Value> {
        let option = |value: &str, label: &str| {
            context! { value, label, selected => values.contains(&value) }
        };
        match self.options.get(spec.name) {
            Some(loaded) => loaded
                .iter()
                .map(|(value, label)| option(value, label))
                .collect(),
            None => spec
                .shape
                .options
                .iter()
                .map(|(value, label)| option(value, label))
                .collect(),
        }
    }
}

/// A moment as browsers expect it: in the time zone of the site, without an offset.
fn local_time(value: &str, zone: Tz) -> String {
    match DateTime::parse_from_rfc3339(value) {
        Ok(exact) => exact
            .with_timezone(&zone)
            .format("%Y-%m-%dT%H:%M")
            .to_string(),
        Err(_) => value.to_owned(),
    }
}

/// The inputs of a list: its values, and empty ones for more.
fn inputs(values: &[&str], max_count: usize) -> Vec<String> {
    let count = (values.len() + MORE_INPUTS).min(max_count);
    let filled = values.iter().map(|value| (*value).to_owned());
    filled
        .chain(std::iter::repeat_n(
            String::new(),
            count.saturating_sub(values.len()),
        ))
        .collect()
}

/// Empty inputs below those of a list.
const MORE_INPUTS: usize = 3;

/// The fields without one.
pub(super) fn without(fields: &[FieldSpec], left_out: Option<&str>) -> Vec<FieldSpec> {
    fields
        .iter()
        .filter(|spec| Some(spec.name) != left_out)
        .copied()
        .collect()
}

/// The errors of a form for API clients ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)).
pub(super) fn problem(
    request: &RequestContext,
    status: StatusCode,
    (general, errors): (&[String], &BTreeMap<&'static str, Vec<String>>),
) -> Response {
    let problem = json!({
        "type": "about:blank", "title": status.canonical_reason(), "status": status.as_u16(), "detail": general.join(" "),
        "errors": errors, "request_id": request.id(),
    });
    (
        status,
        [(header::CONTENT_TYPE, "application/problem+json")],
        problem.to_string(),
    )
        .into_response()
}

/// Truncates to so many characters.
fn beginning(text: &str, most: usize) -> &str {
    text.char_indices()
        .nth(most)
        .map_or(text, |(end, _)| &text[..end])
}

/// Autocomplete of a new password is off; usernames may be filled in.
fn autocomplete(spec: &FieldSpec, fields: &[FieldSpec]) -> &'static str {
    let is_asked_twice = fields
        .iter()
        .any(|other| other.name.strip_suffix("_again") == Some(spec.name));
    let is_new = spec.name.starts_with("new_") || spec.name.ends_with("_again") || is_asked_twice;
    match (spec.shape.kind, spec.name) {
        ("password", _) if is_new => "new-password",
        ("text", "username") => "username",
        _ => spec.shape.autocomplete,
    }
}
