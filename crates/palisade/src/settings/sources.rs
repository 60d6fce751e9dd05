use super::{Problem, Profile, SettingsError, dot_env};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Source of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The profile's default.
    Default,
    /// The site's program.
    Site,
    /// A line of a settings file.
    File(PathBuf),
    /// A variable of a `.env` file.
    DotEnv(String),
    /// An environment variable.
    Environment(String),
    /// A file that a variable names.
    SecretFile(String, PathBuf),
    /// The command line.
    CommandLine(&'static str),
}

/// An untyped value.
#[derive(Debug, Clone)]
pub(crate) enum Raw {
    Toml(toml::Value),
    Text(String),
}

/// All given values by `section.key`, weakest source first.
#[derive(Debug, Default)]
pub struct Sources {
    pub(crate) values: BTreeMap<String, Vec<(Raw, Origin)>>,
    problems: Vec<Problem>,
}

/// Variables that platforms set, and their settings.
const WELL_KNOWN: [(&str, &str); 6] = [
    ("DATABASE_URL", "database.url"),
    ("CACHE_URL", "cache.url"),
    ("EMAIL_URL", "mail.url"),
    ("SECRET_KEY", "keys.secret"),
    ("SENTRY_DSN", "sentry.dsn"),
    ("SECRET_KEY_FALLBACKS", "keys.fallbacks"),
];

impl Sources {
    /// No sources: defaults only.
    pub fn none() -> Self {
        Self::default()
    }

