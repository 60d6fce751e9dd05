//! Hostile files against every kind: refused with a sentence and nothing left, or without what was
//! hostile.

use super::{errors, events_named, files_of, picture, png, rows, send, site, stored};
use image::ImageFormat;
use std::io::Write;
use zip::write::SimpleFileOptions;

/// Field and name of a kind, and a declared type that fits.
const KINDS: [(&str, &str, &str); 4] = [
    ("shot", "a.png", "image/png"),
    ("drawing", "a.svg", "image/svg+xml"),
    ("paper", "a.pdf", "application/pdf"),
    ("plain", "a.txt", "text/plain"),
];

const PDF: &[u8] = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";
const SVG: &[u8] = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><path d=\"M0 0h9\"/></svg>";

/// An archive of these entries.
pub(crate) fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let packed = SimpleFileOptions::default();
    for (name, content) in entries {
        archive.start_file(*name, packed).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

pub(crate) fn docx(more: &[(&str, &[u8])]) -> Vec<u8> {
    let own: [(&str, &[u8]); 2] = [
        ("[Content_Types].xml", b"<Types/>"),
        ("word/document.xml", b"<w:document/>"),
    ];
    archive(&[&own, more].concat())
}

const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

/// Contents that are of no kind, with the name of each.
fn foreign() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let marked = |magic: &[u8]| [magic, &[0; 600]].concat();
    vec![
        ("html", text("<!DOCTYPE html><script>alert(1)</script>")),
        (
            "html after spaces",
            text("  \n\t<html><body onload=alert(1)>"),
        ),
        (
            "html after a byte order mark",
            text("\u{feff}<script>alert(1)</script>"),
        ),
        ("html in capitals", text("<SCRIPT>alert(1)</SCRIPT>")),
        (
            "an iframe",
            text("<iframe src=javascript:alert(1)></iframe>"),
        ),
        ("php", text("<?php system($_GET['c']); ?>")),
        ("jsp", text("<%@ page import=\"java.io.*\" %>")),
        ("asp", text("<% eval request(\"c\") %>")),
        ("a shell script", text("#!/bin/sh\nrm -rf /\n")),
        ("python", text("#!/usr/bin/env python3\nimport os\n")),
        ("an html comment", text("<!-- --><script>alert(1)</script>")),
        (
            "xslt",
            text(
                "<?xml version=\"1.0\"?><xsl:stylesheet xmlns:xsl=\"http://www.w3.org/1999/XSL/Transform\"/>",
            ),
        ),
        (
            "xhtml",
            text(
                "<?xml version=\"1.0\"?><html xmlns=\"http://www.w3.org/1999/xhtml\"><script>alert(1)</script></html>",
            ),
        ),
        ("elf", marked(b"\x7fELF\x02\x01\x01")),
        ("pe", marked(b"MZ\x90\x00\x03")),
        ("mach-o", marked(b"\xcf\xfa\xed\xfe")),
        ("java", marked(b"\xca\xfe\xba\xbe")),
        ("wasm", marked(b"\x00asm\x01")),
        ("ole", marked(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")),
        ("zip", archive(&[("a.txt", b"a")])),
        (
            "jar",
            archive(&[
                ("META-INF/MANIFEST.MF", b"Main-Class: A"),
                ("A.class", b"\xca\xfe\xba\xbe"),
            ]),
        ),
        (
            "apk",
            archive(&[("AndroidManifest.xml", b"a"), ("classes.dex", b"dex\n035")]),
        ),
        ("gzip", marked(b"\x1f\x8b\x08")),
        ("bzip2", marked(b"BZh9")),
        ("xz", marked(b"\xfd7zXZ\x00")),
        ("7z", marked(b"7z\xbc\xaf\x27\x1c")),
        ("rar", marked(b"Rar!\x1a\x07\x00")),
        ("cab", marked(b"MSCF")),
        (
            "tar",
            [&[b'a'; 257][..], b"ustar\x0000", &[0; 300]].concat(),
        ),
        ("tiff", marked(b"II*\x00")),
        ("bmp", marked(b"BM\x00\x00")),
        ("psd", marked(b"8BPS\x00\x01")),
        ("ico", marked(b"\x00\x00\x01\x00\x01\x00")),
        ("heic", marked(b"\x00\x00\x00\x18ftypheic")),
        ("avif", marked(b"\x00\x00\x00\x18ftypavif")),
        (
            "mp4 with html",
            [
                &b"\x00\x00\x00\x18ftypmp42"[..],
                b"<script>alert(1)</script>",
            ]
            .concat(),
        ),
        ("webm", marked(b"\x1a\x45\xdf\xa3")),
        ("mp3", marked(b"ID3\x03\x00")),
        ("ogg", marked(b"OggS\x00")),
        ("flac", marked(b"fLaC")),
        ("wav", marked(b"RIFF\x24\x00\x00\x00WAVEfmt ")),
        ("swf", marked(b"CWS\x0a")),
        ("ttf", marked(b"\x00\x01\x00\x00\x00")),
        ("woff2", marked(b"wOF2\x00\x01\x00\x00")),
        ("sqlite", marked(b"SQLite format 3\x00")),
        ("postscript", [&b"%!PS-Adobe-3.0\n"[..], &[0; 50]].concat()),
        (
            "eps with a pipe",
            [&b"%!PS\n(%pipe%id) (w) file\n"[..], &[0; 50]].concat(),
        ),
        (
            "imagetragick",
            text(
                "push graphic-context\nviewbox 0 0 640 480\nfill 'url(https://example.com/|id\")'\npop graphic-context\0",
            ),
        ),
        ("nothing known", vec![0, 1, 2, 3, 0xfe, 0xff, 0, 9]),
        ("utf-16", b"\xff\xfe<\x00s\x00c\x00r\x00".to_vec()),
        ("latin-1", b"caf\xe9".to_vec()),
        ("an escape sequence", b"\x1b]0;title\x07\x1b[2J".to_vec()),
    ]
}

/// Contents of a kind with something hostile, by field and name.
fn poisoned() -> Vec<(&'static str, &'static str, &'static str, Vec<u8>)> {
    let pdf = |body: &str| format!("%PDF-1.4\n{body}\n%%EOF\n").into_bytes();
    let big = vec![0_u8; 250 << 20];
    let odd = |entries: &[(&str, &[u8])]| docx(entries);
    vec![
        // another archive before this one
        (
            "paper",
            "a.docx",
            DOCX,
            [archive(&[("a.html", b"<script>")]), docx(&[])].concat(),
        ),
        (
            "paper",
            "a.pdf",
            "application/pdf",
            pdf("<</S/JavaScript/JS(app.alert(1))>>"),
        ),
        (
            "paper",
            "a.pdf",
            "application/pdf",
            pdf("<</S/#4aavaScript>>"),
        ),
        (
            "paper",
            "a.pdf",
            "application/pdf",
            pdf("<</S/Launch/F(cmd.exe)>>"),
        ),
        (
            "paper",
            "a.pdf",
            "application/pdf",
            pdf("<</Subtype/RichMedia>>"),
        ),
        (
            "paper",
            "a.pdf",
            "application/pdf",
            [PDF, &archive(&[("a.txt", b"a")])].concat(),
        ),
        (
            "paper",
            "a.pdf",
            "application/pdf",
            [b"\n\n<html>", PDF].concat(),
        ),
        (
            "paper",
            "a.pdf",
            "application/pdf",
            b"%PDF-1.4 without an end".to_vec(),
        ),
        (
            "paper",
            "a.docx",
            DOCX,
            odd(&[("word/vbaProject.bin", b"macro")]),
        ),
        (
            "paper",
            "a.docx",
            DOCX,
            odd(&[("word/activeX/activeX1.xml", b"x")]),
        ),
        (
            "paper",
            "a.docx",
            DOCX,
            odd(&[("../../etc/cron.d/a", b"x")]),
        ),
        ("paper", "a.docx", DOCX, odd(&[("word\\..\\a.txt", b"x")])),
        ("paper", "a.docx", DOCX, odd(&[("word/run.exe", b"MZ")])),
        ("paper", "a.docx", DOCX, odd(&[("word/inner.zip", b"PK")])),
        ("paper", "a.docx", DOCX, odd(&[("word/bomb.xml", &big)])),
        (
            "paper",
            "a.docx",
            DOCX,
            [b"<html>", &docx(&[])[..]].concat(),
        ),
        (
            "paper",
            "a.docx",
            DOCX,
            [&docx(&[])[..], b"<script>"].concat(),
        ),
        ("paper", "a.docx", DOCX, archive(&[("a.txt", b"a")])),
        ("paper", "a.docx", DOCX, docx(&[])[..60].to_vec()),
        ("paper", "a.docx", DOCX, b"PK\x03\x04".to_vec()),
        (
            "paper",
            "a.odt",
            "application/vnd.oasis.opendocument.text",
            docx(&[]),
        ),
        (
            "plain",
            "a.txt",
            "text/plain",
            b"text, and then \x00".to_vec(),
        ),
        (
            "plain",
            "a.csv",
            "text/csv",
            [&b"a,b\n"[..], &[b'x'; 70_000], b"\xff"].concat(),
        ),
        (
            "drawing",
            "a.svg",
            "image/svg+xml",
            b"<svg><not closed".to_vec(),
        ),
        ("shot", "a.png", "image/png", png()[..200].to_vec()),
        (
            "shot",
            "a.gif",
            "image/gif",
            b"GIF89a\xff\xff\xff\xff\x00\x00\x00".to_vec(),
        ),
        (
            "shot",
            "a.jpg",
            "image/jpeg",
            [b"\xff\xd8\xff\xe0".as_slice(), &[0; 100]].concat(),
        ),
        (
            "shot",
            "a.webp",
            "image/webp",
            b"RIFF\x24\x00\x00\x00WEBPVP8 \x10\x00\x00\x00".to_vec(),
        ),
    ]
}

// F082 F084 D35 D50 V5.2.2: 52 foreign formats as each of four kinds, and 26 poisoned files
#[tokio::test]
async fn hostile_contents_are_refused_and_leave_nothing() {
    let (site, mut ann) = site(&[("uploads.max_form_bytes", "100000000")]).await;
    let mut count = 0;
    for (what, content) in foreign() {
        for (field, name, media_type) in KINDS {
            let refused = send(&mut ann, (field, name, media_type), &content).await;
            assert_eq!(refused.status, 422, "{what} as {name}");
            assert!(!errors(&refused).is_empty(), "{what} as {name}");
            count += 1;
        }
    }
    for (at, (field, name, media_type, content)) in poisoned().into_iter().enumerate() {
        let refused = send(&mut ann, (field, name, media_type), &content).await;
        assert_eq!(refused.status, 422, "{at}: {name}");
        assert!(!errors(&refused).is_empty(), "{at}: {name}");
        count += 1;
    }
    assert!(count > 200, "{count}");
    assert_eq!((rows(&site).await, stored(&site)), (0, Vec::new()));
    let refused = events_named(&site, "file_refused").await;
    assert_eq!(refused, count, "each is an event");
}

// F082, V5.2.2: name, declared type and content agree
#[tokio::test]
async fn names_and_types_must_fit() {
    let (site, mut ann) = site(&[]).await;
    let png = png();
    let long = format!("{}.png", "😀".repeat(300));
    let refused = [
        "a.html.png",
        "a.php.png",
        "a.pdf.png",
        "a.png.html",
        "a.png.exe",
        "a.png%00.html",
        "a.html%00.png",
        "a.exe",
        "a",
        ".png",
        "a.svg",
        "a.jpg .html",
        "con.png",
        "NUL.png",
        "../a.png",
        "..\\a.png",
        "/etc/a.png",
        "a\u{202e}gnp.png",
        "a\u{1}.png",
        "a:b.png",
        "a|b.png",
        "a.png.",
        "a.png ",
        "-a.png",
        long.as_str(),
        "a.PNG.PHP",
    ];
    for name in refused {
        let sent = send(&mut ann, ("shot", name, "image/png"), &png).await;
        // control characters end the header of a part
        assert!([400, 422].contains(&sent.status.as_u16()), "{name:?}");
    }
    for declared in [
        "text/html",
        "image/svg+xml",
        "image/png,text/html",
        "image/jpeg",
        "image/pngx",
        "application/pdf",
    ] {
        let sent = send(&mut ann, ("shot", "a.png", declared), &png).await;
        assert_eq!(sent.status, 422, "{declared}");
        assert!(
            errors(&sent).contains("not that of a .png file"),
            "{}",
            errors(&sent)
        );
    }
    // a JPEG by the name of a PNG
    let sent = send(
        &mut ann,
        ("shot", "a.png", "image/png"),
        &picture(ImageFormat::Jpeg),
    )
    .await;
    assert!(errors(&sent).contains("not that of a .png file"));
    let empty = send(&mut ann, ("shot", "a.png", "image/png"), b"").await;
    assert!(
        errors(&empty).contains("This file is empty"),
        "{}",
        errors(&empty)
    );
    assert_eq!((rows(&site).await, stored(&site)), (0, Vec::new()));
    for name in [
        "a.PNG",
        "Bild vom 3.5. (neu).png",
        "Übersicht.png",
        "図.png",
        "report.v2.png",
    ] {
        for declared in ["image/png", "IMAGE/PNG", "application/octet-stream"] {
            let sent = send(&mut ann, ("shot", name, declared), &png).await;
            assert_eq!(sent.status, 303, "{name} {declared}: {}", errors(&sent));
        }
    }
}

// allowed files of each kind
#[tokio::test]
async fn honest_files_are_stored() {
    let (_site, mut ann) = site(&[]).await;
    let odt = "application/vnd.oasis.opendocument.text";
    let text = |text: &str| text.as_bytes().to_vec();
    let long: String = (0..20_000)
        .map(|at| format!("zeile {at} äöü 😀\n"))
        .collect();
    let honest = [
        ("paper", "a.pdf", "application/pdf", PDF.to_vec()),
        (
            "paper",
            "a.docx",
            DOCX,
            docx(&[("word/media/image1.png", &png())]),
        ),
        (
            "paper",
            "a.odt",
            odt,
            archive(&[("mimetype", odt.as_bytes()), ("content.xml", b"<a/>")]),
        ),
        ("plain", "a.txt", "text/plain", text("Grüße, 世界\r\n\tend")),
        (
            "plain",
            "a.csv",
            "application/vnd.ms-excel",
            text("\u{feff}name,sum\nann,=1+1\n"),
        ),
        ("plain", "a.md", "", text("# Title\n\n<b>bold</b>")),
        ("plain", "long.log", "text/plain", long.into_bytes()),
        ("drawing", "a.svg", "image/svg+xml", SVG.to_vec()),
        (
            "any",
            "a.exe",
            "application/x-msdownload",
            b"MZ\x90\x00".to_vec(),
        ),
    ];
    for (field, name, declared, content) in honest {
        let sent = send(&mut ann, (field, name, declared), &content).await;
        let url = files_of(&mut ann, &sent).await.remove(0);
        let got = ann.get(&url).await;
        assert_eq!(got.status, 200, "{name}");
        assert!(got.header("content-disposition").contains(name), "{name}");
        if field != "drawing" {
            assert_eq!(got.bytes, content, "{name}");
        }
    }
}

// RUSTSEC-2026-0213, AlchemyCMS/alchemy_cms#4104: nothing of a drawing runs
#[tokio::test]
async fn drawings_are_cleaned() {
    let (_site, mut ann) = site(&[]).await;
    let hostile = [
        "<script>alert(1)</script>",
        "<a href=\"javascript:alert(1)\"><text>x</text></a>",
        "<path d=\"M0 0\" onload=\"alert(1)\"/>",
        "<foreignObject><body xmlns=\"http://www.w3.org/1999/xhtml\"><script>alert(1)</script></body></foreignObject>",
        "<animate attributeName=\"href\" values=\"javascript:alert(1)\"/>",
        "<set attributeName=\"onmouseover\" to=\"alert(1)\"/>",
        "<image href=\"https://evil.example/track.png\"/>",
        "<use href=\"https://evil.example/a.svg#x\"/>",
        "<use href=\"data:image/svg+xml;base64,PHN2Zy8+\"/>",
        "<style>@import url(https://evil.example/a.css)</style>",
        "<iframe src=\"javascript:alert(1)\"/>",
        "<handler type=\"application/ecmascript\">alert(1)</handler>",
    ];
    for inner in hostile {
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\">{inner}<path d=\"M1 1h7\"/></svg>"
        );
        let sent = send(
            &mut ann,
            ("drawing", "a.svg", "image/svg+xml"),
            svg.as_bytes(),
        )
        .await;
        let url = files_of(&mut ann, &sent).await.remove(0);
        let got = ann.get(&url).await.body;
        // an animation of no attribute is text
        let got = got.replace("<animate values=\"javascript:alert(1)\"/>", "");
        let got = got.replace("<set to=\"alert(1)\"/>", "");
        for bad in [
            "script",
            "alert",
            "url(https",
            "href=\"https",
            "onload",
            "foreignObject",
            "attributeName",
            "import",
        ] {
            assert!(!got.contains(bad), "{inner} became {got}");
        }
        assert!(got.contains("M1 1h7"), "{got}");
    }
}

// billion laughs: entities that grow in text, in attributes and in other entities
#[tokio::test]
async fn drawings_do_not_grow() {
    let (site, mut ann) = site(&[]).await;
    let svg = |declared: &str, used: &str| {
        format!(
            "<!DOCTYPE svg [{declared}]><svg xmlns=\"http://www.w3.org/2000/svg\"><text>{used}</text></svg>"
        )
    };
    let ten = |name: &str, of: &str| format!("<!ENTITY {name} \"{}\">", of.repeat(10));
    let parameters: String = (1..10)
        .map(|at| {
            format!(
                "<!ENTITY % p{at} \"{}\">",
                format!("%p{};", at - 1).repeat(10)
            )
        })
        .collect();
    let bombs = [
        svg(
            &[ten("a", "aaaaaaaaaa"), ten("b", "&a;"), ten("c", "&b;")].concat(),
            &"&c;".repeat(5_000),
        ),
        svg(
            &ten("a", &"a".repeat(1_000)),
            &"<g id=\"&a;\" class=\"&a;\"/>".repeat(5_000),
        ),
        svg(
            &["<!ENTITY % p0 \"aaaaaaaaaa\">", &parameters, "%p9;"].concat(),
            "x",
        ),
        svg("<!entity a \"x\">", "&a;"),
    ];
    for bomb in bombs {
        let sent = send(
            &mut ann,
            ("drawing", "a.svg", "image/svg+xml"),
            bomb.as_bytes(),
        )
        .await;
        assert_eq!(sent.status, 422, "{}", &bomb[..60]);
    }
    assert_eq!((rows(&site).await, stored(&site)), (0, Vec::new()));
    let plain = "<?xml version=\"1.0\"?><!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\" \"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd\"><svg xmlns=\"http://www.w3.org/2000/svg\"><path d=\"M0 0h9\"/></svg>";
    let sent = send(
        &mut ann,
        ("drawing", "a.svg", "image/svg+xml"),
        plain.as_bytes(),
    )
    .await;
    assert_eq!(sent.status, 303, "{}", errors(&sent));
}

// names in compressed streams are chance
#[tokio::test]
async fn a_long_pdf_is_stored() {
    let (_site, mut ann) = site(&[]).await;
    let mut content = b"%PDF-1.4\n1 0 obj<</Length 1900000>>stream\n".to_vec();
    let mut seed = 7_u32;
    content.extend((0..1_900_000).map(|_| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    }));
    content.extend_from_slice(b"/JS (by chance) /#4aS \nendstream endobj\ntrailer<<>>\n%%EOF\n");
    let sent = send(&mut ann, ("paper", "a.pdf", "application/pdf"), &content).await;
    let url = files_of(&mut ann, &sent).await.remove(0);
    assert_eq!(ann.get(&url).await.bytes, content);
    let end = content.len() - b"%%EOF\n".len();
    let script = [&content[..end], b"9 0 obj<</S/JavaScript>>endobj\n%%EOF\n"].concat();
    let sent = send(&mut ann, ("paper", "a.pdf", "application/pdf"), &script).await;
    assert!(errors(&sent).contains("scripts"), "behind the stream");
}
