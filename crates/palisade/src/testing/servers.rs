//! Servers that a suite needs, named by the environment.

use std::io::Write;

/// The value of the variable that names a server. `None`, and a line that says so, where it is not set.
///
/// # Panics
/// When it is not set and `PALISADE_REQUIRE_SERVERS` is: a suite that should run must not be passed over.
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

/// Says past the capture of the test runner that a suite which needs a server has run.
pub fn ran(suite: &str) {
    say(&format!("ran: {suite}"));
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
