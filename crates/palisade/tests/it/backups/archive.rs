//! The archive: complete, closed, and judged before it is used.

use super::{Desk, Elsewhere, SECRET, key_pair};
use palisade::testing::{TestDatabase, ran, server};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn decrypted(archive: &Path, identity: &Path) -> Vec<u8> {
    let age = server("PALISADE_TEST_AGE").unwrap();
    let mut command = Command::new(age);
    command.arg("-d").arg("-i").arg(identity).arg(archive);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    zstd::decode_all(&output.stdout[..]).unwrap()
}

/// Encrypts a tar as anyone can who knows the recipient.
fn sealed(tar: &[u8], (recipient, out): (&str, &Path)) {
    let compressed = zstd::encode_all(tar, 3).unwrap();
    let age = server("PALISADE_TEST_AGE").unwrap();
    let mut command = Command::new(age);
    command
        .args(["-r", recipient, "-o"])
        .arg(out)
        .stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(&compressed).unwrap();
    assert!(child.wait().unwrap().success());
}

/// The entries of an archive: name and content.
fn entries(tar: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        (name, content)
    });
    entries.collect()
}

fn packed(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        // as it is: the crate refuses names with `..`
        let field = &mut header.as_gnu_mut().unwrap().name;
        field[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        archive.append(&header, &content[..]).unwrap();
    }
    archive.into_inner().unwrap()
}

// F001: a backup of the site is opened by the programs of other people, and by no server
#[tokio::test]
async fn a_backup_has_the_database_the_files_and_no_secret() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some(desk) = Desk::with_files(database).await else {
            continue;
        };
        let said = desk.run(&["backup"]);
        assert!(said.contains("and 2 file(s)"), "{said}");
        let archive = desk.back_up();
        let bytes = std::fs::read(&archive).unwrap();
        assert!(bytes.starts_with(b"age-encryption.org/v1"));
        let tar = decrypted(&archive, &desk.identity());
        let all = entries(&tar);
        let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(&names[..2], ["settings.txt", "database"]);
        assert_eq!(
            names
                .iter()
                .filter(|name| name.starts_with("files/"))
                .count(),
            2
        );
        assert_eq!(names.last(), Some(&"MANIFEST"));
        // files are encrypted in it, too, and the keys of the site are not in it
        let text = String::from_utf8_lossy(&tar);
        assert!(!text.contains(SECRET));
        for key in ["secret.keys", "data.keys"] {
            let key = std::fs::read_to_string(desk.site.folder().join(key)).unwrap();
            let key = key.lines().last().unwrap();
            assert!(!text.contains(key), "{key}");
        }
        ran("backups");
    }
}

