//! Walks through templates with a [`Context`], chooses the escaper of every value, and rewrites the
//! source accordingly.
//!
//! The rewritten source is parsed and walked through again: every value must then carry exactly the
//! escaper that its place requires, and nothing may be left to change. Both passes share the
//! context machine, but not the cut positions.

mod include;
mod inherit;
mod loops;
mod read;
mod run;
mod splice;
mod walk;

pub(crate) use include::NAME;
pub(crate) use run::{Part, RUN, Run, join};
pub(crate) use splice::Rewritten;

use crate::context::{Context, Escaper, Rules};
use crate::error::{Problem, Source};
use crate::escape::Around;
use std::collections::{BTreeMap, BTreeSet};
use walk::Walk;

/// A place where a value meets a context other than HTML text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// Name of the template.
    pub template: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The expression as it is written.
    pub expression: String,
    /// The context in words.
    pub context: String,
    pub(crate) escaper: Escaper,
    pub(crate) around: Around,
}

/// Templates that are ready for the engine.
#[derive(Default)]
pub(crate) struct Checked {
    /// By the name that the engine knows them under.
    pub(crate) templates: BTreeMap<String, Rewritten>,
    pub(crate) uses: Vec<Use>,
    /// Templates that begin and end in HTML text.
    pub(crate) pages: BTreeSet<String>,
    /// Why other templates cannot be rendered by themselves.
    pub(crate) partial: BTreeMap<String, Vec<Problem>>,
    pub(crate) problems: Vec<Problem>,
    /// Neighbours that are printed together.
    pub(crate) runs: Vec<Run>,
    /// The templates that a template extends, includes or imports.
    pub(crate) related: Related,
}

/// Names of templates, by the name of the one that uses them.
pub(crate) type Related = BTreeMap<String, BTreeSet<String>>;

/// Stands for every template, where the name is known only at render time.
pub(crate) const ANY: &str = "*";

/// An open loop: the context at its start, and those where an iteration ends.
struct Loop {
    start: Context,
    left: Vec<Context>,
}

/// Handling of unknown template names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Refused,
    /// At build time the templates of other crates are not known: their blocks are taken for HTML text.
    Assumed,
}

/// Checks templates, by name.
pub(crate) fn analyse(
    sources: &BTreeMap<String, String>,
    rules: &Rules,
    missing: Missing,
) -> Checked {
    let mut set = Set {
        sources,
        rules,
        missing,
        memo: BTreeMap::new(),
        numbers: Vec::new(),
        uses: Vec::new(),
        related: Related::new(),
        depth: 0,
        walks: 0,
    };
    let mut checked = Checked::default();
    let mut failed = BTreeMap::new();
    for name in sources.keys() {
        match set.template(name, &Context::default()) {
            Ok(outcome) if outcome.end.is_text() => {
                checked.pages.insert(name.clone());
            }
            Ok(outcome) => {
                failed.insert(
                    name.clone(),
                    vec![set.unfinished_problem(name, &outcome.end)],
                );
            }
            Err(problems) => {
                failed.insert(name.clone(), problems);
            }
        }
    }
    set.finish(checked, failed)
}

/// Result of a template in a context.
#[derive(Clone)]
struct Outcome {
    end: Context,
    blocks: Blocks,
    rewritten: Rewritten,
}

/// Contexts in which blocks begin and end.
type Blocks = BTreeMap<String, (Context, Context)>;

enum State {
    /// Being walked through; an include of itself is taken to end like this.
    Open {
        assumed: Box<Context>,
        is_used: bool,
    },
    Done(Box<Outcome>),
    Failed(Vec<Problem>),
}

type Key = (String, Context);

struct Set<'a> {
    sources: &'a BTreeMap<String, String>,
    rules: &'a Rules,
    missing: Missing,
    memo: BTreeMap<Key, State>,
    /// Templates in other contexts than HTML text; the place in the list is the number in the name.
    numbers: Vec<Key>,
    uses: Vec<Use>,
    related: Related,
    depth: usize,
    walks: usize,
}

/// What an include of a template comes to.
struct Included {
    end: Context,
    blocks: Blocks,
}

