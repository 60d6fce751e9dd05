//! The helpdesk's binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    helpdesk::app().run()
}
