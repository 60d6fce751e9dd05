//! The forum's front: it serves what has moved, and sends everything else on to Django.

use std::process::ExitCode;

fn main() -> ExitCode {
    beside_django::app().run()
}
