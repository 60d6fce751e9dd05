//! The binary of the site.

fn main() -> std::process::ExitCode {
    tutorial::app().run()
}
