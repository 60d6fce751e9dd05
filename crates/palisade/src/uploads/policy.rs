//! The decision about a file by its name, its declared type and its first bytes, which must agree
//! (F082, D35, ASVS 5.2.2).

use super::format::{Content, Format, UNKNOWN_TYPE};
use super::kind::Kind;
use super::refusal::Refusal;
use crate::system::FileName;
use infer::MatcherType;

/// Bytes of the beginning of a file that tell its format.
pub(super) const HEAD: usize = 8 * 1024;

/// A client's claims about a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim<'a> {
    pub(super) name: &'a str,
    /// Content-Type of the part.
    pub(super) declared: Option<&'a str>,
}

/// Endings of other files than those of the kind: two of them in one name deceive users, and
/// servers that judge by any of them.
const ENDINGS: [&str; 84] = [
    "apk",
    "app",
    "appref-ms",
    "asp",
    "aspx",
    "bash",
    "bat",
    "bin",
    "bmp",
    "cgi",
    "cmd",
    "com",
    "cpl",
    "csv",
    "css",
    "deb",
    "dll",
    "dmg",
    "doc",
    "docm",
    "docx",
    "dotm",
    "elf",
    "exe",
    "gif",
    "gz",
    "hta",
    "htm",
    "html",
    "ini",
    "iso",
    "jar",
    "jpeg",
    "jpg",
    "js",
    "jse",
    "json",
    "jsp",
    "lnk",
    "md",
    "mht",
    "mhtml",
    "mjs",
    "mp4",
    "msi",
    "odp",
    "ods",
    "odt",
    "pdf",
    "phar",
    "php",
    "php5",
    "phtml",
    "pl",
    "png",
    "ppt",
    "pptm",
    "pptx",
    "ps1",
    "py",
    "rar",
    "rb",
    "reg",
    "rtf",
    "scr",
    "sh",
    "shtml",
    "svg",
    "svgz",
    "swf",
    "tar",
    "tsv",
    "txt",
    "url",
    "vbe",
    "vbs",
    "webp",
    "wsf",
    "xht",
    "xhtml",
    "xls",
    "xlsm",
    "xlsx",
    "xml",
];

/// The format of a file, if its name, declared type and beginning agree.
pub(super) fn judge(
    kind: Kind,
    claim: Claim<'_>,
    head: &[u8],
) -> Result<(FileName, Option<Format>), Refusal> {
    let name = name_of(claim.name)?;
    if kind.formats.is_empty() {
        return Ok((name, None));
    }
    let ending = endings(&name)?;
    let mut formats = kind.formats.iter();
    let format = formats.find(|format| format.extensions.contains(&ending.as_str()));
    let format = *format.ok_or_else(|| Refusal::Ending(kind.listed()))?;
    if !is_declared(&format, claim.declared) {
        return Err(Refusal::DeclaredType(ending));
    }
    if !is_content(&format, head) {
        return Err(Refusal::Content(ending));
    }
    Ok((name, Some(format)))
}

/// The name, unless it has folders or other characters that no name has.
fn name_of(claimed: &str) -> Result<FileName, Refusal> {
    let has_nul = claimed.contains("%00");
    FileName::new(claimed)
        .filter(|_| !has_nul)
        .ok_or(Refusal::Name)
}

/// The last ending in small letters, unless another part of the name is an ending too.
fn endings(name: &FileName) -> Result<String, Refusal> {
    let lower = name.to_lowercase();
    let mut parts: Vec<&str> = lower.split('.').skip(1).map(str::trim).collect();
    let last = parts.pop().unwrap_or_default();
    match parts.into_iter().find(|part| ENDINGS.contains(part)) {
        Some(other) => Err(Refusal::TwoEndings(format!(".{other} and .{last}"))),
        _ => Ok(last.to_owned()),
    }
}

/// A client that knows no type declares `application/octet-stream`, which claims nothing.
fn is_declared(format: &Format, declared: Option<&str>) -> bool {
    let Some(declared) = declared.filter(|declared| !declared.is_empty()) else {
        return true;
    };
    let essence = declared.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    essence == UNKNOWN_TYPE || format.media_types.contains(&essence.as_str())
}

fn is_content(format: &Format, head: &[u8]) -> bool {
    let magic = infer::get(head).map(|found| found.mime_type());
    match format.content {
        // infer finds the mark of a PDF behind other content, too
        Content::Magic("application/pdf") => head.starts_with(b"%PDF-"),
        Content::Magic(wanted) => magic == Some(wanted),
        Content::OpenXml(_) | Content::OpenDocument => head.starts_with(b"PK\x03\x04"),
        Content::Text => is_text(head) && !is_program(head),
        Content::Svg => is_text(head) && is_svg(head),
    }
}

