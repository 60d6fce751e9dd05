//! The way here: what is said of a project, what is made in its database, and that it can be undone.

use super::pair::{Pair, VARIANTS, Variant};
use std::path::{Path, PathBuf};

// written by `adopt entities` from the databases of the variants; that they are here shows that they compile
#[path = "../entities/postgres_members/mod.rs"]
mod postgres_members;
#[path = "../entities/sqlite/mod.rs"]
mod sqlite;
#[path = "../entities/sqlite_members/mod.rs"]
mod sqlite_members;

fn files(folder: &Path) -> Vec<(String, String)> {
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    // however it is formatted
    let text = |path: &PathBuf| std::fs::read_to_string(path).unwrap().replace([' ', '\n', ','], "");
    all.iter().map(|path| (name(path), text(path))).collect()
}

/// Standard output, standard error, status.
fn run(pair: &Pair, arguments: &[&str]) -> (String, String, i32) {
    let output = pair.forum(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

fn settings_file(pair: &Pair, text: &str) -> String {
    let path = pair.folder.join("settings.py");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn entities_are_written_for_the_projects_own_tables() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let kept = [
        root.join("tests/entities/sqlite"),
        root.join("tests/entities/sqlite_members"),
        root.join("src/entity"),
        root.join("tests/entities/postgres_members"),
    ];
    for (variant, kept) in VARIANTS.into_iter().zip(kept) {
        let Some(pair) = Pair::prepared(variant) else { return };
        let folder = pair.folder.join("entity").display().to_string();
        let (said, error, status) = run(&pair, &["adopt", "entities", &pair.database_url, "--output", &folder]);
        assert_eq!(status, 0, "{said}{error}");
        assert_eq!(files(Path::new(&folder)), files(&kept), "{variant:?}");
        let all: String = files(&kept).into_iter().map(|(_, text)| text).collect();
        assert!(all.contains("belongs_to=\"super::forum_topic::Entity\"") && all.contains("from=\"Column::AuthorId\""));
        assert!(!all.contains("pubpassword"), "the hash is nobody's to look at");
        // never over what somebody has written
        std::fs::write(Path::new(&folder).join("forum_post.rs"), "mine").unwrap();
        let (_, error, status) = run(&pair, &["adopt", "entities", &pair.database_url, "--output", &folder]);
        assert!(status == 1 && error.contains("--force"), "{error}");
        assert_eq!(std::fs::read_to_string(Path::new(&folder).join("forum_post.rs")).unwrap(), "mine");
    }
}

#[test]
fn a_project_is_looked_at_and_not_touched() {
    for variant in VARIANTS {
        let Some(pair) = Pair::prepared(variant) else { return };
        pair.manage(&["shell", "-v", "0"], include_str!("../seed.py"));
        pair.ask_django("User.objects.filter(username='gil').update(password='md5$salt$' + 'a' * 32)");
        pair.ask_django("User.objects.filter(username='hal').update(password='whirlpool$x$y')");
        let before = pair.manage(&["shell", "-v", "0"], include_str!("../tables.py"));
        let listing = || std::fs::read_dir(&pair.folder).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
        let (bytes, names) = (std::fs::read(pair.folder.join("forum.sqlite3")).ok(), listing());
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("django/project/settings.py").display().to_string();
        let (said, error, status) = run(&pair, &["adopt", "check", &pair.database_url, "--django-settings", &file]);
        // AUTH_USER_MODEL comes from the environment there: the table tells
        assert_eq!(status, 0, "{said}{error}");
        let users = if variant.user_model == "auth.User" { "auth_user" } else { "people_member" };
        let squeezed: String = said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect();
        for line in [
            &format!("= {users} used as it is: the users"),
            &format!("= {users}_groups used as it is"),
            "= forum_topic the project's own: left alone",
            "= django_admin_log Django's: left alone",
            "> md5 1 users: opens nothing here before `user wrap-hashes`",
            "? others 1 users: is not known here",
            "= unusable 40 users",
            "> SESSION_COOKIE_AGE a session ends after 604800 s here, 1209600 s there",
            "? SESSION_COOKIE_SECURE is worked out when Django runs",
            "< keys of sessions",
            "beside = true",
            "hasher = \"pbkdf2_sha256\"",
            "allowed_hosts = [\"localhost\", \"127.0.0.1\"]",
        ] {
            assert!(squeezed.contains(line), "{line}: {said}");
        }
        assert_eq!(squeezed.contains("? sign-up nickname must have a value"), users == "people_member", "{said}");
        assert!(!said.contains("postgres:postgres") && !said.contains("correct horse"), "nothing secret");
        // what it prints is taken by this site as it stands
        let toml = said.split_once("and DATABASE_URL:\n\n").unwrap().1;
        std::fs::write(pair.folder.join("palisade.toml"), toml).unwrap();
        let (settings, error, status) = run(&pair, &["settings"]);
        let line = settings.lines().find(|line| line.starts_with("django.beside")).unwrap_or_default();
        assert!(status == 0 && line.ends_with("palisade.toml"), "{line}{error}");
        std::fs::remove_file(pair.folder.join("palisade.toml")).unwrap();
        // read only: not a byte, not a file
        assert_eq!(before, pair.manage(&["shell", "-v", "0"], include_str!("../tables.py")));
        assert_eq!((bytes, names), (std::fs::read(pair.folder.join("forum.sqlite3")).ok(), listing()));
    }
}

#[test]
fn what_cannot_be_shared_is_refused_with_a_reason() {
    let Some(pair) = Pair::prepared(VARIANTS[0]) else { return };
    let check = |text: &str| {
        let file = settings_file(&pair, text);
        run(&pair, &["adopt", "check", &pair.database_url, "--django-settings", &file])
    };
    for (text, reason) in [
        ("SESSION_ENGINE = 'django.contrib.sessions.backends.signed_cookies'", "none can be ended from here"),
        ("SESSION_ENGINE = 'django.contrib.sessions.backends.cache'", "in a cache alone"),
        ("SESSION_ENGINE = 'django.contrib.sessions.backends.cached_db'", "a logout here would not reach it"),
        ("SESSION_SERIALIZER = 'django.contrib.sessions.serializers.PickleSerializer'", "to read a pickle is to run it"),
        ("SESSION_COOKIE_DOMAIN = '.example.org'", "two of one name"),
        (
            "PASSWORD_HASHERS = ['django.contrib.auth.hashers.BCryptSHA256PasswordHasher', 'django.contrib.auth.hashers.PBKDF2PasswordHasher']",
            "end all sessions",
        ),
        ("AUTHENTICATION_BACKENDS = ['corp.LdapBackend']", "has no ModelBackend"),
        ("SECRET_KEY = 'django-insecure-' + 'x' * 50", ""),
        ("SECRET_KEY = 'django-insecure-0123456789'", "made by startproject"),
        ("USE_TZ = False", "local there and UTC here"),
    ] {
        let (said, error, status) = check(text);
        let is_refused = said.lines().any(|line| line.starts_with("  !") && line.contains(reason));
        assert_eq!((status == 1, is_refused), (!reason.is_empty(), !reason.is_empty()), "{text}: {said}{error}");
    }
    // safer there, safer here, and what only running the file would tell
    let text = "import os\nfrom .base import *\nDEBUG = True\nSESSION_COOKIE_AGE = 60 * 60\nX = ['a']\nX += ['b']\nSESSION_COOKIE_NAME = 'forum'\n\
                ALLOWED_HOSTS = ['*']\nif os.environ.get('A'):\n    CSRF_USE_SESSIONS = True\nos.system('touch executed')\n";
    let (said, _, status) = check(text);
    assert_eq!(status, 0, "{said}");
    let line = |name: &str| {
        said.lines().find(|line| line.contains(&format!(" {name} "))).unwrap_or_else(|| panic!("{name}: {said}")).trim().to_owned()
    };
    assert!(
        line("DEBUG").starts_with('>') && line("SESSION_COOKIE_AGE").starts_with('<') && line("ALLOWED_HOSTS").starts_with('>')
    );
    assert!(
        line("CSRF_USE_SESSIONS").starts_with('?')
            && line("PASSWORD_HASHERS").starts_with('?')
            && line("import *").starts_with('?')
    );
    assert!(said.contains("session_cookie = \"forum\"") && !pair.folder.join("executed").exists(), "{said}");
    // pickles that are there, whatever the settings say
    pair.manage(
        &["shell", "-v", "0"],
        "import pickle\nfrom django.core import signing\nfrom django.contrib.sessions.models import Session\nfrom django.utils import timezone\n\
         class P:\n    def dumps(self, o):\n        return pickle.dumps(o, 4)\n    def loads(self, d):\n        return pickle.loads(d)\n\n\
         Session.objects.create(session_key='k' * 32, session_data=signing.dumps({'a': 1}, salt='django.contrib.sessions.SessionStore', serializer=P), expire_date=timezone.now())\n",
    );
    let (said, _, status) = check("");
    assert!(status == 1 && said.contains("! pickled: 1"), "{said}");
    for (arguments, reason) in [
        (vec!["adopt", "check", "sqlite:/nowhere/at/all"], "there is no file /nowhere/at/all"),
        (vec!["adopt", "check", "mysql://localhost/forum"], "the scheme must be sqlite or postgres"),
        (vec!["adopt", "check", &pair.database_url, "--django-settings", "/nowhere"], "/nowhere cannot be read"),
    ] {
        let (_, error, status) = run(&pair, &arguments);
        assert!(status != 0 && error.contains(reason), "{arguments:?}: {error}");
    }
    let (_, error, status) = check("def (:");
    assert!(status == 1 && error.contains("is not understood"), "{error}");
}

fn shape(all: &str) -> Vec<&str> {
    all.lines().filter(|line| line.starts_with("shape")).collect()
}

// only tables of this site's own are made, and they can be taken back with all that is in them
#[test]
fn a_migration_leaves_djangos_tables_as_they_are_and_can_be_undone() {
    for variant in VARIANTS {
        let Some(pair) = Pair::prepared(variant) else { return };
        let dump = || pair.manage(&["shell", "-v", "0"], include_str!("../tables.py"));
        let before = dump();
        let (said, error, status) = run(&pair, &["migrate"]);
        assert_eq!(status, 0, "{said}{error}");
        let after = dump();
        assert_eq!(shape(&before), shape(&after), "{variant:?}");
        let new: Vec<&str> = after.lines().filter(|line| !before.lines().any(|old| old == *line)).collect();
        let others: Vec<&&str> = new.iter().filter(|line| !line.starts_with("ours palisade_")).collect();
        assert_eq!(others.len(), 2, "a content type and a permission of this site's: {others:?}");
        assert!(others.iter().any(|line| line.starts_with("auth_permission") && line.contains("Can moderate the forum")));
        assert!(others.iter().any(|line| line.starts_with("django_content_type") && line.contains("'forum', 'site'")));
        assert!(new.len() > 10, "{new:?}");
        // somebody has the permission meanwhile
        pair.manage(
            &["shell", "-v", "0"],
            "from django.contrib.auth.models import Group, Permission\nGroup.objects.create(name='g').permissions.add(Permission.objects.get(codename='moderate'))\nGroup.objects.all()\n",
        );
        let (_, error, status) = run(&pair, &["migrate", "--undo"]);
        assert!(status == 1 && error.contains("nothing was changed"), "asked first: {error}");
        let (said, error, status) = run(&pair, &["migrate", "--undo", "--yes"]);
        assert_eq!(status, 0, "{said}{error}");
        pair.manage(&["shell", "-v", "0"], "from django.contrib.auth.models import Group\nGroup.objects.all().delete()\n");
        let undone = dump();
        let sequences =
            |all: &str| all.lines().filter(|line| !line.starts_with("sqlite_sequence")).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(sequences(&before), sequences(&undone), "{variant:?}");
        // and again
        assert_eq!(run(&pair, &["migrate"]).2, 0);
    }
}

// a project without the apps that are needed: nothing is made in their place
#[test]
fn djangos_tables_are_made_by_django_alone() {
    let Some(pair) = Pair::prepared(Variant { ..VARIANTS[0] }) else { return };
    pair.manage(
        &["shell", "-v", "0"],
        "from django.db import connection\nconnection.cursor().execute('DROP TABLE django_session')\n",
    );
    let (said, error, status) = run(&pair, &["migrate"]);
    assert!(status == 1 && error.contains("add django.contrib.sessions to INSTALLED_APPS"), "{said}{error}");
    let (said, _, status) = run(&pair, &["adopt", "check", &pair.database_url]);
    assert!(status == 1 && said.contains("! django_session"), "{said}");
}
