//! A program of `examples`, as an operator runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The program, with its database and its data folder.
pub struct Program {
    name: &'static str,
    database: String,
    data: PathBuf,
}

impl Program {
    /// `examples/worker.rs`.
    pub fn new(database: &str, data: &Path) -> Self {
        Self::named("worker", (database, data))
    }

    pub fn named(name: &'static str, (database, data): (&str, &Path)) -> Self {
        Self {
            name,
            database: database.to_owned(),
            data: data.to_owned(),
        }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let program = std::env::current_exe().unwrap();
        let examples = program.ancestors().nth(2).unwrap().join("examples");
        let program = examples.join(self.name);
        assert!(
            program.is_file(),
            "build it: cargo build -p palisade --example {}",
            self.name
        );
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .env("PALISADE_PROFILE", "development")
            .env("DATABASE_URL", &self.database)
            .env("EMAIL_URL", "memory:")
            .env("PALISADE_SITE__DATA", &self.data)
            .env("RUST_LOG", "error")
            .current_dir(&self.data);
        command
    }

    pub fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn refused(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}
