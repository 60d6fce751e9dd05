//! A page that was migrated from Django, compared with the original on the same database and
//! session; and the cost of proxying Django's pages.

use crate::load::{self, Measured, Visit};
use crate::{HOST, ROUNDS};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

struct Forum {
    folder: PathBuf,
    database: PathBuf,
    key: String,
}

/// Needs a Python with Django.
pub fn measure() {
    let Some(python) = std::env::var_os("PALISADE_BENCH_DJANGO").map(PathBuf::from) else {
        return;
    };
    let folder = std::env::temp_dir().join(format!(
        "palisade-bench-{}",
        palisade::crypto::random::nonce()
    ));
    std::fs::create_dir_all(&folder).unwrap();
    let forum = Forum {
        database: folder.join("forum.sqlite3"),
        key: palisade::crypto::KeyRing::generate().expose().clone(),
        folder,
    };
    let (there, here) = (load::free_port(), load::free_port());
    forum.manage(&python, &["migrate", "--verbosity", "0"], "");
    let said = forum.manage(
        &python,
        &["shell", "-v", "0"],
        include_str!("../django/forum_fill.py"),
    );
    let cookie = format!("sessionid={}", said.trim());
    assert!(
        forum
            .ours(&["migrate"])
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .success()
    );
    let mut django = forum.gunicorn(&python, there);
    load::wait_for(there);
    let mut palisade = forum.serve(here, there);
    load::wait_for(here);
    println!(
        "{:<44}{:>20}{:>20}{:>12}",
        "requests a second (slowest 1 %)", "Palisade", "Django", "ratio"
    );
    for (name, path) in [
        ("/latest, moved, 20 rows, signed in", "/latest"),
        ("/topics/1/, of Django, through Palisade", "/topics/1/"),
    ] {
        let visits = [here, there].map(|port| Visit {
            port,
            path,
            cookie: Some(&cookie),
            token: None,
        });
        print(name, in_turn(&visits, name));
    }
    load::stop(&mut palisade);
    load::stop(&mut django);
    std::fs::remove_dir_all(&forum.folder).unwrap();
}

fn in_turn(visits: &[Visit<'_>; 2], name: &str) -> [Measured; 2] {
    visits.iter().for_each(|visit| load::expect(visit, name));
    let mut rounds = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        visits
            .iter()
            .zip(&mut rounds)
            .for_each(|(visit, rounds)| rounds.push(load::measured(visit)));
    }
    rounds.map(Measured::median)
}

fn print(name: &str, [ours, theirs]: [Measured; 2]) {
    let cell = |one: Measured| format!("{:.0} ({:.1} ms)", one.a_second, one.slowest_ms);
    println!(
        "{name:<44}{:>20}{:>20}{:>12.2}",
        cell(ours),
        cell(theirs),
        ours.a_second / theirs.a_second
    );
}

impl Forum {
    fn python(&self, python: &Path) -> Command {
        let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(python);
        command
            .current_dir(bench.join("../examples/beside-django/django"))
            .env("PYTHONPATH", bench.join("django"));
        command
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("DJANGO_SETTINGS_MODULE", "forum_bench");
        command
            .env("FORUM_SQLITE", &self.database)
            .env("SECRET_KEY", &self.key);
        command
    }

    fn manage(&self, python: &Path, arguments: &[&str], input: &str) -> String {
        let mut child = self
            .python(python)
            .arg("manage.py")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn gunicorn(&self, python: &Path, port: u16) -> Child {
        let workers = std::thread::available_parallelism().unwrap().to_string();
        let address = format!("127.0.0.1:{port}");
        let mut command = self.python(python);
        command.args([
            "-m",
            "gunicorn",
            "--workers",
            &workers,
            "--bind",
            &address,
            "--log-level",
            "error",
            "--no-control-socket",
            "project.wsgi",
        ]);
        command.spawn().unwrap()
    }

    fn ours(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(
            std::env::current_exe()
                .unwrap()
                .with_file_name("beside-django"),
        );
        command
            .arg("--data")
            .arg(&self.folder)
            .args(arguments)
            .env_clear()
            .env("PALISADE_PROFILE", "production");
        command.env("SECRET_KEY", &self.key).env(
            "DATABASE_URL",
            format!("sqlite:{}", self.database.display()),
        );
        command
            .env("PALISADE_HTTP__ALLOWED_HOSTS", HOST)
            .env("PALISADE_HTTP__TRUSTED_PROXIES", "127.0.0.1/32");
        command.env("PALISADE_THROTTLE__REQUESTS", "1000000/s");
        command
    }

    fn serve(&self, port: u16, django: u16) -> Child {
        let mut command = self.ours(&["serve", "--address", &format!("127.0.0.1:{port}")]);
        command.env(
            "PALISADE_DJANGO__UPSTREAM",
            format!("http://127.0.0.1:{django}"),
        );
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }
}
