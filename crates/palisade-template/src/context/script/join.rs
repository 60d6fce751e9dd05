//! Where branches of a template meet in a script.

use super::{At, Nest, SEVERAL, Script, Slash};

impl Script {
    /// After a block that other templates may fill, what a `/` is depends on them.
    pub(in crate::context) fn after_block(&mut self) {
        if self.at == At::Code {
            self.end_word();
            self.slash = Slash::Unknown;
            (
                self.sign,
                self.line_is_blank,
                self.after_less,
                self.comment_has_newline,
            ) = (None, false, false, false);
        }
    }

    pub(in crate::context) fn join(&self, other: &Self) -> Option<Self> {
        let mut joined = self.clone();
        if self.kind != other.kind || self.namespace != other.namespace || self.at != other.at {
            return None;
        }
        if self.nest != other.nest {
            // within a template literal it decides where the literal goes on
            let is_nested =
                self.nest.contains(&Nest::Substitution) || other.nest.contains(&Nest::Substitution);
            if is_nested {
                return None;
            }
            joined.nest = vec![Nest::Unknown];
        }
        if self.slash != other.slash {
            joined.slash = Slash::Unknown;
        }
        if self.word != other.word || self.in_word != other.in_word {
            joined.word = SEVERAL.to_string();
            joined.in_word = self.in_word || other.in_word;
        }
        joined.after_dot = self.after_dot && other.after_dot;
        joined.is_await_of_for = self.is_await_of_for || other.is_await_of_for;
        joined.is_after_operator = self.is_after_operator && other.is_after_operator;
        joined.sign = if self.sign == other.sign {
            self.sign
        } else {
            None
        };
        joined.line_is_blank = self.line_is_blank || other.line_is_blank;
        joined.keeps_mark = self.keeps_mark || other.keeps_mark;
        joined.after_less = self.after_less || other.after_less;
        joined.comment_has_newline = self.comment_has_newline || other.comment_has_newline;
        Some(joined)
    }
}
