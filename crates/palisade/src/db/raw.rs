use sea_orm::{DbBackend, DbErr, QueryResult, Statement, TryGetable, Value};

/// A raw statement from a literal, with bound values. Created by [`sql!`](crate::sql).
#[derive(Debug, Clone)]
pub struct RawSql {
    text: &'static str,
    values: Vec<Value>,
}

impl RawSql {
    #[doc(hidden)]
    pub fn __from_literal(text: &'static str, values: Vec<Value>) -> Self {
        Self { text, values }
    }

    /// Replaces `?` outside of quotes by `$1`, `$2`, … where the database requires that.
    pub(crate) fn statement(self, backend: DbBackend) -> Statement {
        if backend != DbBackend::Postgres {
            return Statement::from_sql_and_values(backend, self.text, self.values);
        }
        let (mut text, mut quote, mut count) =
            (String::with_capacity(self.text.len() + 8), None, 0);
        for character in self.text.chars() {
            match (quote, character) {
                (None, '?') => {
                    count += 1;
                    text.push_str(&format!("${count}"));
                    continue;
                }
                (None, '\'' | '"') => quote = Some(character),
                (Some(open), _) if open == character => quote = None,
                _ => {}
            }
            text.push(character);
        }
        Statement::from_sql_and_values(backend, text, self.values)
    }
}

/// A row of a raw query: a tuple of up to six columns.
pub trait FromRow: Sized {
    /// Reads the columns in order.
    ///
    /// # Errors
    /// When a column is missing or of another type.
    fn from_row(row: &QueryResult) -> Result<Self, DbErr>;
}

macro_rules! rows {
    ($($($name:ident $index:literal),+;)*) => {
        $(impl<$($name: TryGetable),+> FromRow for ($($name,)+) {
            fn from_row(row: &QueryResult) -> Result<Self, DbErr> {
                Ok(($(row.try_get_by_index::<$name>($index)?,)+))
            }
        })*
    };
}

rows! {
    A 0;
    A 0, B 1;
    A 0, B 1, C 2;
    A 0, B 1, C 2, D 3;
    A 0, B 1, C 2, D 3, E 4;
    A 0, B 1, C 2, D 3, E 4, F 5;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6;
}

/// Raw SQL: a string literal with `?` for each value, then the values. A string built at run time
/// does not compile.
///
/// ```
/// # use palisade::sql;
/// let name = "'; DROP TABLE ticket; --";
/// let safe = sql!("SELECT id FROM ticket WHERE subject = ?", name);
/// ```
///
/// ```compile_fail
/// # use palisade::sql;
/// let name = "ann";
/// let unsafe_sql = sql!(format!("SELECT id FROM ticket WHERE subject = '{name}'"));
/// ```
#[macro_export]
macro_rules! sql {
    ($text:literal $(, $value:expr)* $(,)?) => {
        $crate::db::RawSql::__from_literal($text, ::std::vec![$($crate::sea_orm::Value::from($value)),*])
    };
    ($($other:tt)*) => {
        ::std::compile_error!("raw SQL is a string literal with ? for each value, as in \
            sql!(\"SELECT … WHERE id = ?\", id): a string made at run time could carry an \
            injection")
    };
}
