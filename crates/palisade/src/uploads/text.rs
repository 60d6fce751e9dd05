//! Validation of text, and of PDF without parsing it.

use super::refusal::Refusal;
use super::work::Fault;
use regex::bytes::Regex;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::LazyLock;

const PIECE: usize = 64 * 1024;

/// Text in UTF-8 without control characters.
pub(super) fn validate(file: &mut File) -> Result<(), Fault> {
    let mut rest = Vec::new();
    loop {
        let read = file.by_ref().take(PIECE as u64).read_to_end(&mut rest)?;
        let valid = match std::str::from_utf8(&rest) {
            Ok(text) => text,
            // a character that the next piece completes
            Err(error) if error.error_len().is_none() && read > 0 => {
                let (whole, _) = rest.split_at(error.valid_up_to());
                std::str::from_utf8(whole).unwrap_or_default()
            }
            Err(_) => return Err(Refusal::Active("bytes that are no text").into()),
        };
        let is_bad = |letter: char| letter.is_control() && !"\t\r\n\u{c}".contains(letter);
        if valid.contains(is_bad) {
            return Err(Refusal::Active("control characters").into());
        }
        let done = valid.len();
        rest.drain(..done);
        if read == 0 {
            return Ok(());
        }
    }
}

/// Names of actions of a PDF that is opened, and names that are written with escapes to hide
/// (PDF 32000-1, 7.3.5). Compressed parts are not looked into: that is the work of the scanner.
static ACTIVE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let names = "JavaScript|JS|Launch|RichMedia";
    let escaped = "[A-Za-z]*#[46][1-9A-Fa-f]|[A-Za-z]*#[57][0-9Aa]";
    Regex::new(&format!(r"(?-u)/(?:(?:{names})[^A-Za-z0-9]|{escaped})")).ok()
});

/// The begin of a stream (7.3.8), whose bytes are compressed or encoded: names in it are chance.
static STREAM: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?-u)>>\s*stream\r?\n").ok());

/// Bytes that pieces have in common, so that no name is missed between them.
const OVERLAP: usize = 64;
/// The end of a PDF is within its last bytes.
const TAIL: u64 = 66 * 1024;

/// Looks for names of actions outside of streams.
struct Names {
    active: &'static Regex,
    stream: &'static Regex,
    is_in_stream: bool,
}

impl Names {
    /// Whether there is one in a piece. The bytes that the next piece completes stay in it.
    fn find(&mut self, piece: &mut Vec<u8>) -> bool {
        let mut at = 0;
        loop {
            let rest = &piece[at..];
            let end = match self.is_in_stream {
                true => find(rest, b"endstream").map(|found| found + 9),
                false => self.stream.find(rest).map(|found| found.end()),
            };
            let looked_at = &rest[..end.unwrap_or(rest.len())];
            if !self.is_in_stream && self.active.is_match(looked_at) {
                return true;
            }
            let Some(end) = end else { break };
            at += end;
            self.is_in_stream = !self.is_in_stream;
        }
        let keep = piece.len().saturating_sub(OVERLAP).max(at);
        piece.drain(..keep);
        false
    }
}

fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark)
}

/// A PDF without scripts, and without a second file behind it.
pub(super) fn validate_pdf(file: &mut File) -> Result<(), Fault> {
    let (Some(active), Some(stream)) = (&*ACTIVE, &*STREAM) else {
        return Err(Refusal::Active("no rule for it").into());
    };
    let mut names = Names {
        active,
        stream,
        is_in_stream: false,
    };
    let mut piece = Vec::new();
    loop {
        let read = file.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
        if names.find(&mut piece) {
            return Err(Refusal::Active("scripts in it").into());
        }
        if read == 0 {
            break;
        }
    }
    let length = file.metadata()?.len();
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    file.read_to_end(&mut tail)?;
    let ends = tail.trim_ascii_end().ends_with(b"%%EOF");
    match ends && find(&tail, b"PK\x05\x06").is_none() {
        true => Ok(()),
        false => Err(Refusal::Polyglot.into()),
    }
}
