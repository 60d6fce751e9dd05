//! The page of the guide, as a newcomer would follow it.

use palisade::testing;
use std::path::Path;
use std::process::{Command, Stdio};

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// The commands of a page, one after the other.
fn commands(page: &str) -> String {
    let blocks = page
        .split("```sh\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    blocks.collect::<Vec<_>>().join("\n")
}

/// A copy of what a clone would hold.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (name, target) = (entry.file_name(), to.join(entry.file_name()));
        if ["__pycache__", ".venv", "data"].contains(&name.to_string_lossy().as_ref())
            || name.to_string_lossy().contains(".sqlite3")
        {
            continue;
        }
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            std::fs::copy(entry.path(), target).map(drop).unwrap()
        }
    }
}

#[test]
fn every_command_of_the_guide_works_in_its_order() {
    let Some(python) = testing::server("PALISADE_TEST_DJANGO") else {
        return;
    };
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(here.join("../../docs/beside-django.md")).unwrap();
    let folder = std::env::temp_dir().join(format!("guide-{}", palisade::crypto::random::nonce()));
    copy(here, &folder);
    // the binary built for this test, the installed Python, and free ports
    let program = env!("CARGO_BIN_EXE_beside-django");
    let script = commands(&page)
        .replace("cargo run -q -p beside-django --", program)
        .replace("python3.13 -m", &format!("{python} -m"));
    let script = script
        .replace("127.0.0.1:8000", &format!("127.0.0.1:{}", free_port()))
        .replace("127.0.0.1:8001", &format!("127.0.0.1:{}", free_port()));
    assert!(script.matches(program).count() >= 6, "{script}");
    let script = format!(
        "set -euo pipefail -m\ntrap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n{script}\necho guide-is-done\n"
    );
    let output = Command::new("bash")
        .arg("-c")
        .arg(&script)
        .current_dir(&folder)
        .stdin(Stdio::null())
        .env_remove("DATABASE_URL")
        .output()
        .unwrap();
    let (said, error) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success() && said.contains("guide-is-done"),
        "{said}\n{error}"
    );
    for line in [
        "used as it is: the users",
        "5 tables are in entity",
        "would run: auth_0001_django_auth",
        "ready",
        "\"user\": \"ann\"",
        "took back",
    ] {
        assert!(said.contains(line), "{line}: {said}\n{error}");
    }
    std::fs::remove_dir_all(folder).unwrap();
    testing::ran(&format!("{} lines of the guide", script.lines().count()));
}
