//! Includes: each included template is validated in the context of the include, and compiled
//! separately for it.

use super::walk::{Walk, Walked};
use super::{ANY, Context, MARK, Missing, Problem};
use crate::context::Pass;
use crate::tree::{Shape, Target};
use std::ops::Range;

/// The filter that computed names of templates go through.
pub(crate) const NAME: &str = "_palisade_name";

impl Walk<'_, '_, '_> {
    pub(super) fn include(
        &mut self,
        at: &Range<usize>,
        target: &Target,
        context: Context,
    ) -> Walked {
        self.outside_of_comments(at, "{% include %}", &context)?;
        let context = if context == Context::unreachable() {
            Context::default()
        } else {
            context
        };
        let (Some(names), Shape::Name | Shape::List) = (&target.names, target.shape) else {
            return self
                .include_computed(at, target, &context)
                .map(|()| context);
        };
        if let Some(name) = names
            .iter()
            .find(|name| self.pass == Pass::Rewrite && name.contains(MARK))
        {
            return Err(self.no_template(name, &target.at));
        }
        let (mut ends, mut written) = (Vec::new(), Vec::new());
        for name in names {
            let (end, name) = self.include_one(at, name, target, &context)?;
            ends.push(end);
            written.push(name);
        }
        if target.may_be_missing {
            ends.push(context.clone());
        }
        if written != *names && self.pass == Pass::Rewrite {
            let quoted: Vec<String> = written.iter().map(|name| format!("\"{name}\"")).collect();
            let list = if target.shape == Shape::List {
                format!("[{}]", quoted.join(", "))
            } else {
                quoted.join("")
            };
            self.edit(target.at.clone(), list);
        }
        let first = ends.first().cloned().unwrap_or(context);
        match ends.iter().find(|end| **end != first) {
            None => Ok(first),
            Some(other) => Err(self.problem_at(
                at.clone(),
                format!("what is included may end in {first} or in {other}"),
                "let the included templates, and none at all, end in the same context",
            )),
        }
    }

    /// Includes one template: the context that it ends in, and the name that the rewritten source
    /// includes it by.
    fn include_one(
        &mut self,
        at: &Range<usize>,
        name: &str,
        target: &Target,
        context: &Context,
    ) -> Result<(Context, String), Problem> {
        let (name, place) = self.checked_place(name, context);
        if place != *context {
            let message = format!("{name} is included in {context} and was checked in {place}");
            return Err(self.problem_at(at.clone(), message, ""));
        }
        if !self.set.sources.contains_key(&name) {
            self.absent(&name, target)?;
            return Ok((context.clone(), name));
        }
        let included = self
            .set
            .template(&name, context)
            .map_err(|problems| self.in_include(at, &name, &problems))?;
        self.includes.push(name.clone());
        self.set.relate(self.source.name, &name);
        let number = self.set.number(&(name, context.clone()));
        Ok((included.end, number))
    }

    /// The template of a name, and the context in which it was checked.
    fn checked_place(&self, name: &str, context: &Context) -> (String, Context) {
        let known = |name: &str| self.set.sources.contains_key(name) || name.contains(MARK);
        match self.pass {
            Pass::Rewrite => (name.to_owned(), context.clone()),
            Pass::Verify if !known(name) => (name.to_owned(), context.clone()),
            // the first round of a loop may have another context than the final one, which counts
            Pass::Verify if self.is_trial => (self.set.key_of(name).0, context.clone()),
            Pass::Verify => self.set.key_of(name),
        }
    }

    fn absent(&self, name: &str, target: &Target) -> Result<(), Problem> {
        let is_fine = target.may_be_missing
            || target.shape == Shape::List
            || self.set.missing == Missing::Assumed;
        if is_fine {
            Ok(())
        } else {
            Err(self.no_template(name, &target.at))
        }
    }

    /// The first problem of a template, which is only one here.
    fn in_include(&self, at: &Range<usize>, name: &str, problems: &[Problem]) -> Problem {
        let included = self.problem_at(
            at.clone(),
            format!("the included template {name} is refused"),
            "see its own error",
        );
        problems.first().cloned().unwrap_or(included)
    }

    /// A name that is known only at render time: the template must be a page by itself.
    fn include_computed(
        &mut self,
        at: &Range<usize>,
        target: &Target,
        context: &Context,
    ) -> Result<(), Problem> {
        if !context.is_text() {
            let message = format!("a template whose name is computed, in {context}");
            return Err(self.problem_at(
                at.clone(),
                message,
                "name the template, so that it can be checked for this place",
            ));
        }
        self.set.relate(self.source.name, ANY);
        match self.pass {
            Pass::Rewrite => {
                // the parser does not say where every expression begins; it begins behind the statement's word
                let start = at.start
                    + self.source.text[at.start..]
                        .bytes()
                        .take_while(u8::is_ascii_alphabetic)
                        .count();
                self.edit(start..start, "(");
                self.edit(target.at.end..target.at.end, format!(")|{NAME}"));
                Ok(())
            }
            Pass::Verify if target.filter.as_deref() == Some(NAME) => Ok(()),
            Pass::Verify => Err(self.problem_at(at.clone(), "a computed name is not checked", "")),
        }
    }

    pub(super) fn import(&mut self, at: &Range<usize>, target: &Target) -> Result<(), Problem> {
        let (Some(names), Shape::Name) = (&target.names, target.shape) else {
            return self.include_computed(at, target, &Context::default());
        };
        for name in names {
            if !self.set.sources.contains_key(name) {
                self.absent(name, target)?;
                continue;
            }
            self.set
                .template(name, &Context::default())
                .map_err(|problems| self.in_include(at, name, &problems))?;
            self.set.relate(self.source.name, name);
        }
        Ok(())
    }

    pub(super) fn no_template(&self, name: &str, at: &Range<usize>) -> Problem {
        self.problem_at(
            at.clone(),
            format!("there is no template {name:?}"),
            "check the name and the folder; names are relative to the folder of templates",
        )
    }
}
