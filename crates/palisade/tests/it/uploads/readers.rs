//! What other programs see in the files that come out.

use super::{files_of, png, send};
use crate::peers;
use palisade::testing::{Client, TestSite, ran, server};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder that is deleted at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!(
            "palisade-readers-{}",
            palisade::crypto::random::nonce()
        ));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn site() -> (TestSite, Client) {
    super::site(&[]).await
}

/// Stores a file, and fetches it again.
async fn through(ann: &mut Client, part: (&str, &str, &str), content: &[u8]) -> Vec<u8> {
    let sent = send(ann, part, content).await;
    let url = files_of(ann, &sent).await.remove(0);
    ann.get(&url).await.bytes.to_vec()
}

// F082: a place goes in by exiftool, and neither exiftool nor Pillow finds it in what comes out
#[tokio::test]
async fn no_reader_finds_metadata_of_a_picture() {
    let (Some(exiftool), Some(python)) = (
        server("PALISADE_TEST_EXIFTOOL"),
        server("PALISADE_TEST_PEERS"),
    ) else {
        return;
    };
    let (_site, mut ann) = site().await;
    let folder = Folder::new();
    let formats = [
        ("a.jpg", "image/jpeg", image::ImageFormat::Jpeg, "JPEG"),
        ("a.png", "image/png", image::ImageFormat::Png, "PNG"),
        ("a.webp", "image/webp", image::ImageFormat::WebP, "JPEG"),
        ("a.gif", "image/gif", image::ImageFormat::Gif, "PNG"),
    ];
    for (name, media_type, format, expected) in formats {
        let file = folder.write(name, &super::picture(format));
        let tags = [
            "-overwrite_original",
            "-XMP:Creator=canary-of-a-name",
            "-Comment=canary-of-a-name",
        ];
        let mut command = Command::new(&exiftool);
        command.args(tags);
        if name != "a.gif" {
            command.args([
                "-GPSLatitude=47.3769",
                "-GPSLatitudeRef=N",
                "-Artist=canary-of-a-name",
            ]);
        }
        output(command.arg(&file));
        let before = output(Command::new(&exiftool).arg("-G").arg(&file));
        assert!(before.contains("canary-of-a-name"), "{name}: {before}");
        assert!(
            name == "a.gif" || before.contains("GPS"),
            "{name}: {before}"
        );
        let stored = through(
            &mut ann,
            ("shot", name, media_type),
            &std::fs::read(&file).unwrap(),
        )
        .await;
        let after = output(
            Command::new(&exiftool)
                .args(["-G", "-ee", "-u"])
                .arg(folder.write("out", &stored)),
        );
        for word in ["canary", "GPS", "XMP", "EXIF", "Comment"] {
            assert!(!after.contains(word), "{name}: {after}");
        }
        let seen: Value = peers::run(&python, "picture.py", &stored);
        assert_eq!(
            (&seen["format"], &seen["exif"], &seen["frames"]),
            (&json!(expected), &json!(0), &json!(1)),
            "{name}"
        );
        assert_eq!(seen["size"], json!([64, 48]), "{name}");
    }
    ran("readers of pictures");
}

// F082: documents come out byte by byte, and are what their readers take them for
#[tokio::test]
async fn documents_are_read_by_their_programs() {
    let servers =
        ["POPPLER", "QPDF", "LIBREOFFICE"].map(|name| server(&format!("PALISADE_TEST_{name}")));
    let [Some(pdftotext), Some(qpdf), Some(soffice)] = servers else {
        return;
    };
    let (_site, mut ann) = site().await;
    let folder = Folder::new();
    let text = folder.write("letter.txt", b"A letter about invoices\n");
    let convert = |to: &str, from: &Path, into: &Path| {
        let profile = format!(
            "-env:UserInstallation=file://{}/profile",
            folder.0.display()
        );
        let mut command = Command::new(&soffice);
        command
            .args([&profile, "--headless", "--convert-to", to, "--outdir"])
            .arg(into)
            .arg(from);
        output(command.env("HOME", &folder.0));
    };
    let out = folder.0.join("out");
    std::fs::create_dir(&out).unwrap();
    let kinds = [
        ("pdf", "application/pdf"),
        (
            "docx",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        ("odt", "application/vnd.oasis.opendocument.text"),
    ];
    for (ending, media_type) in kinds {
        convert(ending, &text, &folder.0);
        let name = format!("letter.{ending}");
        let content = std::fs::read(folder.0.join(&name)).unwrap();
        let stored = through(&mut ann, ("paper", &name, media_type), &content).await;
        assert_eq!(stored, content, "{name}");
        let file = folder.write(&format!("out/{name}"), &stored);
        let said = match ending {
            "pdf" => {
                output(Command::new(&qpdf).arg("--check").arg(&file));
                output(Command::new(&pdftotext).arg(&file).arg("-"))
            }
            _ => {
                convert("txt:Text", &file, &out);
                std::fs::read_to_string(out.join("letter.txt")).unwrap()
            }
        };
        assert!(said.contains("A letter about invoices"), "{name}: {said}");
    }
    ran("readers of documents");
}

/// Hostile names, and the names that a site gives its files.
const NAMES: [&str; 9] = [
    "report.txt",
    "two words.txt",
    "Übersicht 😀.txt",
    "tick`.txt",
    "semi;colon=.txt",
    "percent%22.txt",
    "apostrophe'.txt",
    "comma,plus+.txt",
    "filename=UTF-8''x.txt",
];

// F083, V5.4.2: Python's parser of mails and Chromium read the same name
#[tokio::test]
async fn dispositions_are_read_alike() {
    let (Some(python), Some(_)) = (
        server("PALISADE_TEST_PEERS"),
        server("PALISADE_TEST_CHROMEDRIVER"),
    ) else {
        return;
    };
    let (_site, mut ann) = site().await;
    let mut headers = Vec::new();
    for name in NAMES {
        let sent = send(&mut ann, ("plain", name, "text/plain"), b"hello").await;
        let url = files_of(&mut ann, &sent).await.remove(0);
        headers.push(ann.get(&url).await.header("content-disposition").to_owned());
    }
    let found = peers::run(
        &python,
        "disposition.py",
        json!(headers).to_string().as_bytes(),
    );
    let expected: Vec<_> = NAMES
        .iter()
        .map(|name| json!(["attachment", name]))
        .collect();
    assert_eq!(found, json!(expected), "{headers:?}");
    let picture = send(&mut ann, ("shot", "a.png", "image/png"), &png()).await;
    let url = files_of(&mut ann, &picture).await.remove(0);
    assert!(
        ann.get(&url)
            .await
            .header("content-disposition")
            .starts_with("inline; ")
    );
    ran("dispositions");
}
