//! Filters of a list.

use super::{Field, Way};
use crate::db::contains_in;
use chrono_tz::Tz;
use sea_orm::sea_query::{Condition, Expr, ExprTrait, Value};

/// Most values of one filter.
const MOST_VALUES: usize = 50;

/// A filter with its values.
pub(crate) struct Filter<'a> {
    field: &'a Field,
    way: Way,
    values: Vec<Value>,
    /// Parameter and value, to which a cursor is bound.
    pub(super) text: String,
}

impl<'a> Filter<'a> {
    /// `None` for an invalid value.
    pub(super) fn parse(field: &'a Field, way: Way, (text, zone): (&str, Tz)) -> Option<Self> {
        let values = match way {
            // PostgreSQL has no text with it
            Way::Has if text.contains('\0') => None,
            Way::Has => Some(vec![Value::from(text)]),
            Way::In => {
                let texts = text.split(',').take(MOST_VALUES + 1);
                texts.map(|text| field.parse_text(text, zone)).collect()
            }
            Way::Eq | Way::From | Way::To => Some(vec![field.parse_text(text, zone)?]),
        };
        let values: Vec<Value> = values?;
        let is_some = (1..=MOST_VALUES).contains(&values.len()) && !text.is_empty();
        is_some.then(|| Self {
            field,
            way,
            values,
            text: format!("{}={text}", way.parameter(field.name)),
        })
    }

    pub(super) fn condition(&self) -> Condition {
        let column: Expr = self.field.expression();
        let first = || self.values.first().cloned().unwrap_or(Value::Bool(None));
        let condition = match (self.way, self.values.first()) {
            (Way::Has, Some(Value::String(Some(text)))) => contains_in(self.field.text(), text),
            (Way::In, _) => column.is_in(self.values.clone()),
            (Way::From, _) => column.gte(first()),
            (Way::To, _) => column.lt(first()),
            (Way::Eq | Way::Has, _) => column.eq(first()),
        };
        Condition::all().add(condition)
    }
}
