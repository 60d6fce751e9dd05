use super::site::run;
use crate::program::Program;
use palisade::testing::{connect, new_postgres, ran};
use std::path::Path;

async fn work(url: &str, data: &Path) {
    let program = Program::new(url, data);
    assert!(
        program
            .refused(&["audit", "key"])
            .contains("run `keys new`")
    );
    program.run(&["keys", "new"]);
    program.run(&["migrate"]);
    assert!(
        program
            .refused(&["audit", "checkpoint"])
            .contains("there are no entries")
    );
    assert_eq!(program.run(&["audit", "verify"]), "there are no entries\n");
    program.run(&["group", "create", "editors"]);
    program.run(&["group", "delete", "editors"]);
    let listed = program.run(&["audit", "list", "--event", "right_revoked"]);
    assert!(
        listed.contains("command") && listed.contains("all rights of the group editors"),
        "{listed}"
    );
    let lines = program.run(&["audit", "list", "--json", "--since", "2020-01-01"]);
    let line: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(
        (line["event"].as_str(), line["actor"].as_str()),
        (Some("right_revoked"), Some("command"))
    );
    assert!(chrono::DateTime::parse_from_rfc3339(line["at"].as_str().unwrap()).is_ok());
    assert!(
        program
            .refused(&["audit", "list", "--since", "yesterday"])
            .contains("write 2027-01-31")
    );

    // a checkpoint leaves the machine; the key is rotated and retired, and all verifies
    let kept = data.join("kept.txt");
    let checkpoint = program.run(&["audit", "checkpoint"]);
    let key = program.run(&["audit", "key"]);
    std::fs::write(&kept, &checkpoint).unwrap();
    program.run(&["keys", "rotate"]);
    let listed = program.run(&["audit", "list", "--event", "keys_changed"]);
    assert!(listed.contains("a key was added"), "{listed}");
    program.run(&["keys", "retire"]);
    let verify = ["audit", "verify", "--checkpoints", "kept.txt"];
    let said = program.refused(&verify);
    assert!(
        said.contains("0 checkpoints are signed by the key, and 1 are not"),
        "{said}"
    );
    let with_key = [&verify[..], &["--public-key", key.trim()]].concat();
    let said = program.run(&with_key);
    assert!(
        said.contains("3 entries, 1 to 3, are as the site wrote them")
            && said.contains("1 checkpoints agree"),
        "{said}"
    );
    let said = program.refused(&[&verify[..], &["--public-key", "x"]].concat());
    assert!(
        said.contains("write a key as `audit key` prints it"),
        "{said}"
    );

    // an attacker cuts the end, and restores nothing
    let owner = connect(url).await;
    run(&owner, "DELETE FROM palisade_audit WHERE seq > 1").await;
    let output = program.output(&with_key);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, "cut at the end: entries 2 to 3 are gone\n");
    let output = program.output(&["audit", "verify", "--json"]);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&found["tampering"]["kind"], &found["tampering"]["from"]),
        (&"cut_at_end".into(), &2.into())
    );
    owner.close().await.unwrap();
}

// F113: the commands, as an operator runs them
#[tokio::test]
async fn the_log_is_listed_verified_and_signed_by_commands() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("site.sqlite3").display());
    work(&url, folder.path()).await;
    ran("audit commands on sqlite");
    // F108: an effect of a command is an alert
    let socket = folder.path().join("log.sock");
    let receiver = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
    let program = Program::new(&url, folder.path());
    program.run(&["group", "create", "authors"]);
    let output = program
        .command(&["group", "delete", "authors"])
        .env(
            "PALISADE_ALERTS__SYSLOG",
            format!("unix:{}", socket.display()),
        )
        .output()
        .unwrap();
    assert!(output.status.success());
    receiver
        .set_read_timeout(Some(std::time::Duration::from_secs(10)))
        .unwrap();
    let mut buffer = [0; 4096];
    let length = receiver.recv(&mut buffer).unwrap();
    let alert = String::from_utf8_lossy(&buffer[..length]).into_owned();
    assert!(
        alert.contains("rights changed") && alert.contains("actor=\"command\""),
        "{alert}"
    );
    let Some(url) = new_postgres().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    work(&url, folder.path()).await;
    ran("audit commands on postgres");
}
