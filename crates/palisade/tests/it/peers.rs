//! Programs of `scripts/peers`: libraries of other projects, which read the answers of a site.

use serde_json::Value;
use std::io::Write;
use std::process::{Command, Stdio};

/// The path of a program.
pub(crate) fn script(name: &str) -> std::path::PathBuf {
    crate::architecture::root().join("scripts/peers").join(name)
}

/// Runs a program with this input; its output is JSON.
pub(crate) fn run(python: &str, name: &str, input: &[u8]) -> Value {
    let mut child = Command::new(python)
        .arg(script(name))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{name}");
    serde_json::from_slice(&output.stdout).unwrap()
}
