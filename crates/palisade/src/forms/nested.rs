//! Forms within forms: a group of fields, and rows of a group.

use super::choices::has_row_choices;
use super::group_names::filled_rows;
use super::{Field, FieldSpec, Fields, Input, Shape};
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
        assert!(
            fields[at].shape.file.is_none(),
            "a file cannot be a field of a group"
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
