//! Where in a script a place is ([ECMAScript, lexical grammar](https://tc39.es/ecma262/#sec-ecmascript-language-lexical-grammar)).
//!
//! Everything but the meaning of `/` is decided by the characters themselves. Whether a `/` divides or begins a regular expression depends
//! on what stands before it; where that is in doubt, the `/` is a [`Fault`].

mod comment;
mod join;
mod literal;
mod markup;
mod punctuation;

pub(in crate::context) use markup::{find_end_tag, is_end_tag};

use super::{Fault, Namespace, Place, Scan};
use markup::{looks_like_markup, markup};

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Script {
    pub(in crate::context) kind: ScriptKind,
    /// In SVG, where browsers read character references in scripts.
    pub(in crate::context) namespace: Namespace,
    pub(in crate::context) at: At,
    pub(in crate::context) slash: Slash,
    /// The word that was read last, as far as it can matter.
    word: String,
    /// The next letter belongs to the word.
    in_word: bool,
    /// A dot stands before the word: `x.return` is no keyword.
    after_dot: bool,
    /// `for await`, whose parentheses are those of a `for`.
    is_await_of_for: bool,
    /// The last token was an operator.
    is_after_operator: bool,
    /// `+` or `-` once: a second one makes `++`.
    sign: Option<char>,
    /// Nothing but white space since the line began, which makes `-->` a comment.
    line_is_blank: bool,
    nest: Vec<Nest>,
    /// A `<` ends the piece of text.
    after_less: bool,
    /// The comment that is open began in this piece of text, or in one that was rewritten before it.
    comment_has_newline: bool,
    /// The `//` of the comment stays, because the line break behind it has to.
    keeps_mark: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum ScriptKind {
    Classic,
    Module,
    Json,
    /// JSON that decides which code is loaded.
    Map,
    /// A type that browsers do not run: text for a library.
    Markup,
    Attribute,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum At {
    Code,
    /// After a `/` that is no comment yet.
    AfterSlash,
    Double,
    Single,
    Template,
    /// After a `$` in a template literal.
    TemplateDollar,
    Regexp,
    RegexpClass,
    LineComment,
    BlockComment,
}

/// Meaning of a `/` at this point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Slash {
    Regexp,
    Division,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Nest {
    Parenthesis,
    /// After `if`, `while`, `for` or `with`: a statement follows the `)`.
    Condition,
    Brace,
    /// A `{` where an operand belongs: an object, or the body of an arrow function.
    Object,
    /// `${` in a template literal.
    Substitution,
    /// Branches disagree on what is open.
    Unknown,
}

impl ScriptKind {
    pub(in crate::context) fn of_type(written: Option<&str>) -> Self {
        let kind = written.unwrap_or_default().trim().to_ascii_lowercase();
        let essence = kind.split(';').next().unwrap_or_default().trim_end();
        match essence {
            "module" => Self::Module,
            "importmap" | "speculationrules" => Self::Map,
            json if json.ends_with("json") => Self::Json,
            "" => Self::Classic,
            script
                if [
                    "javascript",
                    "ecmascript",
                    "jscript",
                    "livescript",
                    "babel",
                    "jsx",
                    "typescript",
                ]
                .iter()
                .any(|part| script.contains(part)) =>
            {
                Self::Classic
            }
            _ => Self::Markup,
        }
    }
}

/// Whether a line has only white space so far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Blank,
    Started,
}

impl Script {
    pub(in crate::context) fn in_element(kind: ScriptKind, namespace: Namespace) -> Self {
        Self {
            kind,
            namespace,
            at: At::Code,
            slash: Slash::Regexp,
            word: String::new(),
            in_word: false,
            after_dot: false,
            is_await_of_for: false,
            is_after_operator: false,
            sign: None,
            line_is_blank: true,
            nest: Vec::new(),
            after_less: false,
            comment_has_newline: false,
            keeps_mark: false,
        }
    }

    pub(in crate::context) fn in_attribute() -> Self {
        Self::in_element(ScriptKind::Attribute, Namespace::Html)
    }

    /// Reads decoded text of an attribute.
    pub(in crate::context) fn read(&mut self, text: &str) -> Result<(), Fault> {
        let mut at = 0;
        while at < text.len() {
            at += self.step(&text[at..], &mut None)?;
        }
        Ok(())
    }

    /// Reads text of an element that begins at `base` in the source. Returns the offset of its end tag, if that is in the text.
    pub(in crate::context) fn read_element(
        &mut self,
        text: &str,
        base: usize,
        scan: &mut Scan<'_>,
    ) -> Result<Option<usize>, Fault> {
        if self.at == At::AfterSlash && text.starts_with(['/', '*']) {
            return Err(Fault::new(
                "a comment begins on one side of a template tag and goes on on the other",
                "write // and /* in one piece",
            ));
        }
        if std::mem::take(&mut self.after_less) && text.starts_with(['/', '!', '-']) {
            return Err(Fault::new(
                "a < and what follows it stand on two sides of a template tag",
                "put a space after the <",
            ));
        }
        let mut at = 0;
        scan.is_leading = base == scan.chunk;
        while at < text.len() {
            let rest = &text[at..];
            if is_end_tag(rest, "script") && !self.is_literal() {
                return self
                    .end_of_element()
                    .map(|()| Some(at))
                    .map_err(|fault| fault.at(base + at));
            }
            let mut place = Some((base + at, &mut *scan));
            let length = self
                .step(rest, &mut place)
                .map_err(|fault| fault.at(base + at))?;
            scan.is_leading &= rest[..length].trim().is_empty();
            at += length;
        }
        Ok(None)
    }

    fn is_literal(&self) -> bool {
        let is_inside = matches!(
            self.at,
            At::Double
                | At::Single
                | At::Template
                | At::TemplateDollar
                | At::Regexp
                | At::RegexpClass
        );
        (is_inside || self.begins_regexp()) && self.kind != ScriptKind::Markup
    }

    /// Behind a `/` that can only begin a regular expression.
    fn begins_regexp(&self) -> bool {
        self.at == At::AfterSlash && self.slash == Slash::Regexp
    }

    fn end_of_element(&self) -> Result<(), Fault> {
        match self.at {
            At::BlockComment => Err(Fault::new(
                "this end tag is inside a comment, and ends the script",
                "close the comment with */ before it",
            )),
            _ => self.finish(),
        }
    }

    /// The script ends here.
    pub(in crate::context) fn finish(&self) -> Result<(), Fault> {
        let inside = match self.at {
            At::Code | At::LineComment | At::AfterSlash => None,
            At::BlockComment => Some("a comment"),
            _ => Some("a string or regular expression"),
        };
        let open = inside.or(self
            .nest
            .contains(&Nest::Substitution)
            .then_some("a template literal"));
        match open {
            Some(open) => Err(Fault::new(
                format!("the script ends inside {open}"),
                "close it in the template",
            )),
            None => Ok(()),
        }
    }

    /// Reads one character or one token, and returns its length.
    fn step(&mut self, rest: &str, place: &mut Place<'_, '_>) -> Result<usize, Fault> {
        let character = rest.chars().next().unwrap_or_default();
        if self.kind == ScriptKind::Markup {
            return markup(rest, character);
        }
        if let Some((at, scan)) = place
            && self.is_literal()
            && looks_like_markup(rest)
        {
            // in a literal < and \u003C are the same to the script, and only one of them is to the HTML parser
            scan.replace(*at, 1, "\\u003C");
            self.stay_in_literal();
            return Ok(1);
        }
        if let Some((at, scan)) = place
            && self.is_literal()
            && rest.strip_prefix('\\').is_some_and(looks_like_markup)
        {
            scan.replace(*at, 2, "\\u003C");
            self.stay_in_literal();
            return Ok(2);
        }
        match self.at {
            At::Code => self.code(rest, character, place),
            At::AfterSlash => self.after_slash(rest, character, place),
            At::Double => self.string(rest, character, '"'),
            At::Single => self.string(rest, character, '\''),
            At::Template | At::TemplateDollar => self.template(rest, character),
            At::Regexp | At::RegexpClass => self.regexp(rest, character),
            At::LineComment => Ok(self.line_comment(rest, place)),
            At::BlockComment => Ok(self.block_comment(rest, place)),
        }
    }

    /// A character of a literal was read, and it was none of those that mean something there.
    fn stay_in_literal(&mut self) {
        match self.at {
            At::TemplateDollar => self.at = At::Template,
            At::AfterSlash => self.enter(At::Regexp),
            _ => {}
        }
    }

    fn code(
        &mut self,
        rest: &str,
        character: char,
        place: &mut Place<'_, '_>,
    ) -> Result<usize, Fault> {
        if let Some((at, scan)) = place
            && character == '<'
        {
            match rest.as_bytes().get(1) {
                // </x/ would be an end tag if a value completed it
                Some(b'/') => scan.replace(*at + 1, 0, " "),
                Some(b'!') if matches!(&rest[1..], "!" | "!-") => self.after_less = true,
                Some(_) => {}
                None => self.after_less = true,
            }
        }
        if let Some((comment, length)) = self.comment_start(rest)? {
            self.begin_comment(comment, length, place);
            return Ok(length);
        }
        let sign = self.sign.take();
        let was_blank = std::mem::replace(&mut self.line_is_blank, false);
        match character {
            c if is_word(c) => self.letter(c),
            c if is_newline(c) => self.space(Line::Blank),
            c if c.is_whitespace() || c == '\u{feff}' => self.space(match was_blank {
                true => Line::Blank,
                false => Line::Started,
            }),
            '"' => self.enter(At::Double),
            '\'' => self.enter(At::Single),
            '`' => self.enter(At::Template),
            '/' if self.slash == Slash::Unknown => {
                return Err(Fault::new(
                    "this / could divide or begin a regular expression",
                    "put the operands of a division, or the regular expression, into parentheses",
                ));
            }
            '/' => self.at = At::AfterSlash,
            '.' if rest.starts_with("...") => {
                self.punctuation(',', None);
                return Ok(3);
            }
            _ => self.punctuation(character, sign),
        }
        Ok(character.len_utf8())
    }

    fn letter(&mut self, letter: char) {
        if !self.in_word {
            // the word right after a dot follows no other
            self.after_dot &= self.word.is_empty();
            self.is_await_of_for = self.word == "for" && letter == 'a';
            self.word.clear();
            self.in_word = true;
        }
        if self.word.len() < LONGEST_KEYWORD {
            self.word.push(letter);
        }
        self.slash = match self.word.as_str() {
            _ if self.after_dot => Slash::Division,
            "break" | "case" | "continue" | "default" | "delete" | "do" | "else" | "extends"
            | "finally" | "in" | "instanceof" | "new" | "return" | "throw" | "try" | "typeof"
            | "void" => Slash::Regexp,
            // words that are names in some places and operators in others
            "yield" | "await" | "of" => Slash::Unknown,
            word if word.starts_with(SEVERAL) => Slash::Unknown,
            _ => Slash::Division,
        };
    }

    fn space(&mut self, line: Line) {
        self.in_word = false;
        self.line_is_blank = line == Line::Blank;
    }

    fn enter(&mut self, at: At) {
        self.end_word();
        self.at = at;
    }

    fn end_word(&mut self) {
        self.in_word = false;
        self.after_dot = false;
        self.word.clear();
    }

    fn after_slash(
        &mut self,
        rest: &str,
        character: char,
        place: &mut Place<'_, '_>,
    ) -> Result<usize, Fault> {
        match character {
            '/' | '*' => {
                let comment = if character == '/' {
                    At::LineComment
                } else {
                    At::BlockComment
                };
                self.begin_comment(comment, 1, place);
                Ok(1)
            }
            _ if self.slash == Slash::Regexp => {
                self.end_word();
                self.at = At::Regexp;
                self.regexp(rest, character)
            }
            _ if rest.starts_with("<!--") => Err(Fault::new(
                "a comment right behind a /",
                "put a space between the two, or write the comment with /*",
            )),
            _ => {
                self.operator();
                Ok(0)
            }
        }
    }

    /// The `/` was a division.
    fn operator(&mut self) {
        self.end_word();
        self.at = At::Code;
        self.slash = Slash::Regexp;
    }

    /// Whether a value here would run into the name before it.
    pub(in crate::context) fn is_glued(&self) -> bool {
        let is_keyword = self.slash != Slash::Division;
        self.at == At::Code
            && self.kind != ScriptKind::Markup
            && ((self.in_word && !is_keyword) || (self.after_dot && self.word.is_empty()))
    }

    /// A value was printed.
    pub(in crate::context) fn after_value(&mut self) {
        match self.at {
            At::Code => self.operand(),
            At::AfterSlash if self.slash == Slash::Regexp => self.at = At::Regexp,
            At::AfterSlash => {
                self.operator();
                self.operand();
            }
            At::TemplateDollar => self.at = At::Template,
            _ => {}
        }
    }

    fn operand(&mut self) {
        self.end_word();
        self.after_less = false;
        self.sign = None;
        self.line_is_blank = false;
        self.slash = Slash::Division;
    }
}

fn is_word(character: char) -> bool {
    // # begins a private name, \ an escape in a name
    let is_ascii_word =
        character.is_ascii_alphanumeric() || matches!(character, '_' | '$' | '\\' | '#');
    is_ascii_word
        || (!character.is_ascii()
            && !character.is_whitespace()
            && !is_newline(character)
            && character != '\u{feff}')
}

fn is_newline(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{2028}' | '\u{2029}')
}

/// `instanceof`, and one more so that a longer word is none.
const LONGEST_KEYWORD: usize = 11;
/// Stands for "this word or another".
const SEVERAL: char = '\0';
