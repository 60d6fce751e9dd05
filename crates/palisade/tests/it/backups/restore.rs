//! Verification and restore: all of it, or nothing.

use super::{Desk, SECRET};
use palisade::sql;
use palisade::testing::{TestDatabase, TestSite};
use std::path::Path;

/// The tables of an SQLite file, row by row.
fn dumped(file: &Path) -> String {
    let output = std::process::Command::new("sqlite3")
        .arg(file)
        .arg(".dump")
        .output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

// F001: rows, files, encrypted values and the chain of the audit log come back
#[tokio::test]
async fn a_restored_site_is_the_site() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some(desk) = Desk::with_files(database).await else {
            continue;
        };
        let archive = desk.back_up();
        let said = desk.run(&[
            "backup",
            "verify",
            "newest",
            "--identity",
            desk.identity().to_str().unwrap(),
        ]);
        assert!(
            said.contains("restores completely") && !said.contains("BAD"),
            "{said}"
        );
        assert!(said.contains("2 file(s) were decrypted"), "{said}");
        let elsewhere = desk.elsewhere().await;
        let output = elsewhere.restore(&archive, &desk.identity());
        assert!(output.status.success(), "{output:?}");
        let said = elsewhere.program.run(&["files", "check"]);
        assert!(said.starts_with("2 file(s)"), "{said}");
        let said = elsewhere.program.run(&["audit", "verify"]);
        assert!(!said.contains("BAD"), "{said}");
        let said = elsewhere.program.run(&["user", "list"]);
        assert!(said.contains("ann"), "{said}");
        let said = elsewhere
            .program
            .run(&["audit", "list", "--event", "backup_restored"]);
        assert!(said.contains("backup-"), "{said}");
        // only an empty place is taken
        let again = elsewhere.restore(&archive, &desk.identity());
        let said = String::from_utf8(again.stderr).unwrap();
        assert!(!again.status.success() && said.contains("empty"), "{said}");
    }
}

#[tokio::test]
async fn every_row_comes_back() {
    let Some(desk) = Desk::with_files(TestDatabase::Sqlite).await else {
        return;
    };
    let db = desk.site.site().database();
    // values that a careless copy changes
    for title in ["NULL", "", "a\u{0}b", "ü😀'\"", "1.0", " 01"] {
        let insert = sql!(
            "INSERT INTO uploads_note (owner_id, title) VALUES (1, ?)",
            title
        );
        let inserted = db.write(async |tx| tx.execute_sql(insert).await).await;
        inserted.unwrap();
    }
    let archive = desk.back_up();
    let elsewhere = desk.elsewhere().await;
    assert!(
        elsewhere
            .restore(&archive, &desk.identity())
            .status
            .success()
    );
    let tables = [
        "uploads_note",
        "auth_user",
        "palisade_file",
        "palisade_audit",
    ];
    let is_ours = |line: &&str| {
        tables[..3]
            .iter()
            .any(|table| line.contains(&format!("INTO {table} ")))
    };
    let (one, other) = (
        dumped(&desk.site.folder().join("site.sqlite3")),
        dumped(&elsewhere.folder.join("site.sqlite3")),
    );
    let rows = |text: &str| {
        text.lines()
            .filter(is_ours)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert!(rows(&one).len() > 8, "{one}");
    assert_eq!(rows(&one), rows(&other));
}

#[tokio::test]
async fn sessions_of_the_backup_have_ended() {
    let Some(mut desk) = Desk::with_files(TestDatabase::Sqlite).await else {
        return;
    };
    assert_eq!(desk.ann.get("/notes/new").await.status, 200);
    let archive = desk.back_up();
    let elsewhere = desk.elsewhere().await;
    assert!(
        elsewhere
            .restore(&archive, &desk.identity())
            .status
            .success()
    );
    let data = elsewhere.folder.display().to_string();
    let settings = [("site.data", data.as_str())];
    let restored = TestSite::start(crate::uploads::app(), &settings).await;
    let mut old = restored.client();
    *old.cookies() = desk.ann.cookies().clone();
    assert_eq!(old.get("/notes/new").await.status, 303);
    let mut again = restored.client();
    again.log_in("ann", palisade::testing::PASSWORD).await;
    let page = again.get("/notes/2").await;
    assert_eq!(page.status, 200);
    let url = page.body.split("<a href=\"").nth(1).unwrap();
    let url = url.split('"').next().unwrap().to_owned();
    assert_eq!(again.get(&url).await.body, SECRET);
}

// F121: a user who was deleted after the backup does not come back, nor do the keys of her values
#[tokio::test]
async fn erased_users_stay_erased() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some(desk) = Desk::with_files(database).await else {
            continue;
        };
        let mut bob = desk.site.client();
        bob.sign_up("bob").await;
        let first = desk.back_up();
        assert!(
            desk.program
                .run(&["user", "delete", "ann", "--yes"])
                .contains("ann")
        );
        desk.back_up();
        let elsewhere = desk.elsewhere().await;
        let output = elsewhere.restore(&first, &desk.identity());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && said.contains("1 account(s) were deleted again"),
            "{output:?}"
        );
        let users = elsewhere.program.run(&["user", "list"]);
        assert!(!users.contains("ann") && users.contains("bob"), "{users}");
        elsewhere.program.run(&["files", "sweep"]);
        let said = elsewhere.program.run(&["files", "check"]);
        assert!(said.starts_with("0 file(s)"), "{said}");
        // a list of others, or of another time, is not taken
        let lists = std::fs::read_dir(&desk.place)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let mut lists: Vec<_> = lists
            .filter(|path| path.to_str().unwrap().ends_with(".erasures.txt"))
            .collect();
        lists.sort();
        std::fs::copy(&lists[0], &lists[1]).unwrap();
        let other = desk.elsewhere().await;
        let output = other.restore(&first, &desk.identity());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && said.contains("has another name"),
            "{said}"
        );
        assert!(other.has_nothing());
    }
}

