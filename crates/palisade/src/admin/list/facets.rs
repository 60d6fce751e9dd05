//! Filters of a list, with the number of rows of each option.

use super::query::{Filter, ListQuery, NOTHING, days_of};
use super::rows::MOST_COUNTED;
use crate::admin::Column;
use crate::admin::column::Kind;
use crate::admin::desk::Desk;
use crate::admin::entry::Entry;
use crate::forms::Options;
use crate::permissions::Verb;
use crate::views::{Error, ErrorKind, Result};
use palisade_template::{Value, context};
use sea_orm::sea_query::{Alias, Asterisk, Expr, ExprTrait, Query};
use std::collections::BTreeMap;

/// Options of a foreign key, before its filter asks for a search.
pub(crate) const FEW: u64 = 20;

impl Desk {
    /// Refuses a filter by a row that the user may not see: it would tell where its key is.
    ///
    /// # Errors
    /// 400, as for a key that does not exist.
    pub(crate) async fn require_choices(&self, entry: &Entry, list: &ListQuery) -> Result<()> {
        for filter in list.filters.iter().filter(|filter| filter.text != NOTHING) {
            let Some(choices) = entry.columns[filter.column].spec.shape.choices else {
                continue;
            };
            let keys = vec![filter.text.clone()];
            if !(choices.check)(self.extensions.clone(), keys).await? {
                let said = "A filter has an invalid value.";
                return Err(Error::new(ErrorKind::BadRequest, said));
            }
        }
        Ok(())
    }

    /// The filters of a list for its page.
    pub(crate) async fn facets(&self, entry: &Entry, list: &ListQuery) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        for (number, column) in entry.columns.iter().enumerate() {
            let is_visible = entry
                .visible(&self.actor)
                .iter()
                .any(|one| one.name == column.name);
            if column.is_filter && is_visible {
                all.push(self.facet(entry, list, (number, column)).await?);
            }
        }
        Ok(all)
    }

    async fn facet(
        &self,
        entry: &Entry,
        list: &ListQuery,
        (number, column): (usize, &Column),
    ) -> Result<Value> {
        let chosen = list.filters.iter().find(|filter| filter.column == number);
        let text = chosen.map_or("", |filter| &filter.text).to_owned();
        let options = match column.kind {
            Kind::Flag => vec![
                ("on".to_owned(), "yes".to_owned()),
                ("off".into(), "no".into()),
            ],
            Kind::Choice => {
                let options = column.spec.shape.options.iter();
                options
                    .map(|(code, label)| ((*code).to_owned(), (*label).to_owned()))
                    .collect()
            }
            Kind::Row => self.choices_in_time(column, "", &text).await?,
            Kind::Text | Kind::Day | Kind::Moment => Vec::new(),
        };
        let counts = match column.kind {
            Kind::Flag | Kind::Choice => self.option_counts(entry, list, (number, column)).await?,
            _ => None,
        };
        let mut shown: Vec<Value> = options
            .into_iter()
            .map(|(value, label)| {
                let count = counts
                    .as_ref()
                    .map(|counts| counts.get(&value).copied().unwrap_or_default());
                let count = count.map(|count| {
                    if count > MOST_COUNTED {
                        format!("{MOST_COUNTED}+")
                    } else {
                        count.to_string()
                    }
                });
                context! { selected => value == text, value, label, count }
            })
            .collect();
        if column.is_nullable && !matches!(column.kind, Kind::Text) {
            shown.push(context! { selected => text == NOTHING, value => NOTHING, label => "(none)", count => () });
        }
        Ok(context! {
            name => column.name, label => column.spec.label, value => text.clone(), options => shown,
            is_date => matches!(column.kind, Kind::Day | Kind::Moment),
            spans => spans(column, chosen, &text), is_search => column.kind == Kind::Row,
        })
    }

    /// The same for a page, which comes without choices where their search takes too long.
    pub(crate) async fn choices_in_time(
        &self,
        column: &Column,
        search: &str,
        chosen: &str,
    ) -> Result<Options> {
        match self.choices(column, search, chosen).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                let chosen = (!chosen.is_empty()).then(|| (chosen.to_owned(), chosen.to_owned()));
                Ok(chosen.into_iter().collect())
            }
            found => found,
        }
    }

    /// At most a few choices of a foreign key, and the chosen one.
    pub(crate) async fn choices(
        &self,
        column: &Column,
        search: &str,
        chosen: &str,
    ) -> Result<Vec<(String, String)>> {
        let Some(choices) = column.spec.shape.choices else {
            return Ok(Vec::new());
        };
        let wanted = (search.to_owned(), FEW);
        let found = (choices.search)(self.extensions.clone(), wanted, self.most_time());
        let mut found = found.await?;
        if !chosen.is_empty() && chosen != NOTHING && found.iter().all(|(key, _)| key != chosen) {
            found.extend((choices.labels)(self.extensions.clone(), vec![chosen.to_owned()]).await?);
        }
        Ok(found)
    }

    /// The number of rows of each option under the other filters; `None` where there are many rows,
    /// unless the URL asks for them.
    async fn option_counts(
        &self,
        entry: &Entry,
        list: &ListQuery,
        (number, column): (usize, &Column),
    ) -> Result<Option<BTreeMap<String, u64>>> {
        let visible = entry.visible(&self.actor);
        let mut rows = entry.select(&self.actor, Verb::View, &[]);
        rows.clear_selects()
            .cond_where(list.condition(entry, &visible, Some(number)));
        rows.expr_as(column.selected(), Alias::new(column.name));
        if !list.counts_all {
            rows.limit(MOST_COUNTED + 1);
        }
        let mut counts = Query::select();
        let name = Alias::new(column.name);
        counts
            .column(name.clone())
            .expr_as(Expr::col(Asterisk).count(), Alias::new("n"));
        counts
            .from_subquery(rows, Alias::new("some"))
            .group_by_col(name);
        let mut found = BTreeMap::new();
        for row in self.rows(&counts).await? {
            let count: i64 = row.try_get("", "n")?;
            let option = column.input(&column.read(&row)?).pop();
            let option = option.unwrap_or_else(|| "off".to_owned());
            found.insert(option, u64::try_from(count).unwrap_or_default());
        }
        let is_cut = !list.counts_all && found.values().sum::<u64>() > MOST_COUNTED;
        Ok((!is_cut).then_some(found))
    }
}

/// Links from a year to its months, from a month to its days.
fn spans(column: &Column, chosen: Option<&Filter>, text: &str) -> Vec<Value> {
    if !matches!(column.kind, Kind::Day | Kind::Moment) || chosen.is_none() {
        return Vec::new();
    }
    let last = match text.matches('-').count() {
        0 => 12,
        1 => 31,
        _ => 0,
    };
    let all = (1..=last).map(|part| format!("{text}-{part:02}"));
    let all = all.filter(|text| days_of(text).is_some());
    all.map(|text| context! { value => text.clone(), label => text })
        .collect()
}