impl Set<'_> {
    /// Walks through a template from a context, once.
    fn template(&mut self, name: &str, start: &Context) -> Result<Included, Vec<Problem>> {
        let key = (name.to_owned(), start.clone());
        match self.memo.get_mut(&key) {
            Some(State::Done(outcome)) => {
                return Ok(Included {
                    end: outcome.end.clone(),
                    blocks: outcome.blocks.clone(),
                });
            }
            Some(State::Failed(problems)) => return Err(problems.clone()),
            Some(State::Open { assumed, is_used }) => {
                *is_used = true;
                return Ok(Included {
                    end: (**assumed).clone(),
                    blocks: Blocks::new(),
                });
            }
            None => {}
        }
        self.walks += 1;
        if self.depth == DEEPEST || self.numbers.len() > MOST_CONTEXTS || self.walks > MOST_WALKS {
            return Err(vec![self.problem(
                name,
                "includes lead too deep, or into ever new contexts",
                "let included templates end in the context they begin in, and include no more \
                    than 64 within each other",
            )]);
        }
        self.number(&key);
        self.depth += 1;
        let outcome = self.settle(&key);
        self.depth -= 1;
        let state = match &outcome {
            Ok(outcome) => State::Done(Box::new(outcome.clone())),
            Err(problems) => State::Failed(problems.clone()),
        };
        self.memo.insert(key, state);
        outcome.map(|outcome| Included {
            end: outcome.end,
            blocks: outcome.blocks,
        })
    }

    /// A template that includes itself is taken to end as it begins, and if it does not, as it then ended.
    fn settle(&mut self, key: &Key) -> Result<Outcome, Vec<Problem>> {
        let mut assumed = key.1.clone();
        for _ in 0..2 {
            let (before, uses) = (
                self.memo.keys().cloned().collect::<BTreeSet<_>>(),
                self.uses.len(),
            );
            self.memo.insert(
                key.clone(),
                State::Open {
                    assumed: Box::new(assumed.clone()),
                    is_used: false,
                },
            );
            let outcome = Walk::template(self, &key.0, &key.1)?;
            let is_used = matches!(self.memo.get(key), Some(State::Open { is_used: true, .. }));
            if !is_used || outcome.end == assumed {
                return Ok(outcome);
            }
            assumed = outcome.end;
            self.memo.retain(|known, _| before.contains(known));
            self.uses.truncate(uses);
        }
        Err(vec![self.problem(
            &key.0,
            "this template includes itself and ends in another context each time",
            "end it in the context it began in",
        )])
    }

    /// Records that a template extends, includes or imports another.
    fn relate(&mut self, name: &str, other: &str) {
        let others = self.related.entry(name.to_owned()).or_default();
        others.insert(other.to_owned());
    }

    /// The engine's name for a template in a context.
    fn number(&mut self, key: &Key) -> String {
        if key.1 == Context::default() {
            return key.0.clone();
        }
        let number = self
            .numbers
            .iter()
            .position(|known| known == key)
            .unwrap_or_else(|| {
                self.numbers.push(key.clone());
                self.numbers.len() - 1
            });
        format!("{}{MARK}{number}", key.0)
    }

    /// The template and context that an engine's name stands for.
    fn key_of(&self, name: &str) -> Key {
        let numbered = name
            .rsplit_once(MARK)
            .and_then(|(_, number)| self.numbers.get(number.parse::<usize>().ok()?));
        numbered
            .cloned()
            .unwrap_or_else(|| (name.to_owned(), Context::default()))
    }

    fn problem(&self, name: &str, message: &str, help: &str) -> Problem {
        let source = self.sources.get(name).map_or("", String::as_str);
        Problem::at(Source { name, text: source }, 0..0, message, help)
    }

    fn unfinished_problem(&self, name: &str, end: &Context) -> Problem {
        let source = self.sources.get(name).map_or("", String::as_str).trim_end();
        let message = format!("the template ends in {end}");
        Problem::at(
            Source { name, text: source },
            source.len().saturating_sub(1)..source.len(),
            message,
            "close every tag, attribute and quote",
        )
    }

    /// Templates that only other templates use, in their contexts, need not be pages.
    fn finish(mut self, mut checked: Checked, failed: BTreeMap<String, Vec<Problem>>) -> Checked {
        let mut used: BTreeSet<String> = BTreeSet::new();
        for (key, state) in std::mem::take(&mut self.memo) {
            let State::Done(outcome) = state else {
                continue;
            };
            if key.1 != Context::default() {
                used.insert(key.0.clone());
            }
            checked
                .templates
                .insert(self.number(&key), outcome.rewritten);
        }
        used.extend(
            checked
                .templates
                .values()
                .flat_map(|template| template.includes.iter().cloned()),
        );
        for (name, problems) in failed {
            if used.contains(&name) {
                checked.partial.insert(name, problems);
            } else {
                checked.problems.extend(
                    problems
                        .into_iter()
                        .filter(|problem| !checked.problems.contains(problem))
                        .collect::<Vec<_>>(),
                );
            }
        }
        checked.uses = self.uses;
        checked.related = self.related;
        checked
    }
}

/// Stands between a template's name and the number of its context; no file may have it in its name.
pub(crate) const MARK: char = '#';
/// Includes within includes.
const DEEPEST: usize = 64;
/// Contexts other than HTML text that templates are included in.
const MOST_CONTEXTS: usize = 1000;
/// Times that a template is walked through, all together: includes of each other in turn could take forever.
const MOST_WALKS: usize = 20_000;
