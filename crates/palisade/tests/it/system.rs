//! Files, programs and formats of others: attacks by names, arguments and content.

use palisade::formats::{markdown, read_csv, read_xml};
use palisade::prelude::*;
use palisade::system::{FileName, Folder, ProgramError, Word};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

// F078
#[test]
fn names_are_one_component_on_every_system() {
    let good = [
        "a",
        "report 2026.pdf",
        "\u{e9}.txt",
        "a-b_c.tar.gz",
        "console.txt",
        "com10.txt",
        "lpt.txt",
        &"x".repeat(255),
    ];
    for name in good {
        assert!(FileName::new(name).is_some(), "{name}");
    }
    let bad = [
        "",
        ".",
        "..",
        "../x",
        "..\\x",
        "a/b",
        "a\\b",
        "/etc/passwd",
        "C:x",
        "C:\\x",
        "..%2f/",
        "a\0b",
        "a\nb",
        ".env",
        "-rf",
        "a.",
        "a ",
        " a",
        "CON",
        "con",
        "Con.txt",
        "prn",
        "AUX.tar.gz",
        "nul",
        "NUL .txt",
        "COM1",
        "com\u{b9}.txt",
        "LPT9.doc",
        "conin$",
        "a:b",
        "a*b",
        "a?b",
        "a\"b",
        "a<b",
        "a|b",
        "x\u{202e}fdp.exe",
        &"x".repeat(256),
    ];
    for name in bad {
        assert!(FileName::new(name).is_none(), "{name:?}");
    }
}

fn name(text: &str) -> FileName {
    FileName::new(text).unwrap()
}

// F078: links, devices, folders and long files
#[test]
fn a_folder_opens_what_lies_in_it_alone() {
    let root = tempfile::tempdir().unwrap();
    let outside = root.path().join("outside.txt");
    std::fs::write(&outside, "canary").unwrap();
    let inside = root.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    std::fs::create_dir(inside.join("below")).unwrap();
    std::os::unix::fs::symlink(&outside, inside.join("link")).unwrap();
    std::os::unix::fs::symlink(root.path(), inside.join("up")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", inside.join("zero")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        inside.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let folder = Folder::open(&inside).unwrap();
    folder.create(&name("a.txt"), b"content").unwrap();
    assert_eq!(folder.read(&name("a.txt"), 7).unwrap(), b"content");
    assert!(folder.read(&name("a.txt"), 6).is_err(), "too long");
    assert!(
        folder.create(&name("a.txt"), b"other").is_err(),
        "nothing is overwritten"
    );
    for refused in ["link", "zero", "pipe", "below", "missing"] {
        assert!(folder.read(&name(refused), 100).is_err(), "{refused}");
    }
    assert!(folder.folder(&name("up")).is_err());
    folder
        .folder(&name("below"))
        .unwrap()
        .create(&name("b.txt"), b"x")
        .unwrap();
    // a link is not written through
    assert!(folder.create(&name("link"), b"x").is_err());
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "canary");
}

// F078: a name that is swapped for a link between check and use
#[test]
fn a_swapped_link_is_never_followed() {
    let root = tempfile::tempdir().unwrap();
    let secret = root.path().join("secret");
    std::fs::write(&secret, "canary").unwrap();
    let inside = root.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    let (file, link, target) = (
        inside.join("file"),
        inside.join("swap"),
        inside.join("name"),
    );
    std::fs::write(&file, "harmless").unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let _ = std::os::unix::fs::symlink(&secret, &link);
                let _ = std::fs::rename(&link, &target);
                let _ = std::fs::hard_link(&file, &link);
                let _ = std::fs::rename(&link, &target);
                let _ = std::fs::remove_file(&link);
            }
        });
        let folder = Folder::open(&inside).unwrap();
        let (begun, mut read) = (Instant::now(), 0);
        while begun.elapsed() < Duration::from_millis(500) {
            if let Ok(content) = folder.read(&name("name"), 100) {
                assert_eq!(content, b"harmless");
                read += 1;
            }
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(read > 0);
    });
}

// V1.2.5: no shell, no options by values, an empty environment and folder
#[tokio::test]
async fn programs_get_arguments_and_nothing_else() {
    for text in ["", "-rf", "--x", "a\0b", "a\nb"] {
        assert!(Word::new(text).is_none(), "{text:?}");
    }
    let word = |text: &str| Word::new(text).unwrap();
    let echo = palisade::program!("/bin/echo");
    let evil = "; touch /tmp/pwned `id` $(id) $HOME * | cat";
    let finished = echo.literal("--").arg(word(evil)).run().await.unwrap();
    assert!(finished.status.success());
    assert_eq!(finished.output, format!("-- {evil}\n").into_bytes());
    let option = palisade::program!("/bin/echo").option("--table", "-x --help\0y");
    assert_eq!(option.run().await.unwrap().output, b"--table=-x --helpy\n");
    let env = palisade::program!("/usr/bin/env")
        .env("ONLY", "this")
        .run()
        .await
        .unwrap();
    assert_eq!(env.output, b"ONLY=this\n");
    let here = palisade::program!("/bin/pwd").run().await.unwrap();
    let here = String::from_utf8(here.output).unwrap();
    assert!(
        !std::path::Path::new(here.trim()).exists(),
        "its folder is gone: {here}"
    );
    let cat = palisade::program!("/bin/cat")
        .input("typed")
        .run()
        .await
        .unwrap();
    assert_eq!(cat.output, b"typed");
    let missing = palisade::program!("/usr/bin/no-such-program").run().await;
    assert!(matches!(missing, Err(ProgramError::Start(_))));
}

