//! `adopt check`: the Django project's database and settings, their equivalents here, and a
//! proposed `palisade.toml`.

use super::compare::compare;
use super::database::{Column, Facts, Kind};
use super::settings::{Settings, Value};
use super::verdict::{Compared, Sign};
use super::{Connection, Failed, Outcome, is_of_a_framework};
use crate::command::print;
use crate::db::DatabaseUrl;
use crate::django::{UserModel, UserTables};
use std::fmt::Write;
use std::path::PathBuf;

/// Columns of users that this site reads and writes.
const USER_COLUMNS: [&str; 11] = [
    "id",
    "password",
    "last_login",
    "is_superuser",
    "username",
    "first_name",
    "last_name",
    "email",
    "is_staff",
    "is_active",
    "date_joined",
];

pub(super) async fn run(
    connection: &Connection,
    url: &DatabaseUrl,
    file: Option<&PathBuf>,
) -> Outcome {
    let settings = file.map(read).transpose()?;
    let model = settings.as_ref().and_then(user_model);
    let facts = Facts::gather(connection, |facts| {
        users(facts, model.as_ref()).map(|tables| tables.users)
    })
    .await?;
    let report = Report::new(&facts, settings.as_ref(), model.as_ref(), url);
    let text = report.to_string();
    if report.is_refused() {
        print::out(&text);
        return Err(Failed(
            "settings marked with ! must change before the two can share this database".into(),
            1,
        ));
    }
    Ok(text)
}

fn read(file: &PathBuf) -> Result<Settings, Failed> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failed(format!("{} cannot be read: {error}", file.display()), 1))?;
    Settings::parse(&text)
        .map_err(|error| Failed(format!("{} cannot be parsed: {error}", file.display()), 1))
}

fn user_model(settings: &Settings) -> Option<UserModel> {
    match settings.get("AUTH_USER_MODEL") {
        Some(Value::Text(model)) => model.parse().ok(),
        _ => None,
    }
}

/// The user table: of the model in the configuration, of Django's own model, or the only table of
/// that shape.
fn users(facts: &Facts, model: Option<&UserModel>) -> Option<UserTables> {
    let exists = |tables: &UserTables| facts.tables.contains_key(&tables.users);
    let named = model.map_or_else(UserTables::default, |model| {
        UserTables::for_model(model, None)
    });
    if exists(&named) {
        return Some(named);
    }
    let mut like = facts
        .tables
        .keys()
        .filter(|table| facts.has(table, &["password", "last_login", "is_superuser"]));
    let (Some(table), None) = (like.next(), like.next()) else {
        return None;
    };
    let (app, model) = table.split_once('_')?;
    Some(UserTables::for_model(
        &format!("{app}.{model}").parse().ok()?,
        table.parse().ok().as_ref(),
    ))
}

/// The report, in order.
struct Report {
    url: String,
    sections: Vec<(&'static str, Vec<Compared>)>,
    toml: String,
}

impl Report {
    fn new(
        facts: &Facts,
        settings: Option<&Settings>,
        model: Option<&UserModel>,
        url: &DatabaseUrl,
    ) -> Self {
        let users = users(facts, model);
        let compared = settings
            .map(|settings| compare(settings, url))
            .unwrap_or_default();
        let toml = toml(&compared, users.as_ref(), model, url);
        let mut sections = vec![
            ("Tables", tables(facts, users.as_ref())),
            ("Passwords", passwords(facts)),
            ("Sessions", sessions(facts, settings)),
        ];
        if settings.is_some_and(|settings| settings.has_imports) {
            let says = "the file imports others by `import *`, and their settings are unknown here";
            sections.push((
                "Settings",
                vec![Compared::new(Sign::Unknown, "import *", says)],
            ));
        }
        sections.push(("Settings", compared));
        Self {
            url: url.to_string(),
            sections,
            toml,
        }
    }

    fn is_refused(&self) -> bool {
        self.sections
            .iter()
            .flat_map(|(_, lines)| lines)
            .any(|line| line.sign == Sign::Refused)
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "The database {}, which was read and not changed.",
            self.url
        )?;
        writeln!(
            f,
            "= shared as it is   > this site is stricter   < Django is stricter   ? not known   \
                ! must change first"
        )?;
        let mut last = "";
        for (name, lines) in self.sections.iter().filter(|(_, lines)| !lines.is_empty()) {
            if *name != last {
                writeln!(f, "\n{name}")?;
            }
            last = name;
            for line in lines {
                writeln!(f, "  {} {:<34} {}", line.sign.mark(), line.what, line.says)?;
            }
        }
        write!(
            f,
            "\nStart with this palisade.toml, the same secret key by SECRET_KEY_FILE, and \
                DATABASE_URL:\n\n{}",
            self.toml
        )
    }
}

