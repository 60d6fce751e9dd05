//! Places of backups: what is kept, what is told, and what a crash leaves.

use super::Desk;
use palisade::testing::TestDatabase;
use std::process::Stdio;
use std::time::Duration;

fn names(desk: &Desk) -> Vec<String> {
    let entries = std::fs::read_dir(&desk.place).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

// F001: days, weeks and months are kept, and what is not of this site stays
#[tokio::test]
async fn expired_backups_are_deleted() {
    let Some(desk) = Desk::open(TestDatabase::Sqlite).await else {
        return;
    };
    let now = palisade::chrono::Utc::now();
    for days in 0..40 {
        let at =
            now - palisade::chrono::TimeDelta::days(days) - palisade::chrono::TimeDelta::hours(1);
        let name = format!(
            "backup-{}-0000000{}",
            at.format("%Y%m%d-%H%M%S%3f"),
            days % 10
        );
        for ending in ["tar.zst.age", "keys.age", "erasures.txt"] {
            std::fs::write(desk.place.join(format!("{name}.{ending}")), "old").unwrap();
        }
    }
    // an interrupted one has no archive
    let left = "backup-20260101-000000000-00000000.keys.age";
    for other in ["notes.txt", left] {
        std::fs::write(desk.place.join(other), "x").unwrap();
    }
    let said = desk.run(&["backup", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let kept = names(&desk);
    let count = |ending: &str| kept.iter().filter(|name| name.ends_with(ending)).count();
    assert!((11..=14).contains(&count(".tar.zst.age")), "{kept:?}");
    assert_eq!(
        said["deleted"].as_u64().unwrap() as usize,
        41 - count(".tar.zst.age")
    );
    assert!((7..=8).contains(&count(".keys.age")), "{kept:?}");
    assert_eq!(count(".erasures.txt"), count(".tar.zst.age"));
    assert!(kept.contains(&"notes.txt".to_owned()) && !kept.contains(&left.to_owned()));
    let listed = desk.run(&["backup", "list"]);
    assert_eq!(
        listed.lines().count(),
        count(".tar.zst.age") + 1,
        "{listed}"
    );
}

// F001: a missing backup is a finding; one that is verified is none
#[tokio::test]
async fn check_tells_of_missing_backups() {
    let Some(desk) = Desk::open(TestDatabase::Sqlite).await else {
        return;
    };
    let check = || {
        let output = desk
            .command(&["check", "--deploy", "--json"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(check().contains("backup.overdue"));
    desk.back_up();
    assert!(!check().contains("backup.overdue"));
    let db = desk.site.site().database();
    let set = async |change: palisade::db::RawSql| {
        db.write(async |tx| tx.execute_sql(change).await)
            .await
            .unwrap();
    };
    set(palisade::sql!(
        "UPDATE palisade_backup SET written = written - 27 * 3600"
    ))
    .await;
    assert!(check().contains("backup.overdue"));
    set(palisade::sql!(
        "UPDATE palisade_backup SET written = written - 40 * 86400"
    ))
    .await;
    assert!(check().contains("backup.unverified"));
    desk.back_up();
    desk.run(&["backup", "verify", "newest", "--identity", "identity.txt"]);
    let said = check();
    assert!(
        !said.contains("backup.overdue") && !said.contains("backup.unverified"),
        "{said}"
    );
}

// kill -9 in the middle: no archive that is half, and nothing on the disk of the site after the next one
#[tokio::test]
async fn a_killed_backup_leaves_no_archive() {
    let Some(mut desk) = Desk::with_files(TestDatabase::Sqlite).await else {
        return;
    };
    let noise: Vec<u8> = (0..900_000_u32)
        .map(|at| b'a' + (at.wrapping_mul(2_654_435_761) >> 24) as u8 % 26)
        .collect();
    for _ in 0..12 {
        let sent =
            crate::uploads::send(&mut desk.ann, ("plain", "a.txt", "text/plain"), &noise).await;
        assert_eq!(sent.status, 303);
    }
    for step in 0..12_u64 {
        let mut command = desk.command(&["backup"]);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(20 + step * 25));
        let is_done = child.try_wait().unwrap().is_some();
        child.kill().unwrap();
        child.wait().unwrap();
        let archives = names(&desk)
            .into_iter()
            .filter(|name| name.ends_with(".tar.zst.age"));
        // one that is there is whole
        for archive in archives {
            let path = desk.place.join(archive);
            desk.run(&[
                "backup",
                "verify",
                path.to_str().unwrap(),
                "--identity",
                "identity.txt",
            ]);
            std::fs::remove_file(path).unwrap();
        }
        if is_done {
            break;
        }
    }
    desk.run(&["backup"]);
    let left = std::fs::read_dir(desk.site.folder()).unwrap();
    let mut left = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(!left.any(|name| name.starts_with("backup-work")));
}

#[tokio::test]
async fn one_backup_is_written_at_a_time() {
    let Some(desk) = Desk::open(TestDatabase::Sqlite).await else {
        return;
    };
    let lock = std::fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(desk.site.folder().join("backup.lock"));
    let lock = lock.unwrap();
    lock.lock().unwrap();
    let said = desk.refused(&["backup"]);
    assert!(said.contains("is running"), "{said}");
    drop(lock);
    desk.run(&["backup"]);
}

// F001: backups in a bucket, with keys of their own, and the restore from it
#[tokio::test(flavor = "multi_thread")]
async fn backups_in_a_bucket_come_back() {
    let Some(mut bucket) = crate::uploads::buckets::Bucket::start() else {
        return;
    };
    let Some(desk) = Desk::with_files(TestDatabase::Sqlite).await else {
        return;
    };
    let (access, secret) = crate::uploads::buckets::KEYS;
    let with_bucket = |mut command: std::process::Command, secret: &str| {
        command
            .env("PALISADE_BACKUP__TO", bucket.url())
            .env("PALISADE_BACKUP__ACCESS_KEY", access)
            .env("PALISADE_BACKUP__SECRET_KEY", secret);
        command.output().unwrap()
    };
    let output = with_bucket(desk.command(&["backup"]), "canary-of-a-wrong-key");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && said.contains("refuses the keys"),
        "{said}"
    );
    assert!(!said.contains("canary"), "{said}");
    assert_eq!(bucket.objects().len(), 0);
    let output = with_bucket(desk.command(&["backup", "--json"]), secret);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(bucket.objects().len(), 3);
    let elsewhere = desk.elsewhere().await;
    let identity = desk.identity();
    let arguments = [
        "restore",
        "newest",
        "--identity",
        identity.to_str().unwrap(),
    ];
    let output = with_bucket(elsewhere.program.command(&arguments), secret);
    assert!(output.status.success(), "{output:?}");
    assert!(
        elsewhere
            .program
            .run(&["files", "check"])
            .starts_with("2 file(s)")
    );
    // a place that is away, and one without this backup
    let elsewhere = desk.elsewhere().await;
    let output = with_bucket(
        elsewhere.program.command(&[
            "restore",
            "backup-none",
            "--identity",
            identity.to_str().unwrap(),
        ]),
        secret,
    );
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("there is no backup")
    );
    bucket.stop();
    let url = bucket.url();
    let mut command = elsewhere.program.command(&arguments);
    command
        .env("PALISADE_BACKUP__TO", url)
        .env("PALISADE_BACKUP__ACCESS_KEY", access)
        .env("PALISADE_BACKUP__SECRET_KEY", secret);
    assert!(!command.output().unwrap().status.success());
    assert!(elsewhere.has_nothing());
}