#[tokio::test]
async fn programs_end_in_time_and_within_their_output() {
    let begun = Instant::now();
    let slow = palisade::program!("/bin/sleep").arg(Word::new("60").unwrap());
    let slow = slow.within(Duration::from_millis(200)).run().await;
    assert!(matches!(slow, Err(ProgramError::TimedOut)));
    // what it has started is killed with it
    let marker = format!("{}.5", 7_000_000 + std::process::id());
    let script = format!("sleep {marker} & sleep {marker}");
    let family = palisade::program!("/bin/sh").input(script);
    let family = family.within(Duration::from_millis(300)).run().await;
    assert!(matches!(family, Err(ProgramError::TimedOut)));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let alive = palisade::program!("/bin/ps")
        .literal("-eo")
        .literal("args")
        .run()
        .await
        .unwrap();
    let alive = String::from_utf8(alive.output).unwrap();
    assert!(!alive.contains(&format!("sleep {marker}")), "{alive}");
    let loud = palisade::program!("/usr/bin/yes")
        .most_output(10_000)
        .run()
        .await;
    assert!(matches!(loud, Err(ProgramError::TooMuchOutput)));
    assert!(begun.elapsed() < Duration::from_secs(20));
}

// V1.3.5
#[test]
fn markdown_is_sanitized() {
    let attacks = [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "![x](data:text/html,x)",
        "<img src=x onerror=alert(1)>",
        "[x](&#106;avascript:alert(1))",
        "<a href=\"javascript:alert(1)\">x</a>",
        "[x]: javascript:alert(1)\n[x]",
        "<svg/onload=alert(1)>",
        "**<b onclick=x>**",
        "`<script>`",
        "<!-- <script> -->",
        "[a](<javascript:alert(1)>)",
        "![a](x\" onerror=\"alert(1))",
    ];
    for text in attacks {
        let html = markdown(text);
        let html = html.as_str().to_lowercase();
        for evil in [
            "<script",
            "<a href=\"javascript",
            "<img src=\"x\" onerror",
            "<img onerror",
            "<svg",
            "<b onclick",
            "<img src=\"data:",
        ] {
            assert!(!html.contains(evil), "{text}: {html}");
        }
    }
    let html = markdown(
        "# Title\n\n- *one*\n- `two`\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n[x](https://example.org)",
    );
    for shown in [
        "<h1>Title</h1>",
        "<em>one</em>",
        "<code>two</code>",
        "<td>1</td>",
        "rel=\"nofollow",
    ] {
        assert!(html.as_str().contains(shown), "{shown}: {}", html.as_str());
    }
    let begun = Instant::now();
    for evil in [
        "[".repeat(50_000),
        "*a ".repeat(50_000),
        "> ".repeat(20_000),
        "`".repeat(50_000),
        "![".repeat(50_000),
    ] {
        markdown(&evil);
    }
    markdown(&"x".repeat(1 << 20));
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "{:?}",
        begun.elapsed()
    );
}

// V1.5.1: XXE and a billion laughs
#[test]
fn xml_has_no_document_type() {
    let attacks = [
        "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>",
        "<!DOCTYPE a [<!ENTITY x \"ha\"><!ENTITY y \"&x;&x;\">]><a>&y;</a>",
        "<!DOCTYPE a SYSTEM \"http://evil.example/x.dtd\"><a/>",
        "<a>&undeclared;</a>",
        "<a><b></a>",
        "",
        "<a/><b/>",
    ];
    for text in attacks {
        assert!(read_xml(text).is_err(), "{text}");
    }
    assert!(read_xml(&format!("<a>{}</a>", "<b/>".repeat(100_001))).is_err());
    assert!(read_xml(&format!("<a>{}</a>", "x".repeat(1 << 20))).is_err());
    assert!(read_xml("<a b=\"1\">&lt;</a>").is_ok());
}

#[derive(Form, Debug)]
struct Contact {
    name: Line<20>,
    email: Option<Email>,
}

#[test]
fn csv_is_read_within_limits_or_not_at_all() {
    let read = |text: &str| read_csv::<Contact>(text.as_bytes(), 3);
    let rows =
        read("\u{feff}name,email\r\n\"Ann, \"\"A\"\"\",ann@example.org\r\nBob,\r\n").unwrap();
    assert_eq!((rows.len(), &*rows[0].name), (2, "Ann, \"A\""));
    assert_eq!(rows[0].email.as_deref(), Some("ann@example.org"));
    let refused = [
        ("name,email\nAnn,nonsense\nBob,x\n", "Line 3, email: "),
        (
            "name,secret\nAnn,x\n",
            "\"secret\" is no column of this file.",
        ),
        ("name,name\nAnn,Bob\n", "The column name occurs twice."),
        ("email\nann@example.org\n", "The column name is missing."),
        ("name,email\nAnn\n", "Line 2 has another number of cells"),
        ("name\nA\nB\nC\nD\n", "more than 3 lines"),
    ];
    for (text, why) in refused {
        let said = read(text).unwrap_err().to_string();
        assert!(said.contains(why), "{text}: {said}");
    }
    assert!(read(&format!("name\n{}\n", "x".repeat(21))).is_err());
    assert!(read_csv::<Contact>(b"name\n\xff\n", 3).is_err());
    assert!(read_csv::<Contact>(&vec![b'x'; 11 * 1024 * 1024], 3).is_err());
}