fn tables(facts: &Facts, users: Option<&UserTables>) -> Vec<Compared> {
    let mut lines = Vec::new();
    match users {
        None => lines.push(Compared::new(
            Sign::Refused,
            "users",
            "there is no user table, or several: name AUTH_USER_MODEL by --django-settings",
        )),
        Some(tables) => lines.extend(user_table(facts, tables)),
    }
    for (table, app) in [
        ("auth_group", "django.contrib.auth"),
        ("auth_permission", "django.contrib.auth"),
        ("django_content_type", "django.contrib.contenttypes"),
        ("django_session", "django.contrib.sessions"),
    ] {
        let is_there = facts.tables.contains_key(table);
        let missing = || format!("is missing: add {app} to INSTALLED_APPS and run its migrate");
        let (sign, says) = if is_there {
            (Sign::Same, "used as it is".to_owned())
        } else {
            (Sign::Refused, missing())
        };
        lines.push(Compared::new(sign, table, says));
    }
    let is_used = |table: &str| {
        let links = users.is_some_and(|users| {
            [&users.users, &users.groups, &users.permissions]
                .iter()
                .any(|used| *used == table)
        });
        links
            || [
                "auth_group",
                "auth_group_permissions",
                "auth_permission",
                "django_content_type",
                "django_session",
            ]
            .contains(&table)
    };
    for table in facts
        .tables
        .keys()
        .filter(|table| !is_used(table) && !table.starts_with("sqlite_"))
    {
        let says = match () {
            () if table.starts_with("palisade_") => "this site's own, from an earlier migrate",
            () if table == "django_migrations" => "Django's list of its migrations: left alone",
            () if is_of_a_framework(table) => "Django's: left alone",
            () => "the project's own: left alone, and `adopt entities` writes an entity for it",
        };
        lines.push(Compared::new(Sign::Same, table, says));
    }
    lines
}

fn user_table(facts: &Facts, tables: &UserTables) -> Vec<Compared> {
    let columns = facts
        .tables
        .get(&tables.users)
        .map_or(&[][..], Vec::as_slice);
    let missing: Vec<&str> = USER_COLUMNS
        .into_iter()
        .filter(|name| !columns.iter().any(|column| column.name == *name))
        .collect();
    if !missing.is_empty() {
        let says = format!(
            "has no {}: this site knows users that have all fields of AbstractUser",
            missing.join(", ")
        );
        return vec![Compared::new(Sign::Refused, &tables.users, says)];
    }
    let is_number = columns
        .iter()
        .find(|column| column.name == "id")
        .is_some_and(|id| id.kind.contains("int") || id.kind.contains("serial"));
    if !is_number {
        return vec![Compared::new(
            Sign::Refused,
            &tables.users,
            "has a primary key that is not a number",
        )];
    }
    let mut lines = vec![Compared::new(
        Sign::Same,
        &tables.users,
        "used as it is: the users",
    )];
    for link in [&tables.groups, &tables.permissions] {
        let is_there = facts.has(link, &[&tables.column]);
        let says = if is_there {
            "used as it is".to_owned()
        } else {
            format!("is missing, or has no column {}", tables.column)
        };
        lines.push(Compared::new(
            if is_there { Sign::Same } else { Sign::Refused },
            link,
            says,
        ));
    }
    lines.extend(demanded_columns(columns));
    lines
}

/// Columns of the project's own without a default, which a sign-up here cannot fill.
fn demanded_columns(columns: &[Column]) -> Option<Compared> {
    let is_own =
        |column: &&Column| column.is_demanded && !USER_COLUMNS.contains(&column.name.as_str());
    let demanded: Vec<&str> = columns
        .iter()
        .filter(is_own)
        .map(|column| column.name.as_str())
        .collect();
    if !demanded.is_empty() {
        let says = format!(
            "{} must have a value that the database does not give: let Django sign people up, or \
                give them a db_default there",
            demanded.join(", ")
        );
        return Some(Compared::new(Sign::Unknown, "sign-up", says));
    }
    None
}

