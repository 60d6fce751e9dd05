//! Prints values: each by the escaper of its place, alone or with the surrounding text and values.

use crate::analysis::{Checked, Part, RUN, Run, Use};
use crate::blocked::{Blocked, Hook};
use crate::context::{Escaper, Inner, Outer};
use crate::error::At;
use crate::escape::{self, Around, Printed, printable, write_html};
use crate::form_token::note_action;
use minijinja::value::{Object, ObjectRepr, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};
use std::fmt::Write;
use std::sync::Arc;

/// State of the escapers.
pub(crate) struct Printer {
    uses: Vec<Use>,
    runs: Vec<Run>,
    hook: Hook,
    max_page_bytes: usize,
}

/// A prepared run. Templates cannot access it: it is created where it is printed.
#[derive(Debug)]
struct Joined(String);

impl Object for Joined {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

/// HTML text, and what stands in quoted attributes once its escaper has seen it.
pub(crate) fn write_text(out: &mut impl Write, value: &Value) -> Result<(), Error> {
    if let Some(text) = value.as_str() {
        let written = if value.is_safe() {
            out.write_str(text)
        } else {
            write_html(out, text)
        };
        return written.map_err(Error::from);
    }
    match value.kind() {
        ValueKind::None | ValueKind::Undefined => Ok(()),
        ValueKind::Number | ValueKind::Bool => write_number(out, value).map_err(Error::from),
        _ => match value.downcast_object_ref::<Joined>() {
            Some(Joined(text)) => out.write_str(text).map_err(Error::from),
            None => {
                printable(value)?;
                write_html(out, &value.to_string()).map_err(Error::from)
            }
        },
    }
}

fn write_number(out: &mut impl Write, value: &Value) -> std::fmt::Result {
    match value.as_i64().filter(|_| value.kind() == ValueKind::Number) {
        Some(number) => out.write_str(itoa::Buffer::new().format(number)),
        None => write!(out, "{value}"),
    }
}

impl Printer {
    /// Gives the engine a filter for each escaper, and one for runs.
    pub(crate) fn add(
        environment: &mut Environment<'static>,
        checked: &Checked,
        hook: &Hook,
        max_page_bytes: usize,
    ) {
        let (uses, runs) = (checked.uses.clone(), checked.runs.clone());
        let printer = Arc::new(Self {
            uses,
            runs,
            hook: hook.clone(),
            max_page_bytes,
        });
        for escaper in Escaper::all() {
            let printer = printer.clone();
            environment.add_filter(
                escaper.filter(),
                move |state: &mut State<'_, '_>, value: Value, index: Option<usize>| {
                    Ok(match printer.escape(escaper, state, &value, index)? {
                        Printed::Same => value,
                        Printed::Text(text) => Value::from(text),
                        Printed::Html(html) => Value::from_safe_string(html),
                    })
                },
            );
        }
        environment.add_filter(
            RUN,
            move |state: &mut State<'_, '_>, index: usize, values: &[Value]| {
                printer
                    .run(state, index, values)
                    .map(Joined)
                    .map(Value::from_object)
            },
        );
    }

    fn escape(
        &self,
        escaper: Escaper,
        state: &mut State<'_, '_>,
        value: &Value,
        index: Option<usize>,
    ) -> Result<Printed, Error> {
        if escaper == TEXT && plain(value).is_some() {
            return Ok(Printed::Same);
        }
        let place = index.and_then(|index| self.uses.get(index));
        if escaper.inner == Inner::ActionStart {
            note_action(state, value);
        }
        let around = place.map_or(&NOTHING_AROUND, |place| &place.around);
        let escaped = match value.is_undefined() {
            true => escape::escape(escaper, &left_out(state, value)?, around),
            false => escape::escape(escaper, value, around),
        }?;
        if let Some(place) = place.filter(|_| escaped.is_blocked) {
            let Use {
                template,
                line,
                expression,
                context,
                ..
            } = place;
            (self.hook)(&Blocked {
                template,
                line: *line,
                expression,
                context,
            });
        }
        Ok(escaped.text)
    }

    /// Text and values in turn.
    fn run(
        &self,
        state: &mut State<'_, '_>,
        index: usize,
        values: &[Value],
    ) -> Result<String, Error> {
        let run = self
            .runs
            .get(index)
            .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "an unknown run of values"))?;
        if values.len() != run.parts.len() {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                "a run with too few values or too many",
            ));
        }
        let mut text = String::with_capacity(run.length + values.len() * EXPECTED_BYTES);
        for (part, value) in run.parts.iter().zip(values) {
            text.push_str(&part.before);
            self.part(part, state, value, &mut text)
                .map_err(|error| error.with_source(At(part.at.clone())))?;
        }
        Ok(text)
    }

    fn part(
        &self,
        part: &Part,
        state: &mut State<'_, '_>,
        value: &Value,
        text: &mut String,
    ) -> Result<(), Error> {
        match part.escaper {
            // by far the most common
            None | Some(TEXT) if let Some(plain) = plain(value) => write_html(text, plain)?,
            None | Some(TEXT) if value.is_number() => write_number(text, value)?,
            None if value.is_undefined() => left_out(state, value).map(drop)?,
            None => write_text(text, value)?,
            Some(escaper) => match self.escape(escaper, state, value, part.place)? {
                Printed::Same => write_text(text, value)?,
                Printed::Text(encoded) => write_html(text, &encoded)?,
                Printed::Html(html) => text.push_str(&html),
            },
        }
        if text.len() <= self.max_page_bytes {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("the page is longer than {} bytes", self.max_page_bytes),
        ))
    }
}

/// Untrusted text.
fn plain(value: &Value) -> Option<&str> {
    value.as_str().filter(|_| !value.is_safe())
}

/// The engine checks for undefined names when it prints, after the escaper. An omitted `else` of
/// `{{ a if b }}` prints nothing.
fn left_out(state: &mut State<'_, '_>, value: &Value) -> Result<Value, Error> {
    state.format(value.clone()).map(|_| Value::from(()))
}

/// The text in an attribute.
const TEXT: Escaper = Escaper {
    inner: Inner::Text,
    outer: Outer::Quoted,
};
static NOTHING_AROUND: Around = Around {
    name: String::new(),
    element: String::new(),
};
/// Bytes that a value of a run is expected to take.
const EXPECTED_BYTES: usize = 24;
