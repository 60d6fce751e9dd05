//! kill -9 of a program in the middle of its work on files, two instances, and a full disk.

use super::{png, rows};
use crate::backups::Desk;
use palisade::sql;
use palisade::testing::{TestDatabase, TestSite};
use std::process::Stdio;
use std::time::Duration;

/// A site with many files.
async fn desk(count: usize) -> Option<Desk> {
    let mut desk = Desk::open(TestDatabase::Sqlite).await?;
    for at in 0..count {
        let text = format!("the text of file {at}");
        let part = ("plain", "a.txt", "text/plain");
        let sent = super::send(&mut desk.ann, part, text.as_bytes()).await;
        assert_eq!(sent.status, 303);
    }
    Some(desk)
}

/// Starts a command and kills it after a while. Whether it had ended before.
fn kill_after(desk: &Desk, arguments: &[&str], time: Duration) -> bool {
    let mut command = desk.command(arguments);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(time);
    let has_ended = child.try_wait().unwrap().is_some();
    let _ = child.kill();
    child.wait().unwrap();
    has_ended
}

/// The time of a command from its start to its end.
fn time_of(desk: &Desk, arguments: &[&str]) -> Duration {
    let begun = std::time::Instant::now();
    desk.run(arguments);
    begun.elapsed()
}

// a killed sweep leaves rows with bytes, or none of both, and the next one ends it
#[tokio::test]
async fn a_killed_sweep_leaves_no_bytes_without_a_row() {
    let Some(desk) = desk(150).await else {
        return;
    };
    let start = time_of(&desk, &["files", "sweep"]);
    let delete = sql!("DELETE FROM uploads_note WHERE id > 20");
    let database = desk.site.site().database();
    database
        .write(async |tx| tx.execute_sql(delete).await)
        .await
        .unwrap();
    let mut kills = 0;
    for step in 0..40 {
        let has_ended = kill_after(
            &desk,
            &["files", "sweep"],
            start / 2 + Duration::from_millis(4 * step),
        );
        // rows of damaged files, or bytes without a row, are an error of this command
        let said = desk.run(&["files", "check"]);
        let is_begun = said.starts_with("20 file(s)");
        assert!(is_begun || said.starts_with("150 file(s)"), "{said}");
        if has_ended {
            break;
        }
        kills += 1;
    }
    assert!(kills > 3, "{kills}");
    desk.run(&["files", "sweep"]);
    assert_eq!(rows(&desk.site).await, 20);
    assert_eq!(
        super::files_below(&desk.site.folder().join("files")).len(),
        20
    );
}

// a killed re-encryption leaves keys of the old or of the new key, and files that open
#[tokio::test]
async fn a_killed_reencryption_leaves_files_that_open() {
    let Some(desk) = desk(150).await else {
        return;
    };
    let start = time_of(&desk, &["files", "reencrypt"]);
    let mut kills = 0;
    for step in 0..30 {
        if step % 6 == 0 {
            desk.run(&["keys", "rotate"]);
        }
        let time = start / 2 + Duration::from_millis(8 * (step % 6));
        kills += u64::from(!kill_after(&desk, &["files", "reencrypt"], time));
        let said = desk.run(&["files", "check"]);
        assert!(said.starts_with("150 file(s)"), "{said}");
    }
    assert!(kills > 3, "{kills}");
    desk.run(&["files", "reencrypt"]);
    assert!(desk.run(&["files", "check"]).starts_with("150 file(s)"));
}

// two instances sweep and hold at once
#[tokio::test]
async fn two_instances_share_files() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some((first, mut ann)) = super::site_of(database, &[]).await else {
            continue;
        };
        let settings = [("uploads.min_free_bytes", "1")];
        let second = first.start_beside(super::app(), &settings).await;
        let sent = super::send(&mut ann, ("shot", "a.png", "image/png"), &png()).await;
        let url = super::files_of(&mut ann, &sent).await.remove(0);
        let mut other = second.client();
        *other.cookies() = ann.cookies().clone();
        assert_eq!(other.get(&url).await.status, 200);
        for _ in 0..30 {
            super::send(&mut ann, ("plain", "a.txt", "text/plain"), b"hello").await;
        }
        let delete = sql!("DELETE FROM uploads_note");
        first
            .site()
            .database()
            .write(async |tx| tx.execute_sql(delete).await)
            .await
            .unwrap();
        let (one, other) = tokio::join!(first.site().files_swept(), second.site().files_swept());
        assert!(one.unwrap() + other.unwrap() >= 31);
        assert_eq!((rows(&first).await, super::stored(&first).len()), (0, 0));
    }
}

/// A command whose files may not be longer, as on a full disk.
fn limited(desk: &Desk, arguments: &[&str], kilobytes: u64) -> std::process::Output {
    let inner = desk.command(arguments);
    let mut command = std::process::Command::new("bash");
    command.args([
        "-c",
        &format!("trap '' XFSZ; ulimit -f {kilobytes}; exec \"$0\" \"$@\""),
    ]);
    command
        .arg(inner.get_program())
        .args(inner.get_args())
        .env_clear();
    for (name, value) in inner.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command
        .current_dir(inner.get_current_dir().unwrap())
        .output()
        .unwrap()
}

// a disk that is full in the middle of a backup or of a restore: a clear error, and nothing is left
#[tokio::test]
async fn a_full_disk_leaves_no_half_backup() {
    let Some(mut desk) = Desk::with_files(TestDatabase::Sqlite).await else {
        return;
    };
    let noise: Vec<u8> = (0..900_000_u32)
        .map(|at| b'a' + (at.wrapping_mul(2_654_435_761) >> 24) as u8 % 26)
        .collect();
    for _ in 0..4 {
        let sent = super::send(&mut desk.ann, ("plain", "a.txt", "text/plain"), &noise).await;
        assert_eq!(sent.status, 303);
    }
    let output = limited(&desk, &["backup"], 2_000);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && said.contains("File too large"),
        "{said}"
    );
    assert_eq!(std::fs::read_dir(&desk.place).unwrap().count(), 0, "{said}");
    let archive = desk.back_up();
    let elsewhere = desk.elsewhere().await;
    let identity = desk.identity();
    let arguments = [
        "restore",
        archive.to_str().unwrap(),
        "--identity",
        identity.to_str().unwrap(),
    ];
    let there = Desk {
        program: crate::program::Program::named("files", (&elsewhere.url, &elsewhere.folder)),
        ..desk
    };
    let output = limited(&there, &arguments, 500);
    assert!(!output.status.success(), "{output:?}");
    assert!(elsewhere.has_nothing());
    let output = limited(&there, &arguments, 100_000);
    assert!(output.status.success(), "{output:?}");
}

// a full disk in the middle of an upload: a sentence, no row and no bytes; pages go on
#[tokio::test]
async fn uploads_stop_before_the_disk_is_full() {
    let settings = [("uploads.min_free_bytes", "100000000000000000")];
    let site = TestSite::start(super::app(), &settings).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let sent = super::send(&mut ann, ("shot", "a.png", "image/png"), &png()).await;
    assert_eq!(sent.status, 503);
    assert!(
        sent.body.contains("Please try again later") || sent.body.contains("free on the disk"),
        "{}",
        sent.body
    );
    assert_eq!((rows(&site).await, super::stored(&site).len()), (0, 0));
    assert_eq!(ann.get("/notes/new").await.status, 200);
}
