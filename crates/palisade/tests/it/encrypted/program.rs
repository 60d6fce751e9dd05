//! The commands of encrypted columns, as an operator runs them.

use crate::program::Program;
use palisade::testing::{new_postgres, ran};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

impl Program {
    /// The ids of the keys, by their states.
    fn key(&self, state: &str) -> String {
        let status = self.run(&["data", "status"]);
        let row = status
            .lines()
            .find(|line| line.split_whitespace().nth(1) == Some(state));
        let row = row.unwrap_or_else(|| panic!("no key is {state}: {status}"));
        row.split_whitespace().next().unwrap().to_owned()
    }
}

fn rotate_and_kill(database: String, data: &Path) {
    let program = Program::new(&database, data);
    program.run(&["keys", "new"]);
    // a site that has a secret key already gets its first data key in the same way
    std::fs::remove_file(data.join("data.keys")).unwrap();
    let said = program.run(&["keys", "new"]);
    assert!(
        said.contains("holds the first key of encrypted columns"),
        "{said}"
    );
    let said = program.refused(&["keys", "new"]);
    assert!(said.contains("exists already"), "{said}");
    program.run(&["migrate"]);
    program.run(&["fill"]);
    assert_eq!(program.run(&["sum"]), "500500\n");
    let old = program.key("active");
    let said = program.refused(&["data", "retire", &old]);
    assert!(said.contains("is the active key"), "{said}");
    let said = program.run(&["data", "rotate"]);
    assert!(said.contains("within ten minutes"), "{said}");
    assert_eq!(program.key("active"), old, "the next key has two days");
    let next = program.key("next");
    // a leaked file holds the announced key, too: it is never used
    let said = program.run(&["data", "rotate", "--at-once"]);
    assert!(!program.run(&["data", "status"]).contains(&next));
    assert!(said.contains("Restart every instance now"), "{said}");
    assert_eq!(program.key("older"), old);
    let said = program.refused(&["data", "retire", &old]);
    assert!(said.contains("worker_phone.number: 1000"), "{said}");
    assert!(said.contains("run `data reencrypt` first"), "{said}");
    // killed again and again, it goes on where it was
    let mut kills = 0;
    for wait in [30, 45, 60, 75, 90, 120, 150] {
        let mut child = program.command(&["data", "reencrypt", "--per-second", "4000"]);
        let child = child.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = child.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        if child.try_wait().unwrap().is_none() {
            kills += 1;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(program.run(&["sum"]), "500500\n", "killed after {wait} ms");
    }
    assert!(kills > 0, "it was killed");
    let said = program.run(&["data", "reencrypt"]);
    assert!(
        said.contains("worker_phone: ") && said.contains("in a second"),
        "{said}"
    );
    assert_eq!(program.run(&["sum"]), "500500\n");
    let said = program.refused(&["data", "reencrypt", "--table", "worker"]);
    assert!(said.contains("`data status` lists them"), "{said}");
    let status = program.run(&["data", "status"]);
    let row = status
        .lines()
        .find(|line| line.starts_with("worker_phone.number "))
        .unwrap();
    let counts: Vec<&str> = row.split_whitespace().skip(1).collect();
    assert_eq!(counts, ["1000", "0", "0", "0"], "{status}");
    assert!(status.contains("palisade_user_key.sealed"), "{status}");
    assert!(
        status.contains("palisade_mail."),
        "columns of the framework, too: {status}"
    );
    program.run(&["data", "retire", &old]);
    assert_eq!(program.run(&["sum"]), "500500\n");
    // a lost key is named, and its values are given up only on demand
    let keys = data.join("data.keys");
    let kept = std::fs::read_to_string(&keys).unwrap();
    let active = program.key("active");
    std::fs::remove_file(&keys).unwrap();
    let said = program.refused(&["sum"]);
    assert!(
        said.contains(&active) && said.contains("restore them"),
        "{said}"
    );
    let said = program.refused(&["data", "retire", &active]);
    assert!(
        said.contains("if it is lost, add --values-are-lost"),
        "{said}"
    );
    std::fs::write(&keys, kept).unwrap();
    assert_eq!(program.run(&["sum"]), "500500\n");
    std::fs::remove_file(&keys).unwrap();
    program.refused(&["sum"]);
    program.run(&["data", "retire", &active, "--values-are-lost"]);
    let status = program.run(&["data", "status"]);
    assert!(
        status.contains("2000 value(s) are not encrypted with a key of this site"),
        "{status}"
    );
    let said = program.refused(&["sum"]);
    assert!(
        said.contains("encrypted with a key that is not in data.keys"),
        "{said}"
    );
}

// F104 V11.2.2 V13.3.4: a rotation as an operator does it, and killed
#[test]
fn keys_are_rotated_by_commands_that_can_be_killed() {
    let folder = tempfile::tempdir().unwrap();
    rotate_and_kill("sqlite:site.sqlite3".into(), folder.path());
    ran("data commands on sqlite");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(url) = runtime.block_on(new_postgres()) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    rotate_and_kill(url, folder.path());
    ran("data commands on postgres");
}
