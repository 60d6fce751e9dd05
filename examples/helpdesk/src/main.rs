//! The helpdesk as a program.

use std::process::ExitCode;

fn main() -> ExitCode {
    helpdesk::app().run()
}
