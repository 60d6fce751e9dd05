//! Brackets, and the signs that decide about the next `/`.

use super::{At, Nest, Script, Slash};

impl Script {
    pub(super) fn punctuation(&mut self, character: char, sign: Option<char>) {
        let is_number = self.word.starts_with(|first: char| first.is_ascii_digit()) && self.in_word;
        let is_for_await = self.word == "await" && self.is_await_of_for;
        let is_condition = !self.after_dot
            && (is_for_await || matches!(self.word.as_str(), "if" | "while" | "for" | "with"));
        // where an operand belongs, { begins an object, and a / after it divides
        let is_object = self.slash == Slash::Regexp && self.is_after_operator;
        self.is_after_operator = matches!(
            character,
            '=' | '('
                | '['
                | ','
                | '?'
                | ':'
                | '+'
                | '-'
                | '*'
                | '%'
                | '&'
                | '|'
                | '^'
                | '!'
                | '~'
                | '<'
        );
        self.end_word();
        self.slash = Slash::Regexp;
        match character {
            '(' if is_condition => self.nest.push(Nest::Condition),
            '(' => self.nest.push(Nest::Parenthesis),
            '{' if is_object => self.nest.push(Nest::Object),
            '{' => self.nest.push(Nest::Brace),
            ')' => {
                let open = self.nest.pop_if(|open| {
                    matches!(open, Nest::Condition | Nest::Parenthesis | Nest::Unknown)
                });
                self.slash = match open {
                    Some(Nest::Condition) => Slash::Regexp,
                    Some(Nest::Parenthesis) => Slash::Division,
                    _ => Slash::Unknown,
                };
            }
            ']' => self.slash = Slash::Division,
            '}' => self.close_brace(),
            '.' if is_number => self.slash = Slash::Division,
            '.' => self.after_dot = true,
            '+' | '-' if sign == Some(character) => self.slash = Slash::Division,
            '+' | '-' => self.sign = Some(character),
            _ => {}
        }
    }

    fn close_brace(&mut self) {
        // parentheses that are open here are a mistake, and end with the braces around them
        while self
            .nest
            .pop_if(|open| matches!(open, Nest::Condition | Nest::Parenthesis))
            .is_some()
        {}
        match self.nest.last() {
            Some(Nest::Substitution) => {
                self.nest.pop();
                self.at = At::Template;
            }
            Some(Nest::Brace) => {
                self.nest.pop();
            }
            Some(Nest::Object) => {
                self.nest.pop();
                self.slash = Slash::Unknown;
            }
            // branches disagree on what this closes, or it was opened elsewhere
            _ => self.slash = Slash::Unknown,
        }
    }
}