#[tokio::test]
async fn nothing_is_written_without_a_recipient_or_a_place() {
    let Some(desk) = Desk::open(TestDatabase::Sqlite).await else {
        return;
    };
    let refused = |changes: &[(&str, &str)], arguments: &[&str]| {
        let mut command = desk.command(arguments);
        command.envs(changes.iter().copied());
        let output = command.output().unwrap();
        assert!(!output.status.success(), "{changes:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let none = [("PALISADE_BACKUP__RECIPIENTS", "")];
    let said = refused(&none, &["backup"]);
    assert!(said.contains("set backup.recipients"), "{said}");
    // a checksum that is wrong, and a key that is none
    let last = if desk.recipient.ends_with('q') {
        "p"
    } else {
        "q"
    };
    let wrong = format!("{}{last}", &desk.recipient[..desk.recipient.len() - 1]);
    for recipient in [wrong.as_str(), "age1wrong", "ssh-ed25519 AAAA"] {
        refused(&[("PALISADE_BACKUP__RECIPIENTS", recipient)], &["backup"]);
    }
    let said = refused(&[], &["backup", "--to", "/srv/backups"]);
    assert!(said.contains("write file:FOLDER"), "{said}");
    assert_eq!(std::fs::read_dir(&desk.place).unwrap().count(), 0);
}

fn is_refused(desk: &Desk, elsewhere: &Elsewhere, archive: &Path, words: &str) {
    let output = elsewhere.restore(archive, &desk.identity());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && said.contains(words),
        "{words}: {said}"
    );
    assert!(elsewhere.has_nothing(), "{words}");
}

// RUSTSEC-2026-0067, RUSTSEC-2025-0168: entries outside of the folder, links; cut and changed archives; and
// one that an attacker has encrypted to the same recipient
#[tokio::test]
async fn a_forged_or_damaged_archive_restores_nothing() {
    let Some(desk) = Desk::with_files(TestDatabase::Sqlite).await else {
        return;
    };
    let archive = desk.back_up();
    let elsewhere = desk.elsewhere().await;
    let bytes = std::fs::read(&archive).unwrap();
    let write = |bytes: &[u8]| std::fs::write(&archive, bytes).unwrap();
    for length in [0, 1, 200, bytes.len() / 2, bytes.len() - 1] {
        write(&bytes[..length]);
        is_refused(&desk, &elsewhere, &archive, "cannot be used");
    }
    let mut flipped = bytes.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    write(&flipped);
    is_refused(&desk, &elsewhere, &archive, "cannot be used");
    write(&bytes);
    let all = entries(&decrypted(&archive, &desk.identity()));
    let forged = |change: &dyn Fn(&mut Vec<(String, Vec<u8>)>)| {
        let mut changed = all.clone();
        change(&mut changed);
        let _ = std::fs::remove_file(&archive);
        sealed(&packed(&changed), (&desk.recipient, &archive));
    };
    let last = all.len() - 1;
    let manifest = String::from_utf8(all[last].1.clone()).unwrap();
    forged(&|all| all.truncate(last));
    is_refused(&desk, &elsewhere, &archive, "it was cut off");
    forged(&|all| all[last].1 = manifest.replace("\"rows\": 1", "\"rows\": 2").into_bytes());
    is_refused(
        &desk,
        &elsewhere,
        &archive,
        "not signed by a key of this site",
    );
    forged(&|all| all[1].1[100] ^= 1);
    is_refused(
        &desk,
        &elsewhere,
        &archive,
        "database is not as its manifest says",
    );
    forged(&|all| all[2].1[0] ^= 1);
    is_refused(&desk, &elsewhere, &archive, "is not as its manifest says");
    forged(&|all| drop(all.remove(2)));
    is_refused(&desk, &elsewhere, &archive, "fewer entries");
    forged(&|all| {
        let one = all[2].clone();
        all.insert(2, one);
    });
    is_refused(&desk, &elsewhere, &archive, "cannot be used");
    forged(&|all| all.push(("database".into(), Vec::new())));
    is_refused(&desk, &elsewhere, &archive, "is behind the manifest");
    for name in [
        "../outside",
        "/etc/passwd",
        "files/../../outside",
        "files/x",
        "database/x",
        "",
    ] {
        forged(&|all| all.insert(0, (name.to_owned(), b"x".to_vec())));
        is_refused(&desk, &elsewhere, &archive, "foreign entry");
    }
    let outside: Vec<PathBuf> = ["outside", "../outside"]
        .map(|name| elsewhere.folder.join(name))
        .into();
    assert!(outside.iter().all(|path| !path.exists()));
    // a link with the name of a part
    let mut linked = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    linked
        .append_link(&mut header, "database", "/etc/passwd")
        .unwrap();
    let _ = std::fs::remove_file(&archive);
    sealed(&linked.into_inner().unwrap(), (&desk.recipient, &archive));
    is_refused(&desk, &elsewhere, &archive, "foreign entry");
    // the true one is still one
    write(&bytes);
    assert!(
        elsewhere
            .restore(&archive, &desk.identity())
            .status
            .success()
    );
}

#[tokio::test]
async fn another_key_opens_nothing() {
    let Some(desk) = Desk::open(TestDatabase::Sqlite).await else {
        return;
    };
    let archive = desk.back_up();
    let elsewhere = desk.elsewhere().await;
    key_pair(&elsewhere.folder).unwrap();
    let other = elsewhere.folder.join("identity.txt");
    let output = elsewhere.restore(&archive, &other);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("the identity does not open it"), "{said}");
    // the right identity, without the keys of the site
    let key: String = (0..3).map(|_| palisade::crypto::random::nonce()).collect();
    std::fs::write(elsewhere.folder.join("secret.keys"), key).unwrap();
    is_refused(&desk, &elsewhere, &archive, "put the key files of the site");
    let no_key = elsewhere.folder.join("no_key");
    std::fs::write(&no_key, "age1wrong").unwrap();
    let output = elsewhere.restore(&archive, &no_key);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("is no private key of age"), "{said}");
    assert!(elsewhere.has_nothing());
}
