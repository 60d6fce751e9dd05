//! Changes to a source, and the way back from the changed text to what the author wrote.

use crate::context::Edit;

/// A template as the engine gets it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rewritten {
    /// The file it is made from.
    pub(crate) name: String,
    pub(crate) text: String,
    /// Where pieces of the original begin: offset here, offset there.
    anchors: Vec<(usize, usize)>,
    /// Files that it includes, by their own names.
    pub(crate) includes: Vec<String>,
    /// The source before the last edits.
    before: Option<Box<Rewritten>>,
}

impl Rewritten {
    /// Applies edits, which do not overlap.
    ///
    /// # Errors
    /// The place where what is left and right of a removed comment would become a template tag.
    pub(crate) fn new(
        name: &str,
        source: &str,
        mut edits: Vec<Edit>,
        includes: Vec<String>,
    ) -> Result<Self, usize> {
        edits.sort_by_key(|edit| edit.at);
        let mut text = String::with_capacity(
            source.len() + edits.iter().map(|edit| edit.insert.len()).sum::<usize>(),
        );
        let (mut anchors, mut at) = (vec![(0, 0)], 0);
        for edit in edits {
            text.push_str(&source[at..edit.at.max(at)]);
            anchors.push((text.len(), edit.at));
            text.push_str(&edit.insert);
            at = at.max(edit.at + edit.remove);
            let joins = edit.insert.is_empty()
                && text.ends_with('{')
                && source[at..].starts_with(['{', '%', '#']);
            if joins {
                return Err(edit.at);
            }
            anchors.push((text.len(), at));
        }
        text.push_str(&source[at..]);
        // the engine takes one line break from the end of a file, which was not the end before
        if text.ends_with('\n') && !source.ends_with('\n') {
            text.push('\n');
        }
        Ok(Self {
            name: name.to_owned(),
            text,
            anchors,
            includes,
            before: None,
        })
    }

    /// The same with more edits.
    pub(crate) fn apply_edits(self, edits: Vec<Edit>) -> Self {
        match Self::new(&self.name, &self.text, edits, self.includes.clone()) {
            Ok(edited) => Self {
                before: Some(Box::new(self)),
                ..edited
            },
            Err(_) => self,
        }
    }

    /// The offset in the author's source.
    pub(crate) fn original(&self, offset: usize) -> usize {
        let offset = self.offset_before(offset);
        self.before
            .as_ref()
            .map_or(offset, |before| before.original(offset))
    }

    fn offset_before(&self, offset: usize) -> usize {
        let next = self.anchors.partition_point(|(here, _)| *here <= offset);
        let (here, there) = self.anchors[next.saturating_sub(1)];
        let limit = self
            .anchors
            .get(next)
            .map_or(usize::MAX, |(_, there)| *there);
        (there + offset - here).min(limit)
    }
}

/// Whether the text at an offset stands in a raw block: then a printed expression has to leave it and come back.
pub(crate) fn is_in_raw(source: &str, text_start: usize) -> bool {
    let before = source[..text_start].trim_end();
    let tag = before
        .strip_suffix("%}")
        .map(|tag| tag.trim_end_matches(['-', '+']).trim_end());
    let word = tag
        .and_then(|tag| tag.strip_suffix("raw"))
        .map(|tag| tag.trim_end().trim_end_matches(['-', '+']).trim_end());
    word.is_some_and(|tag| tag.ends_with("{%"))
}

/// Leaves a raw block for a printed expression.
pub(crate) fn out_of_raw(insert: &str) -> String {
    format!("{{%+ endraw +%}}{insert}{{%+ raw +%}}")
}
