//! The decisions of the admin, from the permissions that a user holds. Rows are judged by their
//! entity's policy, in each statement.

use super::action::ActionInfo;
use super::entry::Entry;
use super::{Column, Operation};
use crate::permissions::{Actor, PermissionName};

/// The result of a question about a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allow,
    /// The user sees the resource, and may not do this.
    Forbid,
    /// For this user the resource does not exist.
    Hide,
}

/// Whether a user who holds these permissions may use an operation. As in Django, a user who may
/// change rows may see them.
pub(crate) fn judge(
    holds: impl Fn(PermissionName) -> bool,
    entry: &Entry,
    operation: Operation,
) -> Verdict {
    let has = |operation| entry.has(operation) && holds(entry.permission(operation).into());
    let sees = has(Operation::View) || has(Operation::Change);
    match (sees, operation) {
        (false, _) => Verdict::Hide,
        (true, Operation::View) => Verdict::Allow,
        (true, operation) if !entry.has(operation) => Verdict::Hide,
        (true, operation) if has(operation) => Verdict::Allow,
        (true, _) => Verdict::Forbid,
    }
}

/// The same for an action.
pub(crate) fn judge_action(
    holds: impl Fn(PermissionName) -> bool,
    entry: &Entry,
    action: &ActionInfo,
) -> Verdict {
    match judge(&holds, entry, action.operation) {
        Verdict::Allow if action.permission.is_none_or(holds) => Verdict::Allow,
        Verdict::Allow => Verdict::Forbid,
        verdict => verdict,
    }
}

/// Whether a user sees a column.
pub(crate) fn may_see(column: &Column, holds: impl Fn(PermissionName) -> bool) -> bool {
    column.view.is_none_or(holds)
}

/// Whether a user changes a column, with the permission to change rows.
pub(crate) fn may_write(column: &Column, holds: impl Fn(PermissionName) -> bool) -> bool {
    !column.is_fixed && may_see(column, &holds) && column.change.is_none_or(holds)
}

impl Entry {
    /// The columns that an actor may see.
    pub(crate) fn visible(&self, actor: &Actor) -> Vec<&Column> {
        let is_visible = |column: &&Column| may_see(column, |name| actor.may(name));
        self.columns.iter().filter(is_visible).collect()
    }
}
