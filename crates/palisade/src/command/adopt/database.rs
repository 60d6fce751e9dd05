//! The database: tables, columns, algorithms of password hashes, and session formats. No row is
//! shown.

use super::{Connection, Failed, unread};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::read::ZlibDecoder;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use std::collections::BTreeMap;
use std::io::Read;

/// The findings.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Columns of every table: name, and whether it is required without a default.
    pub(super) tables: BTreeMap<String, Vec<Column>>,
    /// Number of users by hash algorithm.
    pub(super) hashes: BTreeMap<String, i64>,
    /// Session formats.
    pub(super) sessions: BTreeMap<Kind, usize>,
}

#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) is_demanded: bool,
}

/// Format of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Signed JSON, which this site reads and writes.
    Json,
    /// Python's pickle: reading it would execute it.
    Pickle,
    /// Another format, or that of a Django before 3.1.
    Other,
}

/// Prefixes of password hashes.
const KNOWN: [&str; 10] = [
    "pbkdf2_sha256",
    "pbkdf2_sha1",
    "argon2",
    "scrypt",
    "bcrypt",
    "bcrypt_sha256",
    "md5",
    "sha1",
    "bare",
    "unusable",
];

/// Number of sessions that are sampled.
const SAMPLE: usize = 500;

impl Facts {
    /// Reads the schema, and the users of this table.
    pub(super) async fn gather(
        connection: &Connection,
        users: impl Fn(&Self) -> Option<String>,
    ) -> Result<Self, Failed> {
        let mut facts = Self {
            tables: tables(connection).await?,
            ..Self::default()
        };
        if let Some(table) = users(&facts) {
            facts.hashes = hashes(connection, &table).await?;
        }
        if facts.tables.contains_key("django_session") {
            let rows =
                rows(connection, &format!("SELECT session_data FROM django_session ORDER BY expire_date DESC LIMIT {SAMPLE}"))
                    .await?;
            for row in rows {
                *facts
                    .sessions
                    .entry(Kind::detect(
                        &row.try_get::<String>("", "session_data").map_err(unread)?,
                    ))
                    .or_default() += 1;
            }
        }
        Ok(facts)
    }

    /// Whether a table has these columns.
    pub(super) fn has(&self, table: &str, columns: &[&str]) -> bool {
        let found = self.tables.get(table);
        found.is_some_and(|found| {
            columns
                .iter()
                .all(|name| found.iter().any(|column| column.name == *name))
        })
    }
}

impl Kind {
    /// By the first byte of the signed data; the signature is not verified.
    pub(super) fn detect(data: &str) -> Self {
        let packed = data.split(':').next().unwrap_or_default();
        let bytes = match packed.strip_prefix('.') {
            Some(packed) => URL_SAFE_NO_PAD
                .decode(packed)
                .ok()
                .and_then(|packed| inflate(&packed)),
            None => URL_SAFE_NO_PAD.decode(packed).ok(),
        };
        match bytes.as_deref().map(|bytes| (bytes.first(), bytes.last())) {
            Some((Some(b'{'), _)) => Self::Json,
            Some((Some(0x80), Some(b'.'))) => Self::Pickle,
            _ => Self::Other,
        }
    }
}

fn inflate(packed: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    ZlibDecoder::new(packed)
        .take(1 << 20)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}

async fn tables(connection: &Connection) -> Result<BTreeMap<String, Vec<Column>>, Failed> {
    let query = match connection.get_database_backend() {
        DbBackend::Postgres => {
            "SELECT table_name::text AS in_table, column_name::text AS name, data_type::text AS kind, \
             (is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO') AS is_demanded \
             FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
        }
        _ => {
            "SELECT tables.name AS in_table, columns.name AS name, columns.type AS kind, \
             (columns.\"notnull\" = 1 AND columns.dflt_value IS NULL AND columns.pk = 0) AS is_demanded \
             FROM sqlite_master tables JOIN pragma_table_info(tables.name) columns WHERE tables.type = 'table' ORDER BY tables.name, columns.cid"
        }
    };
    let mut tables: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    for row in rows(connection, query).await? {
        let text = |name: &str| row.try_get::<String>("", name).map_err(unread);
        let is_demanded = row.try_get("", "is_demanded").map_err(unread)?;
        tables.entry(text("in_table")?).or_default().push(Column {
            name: text("name")?,
            kind: text("kind")?.to_lowercase(),
            is_demanded,
        });
    }
    Ok(tables)
}

/// `table` is a name from the schema, quoted here.
async fn hashes(connection: &Connection, table: &str) -> Result<BTreeMap<String, i64>, Failed> {
    let table = table.replace('"', "\"\"");
    let before_dollar = match connection.get_database_backend() {
        DbBackend::Postgres => {
            "CASE WHEN position('$' in password) > 0 THEN split_part(password, '$', 1)"
        }
        _ => {
            "CASE WHEN instr(password, '$') > 0 THEN substr(password, 1, instr(password, '$') - 1)"
        }
    };
    let query = format!(
        "SELECT {before_dollar} WHEN substr(password, 1, 1) = '!' OR password = '' THEN 'unusable' ELSE 'bare' END AS kind, \
         COUNT(*) AS users FROM \"{table}\" GROUP BY 1"
    );
    let counted = |row: &sea_orm::QueryResult| {
        Some((
            row.try_get::<String>("", "kind").ok()?,
            row.try_get::<i64>("", "users").ok()?,
        ))
    };
    let mut all = BTreeMap::new();
    for (kind, users) in rows(connection, &query).await?.iter().filter_map(counted) {
        // the prefix may be a plaintext password: only known ones are shown
        let kind = if KNOWN.contains(&kind.as_str()) {
            kind
        } else {
            "others".into()
        };
        *all.entry(kind).or_default() += users;
    }
    Ok(all)
}

async fn rows(connection: &Connection, query: &str) -> Result<Vec<sea_orm::QueryResult>, Failed> {
    connection
        .query_all_raw(Statement::from_string(
            connection.get_database_backend(),
            query,
        ))
        .await
        .map_err(unread)
}
