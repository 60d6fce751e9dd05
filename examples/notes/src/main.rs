//! The binary of the site.

fn main() -> std::process::ExitCode {
    notes::app().run()
}
