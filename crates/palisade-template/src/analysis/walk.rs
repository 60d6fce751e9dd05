//! One template, walked through from one context.

use super::splice::{Rewritten, is_in_raw, out_of_raw};
use super::{Around, Blocks, Context, Loop, Outcome, Problem, Set, Use, read};
use crate::context::{Edit, Escaper, Fault, Next, Pass, Scan};
use crate::error::{Place, Source};
use crate::tree::{Names, Node, Print, PrintKind, Tree};
use std::ops::Range;

pub(super) struct Walk<'w, 'a, 's> {
    pub(super) set: &'w mut Set<'a>,
    pub(super) source: Source<'s>,
    pub(super) pass: Pass,
    pub(super) start: Context,
    pub(super) edits: Vec<Edit>,
    pub(super) includes: Vec<String>,
    pub(super) blocks: Blocks,
    pub(super) inherited: Blocks,
    pub(super) is_child: bool,
    pub(super) is_parent_unknown: bool,
    /// The block that is walked through.
    pub(super) block: Option<String>,
    /// The loops that are open: where their bodies begin, and where `break` and `continue` left them.
    pub(super) loops: Vec<Loop>,
    /// Only the contexts are asked for: nothing is written down, and no escaper looked at.
    pub(super) is_trial: bool,
    /// Whether `break` may stand here.
    pub(super) can_leave: bool,
}

pub(super) type Walked = Result<Context, Problem>;

impl<'w, 'a, 's> Walk<'w, 'a, 's> {
    /// Walks, rewrites and verifies.
    pub(super) fn template(
        set: &'w mut Set<'a>,
        name: &str,
        start: &Context,
    ) -> Result<Outcome, Vec<Problem>> {
        let source = set.sources.get(name).cloned().unwrap_or_default();
        let text = read::without_token_tags(name, &source).map_err(|problem| vec![problem])?;
        let tree = read::tree(name, &text, &source).map_err(|problem| vec![problem])?;
        let named = Source {
            name,
            text: &source,
        };
        let mut problems = read::reserved_names(named, &tree.names);
        let mut walk = Walk::new(set, Source { name, text: &text }, Pass::Rewrite, start);
        let end = match walk.tree(&tree) {
            Ok(end) => end,
            Err(found) => {
                problems.extend(found);
                return Err(problems);
            }
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        let (edits, includes) = (walk.edits, walk.includes);
        let rewritten = Rewritten::new(name, &text, edits, includes).map_err(|at| {
            let message = "without the comment here, what stands around it would be a template tag";
            vec![Problem::at(
                named,
                at..at + 1,
                message,
                "put a space after the {",
            )]
        })?;
        let (end, blocks) = Self::verify(set, name, &rewritten, (start, &end))?;
        Ok(Outcome {
            end,
            blocks,
            rewritten,
        })
    }

    /// Parses the rewritten source, and checks that every value is escaped for its context, and
    /// that nothing is left to do. Its results for the end and the blocks count, because white
    /// space and comments may have been removed.
    fn verify(
        set: &'w mut Set<'a>,
        name: &str,
        rewritten: &Rewritten,
        (start, end): (&Context, &Context),
    ) -> Result<(Context, Blocks), Vec<Problem>> {
        let refuse = |set: &Set<'_>, why: &str| {
            let message = format!("this template cannot be verified: {why}");
            vec![set.problem(
                name,
                &message,
                "write it in a simpler way, and report this as a bug of the framework",
            )]
        };
        let tree = match read::tree(name, &rewritten.text, &rewritten.text) {
            Ok(tree) => tree,
            Err(problem) => return Err(refuse(set, &problem.to_string())),
        };
        let mut walk = Walk::new(
            set,
            Source {
                name,
                text: &rewritten.text,
            },
            Pass::Verify,
            start,
        );
        let found = walk.tree(&tree);
        let (change, blocks) = (
            walk.edits
                .first()
                .map(|edit| format!("{edit:?} is left to change")),
            walk.blocks,
        );
        match (found, change) {
            (Ok(found), None) if found.join(end).is_some() => Ok((found, blocks)),
            (Ok(found), None) => Err(refuse(set, &format!("it ends in {found} and not in {end}"))),
            (Ok(_), Some(change)) => Err(refuse(set, &change)),
            (Err(problems), _) => Err(refuse(
                set,
                &problems.iter().map(ToString::to_string).collect::<String>(),
            )),
        }
    }

