//! Evidence of an incident: complete, encrypted, signed, and without secrets.

use crate::program::Program;
use palisade::crypto::signed_note::Verifier;
use palisade::testing::{new_postgres, ran, server};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

const SMTP: &str = "smtp://desk:canary-of-a-password@127.0.0.1:9";

fn age(arguments: &[&str], folder: &Path) -> Option<Output> {
    let age = server("PALISADE_TEST_AGE")?;
    let program = Path::new(&age).with_file_name(arguments[0]);
    let mut command = Command::new(program);
    command.args(&arguments[1..]).current_dir(folder);
    Some(command.output().unwrap())
}

/// The files of an archive, as tar lists and prints them.
fn files(archive: &Path) -> BTreeMap<String, String> {
    let tar = |arguments: &[&str]| {
        let output = Command::new("tar").args(arguments).arg(archive).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let names = tar(&["-tf"]);
    let content = |name: &str| {
        let output = Command::new("tar")
            .arg("-xOf")
            .arg(archive)
            .arg(name)
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    names
        .lines()
        .map(|name| (name.to_owned(), content(name)))
        .collect()
}

fn work(url: &str, folder: &Path) {
    let Some(made) = age(&["age-keygen", "-o", "identity.txt"], folder) else {
        return;
    };
    let made = String::from_utf8(made.stderr).unwrap();
    let recipient = made.trim().rsplit(' ').next().unwrap();
    let program = Program::new(url, folder);
    program.run(&["keys", "new"]);
    program.run(&["migrate"]);
    program.run(&["group", "create", "editors"]);
    let collect = |recipients: &str| {
        program
            .command(&["incident", "evidence", "--out", "evidence.age"])
            .env("PALISADE_INCIDENT__RECIPIENTS", recipients)
            .env("EMAIL_URL", SMTP)
            .output()
            .unwrap()
    };
    let refused = program.refused(&["incident", "evidence", "--out", "evidence.age"]);
    assert!(refused.contains("set incident.recipients"), "{refused}");
    let wrong = collect("age1wrong");
    assert!(!wrong.status.success() && !folder.join("evidence.age").exists());
    let taken = collect(recipient);
    assert!(taken.status.success(), "{taken:?}");
    let again = collect(recipient);
    assert!(
        !again.status.success(),
        "an earlier bundle is not overwritten"
    );

    let sealed = std::fs::read(folder.join("evidence.age")).unwrap();
    assert!(sealed.starts_with(b"age-encryption.org/v1"));
    let text = String::from_utf8_lossy(&sealed);
    assert!(!text.contains("audit.jsonl") && !text.contains("evidence_taken"));
    let opened = [
        "age",
        "-d",
        "-i",
        "identity.txt",
        "-o",
        "evidence.tar",
        "evidence.age",
    ];
    let opened = age(&opened, folder).unwrap();
    assert!(opened.status.success(), "{opened:?}");
    let files = files(&folder.join("evidence.tar"));
    let expected = [
        "MANIFEST",
        "audit.jsonl",
        "checkpoint.txt",
        "findings.json",
        "keys.txt",
        "measures.json",
        "program.json",
        "routes.txt",
        "settings.txt",
        "verify.json",
    ];
    assert_eq!(files.keys().collect::<Vec<_>>(), expected);
    assert!(files["audit.jsonl"].contains("\"event\":\"evidence_taken\""));
    assert!(files["routes.txt"].contains("/account/login"));
    let verified: serde_json::Value = serde_json::from_str(&files["verify.json"]).unwrap();
    assert!(verified["tampering"].is_null() && verified["to"].as_i64() >= Some(1));

    // no secret: neither of the settings nor of the key file
    let keys = ["secret.keys", "data.keys"]
        .map(|name| std::fs::read_to_string(folder.join(name)).unwrap());
    let keys: Vec<&str> = keys
        .iter()
        .flat_map(|text| text.split_whitespace())
        .collect();
    let keys = keys.into_iter().filter(|word| word.len() > 20);
    let keys: Vec<&str> = keys.collect();
    assert!(keys.len() >= 2);
    assert!(files["settings.txt"].contains("incident.recipients"));
    for (name, content) in &files {
        assert!(!content.contains("canary-of-a-password"), "{name}");
        for key in &keys {
            assert!(!content.contains(key), "{name}");
        }
    }
    assert!(
        !keys.is_empty(),
        "{:?}",
        std::fs::read_dir(folder).unwrap().collect::<Vec<_>>()
    );

    // the manifest is signed with the key of checkpoints, and has the hash of each file
    let verifier = Verifier::parse(files["keys.txt"].trim()).unwrap();
    let manifest = verifier.open(&files["MANIFEST"]).unwrap();
    for line in manifest.lines() {
        let [hash, size, name] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(size, files[name].len().to_string(), "{name}");
        assert_eq!(hash, sha256(&files[name]), "{name}");
    }
    assert_eq!(manifest.lines().count(), files.len() - 1);
}

fn sha256(text: &str) -> String {
    use sha2::{Digest, Sha256};
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

// F112: encrypted to its recipients, without secrets; opened by age itself
#[tokio::test]
async fn evidence_is_complete_encrypted_signed_and_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("site.sqlite3").display());
    work(&url, folder.path());
    ran("evidence on sqlite");
    if let Some(url) = new_postgres().await {
        let folder = tempfile::tempdir().unwrap();
        work(&url, folder.path());
        ran("evidence on postgres");
    }
}
