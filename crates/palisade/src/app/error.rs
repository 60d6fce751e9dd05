use crate::checks::Report;
use crate::db::Diagnosis;
use crate::settings::SettingsError;
use crate::storage::StorageError;
use palisade_template::LoadError;
use sea_orm::DbErr;
use std::fmt;

/// Why a site does not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum BootError {
    /// Invalid settings.
    Settings(SettingsError),
    /// A check of level error fired.
    Refused(Box<Report>),
    /// An invalid template.
    Templates(LoadError),
    /// The database does not answer, or a migration failed.
    Database(DbErr),
    /// A restore into the database is not complete.
    Restoring,
    /// Migrations that have not run.
    Pending(Vec<String>),
    /// Adopted permissions without a row in the database.
    MissingPermissions(Vec<&'static str>),
    /// Keys of encrypted columns that values may need, and that are missing: their ids.
    MissingDataKeys(Vec<String>),
    /// A block list cannot be read.
    List(std::path::PathBuf, String),
    /// The file of `alerts.geo_file` cannot be read.
    Geo(String, String),
    /// The HTTP client cannot be set up.
    Client(std::io::Error),
    /// The storage of files cannot be used.
    Storage(StorageError),
    /// `sentry.dsn` cannot be used.
    Sentry(String),
    /// `cache.url` cannot be used.
    Cache(String),
    /// `mail.url` or `mail.from` cannot be used.
    Mail(String),
    /// The tables of the Django project differ from what this site reads.
    Django(String),
    /// A function of [`App::on_start`](super::App::on_start) failed.
    Start(crate::views::Error),
    /// A file of the data folder cannot be written.
    Data(std::path::PathBuf, std::io::Error),
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(error) => error.fmt(f),
            Self::Refused(report) => {
                writeln!(f, "the site does not start, because these checks failed:\n")?;
                report.errors().try_for_each(|finding| {
                    writeln!(
                        f,
                        "error: {} [{}]\n  why: {}\n  fix: {}\n",
                        finding.title, finding.id, finding.why, finding.fix
                    )
                })
            }
            Self::Templates(error) => error.fmt(f),
            Self::Database(error) => write!(f, "the database: {}", Diagnosis::classify(error)),
            Self::Geo(file, why) => explain_geo(f, file, why),
            Self::List(path, why) => {
                write!(
                    f,
                    "http.block_lists: {}: {why}\n  fix: correct the list, or remove it from the setting",
                    path.display()
                )
            }
            Self::Client(error) => write!(
                f,
                "{error}\n  fix: name a PEM file with certificates, or remove the setting"
            ),
            Self::Restoring => f.write_str(
                "the database was not restored completely\n  fix: run `restore` again with the same backup",
            ),
            Self::Storage(error) => write!(f, "storage.url: {error}\n  fix: correct it"),
            Self::Cache(why) => {
                write!(
                    f,
                    "cache.url: {why}\n  fix: set cache.url = \"redis://HOST\" and build with \
                        the feature redis, or, for one instance, cache.url = \"memory:\" and \
                        sessions.store = \"database\""
                )
            }
            Self::Mail(why) => write!(
                f,
                "mail: {why}\n  fix: set mail.url = \"smtps://USER:PASSWORD@HOST\" and mail.from"
            ),
            Self::Django(why) => write!(f, "the database of the Django project: {why}"),
            Self::Pending(names) => explain_pending(f, names),
            Self::Sentry(why) => write!(f, "{why}\n  fix: copy the DSN of the project again"),
            Self::Start(error) => write!(f, "a function of App::on_start failed: {error}"),
            Self::MissingPermissions(names) => explain_missing(f, names),
            Self::MissingDataKeys(ids) => explain_missing_keys(f, ids),
            Self::Data(path, error) => write!(f, "{} cannot be written: {error}", path.display()),
        }
    }
}

fn explain_geo(f: &mut fmt::Formatter<'_>, file: &str, why: &str) -> fmt::Result {
    let fix = "name a MaxMind DB file of cities";
    write!(f, "alerts.geo_file: {file}: {why}\n  fix: {fix}")
}

fn explain_pending(f: &mut fmt::Formatter<'_>, names: &[String]) -> fmt::Result {
    write!(
        f,
        "the database is not ready: {} migration(s) have not run ({})\n  fix: run `migrate`, or set \
            site.migrate_at_start = true for a site of one instance",
        names.len(),
        names.join(", ")
    )
}

fn explain_missing(f: &mut fmt::Formatter<'_>, names: &[&str]) -> fmt::Result {
    write!(
        f,
        "the Django project has no permission {}\n  fix: correct the name in \
            App::adopted_permissions, or run the project's migrate",
        names.join(", ")
    )
}

fn explain_missing_keys(f: &mut fmt::Formatter<'_>, ids: &[String]) -> fmt::Result {
    write!(
        f,
        "encrypted columns may need keys that are not in data.keys: {}\n  fix: restore them from a \
            copy of data.keys; `data retire ID` removes a key that no value needs",
        ids.join(", ")
    )
}

impl std::error::Error for BootError {}
