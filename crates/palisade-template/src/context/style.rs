//! Where in a style a place is ([CSS Syntax](https://www.w3.org/TR/css-syntax-3/#tokenization)).

use super::script::find_end_tag;
use super::url::Url;
use super::{Fault, Namespace, Place, Scan};

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Style {
    pub(super) at: At,
    /// Within `url(…)`, and within strings, which may be URLs.
    pub(super) url: Url,
    /// A value may be printed: browsers read the style of SVG as markup.
    pub(super) namespace: Namespace,
    /// The last letters, to know `url(`.
    word: String,
    /// A value stands right before: with `(` after it, it would be the name of a function.
    is_after_value: bool,
    is_attribute: bool,
    /// Between `@import` and the `;`: URLs are code.
    pub(super) is_import: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum At {
    Code,
    Double,
    Single,
    /// After `url(`, before a quote or the URL itself.
    UrlStart,
    Url,
    UrlDouble,
    UrlSingle,
    /// After the URL, before the `)`.
    UrlEnd,
    Comment,
    /// After `//`, which browsers do not know as a comment; what stands there is removed from elements, and takes no values.
    LineComment,
}

impl Style {
    pub(super) fn in_element(namespace: Namespace) -> Self {
        Self {
            at: At::Code,
            url: Url::Start,
            namespace,
            word: String::new(),
            is_after_value: false,
            is_attribute: false,
            is_import: false,
        }
    }

    /// An attribute is read alike in SVG.
    pub(super) fn in_attribute() -> Self {
        Self {
            is_attribute: true,
            ..Self::in_element(Namespace::Html)
        }
    }

    /// Reads decoded text of an attribute.
    pub(super) fn read(&mut self, text: &str) -> Result<(), Fault> {
        let mut at = 0;
        while at < text.len() {
            at += self.step(&text[at..], &mut None)?;
        }
        Ok(())
    }

    /// Reads text of an element that begins at `base` in the source. Returns the offset of its end tag, if that is in the text.
    pub(super) fn read_element(
        &mut self,
        text: &str,
        base: usize,
        scan: &mut Scan<'_>,
    ) -> Result<Option<usize>, Fault> {
        let end = find_end_tag(text, "style", "");
        let inside = &text[..end.unwrap_or(text.len())];
        if end.is_none()
            && (inside.ends_with('<')
                || inside
                    .rfind("</")
                    .is_some_and(|at| "/style".starts_with(&inside[at + 1..].to_ascii_lowercase())))
        {
            return Err(Fault::new(
                "a value here could complete an end tag",
                "put a space after the <",
            )
            .at(base + inside.len()));
        }
        let mut at = 0;
        while at < inside.len() {
            let mut place = Some((base + at, &mut *scan));
            at += self
                .step(&inside[at..], &mut place)
                .map_err(|fault| fault.at(base + at))?;
        }
        if end.is_some() {
            self.finish().map_err(|fault| fault.at(base + at))?;
        }
        Ok(end)
    }

    /// The style ends here. What is open at the end of an attribute, CSS closes.
    pub(super) fn finish(&self) -> Result<(), Fault> {
        match self.at {
            At::Code | At::LineComment => Ok(()),
            _ if self.is_attribute => Ok(()),
            _ => Err(Fault::new(
                "the style ends inside a string, comment or url()",
                "close it in the template",
            )),
        }
    }

    fn step(&mut self, rest: &str, place: &mut Place<'_, '_>) -> Result<usize, Fault> {
        let character = rest.chars().next().unwrap_or_default();
        let length = character.len_utf8();
        match (self.at, character) {
            (At::Comment, _) => return Ok(self.comment(rest, place)),
            (At::LineComment, _) => return Ok(self.line_comment(rest, place)),
            (_, '\\') => return self.escape(rest),
            (At::Code, _) => return self.code(rest, character, place),
            (At::Double | At::UrlDouble, '"') | (At::Single | At::UrlSingle, '\'') => {
                self.at = if matches!(self.at, At::Double | At::Single) {
                    At::Code
                } else {
                    At::UrlEnd
                };
            }
            (At::Double | At::Single | At::UrlDouble | At::UrlSingle, '\n' | '\r' | '\u{c}') => {
                return Err(Fault::new(
                    "a line break in a string",
                    "close the string on its line",
                ));
            }
            (At::UrlStart, c) if c.is_ascii_whitespace() => {}
            (At::UrlStart, '"') => self.at = At::UrlDouble,
            (At::UrlStart, '\'') => self.at = At::UrlSingle,
            (At::UrlStart | At::Url | At::UrlEnd, ')') => self.at = At::Code,
            (At::Url, c) if c.is_ascii_whitespace() => self.at = At::UrlEnd,
            (At::UrlEnd, c) if c.is_ascii_whitespace() => {}
            (At::UrlEnd, _) => {
                return Err(Fault::new(
                    "something stands between the URL and its )",
                    "put the URL into quotes",
                ));
            }
            (At::UrlStart | At::Url, '"' | '\'' | '(') => {
                return Err(Fault::new(
                    format!("a {character} in a URL without quotes"),
                    "put the URL into quotes",
                ));
            }
            (At::UrlStart, _) => {
                self.at = At::Url;
                return Ok(0);
            }
            (At::Double | At::Single, _) => self.string_text(character)?,
            _ => self.url.read(&rest[..length])?,
        }
        Ok(length)
    }

    fn code(
        &mut self,
        rest: &str,
        character: char,
        place: &mut Place<'_, '_>,
    ) -> Result<usize, Fault> {
        if rest.starts_with("//") {
            return Ok(self.begin_comment(At::LineComment, place));
        }
        let is_after_value = std::mem::take(&mut self.is_after_value);
        let is_word =
            character.is_ascii_alphanumeric() || character == '-' || !character.is_ascii();
        match character {
            '<' if rest.starts_with("</") => {
                return Err(Fault::new(
                    "a value here could complete an end tag",
                    "put a space after the <",
                ));
            }
            '"' | '\'' => self.begin(if character == '"' {
                At::Double
            } else {
                At::Single
            }),
            '(' if is_after_value => {
                return Err(Fault::new(
                    "a value here would be the name of a CSS function",
                    "write the name of the function in the template",
                ));
            }
            '(' if self.word == "url" => self.begin(At::UrlStart),
            '/' if rest.starts_with("/*") => return Ok(self.begin_comment(At::Comment, place)),
            _ => {}
        }
        if !is_word {
            self.word.clear();
            self.word.extend((character == '@').then_some('@'));
            self.is_import &= character != ';';
        } else if self.word.len() < 8 {
            self.word.push(character.to_ascii_lowercase());
        }
        self.is_import |= self.word == "@import";
        self.is_after_value = is_after_value && is_word;
        Ok(character.len_utf8())
    }

    /// A string may be a URL: in `@import` it is one, elsewhere only what is written as one counts.
    fn string_text(&mut self, character: char) -> Result<(), Fault> {
        let is_sentence =
            character.is_whitespace() || (self.url == Url::Start && matches!(character, '#' | '?'));
        if is_sentence && !self.is_import {
            self.url = Url::Path;
            return Ok(());
        }
        let read = self.url.read(character.encode_utf8(&mut [0; 4]));
        if read.is_err() && !self.is_import {
            self.url = Url::Path;
            return Ok(());
        }
        read
    }

    fn begin(&mut self, at: At) {
        self.at = at;
        self.url = Url::Start;
    }

    fn escape(&mut self, rest: &str) -> Result<usize, Fault> {
        let Some(escaped) = rest[1..].chars().next() else {
            return Err(Fault::new(
                "an escape in a style is cut off",
                "write the whole escape on one side of the template tag",
            ));
        };
        // u\72l( is url(
        if self.at == At::Code {
            self.word = "?".into();
            if escaped.is_ascii_hexdigit() {
                return self.hexadecimal(&rest[1..]);
            }
            if escaped.is_ascii_alphabetic() {
                return Err(Fault::new(
                    "a letter is written as an escape",
                    "write the letter itself",
                ));
            }
        }
        if rest[1..].starts_with("\r\n") {
            return Ok(3);
        }
        self.url = if matches!(self.url, Url::Query) {
            Url::Query
        } else {
            Url::Path
        };
        Ok(1 + escaped.len_utf8())
    }

    /// An escape in code that stands for a letter could spell a name we look for.
    fn hexadecimal(&mut self, digits: &str) -> Result<usize, Fault> {
        let count = digits
            .bytes()
            .take(6)
            .take_while(u8::is_ascii_hexdigit)
            .count();
        let letter = u32::from_str_radix(&digits[..count], 16)
            .ok()
            .and_then(char::from_u32);
        if letter.is_some_and(|letter| letter.is_ascii_alphabetic()) {
            return Err(Fault::new(
                "a letter is written as an escape",
                "write the letter itself",
            ));
        }
        Ok(1 + count)
    }

    /// What stands before a comment goes on after it, if the comment is taken out to the end of the file.
    fn begin_comment(&mut self, at: At, place: &mut Place<'_, '_>) -> usize {
        self.at = at;
        if let Some((at, scan)) = place {
            scan.replace(*at, 2, "");
        }
        2
    }

    fn comment(&mut self, rest: &str, place: &mut Place<'_, '_>) -> usize {
        let close = rest.find("*/");
        let length = close.map_or(rest.len(), |close| close + 2);
        if let Some((at, scan)) = place {
            scan.replace(*at, length, if close.is_some() { " " } else { "" });
        }
        if close.is_some() {
            self.at = At::Code;
            self.word.clear();
        }
        length
    }

    fn line_comment(&mut self, rest: &str, place: &mut Place<'_, '_>) -> usize {
        let newline = rest.find(['\n', '\r', '\u{c}']);
        let length = newline.unwrap_or(rest.len());
        if let Some((at, scan)) = place {
            scan.replace(*at, length, "");
        }
        if newline.is_some() {
            self.at = At::Code;
        }
        length
    }

    /// A value was printed.
    pub(super) fn after_value(&mut self) {
        match self.at {
            At::Code => {
                self.word.clear();
                self.is_after_value = true;
            }
            At::UrlStart => {
                self.at = At::Url;
                self.url.after_value();
            }
            At::Comment | At::LineComment => {}
            _ => self.url.after_value(),
        }
    }

    pub(super) fn is_in_attribute(&self) -> bool {
        self.is_attribute
    }

    pub(super) fn is_comment(&self) -> bool {
        matches!(self.at, At::Comment | At::LineComment)
    }

    /// After a block that other templates may fill, a string may be any URL.
    pub(super) fn after_block(&mut self) {
        self.word = "?".into();
        if self.at != At::Code {
            self.url = Url::Unknown;
        }
    }

    /// A line comment of an element is gone with its line. Says whether another comment is open.
    pub(super) fn end_comment(&mut self) -> bool {
        if self.at == At::LineComment {
            self.at = At::Code;
        }
        self.at == At::Comment
    }

    /// Whether the text before the place looks like the beginning of a URL with a query, rather than a sentence.
    pub(super) fn is_query(&self) -> bool {
        self.url == Url::Query
    }

    /// `@` right before a value would make it the name of a rule.
    pub(super) fn is_rule_name(&self) -> bool {
        self.at == At::Code && self.word.starts_with('@')
    }

    pub(super) fn join(&self, other: &Self) -> Option<Self> {
        let is_same = self.is_import == other.is_import
            && self.at == other.at
            && self.is_attribute == other.is_attribute
            && self.namespace == other.namespace;
        let url = if is_same {
            self.url.join(&other.url)
        } else {
            None
        };
        let word = if self.word == other.word {
            self.word.clone()
        } else {
            "?".into()
        };
        url.map(|url| Self {
            url,
            word,
            is_after_value: self.is_after_value || other.is_after_value,
            ..self.clone()
        })
    }
}
