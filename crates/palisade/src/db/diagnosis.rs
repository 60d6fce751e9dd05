//! Error messages of the database for operators, with a remedy.

use sea_orm::sqlx::Error as Sqlx;
use sea_orm::{DbErr, RuntimeErr};
use std::fmt;

/// An error of the database in words, with a remedy where one is known.
pub(crate) struct Diagnosis {
    said: String,
    fix: Option<&'static str>,
}

impl Diagnosis {
    /// For an error of a query, a migration or [`unreachable`].
    pub(crate) fn classify(error: &DbErr) -> Self {
        match error {
            DbErr::Conn(RuntimeErr::SqlxError(error))
            | DbErr::Exec(RuntimeErr::SqlxError(error))
            | DbErr::Query(RuntimeErr::SqlxError(error)) => Self::of_driver(error),
            DbErr::Conn(RuntimeErr::Internal(said)) | DbErr::Custom(said) => Self {
                said: said.clone(),
                fix: None,
            },
            other => Self {
                said: other.to_string(),
                fix: None,
            },
        }
    }

    fn of_driver(error: &Sqlx) -> Self {
        match error {
            // without the line of the server's source that the driver appends
            Sqlx::Database(error) => Self {
                said: error.message().to_owned(),
                fix: error.code().and_then(|code| advice(&code)),
            },
            Sqlx::Tls(error) => Self {
                said: format!("TLS: {error}"),
                fix: Some(TLS),
            },
            other => Self {
                said: other.to_string(),
                fix: None,
            },
        }
    }
}

const TLS: &str = "use the name that is in the server's certificate, and name its authority: ?sslrootcert=/path/to/ca.pem";
#[cfg(feature = "postgres")]
const POOLER: &str = "connect to PostgreSQL itself, or set pool_mode = session: a pooler that changes the connection after each transaction loses the read-only mode of connections";

/// By SQLSTATE
/// ([PostgreSQL, appendix A](https://www.postgresql.org/docs/current/errcodes-appendix.html)) or
/// SQLite's [result code](https://www.sqlite.org/rescode.html).
fn advice(code: &str) -> Option<&'static str> {
    if code.len() < 5 {
        return advice_on_file(code.parse::<u32>().ok()? & 0xff);
    }
    Some(match code {
        "28P01" | "28000" => {
            "correct user name and password in DATABASE_URL, or allow the user in pg_hba.conf"
        }
        "3D000" => "create the database (createdb NAME), or correct its name in DATABASE_URL",
        "42501" => {
            "give the user of the site the right; for the schema: GRANT CREATE ON SCHEMA public TO the user, \
             since PostgreSQL 15 only the owner of the database has it"
        }
        "53300" => {
            "lower database.read_connections and database.write_connections, or raise the \
                server's max_connections"
        }
        "57P03" => "wait until the server has started",
        "08P01" => {
            "if a pooler such as PgBouncer is in between: set ignore_startup_parameters = \
                options and pool_mode = session, or connect to PostgreSQL itself"
        }
        #[cfg(feature = "postgres")]
        "42P05" | "26000" => POOLER,
        _ => return None,
    })
}

fn advice_on_file(code: u32) -> Option<&'static str> {
    Some(match code {
        8 | 14 => {
            "let the user of this process write the file and its folder (SQLite keeps two more \
                files beside it)"
        }
        11 => "restore a backup: the file is damaged",
        13 => "free space on the disk",
        26 => "name an SQLite database, or a file that does not exist yet",
        _ => return None,
    })
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)?;
        self.fix.map_or(Ok(()), |fix| write!(f, "\n  fix: {fix}"))
    }
}

#[cfg(feature = "postgres")]
pub(super) mod postgres {
    use super::{Diagnosis, POOLER};
    use sea_orm::{DbErr, RuntimeErr};
    use sqlx::postgres::PgConnectOptions;
    use sqlx::{ConnectOptions, Error, PgConnection, Row};
    use std::io::ErrorKind;
    use std::time::Duration;
    use tokio::time::timeout;

    const PATIENCE: Duration = Duration::from_secs(5);
    /// Number of comparisons of two connections.
    const ROUNDS: u8 = 3;

    /// Connects twice. The pool would retry until its timeout and report only that. Two connections
    /// that share a server process are those of a pooler in transaction or statement mode, which is
    /// refused.
    ///
    /// # Errors
    /// The first error of the connection, with its remedy.
    pub(in crate::db) async fn check_connection(options: &PgConnectOptions) -> Result<(), DbErr> {
        let (mut first, mut second) = (connect(options).await?, connect(options).await?);
        for _ in 0..ROUNDS {
            let pids = (pid(&mut first).await, pid(&mut second).await);
            let pids = (
                pids.0.map_err(|error| unreachable(options, &error))?,
                pids.1.map_err(|error| unreachable(options, &error))?,
            );
            if pids.0 == pids.1 {
                return Err(DbErr::Conn(RuntimeErr::Internal(format!(
                    "the connection is that of a pooler in transaction or statement mode\n  fix: \
                        {POOLER}"
                ))));
            }
        }
        Ok(())
    }

    async fn connect(options: &PgConnectOptions) -> Result<PgConnection, DbErr> {
        match timeout(PATIENCE, options.connect()).await {
            Ok(connected) => connected.map_err(|error| unreachable(options, &error)),
            Err(_) => Err(connection_failed(
                options,
                &format!("no answer within {PATIENCE:?}"),
                Some("open the port in the firewall, or correct host and port in DATABASE_URL"),
            )),
        }
    }

    async fn pid(connection: &mut PgConnection) -> Result<i32, Error> {
        // by the simple protocol, whose values are text
        let row = sqlx::raw_sql("SELECT pg_backend_pid()::text")
            .fetch_one(connection)
            .await?;
        let pid: String = row.try_get(0)?;
        pid.parse()
            .map_err(|_| Error::Protocol("a process id that is not a number".into()))
    }

    fn unreachable(options: &PgConnectOptions, error: &Error) -> DbErr {
        let Error::Io(io) = error else {
            let Diagnosis { said, fix } = Diagnosis::of_driver(error);
            return connection_failed(options, &said, fix);
        };
        let fix = match io.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::NotFound => {
                "start PostgreSQL there, or correct host and port in DATABASE_URL"
            }
            ErrorKind::PermissionDenied => "let the user of this process open the server's socket",
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => {
                "name the port of PostgreSQL: something else seems to listen there"
            }
            _ => "correct host and port in DATABASE_URL",
        };
        connection_failed(options, &io.to_string(), Some(fix))
    }

    fn connection_failed(options: &PgConnectOptions, said: &str, fix: Option<&str>) -> DbErr {
        let place = options.get_socket().map_or_else(
            || format!("{}:{}", options.get_host(), options.get_port()),
            |socket| socket.display().to_string(),
        );
        let fix = fix.map(|fix| format!("\n  fix: {fix}")).unwrap_or_default();
        DbErr::Conn(RuntimeErr::Internal(format!(
            "PostgreSQL at {place}: {said}{fix}"
        )))
    }
}
