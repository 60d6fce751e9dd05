//! HTTP/1 message framing: the end of each request
//! ([RFC 9112 section 6](https://www.rfc-editor.org/rfc/rfc9112#section-6)), determined strictly.
//!
//! The HTTP parser behind this one is as lenient as most. Request smuggling exploits differences
//! between parsers, so ambiguous framing is refused here: a line that ends without CR, two lengths,
//! a length with chunked encoding, a transfer coding other than `chunked`.

/// Tracks the parser's position byte by byte, in constant memory.
pub(super) struct Framing {
    at: At,
    /// Beginning of the current line.
    line: [u8; LINE],
    /// Length of the line so far, of which `line` holds the beginning.
    length: usize,
    last: u8,
    has_request_line: bool,
    body: Body,
}

/// Enough of a line for the two relevant headers.
const LINE: usize = 64;

enum At {
    Head,
    /// Remaining bytes of the body.
    Body(u64),
    /// A chunked body: the connection is closed after it, so no request follows.
    Chunks,
}

#[derive(Clone, Copy)]
enum Body {
    None,
    Length(u64),
    Chunked,
}

/// Framing that parsers interpret differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ambiguous(pub(super) &'static str);

impl Framing {
    pub(super) fn new() -> Self {
        Self {
            at: At::Head,
            line: [0; LINE],
            length: 0,
            last: 0,
            has_request_line: false,
            body: Body::None,
        }
    }

    /// Consumes the next bytes of the connection.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Result<(), Ambiguous> {
        while !bytes.is_empty() {
            match &mut self.at {
                At::Chunks => return Ok(()),
                At::Body(left) => {
                    let taken = usize::try_from(*left)
                        .unwrap_or(usize::MAX)
                        .min(bytes.len());
                    *left -= taken as u64;
                    bytes = &bytes[taken..];
                    if *left == 0 {
                        self.at = At::Head;
                    }
                }
                At::Head => {
                    let end = bytes
                        .iter()
                        .position(|byte| *byte == b'\n')
                        .map_or(bytes.len(), |found| found + 1);
                    self.keep(&bytes[..end]);
                    bytes = &bytes[end..];
                    if self.last == b'\n' {
                        self.line_ends()?;
                    }
                }
            }
        }
        Ok(())
    }

    fn keep(&mut self, piece: &[u8]) {
        let free = LINE.saturating_sub(self.length).min(piece.len());
        self.line[self.length.min(LINE)..][..free].copy_from_slice(&piece[..free]);
        // of a long line, only the byte before its end matters
        if let [.., before, b'\n'] = piece {
            self.last = *before;
        }
        self.length += piece.len();
        if piece.ends_with(b"\n") {
            let is_right = self.last == b'\r' && self.length > 1;
            self.last = b'\n';
            if !is_right {
                self.line[0] = BARE;
            }
        } else if let Some(last) = piece.last() {
            self.last = *last;
        }
    }

    fn line_ends(&mut self) -> Result<(), Ambiguous> {
        let length = std::mem::take(&mut self.length);
        let line = self.line;
        self.last = 0;
        let line = &line[..length.min(LINE)];
        match line {
            [BARE, ..] => Err(Ambiguous("a line that ends without CR")),
            b"\r\n" if self.has_request_line => {
                self.head_ends();
                Ok(())
            }
            b"\r\n" => Ok(()),
            _ if !std::mem::replace(&mut self.has_request_line, true) => Ok(()),
            [b' ' | b'\t', ..] => Err(Ambiguous("a header that goes on in the next line")),
            _ => self.header(line, length),
        }
    }

    fn head_ends(&mut self) {
        self.has_request_line = false;
        self.at = match std::mem::replace(&mut self.body, Body::None) {
            Body::None | Body::Length(0) => At::Head,
            Body::Length(length) => At::Body(length),
            Body::Chunked => At::Chunks,
        };
    }

    fn header(&mut self, line: &[u8], length: usize) -> Result<(), Ambiguous> {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return Ok(());
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let body = if name.eq_ignore_ascii_case(b"content-length") {
            let is_number =
                !value.is_empty() && value.iter().all(u8::is_ascii_digit) && length <= LINE;
            let number = std::str::from_utf8(value)
                .ok()
                .filter(|_| is_number)
                .and_then(|value| value.parse().ok());
            Body::Length(number.ok_or(Ambiguous("a length that is not a number"))?)
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Ambiguous("a transfer coding that is not chunked"));
            }
            Body::Chunked
        } else {
            return Ok(());
        };
        match std::mem::replace(&mut self.body, body) {
            Body::None => Ok(()),
            _ => Err(Ambiguous("two lengths of one body")),
        }
    }
}

/// Stands for a line that ended without CR; no header begins with it.
const BARE: u8 = b'\n';

#[cfg(test)]
mod tests {
    use super::*;

    /// The result does not depend on how the bytes are split.
    fn read(request: &str) -> Result<(), Ambiguous> {
        let mut whole = Framing::new();
        let verdict = whole.read(request.as_bytes());
        for size in [1, 2, 3, 7, 63, 64, 65] {
            let mut cut = Framing::new();
            let pieces = request
                .as_bytes()
                .chunks(size)
                .try_for_each(|piece| cut.read(piece));
            assert_eq!(pieces, verdict, "in pieces of {size}: {request:?}");
        }
        verdict
    }

    // V4.2.1
    #[test]
    fn what_two_readers_could_take_differently_is_refused() {
        let long = "x".repeat(500);
        let fine = [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\na\nb\nPOST / \
                HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
            &format!(
                "GET / HTTP/1.1\r\nX-Long: {long}\r\nContent-Length: 1\r\n\r\n\nGET / \
                    HTTP/1.1\r\n\r\n"
            ),
        ];
        for request in fine {
            assert_eq!(read(request), Ok(()), "{request:?}");
        }
        let refused = [
            "GET / HTTP/1.1\nHost: a\n\n",
            "\nGET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nX: y\nContent-Length: 5\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\n",
            &format!("GET / HTTP/1.1\r\nX-Long: {long}\n\r\n"),
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length:\r\n\r\n",
            &format!(
                "POST / HTTP/1.1\r\nContent-Length: {}5\r\n\r\n",
                "0".repeat(60)
            ),
            "GET / HTTP/1.1\r\nX: y\r\n folded\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\nHost: a\r\n\r\n",
        ];
        for request in refused {
            assert!(read(request).is_err(), "{request:?}");
        }
    }
}
