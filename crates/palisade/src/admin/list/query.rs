//! The query of a list, as the URL spells it.

use super::cursor::Place;
use crate::admin::Column;
use crate::admin::column::{Kind, Search};
use crate::admin::entry::{Entry, Order};
use crate::db::Direction;
use crate::db::contains_in;
use crate::views::{Error, ErrorKind, Result};
use chrono::{DateTime, Datelike, Months, NaiveDate, TimeZone, Utc};
use chrono_tz::Tz;
use sea_orm::DbBackend;
use sea_orm::sea_query::{Alias, BinOper, Condition, Expr, ExprTrait, Func, Value};
use url::form_urlencoded::{Serializer, parse};

/// Filters, order and place of a list.
#[derive(Debug, Clone)]
pub(crate) struct ListQuery {
    /// The search, at least two characters.
    pub(crate) search: Option<String>,
    pub(crate) filters: Vec<Filter>,
    pub(crate) order: Option<Order>,
    pub(crate) place: Place,
    /// Whether all options are counted.
    pub(crate) counts_all: bool,
}

/// A filter: a column, and the text in the URL.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    pub(crate) column: usize,
    pub(crate) text: String,
    pub(crate) wanted: Wanted,
}

#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    Is(Value),
    Null,
    /// From a value to before another one.
    Span(Value, Value),
}

/// Text of a filter for rows without a value.
pub(crate) const NOTHING: &str = "-";
/// Shortest search, in characters.
const SHORTEST_SEARCH: usize = 2;

impl ListQuery {
    /// Parses the parameters of a URL.
    ///
    /// # Errors
    /// 400 for a name that is not a filter of these columns, a repeated name, or an invalid value.
    pub(crate) fn parse(entry: &Entry, visible: &[&Column], query: &str, zone: Tz) -> Result<Self> {
        let mut list = Self {
            search: None,
            filters: Vec::new(),
            order: entry
                .order
                .filter(|order| is_visible(visible, &entry.columns[order.column])),
            place: Place::First,
            counts_all: false,
        };
        let mut seen = Vec::new();
        for (name, value) in parse(query.as_bytes()) {
            if seen.contains(&name) {
                return Err(refused("A parameter of the URL occurs twice."));
            }
            seen.push(name.clone());
            match &*name {
                _ if value.is_empty() => {
                    require_known(entry, visible, &name)?;
                }
                "q" => list.search = Some(search(visible, &value)?),
                "order" => list.order = Some(order(entry, visible, &value)?),
                "after" => list.place = Place::After(value.into_owned()),
                "before" => list.place = Place::Before(value.into_owned()),
                "last" => list.place = Place::Last,
                "counts" => list.counts_all = true,
                name => list
                    .filters
                    .push(filter(entry, visible, (name, &value), zone)?),
            }
        }
        Ok(list)
    }

    /// The conditions of search and filters, without that of one column.
    pub(crate) fn condition(
        &self,
        entry: &Entry,
        visible: &[&Column],
        without: Option<usize>,
    ) -> Condition {
        let filters = self
            .filters
            .iter()
            .filter(|filter| Some(filter.column) != without);
        let filters = filters.map(|filter| filter.condition(entry));
        let all = filters.fold(Condition::all(), Condition::add);
        match &self.search {
            Some(text) => all.add(matches(visible, text, entry.backend)),
            None => all,
        }
    }

    /// The URL of the list with these filters: the sealed part of a selection, and links of pages.
    pub(crate) fn text(&self, entry: &Entry) -> String {
        let mut text = Serializer::new(String::new());
        if let Some(search) = &self.search {
            text.append_pair("q", search);
        }
        for filter in &self.filters {
            text.append_pair(entry.columns[filter.column].name, &filter.text);
        }
        if let Some(order) = self.order.filter(|order| Some(*order) != entry.order) {
            text.append_pair("order", &order_text(entry, order));
        }
        text.finish()
    }
}

/// An order as the URL spells it.
pub(crate) fn order_text(entry: &Entry, order: Order) -> String {
    let sign = match order.direction {
        Direction::Ascending => "",
        Direction::Descending => "-",
    };
    format!("{sign}{}", entry.columns[order.column].name)
}

impl Filter {
    fn condition(&self, entry: &Entry) -> Condition {
        let column = entry.columns[self.column].expression();
        let condition = match &self.wanted {
            Wanted::Is(value) => column.eq(value.clone()),
            Wanted::Null => column.is_null(),
            Wanted::Span(from, to) => column.clone().gte(from.clone()).and(column.lt(to.clone())),
        };
        Condition::all().add(condition)
    }
}

fn is_visible(visible: &[&Column], column: &Column) -> bool {
    visible.iter().any(|one| one.name == column.name)
}

fn refused(said: &'static str) -> Error {
    Error::new(ErrorKind::BadRequest, said)
}

/// The same refusal for a column that is hidden, not a filter, or not there.
fn unknown() -> Error {
    refused("The list has no such filter.")
}

