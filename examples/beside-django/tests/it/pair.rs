//! Both programs, beside each other.

use super::browser::Browser;
use palisade::testing;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub const PASSWORD: &str = "correct horse battery staple";

/// How Django is set up.
#[derive(Debug, Clone, Copy)]
pub struct Variant {
    pub postgres: bool,
    pub user_model: &'static str,
    /// Whether the secret of form tokens is in the session.
    pub csrf_in_session: bool,
}

pub const VARIANTS: [Variant; 4] = [
    Variant {
        postgres: false,
        user_model: "auth.User",
        csrf_in_session: false,
    },
    Variant {
        postgres: false,
        user_model: "people.Member",
        csrf_in_session: true,
    },
    Variant {
        postgres: true,
        user_model: "auth.User",
        csrf_in_session: true,
    },
    Variant {
        postgres: true,
        user_model: "people.Member",
        csrf_in_session: false,
    },
];

/// Keys of both, newest first.
#[derive(Debug, Clone)]
pub struct Keys(pub Vec<String>);

impl Keys {
    pub fn new() -> Self {
        Self(vec![palisade::crypto::KeyRing::generate().expose().clone()])
    }
}

pub struct Pair {
    python: String,
    pub variant: Variant,
    pub folder: PathBuf,
    pub database_url: String,
    /// The database for the role that serves the site, on PostgreSQL.
    serving_url: Option<String>,
    environment: Vec<(String, String)>,
    pub keys: Keys,
    gunicorn: Option<Child>,
    forum: Option<Child>,
    /// Where visitors go.
    pub front: String,
    /// Where Django alone is.
    pub django: String,
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("django")
}

