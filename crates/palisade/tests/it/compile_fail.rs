//! What must not compile, and the words that the compiler says. The messages are pinned: they are part of the interface.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The newest build of the library beside this test.
fn library(deps: &Path) -> PathBuf {
    let entries = std::fs::read_dir(deps)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("libpalisade-") && name.ends_with(".rlib")
    };
    entries
        .filter(is_ours)
        .max_by_key(|path| path.metadata().unwrap().modified().unwrap())
        .expect("the library was built for this test")
}

/// Whether a case compiles, and the words of the compiler.
fn compile(case: &str) -> (bool, String) {
    compile_with(case, &[])
}

fn compile_with(case: &str, options: &[&str]) -> (bool, String) {
    let deps = std::env::current_exe()
        .unwrap()
        .parent()
        .unwrap()
        .to_owned();
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/compile_fail")
        .join(format!("{case}.rs"));
    let output = Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into()))
        .args([
            "--edition",
            "2024",
            "--crate-type",
            "lib",
            "--emit",
            "metadata",
            "--out-dir",
            env!("CARGO_TARGET_TMPDIR"),
            "-L",
        ])
        .arg(format!("dependency={}", deps.display()))
        .args([
            "--extern",
            &format!("palisade={}", library(&deps).display()),
        ])
        .args(options)
        .arg(source)
        .env("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("rustc runs");
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

// F050, F074, F077; ASVS 8.2.1, 1.2.4
#[test]
fn what_must_not_compile_says_what_to_write() {
    let rows: [(&str, &[&str]); 20] = [
        (
            "route_without_rule",
            &[
                "this route has no access rule",
                "an access rule is missing",
                "`public().get(handler)`, `signed_in().get(handler)`, `staff().get(handler)`, `can(\"app.permission\").get(handler)`",
            ],
        ),
        (
            "formatted_sql",
            &[
                "raw SQL is a string literal with ? for each value",
                "a string made at run time could carry an injection",
            ],
        ),
        (
            "unbounded_field",
            &[
                "String` cannot be a field of a form, because it has no limit",
                "`Line<120>` for one line",
            ],
        ),
        (
            "unsafe_template",
            &[
                "the filter `safe` does not exist",
                "--> tests/compile_fail/templates/page.html:",
                " | ",
                "^^^^",
                "= help: for HTML of visitors",
            ],
        ),
        // F086
        (
            "linked_file",
            &["linked/manifest.toml is a symbolic link, whose target can change what is served"],
        ),
        (
            "secret_in_page",
            &["Secret<std::string::String>` doesn't implement `std::fmt::Display`"],
        ),
        // F115; ASVS 15.3.1
        (
            "entity_in_page",
            &[
                "`Model` is not a value of a template",
                "#[derive(Columns)] #[columns(entity = note::Entity)]",
                "Serde(value)",
            ],
        ),
        ("columns_type", &["`Titel`", "`titel`"]),
        // F104
        (
            "small_index",
            &[
                "the values of this index could be counted",
                "add another column to it, or search without an index",
            ],
        ),
        (
            "encrypted_string",
            &[
                "`std::string::String` cannot be encrypted, because it has no limit or no spelling",
                "write `Line<120>` for one line",
            ],
        ),
        (
            "encrypted_in_page",
            &["Encrypted<palisade::forms::Line<30>>` is not a value of a template"],
        ),
        // V1.2.5
        (
            "program_path",
            &[
                "the path of a program is a literal",
                "could name another program",
            ],
        ),
        (
            "relative_program",
            &["a program is named by its absolute path"],
        ),
        // F075
        ("wrong_pattern", &["unclosed group"]),
        (
            "unbounded_json",
            &[
                "String` cannot be a field of a JSON body, because it has no limit",
                "`Line<120>` for one line",
            ],
        ),
        (
            "handler",
            &[
                "this function cannot handle requests",
                "Form and Json read the body and stand last",
                "put #[debug_handler] above the function",
            ],
        ),
        // the words name the argument
        (
            "handler_form_first",
            &[
                "Form<New>` cannot be an argument of a handler here",
                "async fn create(form: Form<New>, user: User)",
                "as the last argument",
            ],
        ),
        (
            "handler_number",
            &[
                "`i32` cannot be an argument of a handler",
                "a value of the URL is Path<i32>",
            ],
        ),
        (
            "handler_result",
            &["`Note` is not a response", "return Result<Response>"],
        ),
        (
            "handler_not_send",
            &[
                "future cannot be sent between threads safely",
                "let shared = Rc::new(1);",
            ],
        ),
    ];
    for (case, messages) in rows {
        let (compiled, said) = compile(case);
        assert!(!compiled, "{case} must not compile");
        for message in messages {
            assert!(
                said.contains(message),
                "{case} must say {message:?}, and says:\n{said}"
            );
        }
    }
    let (compiled, said) = compile("fine");
    assert!(compiled, "the same, done right, compiles:\n{said}");
}

// B1: a release whose cargo does not notice new files does not compile
#[test]
fn a_release_watches_its_folders() {
    let (is_fine, said) = compile("folder");
    assert!(is_fine, "a debug build reads the folder: {said}");
    let (is_fine, said) = compile_with("folder", &["-C", "debug-assertions=off"]);
    assert!(!is_fine);
    for words in [
        "a release could lack new files of the folder tests/static",
        "cargo::rerun-if-changed=tests/static",
        "cargo::rustc-env=WATCHED_FOLDERS=tests/static",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}