fn require_known(entry: &Entry, visible: &[&Column], name: &str) -> Result<()> {
    const OWN: [&str; 6] = ["q", "order", "after", "before", "last", "counts"];
    match OWN.contains(&name) || filter_column(entry, visible, name).is_some() {
        true => Ok(()),
        false => Err(unknown()),
    }
}

fn filter_column(entry: &Entry, visible: &[&Column], name: &str) -> Option<usize> {
    let is_it =
        |column: &Column| column.name == name && column.is_filter && is_visible(visible, column);
    entry.columns.iter().position(is_it)
}

fn filter(
    entry: &Entry,
    visible: &[&Column],
    (name, text): (&str, &str),
    zone: Tz,
) -> Result<Filter> {
    let number = filter_column(entry, visible, name).ok_or_else(unknown)?;
    let column = &entry.columns[number];
    let wanted = match (text, column.kind) {
        (NOTHING, _) if column.is_nullable => Some(Wanted::Null),
        (_, Kind::Day | Kind::Moment) => span(text, column, zone),
        (_, _) => column.parse_text(text, zone).map(Wanted::Is),
    };
    let wanted = wanted.ok_or_else(|| refused("A filter has an invalid value."))?;
    let (column, text) = (number, text.to_owned());
    Ok(Filter {
        column,
        text,
        wanted,
    })
}

/// A year, a month or a day: `2026`, `2026-11`, `2026-11-30`.
pub(crate) fn days_of(text: &str) -> Option<(NaiveDate, NaiveDate)> {
    let mut parts = text.splitn(3, '-').map(str::parse::<u32>);
    let year = i32::try_from(parts.next()?.ok()?)
        .ok()
        .filter(|year| (1..9999).contains(year))?;
    let month = parts.next().transpose().ok()?;
    let day = parts.next().transpose().ok()?;
    let from = NaiveDate::from_ymd_opt(year, month.unwrap_or(1), day.unwrap_or(1))?;
    let to = match (month, day) {
        (_, Some(_)) => from.succ_opt()?,
        (Some(_), None) => from.checked_add_months(Months::new(1))?,
        (None, None) => from.with_year(year + 1)?,
    };
    Some((from, to))
}

fn span(text: &str, column: &Column, zone: Tz) -> Option<Wanted> {
    let (from, to) = days_of(text)?;
    if column.kind == Kind::Day {
        return Some(Wanted::Span(from.into(), to.into()));
    }
    Some(Wanted::Span(
        beginning(from, zone)?.into(),
        beginning(to, zone)?.into(),
    ))
}

/// The first moment of a day; in some zones a day begins after midnight.
fn beginning(day: NaiveDate, zone: Tz) -> Option<DateTime<Utc>> {
    let hours = (0..3).filter_map(|hour| day.and_hms_opt(hour, 0, 0));
    let first = hours
        .filter_map(|time| zone.from_local_datetime(&time).earliest())
        .next();
    first.map(|first| first.to_utc())
}

fn order(entry: &Entry, visible: &[&Column], text: &str) -> Result<Order> {
    let (name, direction) = match text.strip_prefix('-') {
        Some(name) => (name, Direction::Descending),
        None => (text, Direction::Ascending),
    };
    let is_it =
        |column: &Column| column.name == name && column.is_listed && is_visible(visible, column);
    let column = entry.columns.iter().position(is_it);
    let column = column.ok_or_else(|| refused("The list has no such order."))?;
    Ok(Order { column, direction })
}

fn search(visible: &[&Column], text: &str) -> Result<String> {
    let text = text.trim();
    match () {
        () if visible.iter().all(|column| column.search.is_none()) => {
            Err(refused("This list has no search."))
        }
        // PostgreSQL has no text with it
        () if text.contains('\0') => Err(refused("A search has no control characters.")),
        () if text.chars().count() < SHORTEST_SEARCH => {
            Err(refused("Search for at least two characters."))
        }
        () if text.chars().count() > LONGEST_SEARCH => Err(refused("The search is too long.")),
        () => Ok(text.to_owned()),
    }
}

/// Longest search, in characters.
const LONGEST_SEARCH: usize = 100;

/// Rows with the text in a column that is searched.
fn matches(visible: &[&Column], text: &str, backend: DbBackend) -> Condition {
    let found = visible.iter().filter_map(|column| match column.search? {
        Search::Contains => Some(contains_in(column.text(), text)),
        Search::Start => Some(starts_with(column.text(), text, backend)),
    });
    found.fold(Condition::any(), Condition::add)
}

/// As a range of `lower(column)` by bytes, which an index on that expression serves.
fn starts_with(column: Expr, text: &str, backend: DbBackend) -> Expr {
    let text = text.to_lowercase();
    let end = format!("{text}\u{10ffff}");
    let lower = Expr::expr(Func::lower(column));
    let lower = match backend {
        DbBackend::Postgres => lower.binary(BinOper::Custom("COLLATE"), Expr::col(Alias::new("C"))),
        _ => lower,
    };
    lower.clone().gte(text).and(lower.lt(end))
}
