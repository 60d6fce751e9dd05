//! The site of `tests/it/uploads`, as a program: its tests run commands of it, and kill it.

use std::process::ExitCode;

#[path = "../tests/it/uploads/site.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod site;

fn main() -> ExitCode {
    site::app().run()
}
