//! Servers that a suite needs, named by environment variables.

use std::io::Write;

/// The value of a server's variable. `None`, with a message, where it is not set.
///
/// # Panics
/// When it is not set and `PALISADE_REQUIRE_SERVERS` is: a required suite must not be skipped.
pub fn server(variable: &str) -> Option<String> {
    let value = std::env::var(variable).ok();
    let is_required = std::env::var_os("PALISADE_REQUIRE_SERVERS").is_some();
    assert!(
        value.is_some() || !is_required,
        "{variable} names what this suite needs (scripts/servers)"
    );
    if value.is_none() {
        say(&format!("not run: {variable} is not set (scripts/servers)"));
    }
    value
}

/// Reports that a suite with a server has run, bypassing the test runner's capture.
pub fn ran(suite: &str) {
    say(&format!("ran: {suite}"));
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
