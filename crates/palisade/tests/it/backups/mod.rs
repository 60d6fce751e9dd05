//! Backups: what is in them, who opens them, and what comes back (F001).

mod archive;
mod places;
mod restore;

use crate::program::Program;
use crate::uploads::{app, png, send};
use palisade::testing::{Client, TestDatabase, TestSite, new_postgres, server};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A site with rows, files and encrypted values, its program, and a place for its backups.
pub(crate) struct Desk {
    pub(crate) site: TestSite,
    pub(crate) ann: Client,
    pub(crate) program: Program,
    pub(crate) place: PathBuf,
    pub(crate) recipient: String,
}

/// Makes a key pair of age: `identity.txt` in the folder, and its public key.
pub(crate) fn key_pair(folder: &Path) -> Option<String> {
    let age = server("PALISADE_TEST_AGE")?;
    let made = Command::new(Path::new(&age).with_file_name("age-keygen"))
        .args(["-o", "identity.txt"])
        .current_dir(folder)
        .output();
    let made = String::from_utf8(made.unwrap().stderr).unwrap();
    Some(made.trim().rsplit(' ').next().unwrap().to_owned())
}

impl Desk {
    /// `None` without its servers.
    pub(crate) async fn open(database: TestDatabase) -> Option<Self> {
        let settings = [("uploads.min_free_bytes", "1")];
        let site = TestSite::start_on(database, app(), &settings).await?;
        let folder = site.folder().to_owned();
        let place = folder.join("kept");
        std::fs::create_dir(&place).unwrap();
        let recipient = key_pair(&folder)?;
        let url = match site.owner_url() {
            Some(url) => url.to_owned(),
            None => "sqlite:site.sqlite3".to_owned(),
        };
        let mut ann = site.client();
        ann.sign_up("ann").await;
        Some(Self {
            program: Program::named("files", (&url, &folder)),
            site,
            ann,
            place,
            recipient,
        })
    }

    /// With a picture and a text.
    pub(crate) async fn with_files(database: TestDatabase) -> Option<Self> {
        let mut desk = Self::open(database).await?;
        let picture = send(&mut desk.ann, ("shot", "a.png", "image/png"), &png()).await;
        assert_eq!(picture.status, 303);
        let text = send(
            &mut desk.ann,
            ("plain", "a.txt", "text/plain"),
            SECRET.as_bytes(),
        )
        .await;
        assert_eq!(text.status, 303);
        Some(desk)
    }

    pub(crate) fn identity(&self) -> PathBuf {
        self.site.folder().join("identity.txt")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.program.command(arguments);
        command
            .env(
                "PALISADE_BACKUP__TO",
                format!("file:{}", self.place.display()),
            )
            .env("PALISADE_BACKUP__RECIPIENTS", &self.recipient);
        command
    }

    /// The text of a command that succeeds.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        said(self.command(arguments), arguments)
    }

    /// The error of a command that is refused.
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Writes a backup, and returns its archive.
    pub(crate) fn back_up(&self) -> PathBuf {
        let value: serde_json::Value =
            serde_json::from_str(&self.run(&["backup", "--json"])).unwrap();
        let name = value["name"].as_str().unwrap();
        self.place.join(format!("{name}.tar.zst.age"))
    }

    /// A program with the keys of the site, a database without tables, and no files.
    pub(crate) async fn elsewhere(&self) -> Elsewhere {
        let folder = std::env::temp_dir().join(format!(
            "palisade-restored-{}",
            palisade::crypto::random::nonce()
        ));
        std::fs::create_dir_all(&folder).unwrap();
        for key in ["secret.keys", "data.keys"] {
            std::fs::copy(self.site.folder().join(key), folder.join(key)).unwrap();
        }
        let url = match self.site.owner_url() {
            Some(_) => new_postgres().await.unwrap(),
            None => "sqlite:site.sqlite3".to_owned(),
        };
        let program = Program::named("files", (&url, &folder));
        Elsewhere {
            program,
            folder,
            url,
        }
    }
}

/// An empty place to restore into.
pub(crate) struct Elsewhere {
    pub(crate) program: Program,
    pub(crate) folder: PathBuf,
    pub(crate) url: String,
}

impl Elsewhere {
    pub(crate) fn restore(&self, archive: &Path, identity: &Path) -> Output {
        let (archive, identity) = (archive.to_str().unwrap(), identity.to_str().unwrap());
        let arguments = ["restore", archive, "--identity", identity];
        self.program.output(&arguments)
    }

    pub(crate) fn has_nothing(&self) -> bool {
        let files = crate::uploads::files_below(&self.folder.join("files"));
        let work = std::fs::read_dir(&self.folder).unwrap();
        let mut names = work.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        files.is_empty()
            && !names.any(|name| name.contains("sqlite3") || name.contains("backup-work"))
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The content of a text file, which no backup shows.
pub(crate) const SECRET: &str = "canary of a text in a file";

pub(crate) fn said(mut command: Command, arguments: &[&str]) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}
