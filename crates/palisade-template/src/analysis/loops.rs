//! Loops: their bodies end in the context in which they begin.

use super::walk::{Walk, Walked};
use super::{Context, Loop};
use crate::tree::Node;
use std::ops::Range;

/// Rounds after which a loop begins where it ends: each joins contexts, which soon have nothing left to differ in.
const MOST_ROUNDS: usize = 16;

impl<'s> Walk<'_, '_, 's> {
    /// `break` and `continue`. The engine cannot leave what stands between them and their loop.
    pub(super) fn leave(&mut self, at: &Range<usize>, context: Context) -> Walked {
        match self.loops.last_mut() {
            Some(open) if self.can_leave => {
                open.left.push(context);
                Ok(Context::unreachable())
            }
            _ => Err(self.problem_at(
                at.clone(),
                "the loop is left from within {% with %}, {% set %}, {% filter %} or a macro",
                "let {% if %} alone stand between the loop and {% break %} or {% continue %}",
            )),
        }
    }

    pub(super) fn without_leaving<T>(&mut self, walk: impl FnOnce(&mut Self) -> T) -> T {
        let can_leave = std::mem::replace(&mut self.can_leave, false);
        let walked = walk(self);
        self.can_leave = can_leave;
        walked
    }

    /// A loop body begins where it ends. That context is determined first, and only then are its
    /// values checked.
    pub(super) fn walk_loop(
        &mut self,
        at: &Range<usize>,
        body: &[Node<'s>],
        otherwise: &[Node<'s>],
        before: Context,
    ) -> Walked {
        let mut start = before.clone();
        let is_trial = std::mem::replace(&mut self.is_trial, true);
        for round in 0.. {
            let next = self.round(at, body, &start)?;
            if next == start {
                break;
            }
            if round == MOST_ROUNDS {
                let message = "every round of this {% for %} begins in another context";
                return Err(self.problem_at(
                    self.tag(at),
                    message,
                    "let the loop print whole elements",
                ));
            }
            start = next;
        }
        self.is_trial = is_trial;
        if !is_trial {
            self.round(at, body, &start)?;
        }
        if otherwise.is_empty() {
            return Ok(start);
        }
        let end = self.nodes(otherwise, before)?;
        start.join(&end).ok_or_else(|| {
            let message = format!(
                "{{% for %}} and its {{% else %}} end in different contexts: {start} and {end}"
            );
            self.problem_at(
                self.tag(at),
                message,
                "make both open and close the same tags, attributes and quotes",
            )
        })
    }

    fn round(&mut self, at: &Range<usize>, body: &[Node<'s>], start: &Context) -> Walked {
        self.loops.push(Loop {
            start: start.clone(),
            left: Vec::new(),
        });
        let can_leave = std::mem::replace(&mut self.can_leave, true);
        let end = self.nodes(body, start.clone());
        self.can_leave = can_leave;
        let left = self.loops.pop().map(|open| open.left).unwrap_or_default();
        let mut joined = start.clone();
        for end in [end?].iter().chain(&left) {
            joined = joined.join(end).ok_or_else(|| {
                let message =
                    format!("the body of this {{% for %}} begins in {start} and ends in {end}");
                self.problem_at(
                    self.tag(at),
                    message,
                    "close in the loop what it opens: it may run any number of times, or not at all",
                )
            })?;
        }
        Ok(joined)
    }
}
