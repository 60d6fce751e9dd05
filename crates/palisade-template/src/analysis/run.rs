//! Joins neighbours: text and values that follow each other without a statement between them are printed by one call instead of one each.
//!
//! It is only about speed. What is joined was read and verified before; each value keeps its escaper, and the text between is copied.

use super::Checked;
use super::splice::Rewritten;
use crate::context::{Edit, Escaper};
use crate::tree::{Node, Print, PrintKind, read};
use std::collections::BTreeMap;
use std::ops::Range;

/// Values with the text before each.
#[derive(Clone, Default)]
pub(crate) struct Run {
    pub(crate) parts: Vec<Part>,
    /// Bytes of all text.
    pub(crate) length: usize,
}

#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) before: String,
    /// None is HTML text.
    pub(crate) escaper: Option<Escaper>,
    /// The number of the place, for escapers that are told.
    pub(crate) place: Option<usize>,
    /// Position in the author's source.
    pub(crate) at: Range<usize>,
}

/// Escapers by the names of their filters.
type Escapers = BTreeMap<String, Escaper>;

/// Joins what can be joined in all templates.
pub(crate) fn join(checked: &mut Checked) {
    let escapers: Escapers = Escaper::all()
        .map(|escaper| (escaper.filter(), escaper))
        .collect();
    for template in checked.templates.values_mut() {
        // what cannot be read is left to the engine, which says why
        let Ok(tree) = read(&template.text, &template.name) else {
            continue;
        };
        let mut joiner = Joiner {
            template,
            escapers: &escapers,
            runs: &mut checked.runs,
            edits: Vec::new(),
        };
        joiner.nodes(&tree.nodes);
        let edits = joiner.edits;
        *template = std::mem::take(template).apply_edits(edits);
    }
}

struct Joiner<'a> {
    template: &'a Rewritten,
    escapers: &'a Escapers,
    runs: &'a mut Vec<Run>,
    edits: Vec<Edit>,
}

impl Joiner<'_> {
    fn nodes(&mut self, nodes: &[Node<'_>]) {
        for run in nodes.chunk_by(|one, two| is_joined(one) && is_joined(two)) {
            match run {
                [
                    Node::If {
                        then, otherwise, ..
                    },
                ]
                | [
                    Node::For {
                        body: then,
                        otherwise,
                        ..
                    },
                ] => {
                    self.nodes(then);
                    self.nodes(otherwise);
                }
                [
                    Node::Scope(body)
                    | Node::Apart { body, .. }
                    | Node::Applied { body, .. }
                    | Node::Block { body, .. },
                ] => {
                    self.nodes(body);
                }
                _ => run.chunks(MOST_JOINED).for_each(|run| self.run(run)),
            }
        }
    }

    /// The text behind the last value stays: white space before a tag means something to the engine.
    fn run(&mut self, nodes: &[Node<'_>]) {
        let (mut run, mut text, mut prints, mut first_texts) =
            (Run::default(), String::new(), Vec::new(), Vec::new());
        for node in nodes {
            match node {
                Node::Text(piece) => {
                    text.push_str(piece);
                    if prints.is_empty() {
                        first_texts.push(*piece);
                    }
                }
                Node::Print(print) => {
                    run.length += text.len();
                    run.parts.push(self.part(print, std::mem::take(&mut text)));
                    prints.push(print);
                }
                _ => {}
            }
        }
        // the engine prints text faster by itself
        if run
            .parts
            .iter()
            .filter(|part| part.escaper.is_some())
            .count()
            > 1
        {
            self.join(&first_texts, &prints);
            self.runs.push(run);
        }
    }

    fn part(&self, print: &Print<'_>, before: String) -> Part {
        let at = self.template.original(print.at.start)..self.template.original(print.at.end);
        let argument = &self.template.text[self.value(print).end..print.at.end];
        let place = argument
            .split_once('(')
            .and_then(|(_, number)| number.trim_end().trim_end_matches(')').parse().ok());
        Part {
            before,
            escaper: escaper(self.escapers, print),
            place,
            at,
        }
    }

    /// Where an expression is without its escaper.
    fn value(&self, print: &Print<'_>) -> Range<usize> {
        let start = print.start(&self.template.text);
        let expression = &self.template.text[start..print.at.end];
        let filter = escaper(self.escapers, print).and_then(|_| expression.rfind("|_palisade_"));
        start..start + filter.unwrap_or(expression.len())
    }

    fn join(&mut self, first_texts: &[&str], prints: &[&Print<'_>]) {
        let [first, .., last] = prints else { return };
        for text in first_texts {
            let at = text.as_ptr() as usize - self.template.text.as_ptr() as usize;
            self.edits.push(Edit {
                at,
                remove: text.len(),
                insert: String::new(),
            });
        }
        self.replace(
            self.value(first).start..self.value(first).start,
            format!(" {}|{RUN}((", self.runs.len()),
        );
        for pair in prints.windows(2) {
            self.replace(
                self.value(pair[0]).end..self.value(pair[1]).start,
                "),(".into(),
            );
        }
        self.replace(self.value(last).end..last.at.end, "))".into());
    }

    fn replace(&mut self, place: Range<usize>, insert: String) {
        self.edits.push(Edit {
            at: place.start,
            remove: place.len(),
            insert,
        });
    }
}

/// Calls may print, or depend on what was printed before them: they are not joined.
fn is_joined(node: &Node<'_>) -> bool {
    match node {
        Node::Text(_) => true,
        Node::Print(print) => matches!(print.kind, PrintKind::Value) && !print.has_call,
        _ => false,
    }
}

fn escaper(escapers: &Escapers, print: &Print<'_>) -> Option<Escaper> {
    escapers.get(print.filter?).copied()
}

/// Most pieces of text and values of a run: calls of the engine have a limit for what they are given.
const MOST_JOINED: usize = 200;
/// The filter that prints a run.
pub(crate) const RUN: &str = "_palisade_run";
