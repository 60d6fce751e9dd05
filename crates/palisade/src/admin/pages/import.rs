//! Imports: rows of a CSV file are added, after a page that shows them. Each line is read as a form,
//! and judged by the policy of the rows; all lines are stored, or none.

use crate::admin::Column;
use crate::admin::Operation;
use crate::admin::column::Kind;
use crate::admin::desk::{Import, On};
use crate::admin::form::specs;
use crate::admin::list::cells::{shortened, text_of};
use crate::admin::transaction::Work;
use crate::db::Tx;
use crate::db::Values;
use crate::formats::{Cells, read_csv_with};
use crate::forms::{Field, Form, Input, Line, Multipart, NOT_A_CHOICE, Text};
use crate::views::{Error, ErrorKind, Result};
use axum::response::Response;
use http::StatusCode;
use palisade_crypto::random;
use palisade_crypto::signing::Signer;
use palisade_macros::Form;
use palisade_template::{Value, context};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Most lines of a file.
const MOST_LINES: usize = 10_000;
/// Longest file, in characters.
const LONGEST: usize = 600_000;
/// Rows on the page before the import.
const SHOWN: usize = 20;

type Whole = Text<LONGEST>;

/// `GET /{resource}/import`
pub(crate) async fn ask(on: On<Import>) -> Result<Response> {
    on.desk.clear(&on.entry, Operation::Add)?;
    on.desk.render("admin/import.html", page(&on, &[])).await
}

fn page(on: &On<Import>, errors: &[String]) -> Value {
    let columns = on.desk.writable(&on.entry);
    let columns: Vec<Value> = columns
        .iter()
        .map(|column| {
            context! { name => column.name, label => column.spec.label, required => column.spec.shape.is_required }
        })
        .collect();
    context! {
        title => format!("Import {}", on.entry.title.to_lowercase()), list_title => on.entry.title, list => on.list_url(),
        columns, errors => errors.to_vec(), most => MOST_LINES,
    }
}

/// `POST /{resource}/import`: reads the file, and shows its rows or its errors. Nothing is written.
pub(crate) async fn check(on: On<Import>, mut parts: Multipart) -> Result<Response> {
    on.desk.clear(&on.entry, Operation::Add)?;
    let mut file = None;
    while let Some(part) = parts.next().await? {
        if part.name() == "file" {
            file = Some(part.text(4 * LONGEST).await?);
        }
    }
    let file = file.unwrap_or_default();
    let text = match <Whole as Field>::parse(Some(file.trim_start_matches('\u{feff}'))) {
        Ok(text) => text,
        Err(why) => return refuse(&on, &[why]).await,
    };
    let columns = on.desk.writable(&on.entry);
    let rows = match read(&on, &columns, &text).await? {
        Ok(rows) => rows,
        Err(errors) => return refuse(&on, &errors).await,
    };
    let names: Vec<&str> = columns.iter().map(|column| column.spec.label).collect();
    let shown: Vec<Vec<String>> = rows
        .iter()
        .take(SHOWN)
        .map(|row| texts(&on, &columns, row))
        .collect();
    let values = context! {
        title => format!("Import {} rows", rows.len()), list_title => on.entry.title, list => on.list_url(), names, rows => shown,
        count => rows.len(), more => rows.len().saturating_sub(SHOWN), text => text.to_string(), seal => seal(&on, &text, rows.len()),
    };
    on.desk.render("admin/import_check.html", values).await
}

async fn refuse(on: &On<Import>, errors: &[String]) -> Result<Response> {
    let values = on.desk.with_menu(page(on, errors));
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    on.desk
        .page
        .render_as(status, "admin/import.html", values)
        .await
}

fn texts(on: &On<Import>, columns: &[&Column], row: &Values) -> Vec<String> {
    let text = |column: &&Column| {
        let input = row
            .get(column.name)
            .map(|value| column.input(value))
            .unwrap_or_default();
        shortened(&text_of(column, &input, on.desk.zone()))
    };
    columns.iter().map(text).collect()
}

/// Reads all lines, or the sentences of their errors.
async fn read(
    on: &On<Import>,
    columns: &[&Column],
    text: &str,
) -> Result<Result<Vec<Values>, Vec<String>>> {
    let fields = specs(columns);
    let fields = &fields[..columns.len()];
    let zone = on.desk.zone();
    let typed = |cells: Cells| {
        let mut input = Input::new(cells, zone);
        let mut values = Values::new();
        for column in columns {
            if let Some(value) = column.parse(&mut input) {
                values.insert(column.name.to_owned(), value);
            }
        }
        match values.len() == columns.len() {
            true => Ok(values),
            false => Err(input.into_messages()),
        }
    };
    let text = with_keys(on, columns, text).await?;
    let rows = match read_csv_with(text.as_bytes(), (fields, MOST_LINES), typed) {
        Ok(rows) if rows.is_empty() => return Ok(Err(vec!["The file has no rows.".to_owned()])),
        Ok(rows) => rows,
        Err(error) => return Ok(Err(error.messages().to_vec())),
    };
    Ok(check_keys(on, columns, &rows).await?.map(|()| rows))
}

