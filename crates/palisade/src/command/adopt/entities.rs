//! `adopt entities`: SeaORM entities of the project's tables, and of those that they reference.

use super::{Connection, Failed, Outcome, is_of_a_framework, unread};
use sea_orm::DbBackend;
use sea_orm::sea_query::{ColumnType, TableCreateStatement};
use sea_orm_codegen::{
    BannerVersion, BigIntegerType, DateTimeCrate, EntityFormat, EntityTransformer,
    EntityWriterContext, OutputFile, WithPrelude, WithSerde,
};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// A table, with those that its foreign keys reference.
struct Found {
    name: String,
    leads_to: Vec<String>,
    statement: TableCreateStatement,
}

/// Files that exist already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    Keep,
    Replace,
}

pub(super) async fn run(connection: &Connection, folder: &Path, existing: Existing) -> Outcome {
    let found = discover(connection).await?;
    let wanted = selected_tables(&found);
    if wanted.is_empty() {
        return Err(Failed(
            "there are no tables but those of the frameworks".into(),
            1,
        ));
    }
    let statements = found
        .iter()
        .filter(|table| wanted.contains(&table.name))
        .map(|table| table.statement.clone())
        .collect();
    let writer = EntityTransformer::transform(statements)
        .map_err(|error| Failed(format!("the tables are not understood: {error}"), 1))?;
    let files = writer.generate(&context()).files;
    let taken: Vec<String> = files
        .iter()
        .map(|file| folder.join(&file.name))
        .filter(|path| path.exists())
        .map(|path| path.display().to_string())
        .collect();
    if !taken.is_empty() && existing == Existing::Keep {
        return Err(Failed(
            format!(
                "{} would be written over; give another --output, or --force",
                taken.join(", ")
            ),
            1,
        ));
    }
    write(&files, folder).map_err(|error| {
        Failed(
            format!("{} cannot be written: {error}", folder.display()),
            1,
        )
    })?;
    Ok(format!(
        "{} tables are in {}: {}\n",
        wanted.len(),
        folder.display(),
        wanted.into_iter().collect::<Vec<_>>().join(", ")
    ))
}

/// The project's own tables, and all that they reference: an entity without its related entity does
/// not compile.
fn selected_tables(found: &[Found]) -> BTreeSet<String> {
    let mut wanted: BTreeSet<String> = found
        .iter()
        .map(|table| table.name.clone())
        .filter(|name| !is_of_a_framework(name))
        .collect();
    loop {
        let more: Vec<String> = found
            .iter()
            .filter(|table| wanted.contains(&table.name))
            .flat_map(|table| table.leads_to.clone())
            .collect();
        let before = wanted.len();
        wanted.extend(more);
        if wanted.len() == before {
            return wanted;
        }
    }
}

async fn discover(connection: &Connection) -> Result<Vec<Found>, Failed> {
    match connection.get_database_backend() {
        #[cfg(feature = "postgres")]
        DbBackend::Postgres => {
            use sea_schema::postgres::discovery::SchemaDiscovery;
            let pool = connection.get_postgres_connection_pool().clone();
            let schema = SchemaDiscovery::new(pool, "public").discover().await;
            let tables = schema.map_err(unread)?.tables.into_iter();
            Ok(tables.map(found_on_postgres).collect())
        }
        _ => {
            use sea_schema::sqlite::discovery::SchemaDiscovery;
            let pool = connection.get_sqlite_connection_pool().clone();
            let schema = SchemaDiscovery::new(pool).discover().await;
            let schema = schema.map_err(unread)?.merge_indexes_into_table();
            Ok(schema.tables.into_iter().map(found_on_sqlite).collect())
        }
    }
}

#[cfg(feature = "postgres")]
fn found_on_postgres(mut table: sea_schema::postgres::def::TableDef) -> Found {
    use sea_schema::postgres::def::Type;
    table
        .columns
        .retain(|column| column.generated.is_none() && !is_secret(&column.name));
    for column in &mut table.columns {
        // Django reads a duration from it; SeaORM has no such type
        if matches!(column.col_type, Type::Interval(_)) {
            column.col_type = Type::Unknown("interval".into());
        }
    }
    table
        .unique_constraints
        .retain(|constraint| !constraint.is_partial);
    let links = table.reference_constraints.iter();
    Found {
        name: table.info.name.clone(),
        leads_to: links.map(|link| link.table.clone()).collect(),
        statement: table.write(),
    }
}

fn found_on_sqlite(mut table: sea_schema::sqlite::def::TableDef) -> Found {
    use sea_schema::sqlite::def::ColumnVisibility::{GeneratedStored, GeneratedVirtual};
    table.columns.retain(|column| {
        !matches!(column.hidden, GeneratedVirtual | GeneratedStored) && !is_secret(&column.name)
    });
    for column in &mut table.columns {
        let declared = std::mem::replace(&mut column.r#type, ColumnType::Text);
        column.r#type = of_django(declared);
    }
    let links = table.foreign_keys.iter();
    Found {
        name: table.name.clone(),
        leads_to: links.map(|link| link.table.clone()).collect(),
        statement: table.write(),
    }
}

/// Django's type names on SQLite, where a column may have any type name.
fn of_django(declared: ColumnType) -> ColumnType {
    let ColumnType::Custom(name) = &declared else {
        return declared;
    };
    match name.to_string().to_lowercase().as_str() {
        "datetime" => ColumnType::TimestampWithTimeZone,
        "bool" => ColumnType::Boolean,
        "date" => ColumnType::Date,
        "time" => ColumnType::Time,
        _ => declared,
    }
}

/// Columns for the framework only: an entity with secrets would print them some day.
fn is_secret(column: &str) -> bool {
    column == "password"
}

fn context() -> EntityWriterContext {
    let none = Vec::new;
    EntityWriterContext::new(
        EntityFormat::Compact,
        WithPrelude::None,
        WithSerde::None,
        false,
        DateTimeCrate::Chrono,
        BigIntegerType::I64,
        None,
        false,
        false,
        false,
        none(),
        none(),
        none(),
        none(),
        none(),
        false,
        true,
        BannerVersion::Major,
    )
}

/// Names are the tables', and unused items are fine.
const LENIENT: &str = "\n#![allow(clippy::enum_variant_names, dead_code, reason = \"written by `adopt entities`\")]\n";

/// Writes every file, atomically.
fn write(files: &[OutputFile], folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for OutputFile { name, content } in files {
        // the site uses SeaORM by this crate's re-export
        let content = if name == "mod.rs" {
            content.replacen("\n", LENIENT, 1)
        } else {
            content.clone()
        };
        let content = content.replacen("use sea_orm", "use palisade::sea_orm;\nuse sea_orm", 1);
        let new = folder.join(format!(".{name}.new"));
        std::fs::write(&new, format(&content))?;
        std::fs::rename(&new, folder.join(name))?;
    }
    Ok(())
}

/// Formatted by rustfmt, if available.
fn format(content: &str) -> String {
    let mut rustfmt = Command::new("rustfmt");
    rustfmt
        .args(["--edition", "2024"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    through(rustfmt, content).unwrap_or_else(|| content.to_owned())
}

fn through(mut command: Command, text: &str) -> Option<String> {
    let mut child = command.spawn().ok()?;
    child.stdin.take()?.write_all(text.as_bytes()).ok()?;
    let output = child.wait_with_output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8(output.stdout).ok())?
}
