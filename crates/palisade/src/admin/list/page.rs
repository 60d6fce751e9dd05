//! `GET /{resource}`: the list.

use super::cells::shortened;
use super::query::{ListQuery, order_text};
use super::rows::{ListPage, MOST_COUNTED};
use crate::admin::Column;
use crate::admin::desk::{On, View};
use crate::admin::entry::Order;
use crate::admin::policy::{Verdict, judge_action};
use crate::admin::{Operation, selection};
use crate::db::Direction;
use crate::views::Result;
use axum::response::Response;
use palisade_template::{Value, context};

/// The list.
pub(crate) async fn show(on: On<View>) -> Result<Response> {
    let (desk, entry) = (&on.desk, &on.entry);
    let visible = entry.visible(&desk.actor);
    let list = ListQuery::parse(entry, &visible, &desk.query, desk.zone())?;
    desk.require_choices(entry, &list).await?;
    let columns: Vec<&Column> = visible
        .iter()
        .copied()
        .filter(|column| column.is_listed)
        .collect();
    let page = desk.list_page(entry, &list, &columns).await?;
    let count = desk.count(entry, &list).await?;
    let counted = match count > MOST_COUNTED {
        true => format!("more than {MOST_COUNTED}"),
        false => count.to_string(),
    };
    let rows = rows(&on, &columns, &page).await?;
    let values = context! {
        title => entry.title, base => on.list_url(), rows, count => counted, is_one => count == 1,
        headings => headings(&on, &list, &columns), facets => desk.facets(entry, &list).await?,
        has_search => visible.iter().any(|column| column.search.is_some()),
        search => list.search.clone().unwrap_or_default(), query => list.text(entry), pages => page.links,
        may_add => desk.allows(entry, Operation::Add), may_export => desk.allows(entry, Operation::Export),
        may_import => desk.allows(entry, Operation::Import), actions => actions(&on),
        selection => selection::seal(desk, entry, &list.text(entry), count), views => desk.saved_views(entry).await?,
        counts_all => list.counts_all,
    };
    desk.render("admin/list.html", values).await
}

async fn rows(on: &On<View>, columns: &[&Column], page: &ListPage) -> Result<Vec<Value>> {
    let values = page.rows.iter().map(|row| row.values.as_slice());
    let labels = on.desk.labels(columns, values).await?;
    let row = |row: &super::rows::ListRow| {
        let cells = columns.iter().zip(&row.values);
        let cells: Vec<Value> = cells
            .map(|(column, value)| {
                let mut cell = on.desk.cell(column, value, &labels);
                cell.text = shortened(&cell.text);
                context! { label => column.spec.label, ..cell.value() }
            })
            .collect();
        context! { key => row.key.clone(), url => on.desk.site.url_of(&on.entry, &row.key), cells }
    };
    Ok(page.rows.iter().map(row).collect())
}

/// Headings with the links of their orders.
fn headings(on: &On<View>, list: &ListQuery, columns: &[&Column]) -> Vec<Value> {
    let entry = &on.entry;
    let heading = |column: &&Column| {
        let number = entry
            .columns
            .iter()
            .position(|one| one.name == column.name)
            .unwrap_or_default();
        let now = list
            .order
            .filter(|order| order.column == number)
            .map(|order| order.direction);
        let direction = now.map_or(Direction::Ascending, Direction::reversed);
        let mut ordered = list.clone();
        ordered.order = Some(Order {
            column: number,
            direction,
        });
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(url::form_urlencoded::parse(
            list_without_order(list, entry).as_bytes(),
        ));
        query.append_pair(
            "order",
            &order_text(
                entry,
                Order {
                    column: number,
                    direction,
                },
            ),
        );
        let sorted = now.map(|now| match now {
            Direction::Ascending => "ascending",
            Direction::Descending => "descending",
        });
        context! { label => column.spec.label, url => format!("?{}", query.finish()), sorted }
    };
    columns.iter().map(heading).collect()
}

fn list_without_order(list: &ListQuery, entry: &crate::admin::entry::Entry) -> String {
    let mut list = list.clone();
    list.order = None;
    list.text(entry)
}

/// Actions that the user may use, deletion among them.
fn actions(on: &On<View>) -> Vec<Value> {
    let desk = &on.desk;
    let is_allowed = |action: &&crate::admin::action::ActionInfo| {
        judge_action(|name| desk.actor.may(name), &on.entry, action) == Verdict::Allow
    };
    let own = on.entry.actions.iter().filter(is_allowed);
    let own = own.map(|action| context! { name => action.name, label => action.label, two_person => action.is_two_person });
    let delete = desk.allows(&on.entry, Operation::Delete).then(|| {
        context! { name => "delete", label => "Delete", two_person => on.entry.needs_two(Operation::Delete) }
    });
    own.chain(delete).collect()
}