#[tokio::test]
async fn a_backup_of_another_engine_or_release_is_refused() {
    let Some(desk) = Desk::open(TestDatabase::Sqlite).await else {
        return;
    };
    let archive = desk.back_up();
    let elsewhere = desk.elsewhere().await;
    let arguments = [
        "restore",
        archive.to_str().unwrap(),
        "--identity",
        desk.identity().to_str().unwrap(),
    ]
    .map(str::to_owned);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // the program of another site, with other migrations
    let other = crate::program::Program::new(&elsewhere.url, &elsewhere.folder);
    let said = other.refused(&arguments);
    assert!(said.contains("a newer release"), "{said}");
    assert!(elsewhere.has_nothing());
    if let Some(url) = palisade::testing::new_postgres().await {
        let other = crate::program::Program::named("files", (&url, &elsewhere.folder));
        let said = other.refused(&arguments);
        assert!(said.contains("it is of SQLite"), "{said}");
    }
}

// docs/backup.md, from its keys to its restore
#[tokio::test]
async fn the_guide_works() {
    let Some(desk) = Desk::with_files(TestDatabase::Sqlite).await else {
        return;
    };
    let guide =
        std::fs::read_to_string(crate::architecture::root().join("docs/backup.md")).unwrap();
    std::fs::rename(desk.identity(), desk.site.folder().join("backup.key")).unwrap();
    let elsewhere = desk.elsewhere().await;
    let key = desk.site.folder().join("backup.key");
    let mut ran = Vec::new();
    for line in guide.lines().filter_map(|line| line.strip_prefix("desk ")) {
        let words: Vec<&str> = line
            .split(' ')
            .map(|word| {
                if word == "backup.key" {
                    key.to_str().unwrap()
                } else {
                    word
                }
            })
            .collect();
        match words[0] {
            "doctor" => {
                let output = desk.command(&words).output().unwrap();
                let said = String::from_utf8(output.stdout).unwrap();
                assert!(
                    said.contains("data-folder") && said.contains("to ask"),
                    "{said}"
                );
            }
            "restore" => {
                let mut command = elsewhere.program.command(&words);
                command.env(
                    "PALISADE_BACKUP__TO",
                    format!("file:{}", desk.place.display()),
                );
                command.env("PALISADE_BACKUP__RECIPIENTS", &desk.recipient);
                super::said(command, &words);
                assert!(
                    elsewhere
                        .program
                        .run(&["files", "check"])
                        .starts_with("2 file(s)")
                );
            }
            _ => drop(desk.run(&words)),
        }
        ran.push(words[0].to_owned());
    }
    assert_eq!(ran, ["backup", "backup", "backup", "restore", "doctor"]);
    let line = guide
        .lines()
        .find(|line| line.starts_with("age -d"))
        .unwrap();
    let archive = std::fs::read_dir(&desk.place)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let archive = archive
        .filter(|path| {
            path.to_str().unwrap().ends_with(".age") && path.to_str().unwrap().contains("tar")
        })
        .max()
        .unwrap();
    let documented = line
        .split(' ')
        .find(|word| word.starts_with("backup-"))
        .unwrap();
    let line = line
        .replace("backup.key", key.to_str().unwrap())
        .replace(documented, archive.to_str().unwrap());
    let listed = std::process::Command::new("bash")
        .args(["-o", "pipefail", "-c", &line])
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.starts_with("settings.txt\ndatabase\nfiles/"),
        "{listed}"
    );
}

// kill -9 between the rows and the rest, on a server: the site does not start, and the same restore goes on
#[tokio::test]
async fn an_interrupted_restore_goes_on() {
    let Some(desk) = Desk::with_files(TestDatabase::Postgres).await else {
        return;
    };
    let archive = desk.back_up();
    let elsewhere = desk.elsewhere().await;
    assert!(
        elsewhere
            .restore(&archive, &desk.identity())
            .status
            .success()
    );
    let psql = |sql: &str| {
        let mut command = std::process::Command::new("psql");
        let output = command.args(["-qAt", &elsewhere.url, "-c", sql]).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    psql("CREATE TABLE palisade_restoring (since timestamptz)");
    psql("DELETE FROM uploads_note");
    let said = elsewhere.program.refused(&["files", "check"]);
    assert!(said.contains("was not restored completely"), "{said}");
    let output = elsewhere.restore(&archive, &desk.identity());
    assert!(output.status.success(), "{output:?}");
    assert_eq!(psql("SELECT count(*) FROM uploads_note"), "2\n");
    assert!(
        elsewhere
            .program
            .run(&["files", "check"])
            .starts_with("2 file(s)")
    );
    // a server with tables of another site is not touched
    psql("DROP TABLE IF EXISTS palisade_restoring");
    let output = elsewhere.restore(&archive, &desk.identity());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && said.contains("has tables"),
        "{said}"
    );
}
