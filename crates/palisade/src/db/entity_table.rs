//! An entity compared with its table.

use super::Database;
use super::column_type::{Family, family_of_column, family_of_table};
use crate::sql;
use sea_orm::{
    ColumnTrait, DbBackend, DbErr, EntityTrait, IdenStatic, Iterable, PrimaryKeyToColumn,
};
use std::fmt;

/// The columns that an entity expects in its table.
#[derive(Debug, Clone)]
pub(crate) struct EntityTable {
    table: &'static str,
    columns: Vec<EntityColumn>,
}

#[derive(Debug, Clone)]
struct EntityColumn {
    name: &'static str,
    family: Option<Family>,
    is_nullable: bool,
    is_key: bool,
}

/// A column of a table.
#[derive(Debug, Clone)]
struct TableColumn {
    name: String,
    kind: String,
    is_nullable: bool,
    has_default: bool,
}

/// A difference between an entity and its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    table: &'static str,
    kind: DifferenceKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum DifferenceKind {
    NoTable(Vec<String>),
    NoColumn {
        column: &'static str,
        create: String,
    },
    Type {
        column: &'static str,
        entity: Family,
        table: String,
    },
    /// The table can have nulls, which the entity cannot read.
    Nulls(&'static str),
    /// The entity can write nulls, which the table refuses.
    NoNulls(&'static str),
    /// A column that the entity does not know, and that an insert must set.
    Required(String),
}

impl EntityTable {
    pub(crate) fn of<E: EntityTrait>() -> Self {
        let keys: Vec<&str> = E::PrimaryKey::iter()
            .map(|key| key.into_column().as_str())
            .collect();
        let column = |column: E::Column| EntityColumn {
            name: column.as_str(),
            family: family_of_column(column.def().get_column_type()),
            is_nullable: column.def().is_null(),
            is_key: keys.contains(&column.as_str()),
        };
        Self {
            table: E::default().table_name(),
            columns: E::Column::iter().map(column).collect(),
        }
    }

    /// The differences between the entity and its table.
    pub(crate) async fn differences(&self, database: &Database) -> Result<Vec<Difference>, DbErr> {
        let found = columns(database, self.table).await?;
        let kinds = match found.is_empty() {
            true => vec![DifferenceKind::NoTable(
                self.columns.iter().map(EntityColumn::create).collect(),
            )],
            false => self.compare(&found, database.backend()),
        };
        let of_table = |kind| Difference {
            table: self.table,
            kind,
        };
        Ok(kinds.into_iter().map(of_table).collect())
    }

    fn compare(&self, found: &[TableColumn], backend: DbBackend) -> Vec<DifferenceKind> {
        let mut kinds = Vec::new();
        for column in &self.columns {
            match found
                .iter()
                .find(|known| known.name.eq_ignore_ascii_case(column.name))
            {
                Some(known) => kinds.extend(column.compare(known, backend)),
                None => kinds.push(DifferenceKind::NoColumn {
                    column: column.name,
                    create: column.create(),
                }),
            }
        }
        let is_known = |name: &str| {
            let mut columns = self.columns.iter();
            columns.any(|column| column.name.eq_ignore_ascii_case(name))
        };
        let required = found
            .iter()
            .filter(|column| !column.is_nullable && !column.has_default && !is_known(&column.name));
        kinds.extend(required.map(|column| DifferenceKind::Required(column.name.clone())));
        kinds
    }
}

impl EntityColumn {
    fn compare(&self, table: &TableColumn, backend: DbBackend) -> Option<DifferenceKind> {
        if let (Some(entity), Some(known)) = (self.family, family_of_table(&table.kind))
            && !entity.reads(known, backend)
        {
            return Some(DifferenceKind::Type {
                column: self.name,
                entity,
                table: table.kind.clone(),
            });
        }
        match (self.is_nullable, table.is_nullable) {
            (false, true) if !self.is_key => Some(DifferenceKind::Nulls(self.name)),
            (true, false) if !table.has_default => Some(DifferenceKind::NoNulls(self.name)),
            _ => None,
        }
    }

    /// The expression of a migration that creates the column.
    fn create(&self) -> String {
        if self.is_key && self.family == Some(Family::Integer) {
            return format!("pk_auto({:?})", self.name);
        }
        let key = if self.is_key { ".primary_key()" } else { "" };
        let null = if self.is_nullable { "_null" } else { "" };
        match self.family {
            Some(family) => format!("{}{null}({:?}){key}", family.helper(), self.name),
            None => format!("string{null}({:?}) /* another type */", self.name),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.table;
        match &self.kind {
            DifferenceKind::NoTable(_) => write!(out, "there is no table {table}"),
            DifferenceKind::NoColumn { column, .. } => {
                write!(out, "{table} has no column {column}")
            }
            DifferenceKind::Type {
                column,
                entity,
                table: kind,
            } => {
                write!(
                    out,
                    "{table}.{column} is {kind}, and {} in the entity",
                    entity.helper()
                )
            }
            DifferenceKind::Nulls(column) => {
                write!(
                    out,
                    "{table}.{column} can be null, and is no Option in the entity"
                )
            }
            DifferenceKind::NoNulls(column) => {
                write!(
                    out,
                    "{table}.{column} cannot be null, and is an Option in the entity"
                )
            }
            DifferenceKind::Required(column) => {
                write!(
                    out,
                    "{table}.{column} is required, and the entity does not have it"
                )
            }
        }
    }
}

impl Difference {
    /// The changes of a migration that would remove it, as Rust code; a comment where a person must
    /// decide.
    pub(crate) fn draft(&self) -> String {
        let table = self.table;
        match &self.kind {
            DifferenceKind::NoTable(columns) => {
                let columns: String = columns
                    .iter()
                    .map(|column| format!("            .col({column})\n"))
                    .collect();
                format!(
                    "    .create_table(\n        Table::create()\n            .table({table:?})\n{columns}            .take(),\n    )"
                )
            }
            DifferenceKind::NoColumn { create, .. } if create.contains("_null(") => {
                format!("    .add_column({table:?}, {create})")
            }
            DifferenceKind::NoColumn { create, .. } => {
                format!(
                    "    // for the rows that exist: the right default\n    .add_column({table:?}, {create}.default(…))"
                )
            }
            _ => format!("    // {self}"),
        }
    }
}

/// The differences of several entities.
pub(crate) async fn differences(
    entities: &[EntityTable],
    database: &Database,
) -> Result<Vec<Difference>, DbErr> {
    let mut all = Vec::new();
    for entity in entities {
        all.extend(entity.differences(database).await?);
    }
    Ok(all)
}

async fn columns(database: &Database, table: &'static str) -> Result<Vec<TableColumn>, DbErr> {
    let query = match database.backend() {
        DbBackend::Postgres => sql!(
            "SELECT attname::text, format_type(atttypid, NULL), NOT attnotnull, \
             atthasdef OR attidentity <> '' OR attgenerated <> '' FROM pg_attribute \
             WHERE attrelid = to_regclass(quote_ident(?)) AND attnum > 0 AND NOT attisdropped \
             ORDER BY attnum",
            table
        ),
        _ => sql!(
            "SELECT name, lower(type), \"notnull\" = 0 AND pk = 0, \
             dflt_value IS NOT NULL OR pk > 0 OR hidden > 1 FROM pragma_table_xinfo(?) ORDER BY cid",
            table
        ),
    };
    let rows: Vec<(String, String, bool, bool)> = database.handle().fetch_all(query).await?;
    let column = |(name, kind, is_nullable, has_default)| TableColumn {
        name,
        kind,
        is_nullable,
        has_default,
    };
    Ok(rows.into_iter().map(column).collect())
}