impl Pair {
    /// Django with its tables, and nothing running; `None` where there is no Python for it.
    pub fn prepared(variant: Variant) -> Option<Self> {
        let python = testing::server("PALISADE_TEST_DJANGO")?;
        let folder = std::env::temp_dir().join(format!(
            "beside-django-{}",
            palisade::crypto::random::nonce()
        ));
        std::fs::create_dir_all(&folder).unwrap();
        let mut environment = vec![
            ("FORUM_USER_MODEL".to_owned(), variant.user_model.to_owned()),
            (
                "FORUM_MAIL".to_owned(),
                folder.join("mail").display().to_string(),
            ),
            ("FORUM_INSECURE".to_owned(), "1".to_owned()),
            ("PATH".to_owned(), std::env::var("PATH").unwrap_or_default()),
            ("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned()),
        ];
        if variant.csrf_in_session {
            environment.push(("FORUM_CSRF".into(), "session".into()));
        }
        let database_url = if variant.postgres {
            let server: url::Url = testing::server("PALISADE_TEST_POSTGRES")?.parse().unwrap();
            let name = format!(
                "palisade_test_{}",
                palisade::crypto::random::alphanumeric(16)
                    .expose()
                    .to_lowercase()
            );
            let user = server.username().to_owned();
            let made = Command::new(&python)
                .args([
                    "-c",
                    "import psycopg, sys; psycopg.connect(sys.argv[1], autocommit=True).execute(f'CREATE DATABASE {sys.argv[2]}')",
                ])
                .args([server.as_str(), &name])
                .status();
            assert!(made.unwrap().success());
            environment.push(("FORUM_POSTGRES".into(), name.clone()));
            environment.push(("FORUM_POSTGRES_USER".into(), user));
            let mut url = server;
            url.set_path(&name);
            url.to_string()
        } else {
            let file = folder.join("forum.sqlite3").display().to_string();
            environment.push(("FORUM_SQLITE".into(), file.clone()));
            format!("sqlite:{file}")
        };
        let (front, django) = (String::new(), String::new());
        let pair = Self {
            python,
            variant,
            folder,
            database_url,
            serving_url: None,
            environment,
            keys: Keys::new(),
            gunicorn: None,
            forum: None,
            front,
            django,
        };
        pair.manage(&["migrate", "--verbosity", "0"], "");
        Some(pair)
    }

    /// Both, running, with a forum in the database.
    pub fn start(variant: Variant) -> Option<Self> {
        let mut pair = Self::prepared(variant)?;
        // before the seed, so that the permissions of this site are among those that people have
        assert!(pair.forum(&["migrate"]).status().unwrap().success());
        if variant.postgres {
            pair.serving_url = Some(pair.serving_role());
        }
        pair.manage(&["shell", "-v", "0"], include_str!("../seed.py"));
        pair.restart();
        Some(pair)
    }

    /// Restarts both, with the current keys.
    pub fn restart(&mut self) {
        self.restart_with(&self.keys.clone(), &self.keys.clone());
    }

    pub fn restart_with(&mut self, djangos: &Keys, ours: &Keys) {
        self.stop_django();
        self.stop_forum();
        self.start_django(djangos);
        self.start_forum(ours);
    }

    pub fn start_django(&mut self, keys: &Keys) {
        let mut command = Command::new(&self.python);
        command.args([
            "-m",
            "gunicorn",
            "--workers",
            "1",
            "--threads",
            "8",
            "--bind",
            "127.0.0.1:0",
            "--no-control-socket",
            "project.wsgi",
        ]);
        let mut child = self
            .django_in(command, keys)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        self.django = loop {
            let mut line = String::new();
            assert!(
                lines.read_line(&mut line).unwrap() > 0,
                "Django starts: {said}"
            );
            said.push_str(&line);
            if let Some((_, rest)) = line.split_once("Listening at: ") {
                break rest.split_whitespace().next().unwrap().to_owned();
            }
        };
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::stderr()));
        self.gunicorn = Some(child);
    }

    pub fn start_forum(&mut self, keys: &Keys) {
        let mut command = self.forum_with(keys, &["serve", "--address", "127.0.0.1:0"]);
        command.env("PALISADE_DJANGO__UPSTREAM", &self.django);
        if let Some(url) = &self.serving_url {
            command.env("DATABASE_URL", url);
            command.env("PALISADE_SITE__MIGRATE_AT_START", "false");
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut greeting = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut greeting)
            .unwrap();
        let Some(address) = greeting
            .split("://")
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next())
        else {
            let mut error = String::new();
            let _ = child.stderr.take().unwrap().read_to_string(&mut error);
            panic!("the forum starts: {greeting}{error}");
        };
        self.front = format!("http://{address}");
        let (mut log, path) = (child.stderr.take().unwrap(), self.folder.join("log"));
        std::thread::spawn(move || {
            let file = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path);
            std::io::copy(&mut log, &mut file.unwrap())
        });
        self.forum = Some(child);
    }

    /// The URL of the role of `deploy grants postgres`, which changes no table. Roles belong to all
    /// databases of the server, so that another test may create them at the same time.
    fn serving_role(&self) -> String {
        let grants = self.forum(&["deploy", "grants", "postgres"]).output();
        let grants = String::from_utf8(grants.unwrap().stdout).unwrap();
        let is_granted = (0..5).any(|_| {
            let mut psql = Command::new("psql");
            psql.args([&self.database_url, "-v", "ON_ERROR_STOP=1", "-qc", &grants]);
            psql.status().unwrap().success()
        });
        assert!(is_granted, "the roles of the site");
        let mut url: url::Url = self.database_url.parse().unwrap();
        url.set_username("beside_django_site").unwrap();
        url.to_string()
    }

    pub fn stop_django(&mut self) {
        if let Some(mut child) = self.gunicorn.take() {
            // at once: its worker would wait for connections that the site in front keeps open
            let _ = Command::new("pkill")
                .args(["-KILL", "-P", &child.id().to_string()])
                .status();
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn stop_forum(&mut self) {
        if let Some(mut child) = self.forum.take() {
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }

    /// What this site's log says.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn django_in(&self, mut command: Command, keys: &Keys) -> Command {
        command
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(project());
        command
            .env("SECRET_KEY", &keys.0[0])
            .env("SECRET_KEY_FALLBACKS", keys.0[1..].join(","));
        command
    }

    /// Runs `manage.py`, and says what it printed.
    pub fn manage(&self, arguments: &[&str], input: &str) -> String {
        let mut command = Command::new(&self.python);
        command.arg("manage.py").args(arguments);
        let mut command = self.django_in(command, &self.keys);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "manage.py {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// A command of this site.
    pub fn forum(&self, arguments: &[&str]) -> Command {
        self.forum_with(&self.keys, arguments)
    }

    fn forum_with(&self, keys: &Keys, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_beside-django"));
        command
            .env_clear()
            .current_dir(&self.folder)
            .arg("--data")
            .arg(&self.folder)
            .args(arguments);
        command
            .env("SECRET_KEY", &keys.0[0])
            .env("DATABASE_URL", &self.database_url);
        if keys.0.len() > 1 {
            command.env("SECRET_KEY_FALLBACKS", keys.0[1..].join(","));
        }
        let settings = [
            ("PALISADE_DJANGO__USER_MODEL", self.variant.user_model),
            (
                "PALISADE_DJANGO__CSRF_USE_SESSIONS",
                if self.variant.csrf_in_session {
                    "true"
                } else {
                    "false"
                },
            ),
            ("PALISADE_DJANGO__RESET_PATH", "/accounts/reset"),
            ("PALISADE_PASSWORDS__HASHER", "pbkdf2_sha256"),
        ];
        command.envs(settings);
        command
    }

    /// What a line of Python in the project prints.
    pub fn ask_django(&self, expression: &str) -> String {
        let script = format!(
            "from django.contrib.auth import get_user_model\nUser = get_user_model()\nprint({expression})\n"
        );
        self.manage(&["shell", "-v", "0"], &script)
            .trim()
            .to_owned()
    }

    /// Logs in at this site's page.
    pub async fn log_in_here(&self, browser: &mut Browser, name: &str, password: &str) -> bool {
        let page = format!("{}/account/login", self.front);
        let answer = browser
            .submit(&page, &page, &[("username", name), ("password", password)])
            .await;
        if answer.status != 303 && password == PASSWORD {
            println!("not logged in here: {} {}", answer.status, answer.body);
        }
        answer.status == 303
    }

    /// Logs in at Django's page, through this site.
    pub async fn log_in_there(&self, browser: &mut Browser, name: &str, password: &str) -> bool {
        let page = format!("{}/accounts/login/", self.front);
        let answer = browser
            .submit(&page, &page, &[("username", name), ("password", password)])
            .await;
        answer.status == 302
    }

    /// Whom this site takes a visitor for, and whom Django does.
    pub async fn seen(&self, browser: &mut Browser) -> (String, String) {
        let here = browser.get(&format!("{}/account", self.front)).await;
        let here = if here.status == 200 {
            user_of(&here.body)
        } else {
            String::new()
        };
        let there = browser.get(&format!("{}/me.json", self.front)).await;
        let there: serde_json::Value =
            serde_json::from_str(&there.body).unwrap_or_else(|_| panic!("{}", there.body));
        (here, there["user"].as_str().unwrap().to_owned())
    }

    /// Waits for mail of either side to an address, and gives the link in it.
    pub fn link_to(&self, address: &str) -> String {
        for _ in 0..100 {
            let log = self.log();
            let ours = log
                .rsplit_once(&format!("--- mail to {address} ---"))
                .map(|(_, mail)| mail.to_owned());
            let theirs = std::fs::read_dir(self.folder.join("mail"))
                .into_iter()
                .flatten();
            let theirs = theirs
                .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok())
                .find(|mail| mail.contains(address));
            let mails = [ours, theirs]
                .into_iter()
                .flatten()
                .map(|mail| mail.replace("=\n", "").replace("=3D", "="));
            let link = mails
                .flat_map(|mail| mail.lines().map(str::to_owned).collect::<Vec<_>>())
                .find(|line| line.trim().starts_with("http") && line.contains("/reset/"));
            if let Some(link) = link {
                return link.trim().to_owned();
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("no mail to {address}: {}", self.log());
    }
}

/// The name that the head of our pages shows.
fn user_of(page: &str) -> String {
    let shown = page
        .split_once("<a href=\"/account\">")
        .and_then(|(_, rest)| rest.split('<').next());
    shown.unwrap_or_default().to_owned()
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.stop_forum();
        self.stop_django();
        if let Ok(server) = std::env::var("PALISADE_TEST_POSTGRES")
            && self.variant.postgres
            && let Some(name) = self.database_url.rsplit('/').next()
        {
            let script = "import psycopg, sys; psycopg.connect(sys.argv[1], autocommit=True).execute(f'DROP DATABASE IF EXISTS {sys.argv[2]} WITH (FORCE)')";
            let _ = Command::new(&self.python)
                .args(["-c", script, &server, name])
                .status();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
