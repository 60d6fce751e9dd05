//! Exports of a list: the visible columns of the rows that match, as a file.

use crate::admin::Column;
use crate::admin::desk::{self, On};
use crate::admin::list::query::ListQuery;
use crate::admin::list::rows::read;
use crate::exports::{Export, Format};
use crate::forms::{Form, Text};
use crate::permissions::Verb;
use crate::views::{Error, ErrorKind, Result};
use axum::response::Response;
use palisade_macros::{Choice, Form};
use palisade_template::context;
use sea_orm::sea_query::{ExprTrait, Order};
use serde_json::{Map, Value};

#[derive(Choice, Clone, Copy, PartialEq)]
enum Kind {
    #[choice(label = "CSV, for spreadsheets")]
    Csv,
    #[choice(label = "JSON")]
    Json,
    #[cfg(feature = "xlsx")]
    #[choice(label = "XLSX")]
    Xlsx,
}

#[derive(Form)]
pub(crate) struct Wanted {
    format: Kind,
    /// The filter of the list.
    #[form(hidden)]
    query: Option<Text<4_000>>,
}

/// `GET /{resource}/export`
pub(crate) async fn ask(on: On<desk::Export>) -> Result<Response> {
    let visible = on.entry.visible(&on.desk.actor);
    let list = ListQuery::parse(&on.entry, &visible, &on.desk.query, on.desk.zone())?;
    on.desk.require_choices(&on.entry, &list).await?;
    let count = on.desk.count(&on.entry, &list).await?;
    let form = Form::<Wanted>::with_values([
        ("query", list.text(&on.entry)),
        ("format", "csv".to_owned()),
    ]);
    let columns: Vec<&str> = visible.iter().map(|column| column.spec.label).collect();
    let values = context! {
        title => format!("Export {}", on.entry.title.to_lowercase()), list_title => on.entry.title, list => on.list_url(), form, columns,
        count => if count > 1_000 { "more than 1000".to_owned() } else { count.to_string() }, most => on.desk.site.settings.max_export,
    };
    on.desk.render("admin/export.html", values).await
}

/// `POST /{resource}/export`
pub(crate) async fn download(
    on: On<desk::Export>,
    export: Export,
    form: Form<Wanted>,
) -> Result<Response> {
    let wanted = form.valid()?;
    let visible = on.entry.visible(&on.desk.actor);
    let query = wanted
        .query
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    let list = ListQuery::parse(&on.entry, &visible, &query, on.desk.zone())?;
    on.desk.require_choices(&on.entry, &list).await?;
    let rows = rows(&on, &list, &visible).await?;
    let format = match wanted.format {
        Kind::Csv => Format::Csv,
        Kind::Json => Format::Json,
        #[cfg(feature = "xlsx")]
        Kind::Xlsx => Format::Xlsx,
    };
    export.rows(on.entry.name, rows, format).await
}

/// Rows of a read.
const CHUNK: u64 = 1_000;

/// All rows by key, in chunks, each with the rights at its time.
async fn rows(
    on: &On<desk::Export>,
    list: &ListQuery,
    columns: &[&Column],
) -> Result<Vec<Map<String, Value>>> {
    let (desk, entry) = (&on.desk, &on.entry);
    let most = desk.site.settings.max_export;
    let (mut all, mut last) = (Vec::new(), None);
    loop {
        let actor = desk.actor.refreshed(&desk.db).await?;
        let mut query = entry.select(&actor, Verb::View, columns);
        query.cond_where(list.condition(entry, columns, None));
        if let Some(last) = last
            .take()
            .and_then(|key: String| entry.table.key_value(&key))
        {
            query.and_where(entry.table.key_column().gt(last));
        }
        query
            .order_by_expr(entry.table.key_column(), Order::Asc)
            .limit(CHUNK);
        let found = desk.rows(&query).await?;
        let is_last = (found.len() as u64) < CHUNK;
        for row in &found {
            let row = read(entry, row, columns)?;
            let cells = columns.iter().zip(&row.values);
            all.push(
                cells
                    .map(|(column, value)| (column.name.to_owned(), exported(column, value)))
                    .collect(),
            );
            last = Some(row.key);
        }
        if all.len() as u64 > most {
            let said = format!("An export has at most {most} rows: narrow the filter.");
            return Err(Error::new(ErrorKind::TooLarge, said));
        }
        if is_last {
            return Ok(all);
        }
    }
}

/// A value as JSON: text, number, flag or null.
fn exported(column: &Column, value: &sea_orm::Value) -> Value {
    use sea_orm::Value as Stored;
    match value {
        Stored::Bool(Some(flag)) => (*flag).into(),
        Stored::SmallInt(Some(number)) => (*number).into(),
        Stored::Int(Some(number)) => (*number).into(),
        Stored::BigInt(Some(number)) => (*number).into(),
        _ => column.input(value).pop().map_or(Value::Null, Value::String),
    }
}
