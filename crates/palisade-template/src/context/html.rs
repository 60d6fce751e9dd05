//! Reads HTML as the standard's tokenizer does, as far as a template needs it.

use super::{Context, Dashes, Fault, Html, Language, Quote, Scan};

type Read = Result<usize, Fault>;

impl Context {
    /// Reads text of the template that begins at `base` in its source.
    pub(crate) fn read(
        &mut self,
        text: &str,
        base: usize,
        scan: &mut Scan<'_>,
    ) -> Result<(), Fault> {
        let mut at = 0;
        while at < text.len() {
            at += self
                .step(&text[at..], base + at, scan)
                .map_err(|fault| fault.at(base + at))?;
        }
        Ok(())
    }

    /// Reads a character or more, or only finds out that it is somewhere else: then the length is 0.
    fn step(&mut self, rest: &str, at: usize, scan: &mut Scan<'_>) -> Read {
        let character = rest.chars().next().unwrap_or_default();
        match self.html {
            Html::Text => self.text(rest, at, scan),
            Html::TagOpen => Ok(self.tag_open(character)),
            Html::EndTagOpen => Ok(self.end_tag_open(character)),
            Html::Comment(dashes) => Ok(self.comment(rest, dashes, at, scan)),
            Html::Declaration => Ok(self.declaration(rest)),
            Html::TagName | Html::TagNameValue => self.tag_name(character),
            Html::BeforeName | Html::Boundary => self.before_name(character, at, scan),
            Html::Name | Html::NameValue => self.name(character),
            Html::AfterName => self.after_name(character, scan),
            Html::BeforeValue => self.before_value(character, at, scan),
            Html::Value => self.attribute_value(rest, at, scan),
            Html::PlainText | Html::PlainTextStart => Ok(self.plain_text(rest, at, scan)),
            Html::Code => self.code(rest, at, scan),
            Html::Unreachable => Ok(rest.len()),
        }
    }

    fn text(&mut self, rest: &str, at: usize, scan: &mut Scan<'_>) -> Read {
        let Some(found) = rest.find('<') else {
            escape_cut_reference(rest, at, scan);
            return Ok(rest.len());
        };
        let after = &rest[found + 1..];
        let at = at + found;
        if after.starts_with("!--") {
            escape_cut_reference(&rest[..found], at - found, scan);
            scan.replace(at, 4, "");
            self.html = Html::Comment(Dashes::Start);
            return Ok(found + 4);
        }
        if after
            .get(..8)
            .is_some_and(|word| word.eq_ignore_ascii_case("![cdata["))
        {
            return Err(Fault::new(
                "browsers disagree on what CDATA is",
                "write the text itself, with &lt; and &amp;",
            )
            .at(at));
        }
        match after.chars().next() {
            None => self.html = Html::TagOpen,
            Some('!') if after.len() < 3 && "!--".starts_with(after) => {
                return Err(Fault::new(
                    "a comment or declaration is cut off",
                    "write <!-- in one piece",
                )
                .at(at));
            }
            Some('!' | '?') => self.html = Html::Declaration,
            Some('/') => {
                self.html = Html::EndTagOpen;
                return Ok(found + 2);
            }
            Some(letter) if letter.is_ascii_alphabetic() => self.html = Html::TagOpen,
            Some(_) => scan.replace(at, 1, "&lt;"),
        }
        Ok(found + 1)
    }

    fn tag_open(&mut self, character: char) -> usize {
        match character {
            c if c.is_ascii_alphabetic() => self.html = Html::TagName,
            '/' => {
                self.html = Html::EndTagOpen;
                return 1;
            }
            '!' | '?' => self.html = Html::Declaration,
            _ => self.html = Html::Text,
        }
        0
    }

    fn end_tag_open(&mut self, character: char) -> usize {
        if character == '>' {
            self.html = Html::Text;
            return 1;
        }
        let is_tag = character.is_ascii_alphabetic();
        self.html = if is_tag {
            Html::TagName
        } else {
            Html::Declaration
        };
        self.tag.is_end = is_tag;
        0
    }

    fn declaration(&mut self, rest: &str) -> usize {
        let Some(end) = rest.find('>') else {
            return rest.len();
        };
        self.html = Html::Text;
        end + 1
    }

