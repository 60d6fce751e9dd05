//! Comments of scripts: in elements they are taken out, in attributes they stay.

use super::markup::find_end_tag;
use super::{At, Script, ScriptKind, is_newline};
use crate::context::{Fault, Place};

impl Script {
    /// `<!--`, `-->` at the start of a line and `#!` are comments in classic scripts, `//` and `/*` everywhere.
    pub(super) fn comment_start(&self, rest: &str) -> Result<Option<(At, usize)>, Fault> {
        let length = match rest {
            _ if rest.starts_with("//") => return Ok(Some((At::LineComment, 2))),
            _ if rest.starts_with("/*") => return Ok(Some((At::BlockComment, 2))),
            _ if rest.starts_with("<!--") => 4,
            _ if rest.starts_with("-->") && self.line_is_blank => 3,
            // stays as it is: it can only be the first line
            _ if rest.starts_with("#!") => 2,
            _ => return Ok(None),
        };
        match self.kind {
            ScriptKind::Module | ScriptKind::Json | ScriptKind::Map => Err(Fault::new(
                "browsers disagree on what this is in a module",
                "write comments with // and put spaces between operators",
            )),
            _ => Ok(Some((At::LineComment, length))),
        }
    }

    pub(in crate::context) fn is_comment(&self) -> bool {
        matches!(self.at, At::LineComment | At::BlockComment)
    }

    pub(super) fn begin_comment(&mut self, comment: At, length: usize, place: &mut Place<'_, '_>) {
        self.comment_has_newline = false;
        self.at = comment;
        self.keeps_mark = false;
        if let Some((at, scan)) = place {
            // the engine takes white space away behind a template tag, and this comment kept its line break
            self.keeps_mark = comment == At::LineComment && scan.is_leading;
            match (self.keeps_mark, length) {
                (true, 2) => {}
                (true, _) => scan.replace(*at, length, "//"),
                (false, _) => scan.replace(*at, length, ""),
            }
        }
    }

    pub(super) fn line_comment(&mut self, rest: &str, place: &mut Place<'_, '_>) -> usize {
        let newline = rest.find(is_newline);
        let line = &rest[..newline.unwrap_or(rest.len())];
        let end_tag = if place.is_some() {
            find_end_tag(line, "script", &rest[line.len()..])
        } else {
            None
        };
        let length = end_tag.unwrap_or(line.len());
        if let Some((at, scan)) = place {
            scan.replace(*at, length, "");
        }
        if end_tag.is_some() || newline.is_some() {
            self.at = At::Code;
        }
        length
    }

    /// A comment counts as a space, or as a line break if it holds one.
    pub(super) fn block_comment(&mut self, rest: &str, place: &mut Place<'_, '_>) -> usize {
        let close = rest.find("*/");
        let inside = &rest[..close.unwrap_or(rest.len())];
        if let Some(end) =
            find_end_tag(inside, "script", &rest[inside.len()..]).filter(|_| place.is_some())
        {
            return end;
        }
        let length = close.map_or(rest.len(), |close| close + 2);
        self.comment_has_newline |= rest[..length].contains(is_newline);
        if let Some((at, scan)) = place {
            let insert = match (close, self.comment_has_newline) {
                (None, _) => "",
                (Some(_), true) => "\n",
                (Some(_), false) => " ",
            };
            scan.replace(*at, length, insert);
        }
        if close.is_some() {
            self.at = At::Code;
            self.in_word = false;
            self.sign = None;
            self.line_is_blank |= std::mem::take(&mut self.comment_has_newline);
        }
        length
    }

    /// A line comment of an element is gone with its line. Says whether another comment is open.
    pub(in crate::context) fn end_comment(&mut self) -> bool {
        if self.at == At::LineComment && !self.keeps_mark {
            self.at = At::Code;
        }
        self.is_comment()
    }
}