/// Whether infer knows no other format in it than text; all of the text is validated later.
fn is_text(head: &[u8]) -> bool {
    let is_other = infer::get(head).is_some_and(|found| found.matcher_type() != MatcherType::Text);
    !is_other && !head.contains(&0)
}

/// Beginnings of texts that programs run or browsers render, after a byte order mark and spaces;
/// infer knows more of HTML.
const PROGRAMS: [&str; 11] = [
    "<!doctype",
    "<html",
    "<script",
    "<svg",
    "<?",
    "<%",
    "<object",
    "<meta",
    "<!--",
    "#!",
    "%pdf-",
];

fn is_program(head: &[u8]) -> bool {
    let begin = beginning(head);
    let is_rendered = infer::get(begin.as_bytes()).is_some();
    is_rendered || PROGRAMS.iter().any(|program| begin.starts_with(program))
}

fn is_svg(head: &[u8]) -> bool {
    let begin = beginning(head);
    let is_xml = ["<svg", "<?xml", "<!--", "<!doctype svg"]
        .iter()
        .any(|start| begin.starts_with(start));
    is_xml && begin.contains("<svg")
}

fn beginning(head: &[u8]) -> String {
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    text.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uploads::kind::FileKind;
    use crate::uploads::{Any, Paper, Plain};

    fn judged(kind: Kind, name: &str, declared: &str, head: &[u8]) -> Result<String, Refusal> {
        let declared = Some(declared);
        let format = judge(kind, Claim { name, declared }, head)?.1;
        Ok(format
            .map_or(UNKNOWN_TYPE, |format| format.media_type())
            .to_owned())
    }

    // F082 D35: rows of name, declared type and beginning
    #[test]
    fn name_type_and_content_must_agree() {
        let pdf = b"%PDF-1.7\n";
        let ending = |kind: Kind| Refusal::Ending(kind.listed());
        let (paper, plain) = (Paper::KIND, Plain::KIND);
        let other = |ending: &str| Refusal::Content(ending.into());
        let rows = [
            (
                paper,
                "a.pdf",
                "application/pdf",
                &pdf[..],
                Ok("application/pdf"),
            ),
            (
                paper,
                "A.PDF",
                "Application/PDF; x=1",
                pdf,
                Ok("application/pdf"),
            ),
            (
                paper,
                "a.pdf",
                "application/octet-stream",
                pdf,
                Ok("application/pdf"),
            ),
            (paper, "a.pdf", "", pdf, Ok("application/pdf")),
            (
                paper,
                "a.pdf",
                "text/html",
                pdf,
                Err(Refusal::DeclaredType("pdf".into())),
            ),
            (
                paper,
                "a.pdf",
                "application/pdf, text/html",
                pdf,
                Err(Refusal::DeclaredType("pdf".into())),
            ),
            (
                paper,
                "a.pdf",
                "application/pdf",
                b"<html>%PDF-1.7",
                Err(other("pdf")),
            ),
            (paper, "a.txt", "text/plain", b"text", Err(ending(paper))),
            (paper, "pdf", "application/pdf", pdf, Err(ending(paper))),
            (
                paper,
                "a.exe.pdf",
                "application/pdf",
                pdf,
                Err(Refusal::TwoEndings(".exe and .pdf".into())),
            ),
            (
                paper,
                "a%00.pdf",
                "application/pdf",
                pdf,
                Err(Refusal::Name),
            ),
            (
                paper,
                "../a.pdf",
                "application/pdf",
                pdf,
                Err(Refusal::Name),
            ),
            (plain, "a.csv", "text/csv", b"a,b", Ok("text/csv")),
            (plain, "a.md", "text/plain", b"# Title", Ok("text/markdown")),
            (plain, "a.txt", "text/plain", b" <HTML>", Err(other("txt"))),
            (
                plain,
                "a.txt",
                "text/plain",
                b"#!/bin/sh",
                Err(other("txt")),
            ),
            (
                plain,
                "a.txt",
                "text/plain",
                b"MZ\x90\x00",
                Err(other("txt")),
            ),
            (
                Any::KIND,
                "a.html.exe",
                "text/html",
                b"<html>",
                Ok("application/octet-stream"),
            ),
        ];
        for (kind, name, declared, head, expected) in rows {
            let expected = expected.map(str::to_owned);
            assert_eq!(
                judged(kind, name, declared, head),
                expected,
                "{name} {declared}"
            );
        }
    }
}
