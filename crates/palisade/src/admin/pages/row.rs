//! The page of a row: a form for users who may change it, text for the others.

use crate::admin::Column;
use crate::admin::Operation;
use crate::admin::desk::{Desk, On, View};
use crate::admin::entry::Entry;
use crate::admin::list::query::ListQuery;
use crate::admin::list::rows::read;
use crate::admin::policy::{Verdict, judge_action};
use crate::admin::site::{MANAGE_RIGHTS, MANAGE_SESSIONS, VIEW_AS};
use crate::db::Values;
use crate::permissions::Verb;
use crate::views::{Error, Result};
use axum::response::Response;
use palisade_template::{Value, context};
use sea_orm::sea_query::ExprTrait;

/// Rows of another resource on the page of a row.
const CHILDREN: u64 = 20;

/// The page.
pub(crate) async fn show(on: On<View>) -> Result<Response> {
    let values = page_values(&on.desk, &on.entry, &on.key).await?;
    on.desk.render("admin/row.html", values).await
}

/// The values of a page of a row.
pub(crate) async fn page_values(desk: &Desk, entry: &Entry, key: &str) -> Result<Value> {
    let row = desk.one(entry, key, Verb::View).await?;
    let may_change =
        desk.allows(entry, Operation::Change) && desk.is_row_for(entry, key, Verb::Change).await?;
    let writable = match may_change {
        true => desk.writable(entry),
        false => Vec::new(),
    };
    let shown = desk.texts(entry, &row, &writable).await?;
    let form = match writable.is_empty() {
        true => None,
        false => Some(desk.filled_form(entry, key, (&row, &writable)).await?),
    };
    let may_delete =
        desk.allows(entry, Operation::Delete) && desk.is_row_for(entry, key, Verb::Delete).await?;
    Ok(context! {
        title => crate::admin::work::label_of(entry, &row), list_title => entry.title, one => entry.one(),
        list => format!("{}/{}", desk.site.path, entry.name), base => desk.site.url_of(entry, key), key => key.to_owned(),
        shown, form, may_delete, actions => row_actions(desk, entry), children => desk.children(entry, key).await?,
        finders => finders(&writable), two_person => entry.needs_two(Operation::Change),
        view_as => view_as(desk, entry, key), access => access(desk, entry, key), members => members(desk, entry, key),
    })
}

/// The page that shows the site as a user sees it.
fn view_as(desk: &Desk, entry: &Entry, key: &str) -> Option<String> {
    let is_user = entry.table.name() == "auth_user" && desk.holds(VIEW_AS);
    is_user.then(|| format!("{}/view-as/{key}", desk.site.path))
}

/// The page of a user's rights and sessions.
fn access(desk: &Desk, entry: &Entry, key: &str) -> Option<String> {
    let is_open = [MANAGE_RIGHTS, MANAGE_SESSIONS].map(|permission| desk.holds(permission));
    let is_open = is_open.contains(&true) || desk.may_close();
    let is_user = entry.table.name() == "auth_user" && is_open;
    is_user.then(|| format!("{}/access/{key}", desk.site.path))
}

/// The page of a group's members.
fn members(desk: &Desk, entry: &Entry, key: &str) -> Option<String> {
    let is_group = entry.table.name() == "auth_group" && desk.holds(MANAGE_RIGHTS);
    is_group.then(|| format!("{}/members/{key}", desk.site.path))
}

/// Foreign keys, for the search without scripts and for that of the script.
pub(crate) fn finders(columns: &[&Column]) -> Vec<Value> {
    let keys = columns.iter().filter(|column| column.target().is_some());
    keys.map(|column| context! { name => column.name, label => column.spec.label })
        .collect()
}

fn row_actions(desk: &Desk, entry: &Entry) -> Vec<Value> {
    let is_allowed = |action: &&crate::admin::action::ActionInfo| {
        judge_action(|name| desk.actor.may(name), entry, action) == Verdict::Allow
    };
    let all = entry.actions.iter().filter(is_allowed);
    all.map(|action| context! { name => action.name, label => action.label, two_person => action.is_two_person }).collect()
}

impl Desk {
    /// The columns of a row that the user sees.
    ///
    /// # Errors
    /// 404 for a row that the user may not use for the verb, recorded if it exists.
    pub(crate) async fn one(&self, entry: &Entry, key: &str, verb: Verb) -> Result<Values> {
        let visible = entry.visible(&self.actor);
        let value = entry.table.key_value(key).ok_or_else(Error::not_found)?;
        let mut query = entry.select(&self.actor, verb, &visible);
        query.and_where(entry.table.key_column().eq(value)).limit(1);
        let Some(row) = self.rows(&query).await?.into_iter().next() else {
            return Err(entry.table.refuse(&self.actor, key, &self.db).await);
        };
        let names = visible.iter().map(|column| column.name.to_owned());
        Ok(names.zip(read(entry, &row, &visible)?.values).collect())
    }