fn passwords(facts: &Facts) -> Vec<Compared> {
    let line = |(kind, count): (&String, &i64)| {
        let (sign, says) = match kind.as_str() {
            "pbkdf2_sha256" | "argon2" | "scrypt" | "bcrypt" | "bcrypt_sha256" | "pbkdf2_sha1" => (
                Sign::Same,
                "verified here, and rehashed at a login if it is weak",
            ),
            "md5" | "sha1" | "bare" => (
                Sign::Stricter,
                "not accepted here before `user wrap-hashes` has wrapped it in a strong one",
            ),
            "unusable" => (Sign::Same, "no password: login with a password is disabled"),
            _ => (
                Sign::Unknown,
                "is not supported here: these users need a new password",
            ),
        };
        Compared::new(sign, kind, format!("{count} users: {says}"))
    };
    facts.hashes.iter().map(line).collect()
}

/// Whether sessions of an engine of Django's can be shared.
fn judge_engine(engine: &str) -> (Sign, &'static str) {
    match engine {
        "db" => (Sign::Same, "sessions are in the database, and shared"),
        "cached_db" => (
            Sign::Refused,
            "sessions are read from a cache that this site does not know of, and a logout here \
                would not reach it: use backends.db",
        ),
        "cache" => (
            Sign::Refused,
            "sessions are in a cache alone (Redis, Memcached), in a form of Python's own: use \
                backends.db",
        ),
        "signed_cookies" => (
            Sign::Refused,
            "browsers carry the sessions, so none can be ended from here: use backends.db",
        ),
        "file" => (
            Sign::Refused,
            "sessions are in files, which this site does not read: use backends.db",
        ),
        _ => (
            Sign::Unknown,
            "this engine is not supported: sessions are shared with backends.db",
        ),
    }
}

fn sessions(facts: &Facts, settings: Option<&Settings>) -> Vec<Compared> {
    let engine = match settings.map(|settings| settings.get("SESSION_ENGINE")) {
        Some(Some(Value::Text(engine))) => engine.rsplit('.').next().unwrap_or_default().to_owned(),
        Some(None) => "db".into(),
        Some(Some(_)) => "unknown".into(),
        None if facts.sessions.is_empty() => "unknown".into(),
        None => "db".into(),
    };
    let (sign, says) = judge_engine(&engine);
    let mut lines = vec![Compared::new(sign, format!("engine: {engine}"), says)];
    let is_pickled = matches!(settings.and_then(|settings| settings.get("SESSION_SERIALIZER")), Some(Value::Text(name)) if name.contains("Pickle"));
    let found = |kind| facts.sessions.get(&kind).copied().unwrap_or_default();
    if is_pickled || found(Kind::Pickle) > 0 {
        let says = "reading a pickle executes it, so write access to one gives control of the process: use JSONSerializer, and delete the old sessions";
        lines.push(Compared::new(
            Sign::Refused,
            format!("pickled: {}", found(Kind::Pickle)),
            says,
        ));
    }
    if found(Kind::Json) > 0 {
        lines.push(Compared::new(
            Sign::Same,
            format!("JSON: {}", found(Kind::Json)),
            "of those looked at: read and written",
        ));
    }
    if found(Kind::Other) > 0 {
        let says = "of the sample are neither signed JSON nor a pickle: these users log in again";
        lines.push(Compared::new(
            Sign::Unknown,
            format!("others: {}", found(Kind::Other)),
            says,
        ));
    }
    lines.push(Compared::new(
        Sign::Laxer,
        "keys of sessions",
        "stand in the table as they are while Django reads them; of this site alone there would \
            be hashes",
    ));
    lines
}

/// The first steps.
fn toml(
    compared: &[Compared],
    users: Option<&UserTables>,
    model: Option<&UserModel>,
    url: &DatabaseUrl,
) -> String {
    let mut sections: std::collections::BTreeMap<&str, String> = std::collections::BTreeMap::new();
    let django = sections.entry("django").or_default();
    django.push_str("beside = true\n");
    let other = users.filter(|users| users.users != "auth_user");
    if let Some(model) = model.filter(|_| other.is_some()) {
        let _ = writeln!(django, "user_model = \"{model}\"");
    } else if let Some(users) = other {
        let own = users.column.trim_end_matches("_id");
        let app = users
            .users
            .strip_suffix(&format!("_{own}"))
            .unwrap_or("app");
        let _ = writeln!(django, "user_model = \"{app}.{own}\"");
    }
    django.push_str("upstream = \"http://127.0.0.1:8001\" # where Django listens\n");
    for (key, value) in compared.iter().filter_map(|line| line.setting.as_ref()) {
        let (section, name) = key.split_once('.').unwrap_or(("site", key));
        let _ = writeln!(sections.entry(section).or_default(), "{name} = {value}");
    }
    let mut text = format!("# DATABASE_URL={url}\n");
    for (section, lines) in sections {
        let _ = write!(text, "\n[{section}]\n{lines}");
    }
    text
}
