//! Cargo notices new files in these folders.

fn main() {
    println!("cargo::rerun-if-changed=templates");
    println!("cargo::rustc-env=WATCHED_FOLDERS=templates");
}
