//! The reverse proxy of the forum: serves the migrated pages, and proxies all other requests to
//! Django.

use std::process::ExitCode;

fn main() -> ExitCode {
    beside_django::app().run()
}