    /// Comments are notes of the author: they are not sent.
    fn comment(&mut self, rest: &str, mut dashes: Dashes, at: usize, scan: &mut Scan<'_>) -> usize {
        for (offset, byte) in rest.bytes().enumerate() {
            dashes = match (dashes, byte) {
                (Dashes::Start | Dashes::StartOne | Dashes::Two | Dashes::Bang, b'>') => {
                    scan.replace(at, offset + 1, "");
                    self.html = Html::Text;
                    return offset + 1;
                }
                (Dashes::Start, b'-') => Dashes::StartOne,
                (Dashes::StartOne, b'-') => Dashes::Two,
                (Dashes::None, b'-') => Dashes::One,
                (Dashes::One | Dashes::Two, b'-') => Dashes::Two,
                (Dashes::Two, b'!') => Dashes::Bang,
                (Dashes::Bang, b'-') => Dashes::One,
                _ => Dashes::None,
            };
        }
        scan.replace(at, rest.len(), "");
        self.html = Html::Comment(dashes);
        rest.len()
    }

    fn tag_name(&mut self, character: char) -> Read {
        if character.is_ascii_whitespace() || matches!(character, '/' | '>') {
            // a name that a value completes is on the list of elements without meaning
            self.tag.element = if self.html == Html::TagNameValue {
                String::new()
            } else {
                std::mem::take(&mut self.name)
            };
            self.name.clear();
            self.html = Html::BeforeName;
            return Ok(0);
        }
        if self.html == Html::TagNameValue {
            return Err(Fault::new(
                "letters follow the value in a tag's name",
                "put the end of the name into the value",
            ));
        }
        self.letter(character)
    }

    fn letter(&mut self, character: char) -> Read {
        if matches!(character, '"' | '\'' | '<' | '=' | '\0') {
            return Err(Fault::new(
                format!("a {character} in a name"),
                "close the quotes of the attribute before it, and every tag with >",
            ));
        }
        self.name.push(character.to_ascii_lowercase());
        Ok(character.len_utf8())
    }

    fn before_name(&mut self, character: char, at: usize, scan: &mut Scan<'_>) -> Read {
        let is_boundary = self.html == Html::Boundary;
        self.html = Html::BeforeName;
        match character {
            '>' => {
                self.end_tag(at, scan)?;
                return Ok(1);
            }
            '/' => self.tag.closes_itself = true,
            c if c.is_ascii_whitespace() => self.tag.closes_itself = false,
            _ if is_boundary => {
                return Err(Fault::new(
                    "this could continue an attribute of one of the branches",
                    "put a space before it; the line break behind a template tag, and white \
                        space that begins its line, are left out",
                ));
            }
            _ => {
                self.tag.closes_itself = false;
                self.name.clear();
                self.html = Html::Name;
                return self.letter(character);
            }
        }
        Ok(1)
    }

    fn name(&mut self, character: char) -> Read {
        let is_value = self.html == Html::NameValue;
        match character {
            c if c.is_ascii_whitespace() || matches!(c, '/' | '>' | '=') => {
                if self.name.is_empty() {
                    // values name plain attributes only
                    self.name = "data-".into();
                }
                self.html = Html::AfterName;
                Ok(0)
            }
            _ if is_value && !self.name.starts_with("data-") && !self.name.starts_with("aria-") => {
                Err(Fault::new(
                    "letters follow the value in an attribute's name",
                    "put the whole name into the value",
                ))
            }
            _ => self.letter(character),
        }
    }

    fn after_name(&mut self, character: char, scan: &mut Scan<'_>) -> Read {
        match character {
            c if c.is_ascii_whitespace() => Ok(1),
            '=' => {
                self.begin_attribute();
                self.html = Html::BeforeValue;
                Ok(1)
            }
            _ => {
                self.begin_attribute();
                self.end_attribute(scan)?;
                Ok(0)
            }
        }
    }

    fn before_value(&mut self, character: char, at: usize, scan: &mut Scan<'_>) -> Read {
        match character {
            c if c.is_ascii_whitespace() => return Ok(1),
            '>' => {
                // what is written into the tag later must not become the value
                scan.replace(at, 0, "\"\"");
                self.end_attribute(scan)?;
                return Ok(0);
            }
            '"' => self.attribute.quote = Quote::Double,
            '\'' => self.attribute.quote = Quote::Single,
            _ => {
                self.attribute.quote = Quote::None;
                self.html = Html::Value;
                return Ok(0);
            }
        }
        self.html = Html::Value;
        Ok(1)
    }

