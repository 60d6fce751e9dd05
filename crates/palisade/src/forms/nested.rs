//! Forms within forms: a group of fields, and rows of a group.

use super::choices::has_row_choices;
use super::{Field, FieldSpec, Fields, Input, Shape};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

/// A group of fields: the street of an address is `address.street`.
///
/// ```
/// use palisade::forms::Group;
/// use palisade::prelude::*;
/// #[derive(Form)]
/// struct Address {
///     street: Line<100>,
///     city: Line<80>,
/// }
///
/// #[derive(Form)]
/// struct Customer {
///     name: Line<80>,
///     address: Group<Address>,
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group<T>(T);

/// Rows of a group, from none to `MAX`: the title of the first line is `lines.0.title`. Rows without
/// any input are left out; the page shows three empty ones below those with input.
///
/// ```
/// use palisade::forms::Repeated;
/// use palisade::prelude::*;
/// #[derive(Form)]
/// struct OrderLine {
///     title: Line<100>,
///     count: Number<1, 99>,
/// }
///
/// #[derive(Form)]
/// struct Order {
///     lines: Repeated<OrderLine, 20>,
/// }
///
/// async fn order(form: Form<Order>) -> Result<Response> {
///     let order = form.valid_or_show("order.html").await?;
///     let count: i64 = order.lines.iter().map(|line| line.count.get()).sum();
///     Ok(redirect_to(format!("/orders?count={count}")))
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeated<T, const MAX: usize>(Vec<T>);

impl<T> Deref for Group<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Group<T> {
    /// The fields.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T, const MAX: usize> Deref for Repeated<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const MAX: usize> Repeated<T, MAX> {
    /// The rows.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

const fn checked(fields: &'static [FieldSpec]) -> &'static [FieldSpec] {
    assert!(
        !has_row_choices(fields),
        "a Pick cannot be a field of a group: it is checked in the form itself"
    );
    let mut at = 0;
    while at < fields.len() {
        assert!(
            fields[at].shape.group.is_none(),
            "a group cannot be a field of a group"
        );
        at += 1;
    }
    fields
}

impl<T: Fields> Field for Group<T> {
    const SHAPE: Shape = Shape {
        group: Some(checked(T::FIELDS)),
        ..Shape::new("group", 0)
    };

    fn parse(_: Option<&str>) -> Result<Self, String> {
        Err("This field is a group.".into())
    }

    fn read(input: &mut Input, name: &'static str) -> Option<Self> {
        input.group(name).map(Self)
    }
}

impl<T: Fields, const MAX: usize> Field for Repeated<T, MAX> {
    const SHAPE: Shape = Shape {
        group: Some(checked(T::FIELDS)),
        is_required: false,
        max_count: MAX,
        ..Shape::new("rows", 0)
    };

    fn parse(_: Option<&str>) -> Result<Self, String> {
        Err("This field is a group.".into())
    }

    fn read(input: &mut Input, name: &'static str) -> Option<Self> {
        let rows: Vec<usize> = filled_rows(input.names(), name).into_iter().collect();
        if rows.len() > MAX {
            input.refuse(name, &format!("Fill in at most {MAX} of these."));
            return None;
        }
        // all of them, so that all errors are found at once
        let read: Vec<Option<T>> = rows
            .iter()
            .map(|row| input.group(&format!("{name}.{row}")))
            .collect();
        read.into_iter().collect::<Option<_>>().map(Self)
    }
}

/// Highest number of a row.
const MOST_ROWS: usize = 1000;

/// The numbers of rows with input.
pub(super) fn filled_rows<'a>(
    values: impl Iterator<Item = (&'a str, &'a [String])>,
    name: &str,
) -> BTreeSet<usize> {
    let filled = values.filter(|(_, values)| values.iter().any(|value| !value.trim().is_empty()));
    let number = |(full, _): (&str, &[String])| row_of(full, name).map(|(row, _)| row);
    filled.filter_map(number).collect()
}

/// Row and field of a name such as `lines.0.title`.
fn row_of<'a>(full: &'a str, name: &str) -> Option<(usize, &'a str)> {
    let rest = full.strip_prefix(name)?.strip_prefix('.')?;
    let (row, field) = rest.split_once('.')?;
    let is_number = row.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = is_number && (row == "0" || !row.starts_with('0'));
    let row = row
        .parse()
        .ok()
        .filter(|row| *row < MOST_ROWS && is_plain)?;
    Some((row, field))
}

/// The field of a group that a name belongs to.
pub(super) fn field_of<'a>(spec: &'a FieldSpec, full: &str) -> Option<&'a FieldSpec> {
    let group = spec.shape.group?;
    let field = match spec.shape.kind {
        "rows" => row_of(full, spec.name)?.1,
        _ => full.strip_prefix(spec.name)?.strip_prefix('.')?,
    };
    group.iter().find(|inner| inner.name == field)
}

/// Errors of groups, by their full names.
pub(super) type GroupErrors = BTreeMap<String, Vec<String>>;
