//! Inheritance: an overriding block must begin and end in the contexts of the overridden one.

use super::walk::Walk;
use super::{Context, Missing, Problem};
use crate::tree::{Node, Target};
use std::ops::Range;

impl<'s> Walk<'_, '_, 's> {
    /// The statement that makes this template a child, if it has one.
    pub(super) fn parent<'t>(nodes: &'t [Node<'s>]) -> Option<&'t Node<'s>> {
        nodes
            .iter()
            .find(|node| matches!(node, Node::Extends { .. }))
    }

    /// Walks through a child template: content outside of its blocks is not printed.
    pub(super) fn child(
        &mut self,
        nodes: &[Node<'s>],
        at: &Range<usize>,
        target: &Target,
    ) -> Result<Context, Vec<Problem>> {
        let is_printed = |node: &Node<'_>| match node {
            Node::Text(text) => !text.trim().is_empty(),
            Node::Silent | Node::Apart { .. } | Node::Import { .. } | Node::Extends { .. } => false,
            _ => true,
        };
        let first = nodes
            .iter()
            .take_while(|node| !matches!(node, Node::Extends { .. }))
            .find(|node| is_printed(node));
        if first.is_some() {
            return Err(vec![self.problem_at(
                at.clone(),
                "something is printed before {% extends %}",
                "let {% extends %} come first",
            )]);
        }
        if self.start != Context::default() {
            let message = format!(
                "a template that extends another is included in {}",
                self.start
            );
            return Err(vec![self.problem_at(
                at.clone(),
                message,
                "include it in HTML text, or make its content a template of its own",
            )]);
        }
        let Some(names) = &target.names else {
            let help = "name the template, or choose between two: {% extends \"a.html\" if x else \"b.html\" %}";
            return Err(vec![self.problem_at(
                at.clone(),
                "the name of the extended template is computed",
                help,
            )]);
        };
        let mut end = Context::default();
        for name in names {
            end = self.inherit(name, &target.at)?;
        }
        self.is_child = true;
        self.nodes(nodes, Context::unreachable())
            .map_err(|problem| vec![problem])?;
        let inherited = std::mem::take(&mut self.inherited);
        for (name, contexts) in inherited {
            self.blocks.entry(name).or_insert(contexts);
        }
        Ok(end)
    }

    fn inherit(&mut self, name: &str, at: &Range<usize>) -> Result<Context, Vec<Problem>> {
        if !self.set.sources.contains_key(name) {
            return match self.set.missing {
                Missing::Assumed => {
                    self.is_parent_unknown = true;
                    Ok(Context::default())
                }
                Missing::Refused => Err(vec![self.no_template(name, at)]),
            };
        }
        let parent = self.set.template(name, &Context::default())?;
        self.set.relate(self.source.name, name);
        for (block, contexts) in parent.blocks {
            if self
                .inherited
                .get(&block)
                .is_some_and(|known| *known != contexts)
            {
                let message = format!("the block {block} is in another context in {name}");
                return Err(vec![self.problem_at(
                    at.clone(),
                    message,
                    "let the parents have their blocks in the same places",
                )]);
            }
            self.inherited.insert(block, contexts);
        }
        Ok(parent.end)
    }

    /// A block, where it stands or where the parent has it.
    pub(super) fn block(
        &mut self,
        at: &Range<usize>,
        name: &str,
        body: &[Node<'s>],
        here: Context,
    ) -> Result<Context, Problem> {
        self.outside_of_comments(at, "{% block %}", &here)?;
        let inherited = self.inherited.get(name).cloned();
        let is_outermost = self.is_child && self.block.is_none();
        let start = match &inherited {
            Some((start, _)) if is_outermost => start.clone(),
            Some((start, _)) if *start != here => {
                let message = format!(
                    "the block {name} is in {here} here, and in {start} in the template it comes \
                        from"
                );
                return Err(self.problem_at(
                    at.clone(),
                    message,
                    "give the block here another name",
                ));
            }
            None if is_outermost => Context::default(),
            _ => here.clone(),
        };
        let outer = self.block.replace(name.to_owned());
        let loops = std::mem::take(&mut self.loops);
        let can_leave = std::mem::replace(&mut self.can_leave, false);
        let end = self.nodes(body, start.clone());
        self.can_leave = can_leave;
        self.block = outer;
        self.loops = loops;
        let end = end?
            .after_block()
            .after_comments()
            .map_err(|fault| self.fault(fault, at.clone()))?;
        let expected = match &inherited {
            Some((_, expected)) => Some(expected.clone()),
            None if is_outermost => Some(Context::default()),
            None => None,
        };
        if let Some(expected) = expected.filter(|expected| *expected != end) {
            let message = format!(
                "the block {name} begins in {start} and has to end in {expected}, but ends in {end}"
            );
            return Err(self.problem_at(
                at.clone(),
                message,
                "close in the block what it opens, and open what it closes",
            ));
        }
        self.blocks.insert(name.to_owned(), (start, end.clone()));
        Ok(if is_outermost { here } else { end })
    }

    /// The contexts of the block that `super()` prints.
    pub(super) fn super_block(&self) -> Option<(Context, Context)> {
        let name = self.block.as_ref()?;
        if self.is_parent_unknown && !self.inherited.contains_key(name) {
            return Some((Context::default(), Context::default()));
        }
        self.inherited.get(name).cloned()
    }

    /// The contexts of a block by name.
    pub(super) fn named_block(&self, name: &str) -> Option<(Context, Context)> {
        let known = self
            .blocks
            .get(name)
            .or_else(|| self.inherited.get(name))
            .cloned();
        known.or_else(|| {
            self.is_parent_unknown
                .then(|| (Context::default(), Context::default()))
        })
    }
}