/// Replaces the labels of foreign keys by keys, where one visible row has the label.
async fn with_keys(on: &On<Import>, columns: &[&Column], text: &str) -> Result<String> {
    if columns.iter().all(|column| column.kind != Kind::Row) {
        return Ok(text.to_owned());
    }
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.as_bytes());
    let Ok(names) = reader.headers().cloned() else {
        return Ok(text.to_owned());
    };
    let mut writer = csv::WriterBuilder::new()
        .flexible(true)
        .from_writer(Vec::new());
    writer.write_record(&names)?;
    let mut known: BTreeMap<(usize, String), String> = BTreeMap::new();
    for record in reader.records() {
        let Ok(record) = record else {
            return Ok(text.to_owned());
        };
        let mut cells: Vec<String> = record.iter().map(str::to_owned).collect();
        for (number, cell) in cells.iter_mut().enumerate() {
            let name = names.get(number).map(str::trim);
            let column = columns
                .iter()
                .find(|column| Some(column.name) == name && column.kind == Kind::Row);
            let Some(column) = column.filter(|_| !cell.is_empty()) else {
                continue;
            };
            let place = (number, cell.clone());
            if !known.contains_key(&place) {
                let found = on.desk.choices(column, cell, "").await?;
                let mut same = found.into_iter().filter(|(_, label)| label == cell);
                let key = same.next().filter(|_| same.next().is_none());
                known.insert(
                    place.clone(),
                    key.map_or_else(|| cell.clone(), |(key, _)| key),
                );
            }
            cell.clone_from(&known[&place]);
        }
        writer.write_record(&cells)?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| Error::bug(error.to_string()))?;
    Ok(String::from_utf8(bytes)?)
}

/// Refuses keys of rows that the user may not see, or that do not exist.
async fn check_keys(
    on: &On<Import>,
    columns: &[&Column],
    rows: &[Values],
) -> Result<Result<(), Vec<String>>> {
    for column in columns {
        let Some(choices) = column.spec.shape.choices else {
            continue;
        };
        let keys = rows
            .iter()
            .filter_map(|row| column.input(row.get(column.name)?).pop());
        let keys: Vec<String> = keys.collect::<BTreeSet<_>>().into_iter().collect();
        for some in keys.chunks(500) {
            if !(choices.check)(on.desk.extensions.clone(), some.to_vec()).await? {
                return Ok(Err(vec![format!("{}: {NOT_A_CHOICE}", column.name)]));
            }
        }
    }
    Ok(Ok(()))
}

fn signer(on: &On<Import>) -> Signer {
    let purpose = format!("admin import {} {}", on.desk.user_id(), on.entry.name);
    Signer::new(&on.desk.site.ring, purpose)
}

/// The hash of the file and the number of its rows, signed for this user and resource.
fn seal(on: &On<Import>, text: &str, count: usize) -> String {
    let hash = crate::crypto::hex(&Sha256::digest(text));
    signer(on).sign(&format!("{hash} {count}"))
}

#[derive(Form)]
pub(crate) struct Checked {
    text: Whole,
    seal: Line<200>,
    why: Option<Line<200>>,
}

/// `POST /{resource}/import/run`
pub(crate) async fn run(on: On<Import>, form: Form<Checked>) -> Result<Response> {
    let (desk, entry) = (&on.desk, &on.entry);
    desk.clear(entry, Operation::Add)?;
    let checked = form.valid()?;
    let columns = desk.writable(entry);
    let rows = match read(&on, &columns, &checked.text).await? {
        Ok(rows) => rows,
        Err(errors) => return refuse(&on, &errors).await,
    };
    if *checked.seal != *seal(&on, &checked.text, rows.len()) {
        let said = "This is another file than the one that was shown. Import it again.";
        return Err(Error::new(ErrorKind::BadRequest, said));
    }
    let why = checked
        .why
        .map_or_else(|| "import".to_owned(), |why| why.to_string());
    let batch = random::alphanumeric(16).expose().clone();
    let add = async |tx: &Tx| -> Result<()> {
        let work = Work {
            batch: &batch,
            ..Work::of(desk, entry, tx, &why)
        };
        for row in &rows {
            work.add(row).await?;
        }
        Ok(())
    };
    match desk.db.write(add).await {
        Ok(()) => {
            desk.say(format!("{} rows are added.", rows.len()), &on.list_url())
                .await
        }
        Err(error) if error.is_duplicate() => {
            refuse(
                &on,
                &["A row has a value that another row has already: nothing was added.".to_owned()],
            )
            .await
        }
        Err(error) => Err(error),
    }
}