    fn attribute_value(&mut self, rest: &str, at: usize, scan: &mut Scan<'_>) -> Read {
        let end = match self.attribute.quote {
            Quote::Double => rest.find('"'),
            Quote::Single => rest.find('\''),
            Quote::None => rest.find(|c: char| c.is_ascii_whitespace() || c == '>'),
        };
        let text = &rest[..end.unwrap_or(rest.len())];
        if self.attribute.quote == Quote::None
            && let Some(found) = text.find(['"', '\'', '`', '=', '<'])
        {
            let fault = Fault::new(
                format!("a {} in an attribute without quotes", &text[found..=found]),
                "put the value of the attribute into quotes",
            );
            return Err(fault.at(at + found));
        }
        if end.is_none() {
            escape_cut_reference(text, at, scan);
        }
        if end.is_some() && self.attribute.is_whole_link(&self.language) {
            write_hashed(text, at, scan);
        }
        let read = match end {
            None => decode_cut(text),
            Some(_) => htmlize::unescape_attribute(text),
        };
        self.attribute_text(&read, scan)?;
        let Some(end) = end else {
            return Ok(rest.len());
        };
        self.end_attribute(scan)?;
        Ok(end + usize::from(rest.as_bytes()[end] == b'"' || rest.as_bytes()[end] == b'\''))
    }

    fn attribute_text(&mut self, text: &str, scan: &mut Scan<'_>) -> Result<(), Fault> {
        if let Some(kept) = &mut self.attribute.text {
            kept.push_str(text);
        }
        self.attribute.kind = self.attribute.kind.with_text(text);
        match &mut self.language {
            Language::None => Ok(()),
            Language::Url(url) => url.read(text),
            Language::Script(script) => script.read(text),
            Language::Style(style) => style.read(text),
            Language::Srcset(srcset) => srcset.read(text),
            Language::Meta(meta) => meta.read(text),
            Language::Srcdoc(page) => {
                // the page in the attribute is read, and stays as it is written
                let mut edits = Vec::new();
                let mut scan = Scan::new(&mut edits, scan.rules, scan.pass, 0);
                page.read(text, 0, &mut scan)
                    .map_err(|fault| Fault { at: None, ..fault })
            }
        }
    }

    fn plain_text(&mut self, rest: &str, at: usize, scan: &mut Scan<'_>) -> usize {
        self.html = Html::PlainText;
        let Some(found) = rest.find('<') else {
            escape_cut_reference(rest, at, scan);
            return rest.len();
        };
        if super::script::is_end_tag(&rest[found..], &self.tag.element) {
            return self.raw_end_tag(found);
        }
        scan.replace(at + found, 1, "&lt;");
        found + 1
    }

    fn code(&mut self, rest: &str, at: usize, scan: &mut Scan<'_>) -> Read {
        let end = match &mut self.language {
            Language::Script(script) => script.read_element(rest, at, scan)?,
            Language::Style(style) => style.read_element(rest, at, scan)?,
            _ => Some(0),
        };
        Ok(end.map_or(rest.len(), |end| self.raw_end_tag(end)))
    }

    /// The end tag of an element whose text is no markup; what stands in it goes on as in any tag.
    fn raw_end_tag(&mut self, before: usize) -> usize {
        let length = before + 2 + self.tag.element.len();
        let element = std::mem::take(&mut self.tag.element);
        self.language = Language::None;
        self.tag = super::Tag {
            element,
            is_end: true,
            ..Default::default()
        };
        self.html = Html::BeforeName;
        length
    }
}

/// The URL of a static file, as it is written, becomes the one that holds its hash.
fn write_hashed(text: &str, at: usize, scan: &mut Scan<'_>) {
    if let Some(file) = scan.rules.files.get(text) {
        scan.replace(at, text.len(), file.url.clone());
    }
}

/// A value after `&am` could complete a character reference: the `&` is written as one itself.
fn escape_cut_reference(text: &str, at: usize, scan: &mut Scan<'_>) {
    if let Some(found) = cut_reference(text) {
        scan.replace(at + found, 1, "&amp;");
    }
}

fn cut_reference(text: &str) -> Option<usize> {
    let found = text.rfind('&')?;
    let name = &text[found + 1..];
    let is_cut = name
        .bytes()
        .enumerate()
        .all(|(index, byte)| byte.is_ascii_alphanumeric() || (index == 0 && byte == b'#'));
    is_cut.then_some(found)
}

/// The text of an attribute as the browser reads it, before a value that may complete a character
/// reference.
fn decode_cut(text: &str) -> std::borrow::Cow<'_, str> {
    match cut_reference(text) {
        Some(found) => {
            (htmlize::unescape_attribute(&text[..found]).into_owned() + &text[found..]).into()
        }
        None => htmlize::unescape_attribute(text),
    }
}