    /// `palisade.toml` and `.env` of `folder`, where they exist, and the environment of the
    /// process.
    pub fn of_folder(folder: &Path) -> Self {
        let mut sources = Self::none();
        sources.add_toml_file(&folder.join("palisade.toml"));
        sources.add_dot_env(&folder.join(".env"));
        let variables: Vec<_> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .collect();
        for (name, _) in variables
            .iter()
            .filter(|(name, value)| is_ours(name) && value.to_str().is_none())
        {
            let (message, fix) = (
                "is not UTF-8".to_owned(),
                "write the value as UTF-8".to_owned(),
            );
            sources.problems.push(Problem {
                key: name.clone(),
                place: "environment".into(),
                message,
                fix,
            });
        }
        sources.add_environment(
            variables
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.into_string().ok()?))),
        );
        sources
    }

    /// Adds a value with the highest precedence.
    pub fn set(&mut self, key: &str, value: impl Into<String>, origin: Origin) {
        self.add(key.to_owned(), Raw::Text(value.into()), origin);
    }

    /// Adds a value with the lowest precedence: a default of the site's program.
    pub fn set_weakest(&mut self, key: &str, value: impl Into<String>) {
        self.values
            .entry(key.to_owned())
            .or_default()
            .insert(0, (Raw::Text(value.into()), Origin::Site));
    }

    /// Adds the text of a `palisade.toml`; `path` is for messages.
    pub fn add_toml(&mut self, text: &str, path: &Path) {
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(error) => return self.problem(path, error.to_string(), "fix the TOML"),
        };
        for (section, value) in table {
            let Some(keys) = value.as_table() else {
                self.add(section, Raw::Toml(value), Origin::File(path.into()));
                continue;
            };
            for (key, value) in keys {
                self.add(
                    format!("{section}.{key}"),
                    Raw::Toml(value.clone()),
                    Origin::File(path.into()),
                );
            }
        }
    }

    /// Adds environment variables, or the like. A platform sets the port in `PORT`, which in a file
    /// may be another program's.
    pub fn add_environment(&mut self, variables: impl Iterator<Item = (String, String)>) {
        let ours = |(name, value): (String, String)| match name.as_str() {
            "PORT" => ("PALISADE_SERVER__PORT".to_owned(), value),
            _ => (name, value),
        };
        self.add_variables(variables.map(ours), Origin::Environment);
    }

    fn add_toml_file(&mut self, path: &Path) {
        let Some(bytes) = self.bytes_of(path) else {
            return;
        };
        match String::from_utf8(bytes) {
            Ok(text) => self.add_toml(&text, path),
            Err(_) => self.problem(path, "is not UTF-8".into(), "save the file as UTF-8"),
        }
    }

    fn add_dot_env(&mut self, path: &Path) {
        // an empty folder is a container runtime's mount of nothing; a virtual environment's folder
        // may have the name as well
        if path.is_dir() {
            return self.problem(
                path,
                "is a folder".into(),
                "remove it, or give it another name: .env is a file of NAME=value lines",
            );
        }
        let Some(bytes) = self.bytes_of(path) else {
            return;
        };
        match dot_env::parse(&bytes, is_ours) {
            Ok(variables) => self.add_variables(variables.into_iter(), Origin::DotEnv),
            // without the line's text, which may hold a secret
            Err(unreadable) => unreadable.into_iter().for_each(|error| {
                let place = error.line.map_or_else(
                    || path.display().to_string(),
                    |line| format!("{}, line {line}", path.display()),
                );
                let (message, fix) = (error.what.to_owned(), error.fix.to_owned());
                self.problems.push(Problem {
                    key: path.display().to_string(),
                    place,
                    message,
                    fix,
                });
            }),
        }
    }

    /// The file, if it exists.
    fn bytes_of(&mut self, path: &Path) -> Option<Vec<u8>> {
        match std::fs::read(path) {
            Ok(bytes) => return Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => self.problem(
                path,
                format!("cannot be read: {error}"),
                "make the file readable or remove it",
            ),
        }
        None
    }

    fn add_variables(
        &mut self,
        variables: impl Iterator<Item = (String, String)>,
        origin: fn(String) -> Origin,
    ) {
        let mut given: BTreeMap<String, String> = BTreeMap::new();
        let mut variables: Vec<_> = variables.collect();
        variables.sort();
        for (name, value) in variables {
            let file_key = name.strip_suffix("_FILE").and_then(key_of);
            let Some(key) = file_key.clone().or_else(|| key_of(&name)) else {
                self.add_if_ours(name, value, origin);
                continue;
            };
            if let Some(other) = given.insert(key.clone(), name.clone()) {
                self.twice(key, &other, &name);
            } else if file_key.is_some() {
                self.add_secret_file(key, name, &value);
            } else {
                self.add(key, Raw::Text(value), origin(name));
            }
        }
    }

    /// A variable with our prefix that is not a setting is a typo; those of our own tests are not.
    fn add_if_ours(&mut self, name: String, value: String, origin: fn(String) -> Origin) {
        let is_for_tests = ["PALISADE_VECTORS", "PALISADE_REQUIRE_SERVERS"]
            .contains(&name.as_str())
            || name.starts_with("PALISADE_TEST_");
        if name.starts_with("PALISADE_") && !is_for_tests {
            self.add(name.clone(), Raw::Text(value), origin(name));
        }
    }

    fn twice(&mut self, key: String, first: &str, second: &str) {
        let message = format!("is given twice, by {first} and by {second}");
        let fix = "unset one of them".into();
        self.problems.push(Problem {
            key,
            place: format!("{first}, {second}"),
            message,
            fix,
        });
    }

    fn add_secret_file(&mut self, key: String, name: String, path: &str) {
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let text = text.trim_end_matches(['\r', '\n']).to_owned();
                self.add(key, Raw::Text(text), Origin::SecretFile(name, path.into()));
            }
            Err(error) => {
                let message = format!("{path} cannot be read: {error}");
                self.problems.push(Problem {
                    key,
                    place: name,
                    message,
                    fix: "create the file or unset the variable".into(),
                });
            }
        }
    }

    fn add(&mut self, key: String, value: Raw, origin: Origin) {
        self.values.entry(key).or_default().push((value, origin));
    }

    fn problem(&mut self, path: &Path, message: String, fix: &str) {
        let path = path.display().to_string();
        self.problems.push(Problem {
            key: path.clone(),
            place: path,
            message,
            fix: fix.into(),
        });
    }

    /// The profile: `PALISADE_PROFILE`, `profile` in `palisade.toml`, or [`Profile::DEFAULT`].
    ///
    /// # Errors
    /// An unknown profile, and all errors of the files.
    pub(crate) fn take_profile(&mut self) -> Result<(Profile, Origin), SettingsError> {
        let mut problems = std::mem::take(&mut self.problems);
        let given = self
            .values
            .remove("profile")
            .and_then(|mut values| values.pop());
        let profile = match &given {
            None => Ok(Profile::DEFAULT),
            Some((Raw::Text(text), _)) => text.parse(),
            Some((Raw::Toml(value), _)) => value.as_str().unwrap_or_default().parse(),
        };
        let origin = given.map_or(Origin::Default, |(_, origin)| origin);
        match profile {
            Ok(profile) if problems.is_empty() => return Ok((profile, origin)),
            Ok(_) => {}
            Err(message) => problems.push(Problem {
                key: "profile".into(),
                place: origin.to_string(),
                message,
                fix: "write development, staging or production".into(),
            }),
        }
        Err(SettingsError(problems))
    }
}

/// Whether a variable belongs to Palisade, so that its line must be valid.
fn is_ours(name: &str) -> bool {
    name.starts_with("PALISADE_") || key_of(name.strip_suffix("_FILE").unwrap_or(name)).is_some()
}

/// `PALISADE_CSRF__TRUSTED_ORIGINS` is `csrf.trusted_origins`; variables of other programs are
/// ignored.
fn key_of(name: &str) -> Option<String> {
    if let Some((_, key)) = WELL_KNOWN.iter().find(|(known, _)| *known == name) {
        return Some((*key).to_owned());
    }
    let ours = name.strip_prefix("PALISADE_")?;
    match ours.split_once("__") {
        Some((section, key)) => Some(format!("{}.{}", section.to_lowercase(), key.to_lowercase())),
        None => (ours == "PROFILE").then(|| "profile".to_owned()),
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Site => f.write_str("the site's program"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::DotEnv(name) => write!(f, ".env, {name}"),
            Self::Environment(name) => write!(f, "environment, {name}"),
            Self::SecretFile(name, path) => write!(f, "{}, named by {name}", path.display()),
            Self::CommandLine(flag) => write!(f, "command line, {flag}"),
        }
    }
}
