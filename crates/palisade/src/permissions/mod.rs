//! Authorization: the access rule of every route, and permissions of users and groups.
//!
//! ```
//! use palisade::prelude::*;
//! # async fn page() {}
//! let routes: Routes = Routes::new()
//!     .route("/", public().get(page))
//!     .route("/tickets", signed_in().get(page).post(page))
//!     .route("/queue", staff().and(can("helpdesk.work_queue")).get(page))
//!     .route("/early", when("early birds", |user, _| user.is_some_and(|user| user.id < 100)).get(page));
//! ```

mod actor;
mod allowed;
mod caller;
mod current;
mod escalation;
mod explain;
mod grant_store;
mod grants;
mod groups;
mod guardian;
mod migration;
mod own_rights;
mod permission;
pub(crate) mod report;
mod rights;
mod roles;
mod row_access;
mod rows;
mod rule;
mod store;
#[cfg(test)]
mod tests;
mod uses;

pub use actor::Actor;
pub use allowed::{Allowed, Change, Delete, OnRow, View};
pub use caller::Caller;
pub(crate) use current::CurrentActor;
pub(crate) use escalation::{AccountChange, Holdings, judge};
pub(crate) use explain::{EntityPolicy, PolicyOf};
pub use grant_store::{create_grants, drop_grants};
pub use grants::{Grant, Recipient};
pub(crate) use groups::{create_group, delete_group, grant_group, list_groups, revoke_group};
pub use migration::migrations;
pub(crate) use own_rights::OwnRights;
pub use permission::{DeclaredPermission, Permission, PermissionName, table_of};
pub use roles::Role;
pub(crate) use roles::{RoleDifference, Roles};
pub use row_access::{Key, RowAccess};
pub use rows::{RowCondition, Rows, Scoped, Verb};
pub use rule::{Access, Policy, Verdict, can, member_of, public, signed_in, staff, token, when};
pub(crate) use rule::{Question, owner};
pub(crate) use store::{EndingMembership, grant, join_until, missing, revoke, set_member};
pub use store::{ensure, forget, of_user};
pub(crate) use uses::Authorizer;