    /// Whether the policy of the rows admits a verb, for a button.
    pub(crate) async fn is_row_for(&self, entry: &Entry, key: &str, verb: Verb) -> Result<bool> {
        let Some(value) = entry.table.key_value(key) else {
            return Ok(false);
        };
        let mut query = entry.select(&self.actor, verb, &[]);
        query.and_where(entry.table.key_column().eq(value)).limit(1);
        Ok(!self.rows(&query).await?.is_empty())
    }

    /// The visible columns that are not in the form, as text.
    async fn texts(&self, entry: &Entry, row: &Values, writable: &[&Column]) -> Result<Vec<Value>> {
        let is_text = |column: &&Column| !writable.iter().any(|one| one.name == column.name);
        let columns: Vec<&Column> = entry
            .visible(&self.actor)
            .into_iter()
            .filter(is_text)
            .collect();
        let values: Vec<sea_orm::Value> = columns
            .iter()
            .filter_map(|column| row.get(column.name).cloned())
            .collect();
        let labels = self
            .labels(&columns, std::iter::once(values.as_slice()))
            .await?;
        let text = |(column, value): (&&Column, &sea_orm::Value)| {
            let cell = self.cell(column, value, &labels);
            context! { label => column.spec.label, cell => cell.value() }
        };
        Ok(columns.iter().zip(&values).map(text).collect())
    }

    /// The form of a row with its values, and their signed copy.
    pub(crate) async fn filled_form(
        &self,
        entry: &Entry,
        key: &str,
        (row, writable): (&Values, &[&Column]),
    ) -> Result<Value> {
        let values = writable
            .iter()
            .filter_map(|column| Some((column.name, column.input(row.get(column.name)?))));
        let seen = self.seal_seen(entry, key, row);
        let values = values.chain([(crate::admin::form::SEEN, vec![seen])]);
        self.form(writable, values.collect()).await
    }

    /// The first rows of other resources that belong to a row, with a link to all.
    async fn children(&self, entry: &Entry, key: &str) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        for name in &entry.children {
            let Some(child) = self.site.entry(name).cloned() else {
                continue;
            };
            let reference = child.reference_to(entry.table.name());
            let (Some(reference), true) = (reference, self.allows(&child, Operation::View)) else {
                continue;
            };
            all.push(self.children_of(&child, reference, key).await?);
        }
        Ok(all)
    }

    async fn children_of(&self, child: &Entry, reference: &Column, key: &str) -> Result<Value> {
        let visible = child.visible(&self.actor);
        let columns: Vec<&Column> = visible
            .into_iter()
            .filter(|column| column.is_listed && column.name != reference.name)
            .collect();
        let list = ListQuery::parse(child, &[], "", self.zone())?;
        let mut query = self.listed(child, &list, (Verb::View, &columns));
        let value = reference
            .parse_text(key, self.zone())
            .ok_or_else(Error::not_found)?;
        query.and_where(reference.expression().eq(value));
        query
            .order_by_expr(child.table.key_column(), sea_orm::sea_query::Order::Asc)
            .limit(CHILDREN + 1);
        let found = self.rows(&query).await?;
        let rows: Vec<_> = found
            .iter()
            .take(CHILDREN as usize)
            .map(|row| read(child, row, &columns))
            .collect::<Result<_, _>>()?;
        let labels = self
            .labels(&columns, rows.iter().map(|row| row.values.as_slice()))
            .await?;
        let shown = rows.iter().map(|row| {
            let cells = columns.iter().zip(&row.values);
            let cells: Vec<Value> = cells
                .map(|(column, value)| self.cell(column, value, &labels).value())
                .collect();
            context! { url => self.site.url_of(child, &row.key), cells }
        });
        let rows: Vec<Value> = shown.collect();
        let headings: Vec<&str> = columns.iter().map(|column| column.spec.label).collect();
        let base = format!("{}/{}", self.site.path, child.name);
        let all = reference
            .is_filter
            .then(|| format!("{base}?{}={key}", reference.name));
        let add = self
            .allows(child, Operation::Add)
            .then(|| format!("{base}/add?{}={key}", reference.name));
        Ok(
            context! { title => child.title, headings, rows, most => CHILDREN, more => found.len() as u64 > CHILDREN, all, add },
        )
    }
}