    fn new(
        set: &'w mut Set<'a>,
        source: Source<'s>,
        pass: Pass,
        start: &Context,
    ) -> Walk<'w, 'a, 's> {
        Walk {
            set,
            source,
            pass,
            start: start.clone(),
            edits: Vec::new(),
            includes: Vec::new(),
            blocks: Blocks::new(),
            inherited: Blocks::new(),
            is_child: false,
            is_parent_unknown: false,
            block: None,
            loops: Vec::new(),
            is_trial: false,
            can_leave: false,
        }
    }

    fn tree(&mut self, tree: &Tree<'s>) -> Result<Context, Vec<Problem>> {
        let end = match Self::parent(&tree.nodes) {
            Some(Node::Extends { at, target }) => self.child(&tree.nodes, at, target)?,
            _ => self
                .nodes(&tree.nodes, self.start.clone())
                .map_err(|problem| vec![problem])?,
        };
        self.captures(&tree.names)
            .map_err(|problem| vec![problem])?;
        let last = self.source.text.trim_end().len();
        end.after_comments()
            .map_err(|fault| vec![self.fault(fault, last.saturating_sub(1)..last)])
    }

    pub(super) fn nodes(&mut self, nodes: &[Node<'s>], mut context: Context) -> Walked {
        for (index, node) in nodes.iter().enumerate() {
            context = self.node(node, nodes.get(index + 1), context)?;
        }
        Ok(context)
    }

    fn node(&mut self, node: &Node<'s>, next: Option<&Node<'s>>, context: Context) -> Walked {
        match node {
            Node::Text(text) => self.text(text, context),
            Node::Print(print) => self.print(print, follows(next), context),
            Node::If {
                at,
                then,
                otherwise,
            } => self.branches(at, then, otherwise, &context),
            Node::For {
                at,
                body,
                otherwise,
            } => self.walk_loop(at, body, otherwise, context),
            Node::Scope(body) => self.without_leaving(|walk| walk.nodes(body, context)),
            Node::Apart { at, body } => self.apart(at, body).map(|()| context),
            Node::Applied { at, what, body } => self.walk_applied(at, what, body, context),
            Node::Block { at, name, body } => self.block(at, name, body, context),
            Node::Include { at, target } => self.include(at, target, context),
            Node::Import {
                at,
                has_name: false,
                ..
            } => Err(self.problem_at(
                at.clone(),
                "an import without a name",
                "write {% import \"file.html\" as name %}",
            )),
            Node::Import { at, target, .. } => self.import(at, target).map(|()| context),
            Node::Extends { .. } if self.is_child => Ok(context),
            Node::Extends { at, .. } => Err(self.problem_at(
                at.clone(),
                "{% extends %} inside of something else",
                "let {% extends %} come first",
            )),
            Node::Leave { at } => self.leave(at, context),
            Node::Autoescape { at } => Err(self.problem_at(
                at.clone(),
                "escaping cannot be switched off or changed",
                "remove {% autoescape %}: every value is escaped for its place; HTML that you trust is a TrustedHtml",
            )),
            Node::Silent => Ok(context),
        }
    }

    fn text(&mut self, text: &'s str, mut context: Context) -> Walked {
        let start = text.as_ptr() as usize - self.source.text.as_ptr() as usize;
        let (first, is_raw) = (self.edits.len(), is_in_raw(self.source.text, start));
        let mut scan = Scan::new(&mut self.edits, self.set.rules, self.pass, start);
        if let Err(fault) = context.read(text, start, &mut scan) {
            let at = fault.at.unwrap_or(start);
            return Err(self.fault(fault, at..at + 1));
        }
        if self.is_trial {
            self.edits.truncate(first);
        }
        for edit in self.edits[first..]
            .iter_mut()
            .filter(|edit| is_raw && edit.insert.contains("{{"))
        {
            edit.insert = out_of_raw(&edit.insert);
        }
        Ok(context)
    }

    fn print(&mut self, print: &Print<'s>, next: Next, mut context: Context) -> Walked {
        // an expression that prints nothing is right everywhere; it was in a removed comment
        if self.pass == Pass::Verify && print.filter == Some(NOTHING) {
            return Ok(context);
        }
        let direct = match &print.kind {
            PrintKind::Value => None,
            PrintKind::Super => Some(
                self.super_block()
                    .ok_or("{{ super() }} without a block to take the place of"),
            ),
            PrintKind::Block(name) => Some(
                self.named_block(name)
                    .ok_or("a block that does not stand before this place"),
            ),
            PrintKind::Recurse => Some(
                self.loops
                    .last()
                    .map(|open| (open.start.clone(), open.start.clone()))
                    .ok_or("{{ loop(…) }} outside of a loop"),
            ),
        };
        match direct {
            None => {}
            Some(Err(message)) => {
                return Err(self.problem_at(
                    print.at.clone(),
                    message,
                    "name a block of this template or of one it extends",
                ));
            }
            Some(Ok((start, end)))
                if context.join(&start).is_some_and(|joined| joined == start) =>
            {
                return Ok(end);
            }
            // HTML is captured, and printed as its text
            Some(Ok((start, end))) if start.is_text_or_title() && end.is_text_or_title() => {}
            Some(Ok((start, _))) => {
                let message = format!("this prints what was written for {start}, in {context}");
                return Err(self.problem_at(
                    print.at.clone(),
                    message,
                    "print it where it was written for, or write it again here",
                ));
            }
        }
        let before = context.clone();
        let escaper = context.value(next).map_err(|fault| {
            let message = format!("{}: this is {before}", fault.message);
            self.fault(Fault { message, ..fault }, print.at.clone())
        })?;
        match self.pass {
            _ if self.is_trial => {}
            Pass::Rewrite => self.escape(print, escaper, &before),
            Pass::Verify => self.confirm(print, escaper)?,
        }
        Ok(context)
    }

    /// Puts the escaper after the expression.
    fn escape(&mut self, print: &Print<'s>, escaper: Option<Escaper>, context: &Context) {
        let Some(escaper) = escaper else { return };
        let open = print.start(self.source.text);
        let argument = if escaper.can_block() {
            format!("({})", self.set.uses.len())
        } else {
            String::new()
        };
        self.edit(open..open, "(");
        self.edit(
            print.at.end..print.at.end,
            format!(")|{}{argument}", escaper.filter()),
        );
        let place = Place::find(self.source.text, print.at.clone());
        let (name, element) = context.name_facts();
        self.set.uses.push(Use {
            template: self.source.name.to_owned(),
            line: place.line,
            column: place.column,
            expression: self.source.text[open..print.at.end].trim().to_owned(),
            context: context.to_string(),
            escaper,
            around: Around { name, element },
        });
    }

    fn confirm(&self, print: &Print<'s>, escaper: Option<Escaper>) -> Result<(), Problem> {
        let found = print.filter.filter(|name| name.starts_with(INTERNAL));
        let expected = escaper.map(Escaper::filter);
        if found == expected.as_deref() {
            return Ok(());
        }
        Err(self.problem_at(
            print.at.clone(),
            format!("{found:?} stands where {expected:?} belongs"),
            "",
        ))
    }

    fn branches(
        &mut self,
        at: &Range<usize>,
        then: &[Node<'s>],
        otherwise: &[Node<'s>],
        context: &Context,
    ) -> Walked {
        let one = self.nodes(then, context.clone())?;
        let two = self.nodes(otherwise, context.clone())?;
        one.join(&two).ok_or_else(|| {
            let message = format!("the branches of {{% if %}} end in different contexts: {one} and {two}");
            let help =
                "make every branch open and close the same tags, attributes and quotes, or move the whole element into each branch";
            self.problem_at(self.tag(at), message, help)
        })
    }

    /// Macros and `set` blocks are HTML text, wherever they are.
    fn apart(&mut self, at: &Range<usize>, body: &[Node<'s>]) -> Result<(), Problem> {
        let loops = std::mem::take(&mut self.loops);
        let end = self.without_leaving(|walk| walk.nodes(body, Context::default()));
        self.loops = loops;
        let end = end?;
        if end.is_text() {
            return Ok(());
        }
        let message = format!("what is written here begins in HTML text and ends in {end}");
        Err(self.problem_at(
            self.tag(at),
            message,
            "macros and {% set %} blocks hold whole elements; for a part of a tag use {% include %}",
        ))
    }

    fn walk_applied(
        &mut self,
        at: &Range<usize>,
        what: &str,
        body: &[Node<'s>],
        context: Context,
    ) -> Walked {
        if !context.is_text() {
            let message = format!("{what} in {context}");
            return Err(self.problem_at(
                self.tag(at),
                message,
                "capture it with {% set %} in HTML text, and print the name here",
            ));
        }
        self.apart(at, body)?;
        Ok(context)
    }

    /// Blocks and loops that are part of larger expressions are captured as HTML.
    fn captures(&self, names: &Names<'s>) -> Result<(), Problem> {
        for (name, at) in &names.captured_blocks {
            let contexts: Vec<(Context, Context)> = match name {
                Some(name) => self.named_block(name).into_iter().collect(),
                None => self.inherited.values().cloned().collect(),
            };
            if let Some((start, _)) = contexts
                .iter()
                .find(|(start, end)| !start.is_text_or_title() || !end.is_text_or_title())
            {
                let message =
                    format!("a block that was written for {start} is part of an expression");
                return Err(self.problem_at(
                    at.clone(),
                    message,
                    "print the block alone, where it was written for",
                ));
            }
        }
        match names.captured_loops.first() {
            None => Ok(()),
            Some(at) => Err(self.problem_at(
                at.clone(),
                "{{ loop(…) }} is part of an expression",
                "print it alone, in a place like that of the loop",
            )),
        }
    }

    pub(super) fn edit(&mut self, at: Range<usize>, insert: impl Into<String>) {
        if self.is_trial {
            return;
        }
        self.edits.push(Edit {
            at: at.start,
            remove: at.len(),
            insert: insert.into(),
        });
    }

    /// Comments are taken out, so that what is printed in them by others has no place.
    pub(super) fn outside_of_comments(
        &self,
        at: &Range<usize>,
        what: &str,
        context: &Context,
    ) -> Result<(), Problem> {
        if !context.is_taken_out() {
            return Ok(());
        }
        let message = format!("{what} in {context}, which is taken out of the page");
        Err(self.problem_at(
            self.tag(at),
            message,
            "for a comment that is not sent to the client write {# … #}",
        ))
    }

    /// The opening tag of a statement.
    pub(super) fn tag(&self, at: &Range<usize>) -> Range<usize> {
        let end = self.source.text[at.start..]
            .find("%}")
            .map_or(at.end, |found| at.start + found);
        at.start
            ..self.source.text[at.start..end]
                .trim_end_matches(['-', '+'])
                .trim_end()
                .len()
                + at.start
    }

    pub(super) fn problem_at(
        &self,
        at: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Problem {
        Problem::at(self.source, at, message, help)
    }

    pub(super) fn fault(&self, fault: Fault, at: Range<usize>) -> Problem {
        self.problem_at(at, fault.message, fault.help)
    }
}

fn follows(next: Option<&Node<'_>>) -> Next {
    match next {
        Some(Node::Text(text))
            if text.starts_with(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>')) =>
        {
            Next::Separator
        }
        _ => Next::Other,
    }
}

/// What the names of escapers begin with.
const INTERNAL: &str = "_palisade_";
const NOTHING: &str = "_palisade_nothing_bare";
