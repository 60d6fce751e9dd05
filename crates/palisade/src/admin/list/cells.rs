//! Values as people read them.

use crate::admin::Column;
use crate::admin::column::Kind;
use crate::admin::desk::Desk;
use crate::views::Result;
use chrono::DateTime;
use chrono_tz::Tz;
use palisade_template::{Value, context};
use std::collections::{BTreeMap, BTreeSet};

/// Labels of rows that foreign keys point to, by column and key. A row that the user may not see has
/// none.
pub(crate) type Labels = BTreeMap<&'static str, BTreeMap<String, String>>;

/// Longest text in a list, in characters.
const LONGEST_CELL: usize = 90;

impl Desk {
    /// The labels of all foreign keys in these values: a query for each column.
    pub(crate) async fn labels<'a>(
        &self,
        columns: &[&Column],
        rows: impl Iterator<Item = &'a [sea_orm::Value]> + Clone,
    ) -> Result<Labels> {
        let mut all = Labels::new();
        for (number, column) in columns.iter().enumerate() {
            let Some(choices) = column.spec.shape.choices else {
                continue;
            };
            let keys = rows.clone().flat_map(|row| column.input(&row[number]));
            let keys: BTreeSet<String> = keys.collect();
            if keys.is_empty() {
                continue;
            }
            let labels = (choices.labels)(self.extensions.clone(), keys.into_iter().collect());
            all.insert(column.name, labels.await?.into_iter().collect());
        }
        Ok(all)
    }

    /// A value for a list or a page. The row of a foreign key is linked, where it has a page.
    pub(crate) fn cell(&self, column: &Column, value: &sea_orm::Value, labels: &Labels) -> Cell {
        let input = column.input(value);
        let Some(key) = input.first().filter(|_| column.kind == Kind::Row) else {
            let text = text_of(column, &input, self.zone());
            return Cell {
                kind: kind_name(column.kind),
                text,
                url: None,
            };
        };
        let label = labels.get(column.name).and_then(|labels| labels.get(key));
        let Some(label) = label else {
            return Cell {
                kind: "hidden",
                text: "(not visible to you)".to_owned(),
                url: None,
            };
        };
        let target = column
            .target()
            .and_then(|table| self.site.entry_of_table(table));
        let target = target.filter(|entry| self.allows(entry, crate::admin::Operation::View));
        let url = target.map(|entry| self.site.url_of(entry, key));
        Cell {
            kind: "row",
            text: label.clone(),
            url,
        }
    }
}

/// A value for a page.
pub(crate) struct Cell {
    kind: &'static str,
    pub(crate) text: String,
    /// The page of the row of a foreign key.
    url: Option<String>,
}

impl Cell {
    pub(crate) fn value(self) -> Value {
        context! { kind => self.kind, text => self.text, url => self.url }
    }
}

/// A value as text, without the label of a foreign key.
pub(crate) fn text_of(column: &Column, input: &[String], zone: Tz) -> String {
    let first = input.first().map(String::as_str).unwrap_or_default();
    match column.kind {
        Kind::Flag => if first.is_empty() { "no" } else { "yes" }.to_owned(),
        Kind::Moment => moment(first, zone),
        Kind::Choice => {
            let mut options = column.spec.shape.options.iter();
            let label = options.find(|(code, _)| *code == first);
            label.map_or(first, |(_, label)| label).to_owned()
        }
        Kind::Text | Kind::Day | Kind::Row => first.to_owned(),
    }
}

/// A moment in the time zone of the site.
fn moment(text: &str, zone: Tz) -> String {
    match DateTime::parse_from_rfc3339(text) {
        Ok(exact) => exact
            .with_timezone(&zone)
            .format("%Y-%m-%d %H:%M")
            .to_string(),
        Err(_) => text.to_owned(),
    }
}

/// The beginning of a long text.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_CELL) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Flag => "flag",
        Kind::Choice => "choice",
        Kind::Row => "row",
        Kind::Day | Kind::Moment => "time",
    }
}
