//! Strings, template literals and regular expressions.

use super::{At, Nest, Script, Slash, is_newline};
use crate::context::Fault;

impl Script {
    pub(super) fn string(
        &mut self,
        rest: &str,
        character: char,
        quote: char,
    ) -> Result<usize, Fault> {
        match character {
            '\\' => escape(rest, "string"),
            c if c == quote => Ok(self.end_literal(1)),
            '\n' | '\r' => Err(Fault::new(
                "a line break in a string",
                "close the string on its line, or use a template literal",
            )),
            c => Ok(c.len_utf8()),
        }
    }

    pub(super) fn end_literal(&mut self, length: usize) -> usize {
        self.at = At::Code;
        self.slash = Slash::Division;
        length
    }

    pub(super) fn template(&mut self, rest: &str, character: char) -> Result<usize, Fault> {
        match character {
            '\\' => {
                self.at = At::Template;
                escape(rest, "template literal")
            }
            '`' => Ok(self.end_literal(1)),
            '{' if self.at == At::TemplateDollar => {
                self.nest.push(Nest::Substitution);
                self.end_word();
                self.at = At::Code;
                self.slash = Slash::Regexp;
                Ok(1)
            }
            c => {
                self.at = if c == '$' {
                    At::TemplateDollar
                } else {
                    At::Template
                };
                Ok(c.len_utf8())
            }
        }
    }

    pub(super) fn regexp(&mut self, rest: &str, character: char) -> Result<usize, Fault> {
        match (self.at, character) {
            (_, '\\') => escape(rest, "regular expression"),
            (_, c) if is_newline(c) => Err(Fault::new(
                "a line break in a regular expression",
                "if this / divides, put its operands into parentheses",
            )),
            (At::Regexp, '/') => Ok(self.end_literal(1)),
            (At::Regexp, '[') => {
                self.at = At::RegexpClass;
                Ok(1)
            }
            (At::RegexpClass, ']') => {
                self.at = At::Regexp;
                Ok(1)
            }
            (_, c) => Ok(c.len_utf8()),
        }
    }
}

fn escape(rest: &str, what: &str) -> Result<usize, Fault> {
    let mut characters = rest.chars();
    let slash = characters.next().map_or(0, char::len_utf8);
    match characters.next() {
        Some('\r') if rest[slash + 1..].starts_with('\n') => Ok(slash + 2),
        Some(escaped) => Ok(slash + escaped.len_utf8()),
        None => Err(Fault::new(
            format!("an escape in a {what} is cut off"),
            "write the whole escape on one side of the template tag",
        )),
    }
}
