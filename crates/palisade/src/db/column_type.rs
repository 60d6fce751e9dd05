//! Families of column types, in entities and in tables.

use sea_orm::DbBackend;
use sea_orm::sea_query::ColumnType;

/// Types that a program reads in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    SmallInteger,
    Integer,
    BigInteger,
    Text,
    Boolean,
    Date,
    Time,
    DateTime,
    DateTimeWithZone,
    Decimal,
    Float,
    Double,
    Json,
    Bytes,
    Uuid,
}

impl Family {
    /// The function of `sea_orm_migration::schema` that makes such a column.
    pub(crate) fn helper(self) -> &'static str {
        match self {
            Self::SmallInteger => "small_integer",
            Self::Integer => "integer",
            Self::BigInteger => "big_integer",
            Self::Text => "string",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Time => "time",
            Self::DateTime => "timestamp",
            Self::DateTimeWithZone => "timestamp_with_time_zone",
            Self::Decimal => "decimal",
            Self::Float => "float",
            Self::Double => "double",
            Self::Json => "json",
            Self::Bytes => "binary",
            Self::Uuid => "uuid",
        }
    }

    /// Whether an entity with this type reads a column of the other. PostgreSQL sends each type in a
    /// form of its own; SQLite has the types of values, and Django's keys are text there.
    pub(super) fn reads(self, table: Self, backend: DbBackend) -> bool {
        self == table || (backend != DbBackend::Postgres && self.in_sqlite() == table.in_sqlite())
    }

    fn in_sqlite(self) -> Self {
        match self {
            Self::SmallInteger | Self::BigInteger | Self::Boolean => Self::Integer,
            Self::DateTimeWithZone => Self::DateTime,
            Self::Float | Self::Decimal => Self::Double,
            Self::Json | Self::Uuid => Self::Text,
            other => other,
        }
    }
}

/// The family of an entity's column; `None` for other types, which are not compared.
pub(super) fn family_of_column(kind: &ColumnType) -> Option<Family> {
    Some(match kind {
        ColumnType::TinyInteger | ColumnType::SmallInteger => Family::SmallInteger,
        ColumnType::Integer | ColumnType::Unsigned => Family::Integer,
        ColumnType::BigInteger | ColumnType::BigUnsigned => Family::BigInteger,
        ColumnType::Char(_) | ColumnType::String(_) | ColumnType::Text => Family::Text,
        ColumnType::Boolean => Family::Boolean,
        ColumnType::Date => Family::Date,
        ColumnType::Time => Family::Time,
        ColumnType::DateTime | ColumnType::Timestamp => Family::DateTime,
        ColumnType::TimestampWithTimeZone => Family::DateTimeWithZone,
        ColumnType::Decimal(_) | ColumnType::Money(_) => Family::Decimal,
        ColumnType::Float => Family::Float,
        ColumnType::Double => Family::Double,
        ColumnType::Json | ColumnType::JsonBinary => Family::Json,
        ColumnType::Binary(_) | ColumnType::VarBinary(_) | ColumnType::Blob => Family::Bytes,
        ColumnType::Uuid => Family::Uuid,
        _ => return None,
    })
}

/// Beginnings of the names of types in a database, with their families. The longer come first.
const NAMES: [(&str, Family); 22] = [
    ("smallint", Family::SmallInteger),
    ("tinyint", Family::SmallInteger),
    ("bigint", Family::BigInteger),
    ("int", Family::Integer),
    ("bool", Family::Boolean),
    ("timestamp with time zone", Family::DateTimeWithZone),
    ("timestamp_with_timezone", Family::DateTimeWithZone),
    ("timestamp", Family::DateTime),
    ("datetime", Family::DateTime),
    ("date", Family::Date),
    ("time", Family::Time),
    ("numeric", Family::Decimal),
    ("decimal", Family::Decimal),
    ("real", Family::Float),
    ("float", Family::Double),
    ("double", Family::Double),
    ("json", Family::Json),
    ("bytea", Family::Bytes),
    ("blob", Family::Bytes),
    ("uuid", Family::Uuid),
    ("text", Family::Text),
    ("varchar", Family::Text),
];

/// The family of a table's column; `None` for other types.
pub(super) fn family_of_table(kind: &str) -> Option<Family> {
    let kind = kind.to_lowercase();
    let known = NAMES.iter().find(|(name, _)| kind.starts_with(name));
    known
        .map(|(_, family)| *family)
        .or_else(|| kind.starts_with("char").then_some(Family::Text))
}
