//! The query of a list: filters, order, page and expansions.

use super::entry::order_of;
use super::filters::Filter;
use super::problem::{shown, unknown};
use super::{Entry, Field, Problem, Way};
use crate::db::Direction;
use crate::permissions::Actor;
use chrono_tz::Tz;

/// Rows of a page, unless a client asks for less or more.
const ROWS: u64 = 25;
/// Most rows of a page.
pub(crate) const MOST_ROWS: u64 = 100;
/// Most characters of a query.
const MOST_QUERY: usize = 6000;
/// Parameters that are no filters.
pub(crate) const OWN: [&str; 4] = ["after", "take", "sort", "expand"];

/// A parsed query of a list.
pub(crate) struct ListQuery<'a> {
    pub(super) readable: Vec<&'a Field>,
    pub(super) filters: Vec<Filter<'a>>,
    pub(super) order: Option<(&'a Field, Direction)>,
    pub(super) after: Option<String>,
    pub(super) take: u64,
    pub(super) expand: Vec<&'a Field>,
    /// Filters, order and expansions as text, to which a cursor is bound.
    pub(super) text: String,
}

impl<'a> ListQuery<'a> {
    /// All rows in the order of the resource.
    pub(crate) fn all(entry: &'a Entry, actor: &Actor) -> Self {
        let order = entry
            .order
            .map(|(field, direction)| (&entry.fields[field], direction));
        Self {
            readable: entry.readable(actor),
            filters: Vec::new(),
            // an order by a hidden field would reveal its values
            order: order.filter(|(field, _)| field.is_readable(actor)),
            after: None,
            take: ROWS,
            expand: Vec::new(),
            text: String::new(),
        }
    }

    /// Parses the query of a URL. A field that the actor may not read is unknown.
    pub(crate) fn parse(
        entry: &'a Entry,
        actor: &Actor,
        (query, zone): (&str, Tz),
    ) -> Result<Self, Problem> {
        if query.len() > MOST_QUERY {
            return Err(Problem::bad("The query is too long."));
        }
        let mut list = Self::all(entry, actor);
        let mut seen = Vec::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if seen.contains(&name) {
                let problem = Problem::bad("A parameter of the query occurs twice.");
                return Err(problem.parameter(&shown(&name), "occurs twice"));
            }
            list.add(entry, (&name, &value), zone)?;
            seen.push(name);
        }
        list.text = list.bound();
        Ok(list)
    }

    fn add(
        &mut self,
        entry: &'a Entry,
        (name, value): (&str, &str),
        zone: Tz,
    ) -> Result<(), Problem> {
        match name {
            "after" => self.after = Some(value.to_owned()),
            "take" => self.take = take(value)?,
            "sort" => self.order = Some(self.order(entry, value)?),
            "expand" => self.expand = self.expansions(value)?,
            name => {
                let filter = self.filter((name, value), zone)?;
                self.filters.push(filter);
            }
        }
        Ok(())
    }

    /// Adds a filter of a field that the actor may read.
    pub(crate) fn filter(
        &self,
        (name, value): (&str, &str),
        zone: Tz,
    ) -> Result<Filter<'a>, Problem> {
        let filters = || self.readable.iter().flat_map(|field| parameters(field));
        let found = self.readable.iter().find_map(|field| {
            let is_it = |way: &&Way| way.parameter(field.name) == name;
            field.ways.iter().find(is_it).map(|way| (*field, *way))
        });
        let Some((field, way)) = found else {
            let known: Vec<String> = filters().collect();
            let known = known.iter().map(String::as_str).chain(OWN);
            let said = unknown("filter", name, known);
            return Err(Problem::bad(said.clone()).parameter(&shown(name), said));
        };
        Filter::parse(field, way, (value, zone)).ok_or_else(|| {
            let said = format!("The value of {name} is invalid.");
            Problem::bad(said.clone()).parameter(name, said)
        })
    }

    fn order(&self, entry: &'a Entry, text: &str) -> Result<(&'a Field, Direction), Problem> {
        let sorted = || self.readable.iter().filter(|field| field.is_sorted);
        let order =
            order_of(&entry.fields, text).map(|(at, direction)| (&entry.fields[at], direction));
        let known = |field: &Field| sorted().any(|one| one.name == field.name);
        order.filter(|(field, _)| known(field)).ok_or_else(|| {
            let name = text.trim_start_matches('-');
            let said = unknown("order", name, sorted().map(|field| field.name));
            Problem::bad(said.clone()).parameter("sort", said)
        })
    }

    fn expansions(&self, text: &str) -> Result<Vec<&'a Field>, Problem> {
        let targets = || self.readable.iter().filter(|field| field.target.is_some());
        let mut expand: Vec<&'a Field> = Vec::new();
        for name in text.split(',') {
            let found = targets().find(|field| field.name == name);
            let Some(field) = found else {
                let said = unknown("expansion", name, targets().map(|field| field.name));
                return Err(Problem::bad(said.clone()).parameter("expand", said));
            };
            if !expand.iter().any(|one| one.name == field.name) {
                expand.push(field);
            }
        }
        Ok(expand)
    }

    fn bound(&self) -> String {
        let filters = self.filters.iter().map(|filter| filter.text.as_str());
        let names = self.readable.iter().map(|field| field.name);
        let order = self
            .order
            .map(|(field, direction)| format!("{direction:?} {}", field.name));
        let all = filters.chain(names).map(str::to_owned).chain(order);
        all.collect::<Vec<_>>().join("\n")
    }
}

/// The parameters of a field.
pub(crate) fn parameters(field: &Field) -> Vec<String> {
    let ways = field.ways.iter();
    ways.map(|way| way.parameter(field.name)).collect()
}

fn take(text: &str) -> Result<u64, Problem> {
    let number = text
        .parse()
        .ok()
        .filter(|take| (1..=MOST_ROWS).contains(take));
    number.ok_or_else(|| {
        let said = format!("take is a number from 1 to {MOST_ROWS}.");
        Problem::bad(said.clone()).parameter("take", said)
    })
}
