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
mod authorizer;
mod caller;
mod current;
mod grants;
mod membership;
mod migration;
mod own_rights;
mod permission;
pub(crate) mod report;
mod rights;
mod roles;
mod rows;
mod rule;
mod rule_facts;
mod store;
#[cfg(test)]
mod tests;

pub use crate::forms::NOT_A_CHOICE;
pub use actor::Actor;
pub(crate) use authorizer::{Authorizer, Declarations};
pub use caller::Caller;
pub(crate) use caller::{OnBehalf, SignedBy};
pub(crate) use current::CurrentActor;
pub(crate) use grants::list::grant_tables;
pub use grants::tables::{GrantsTable, create_grants, drop_grants};
pub use grants::{Grant, Recipient};
pub use membership::Membership;
pub use migration::migrations;
pub(crate) use own_rights::OwnRights;
pub use permission::{DeclaredPermission, Permission, PermissionName, table_of};
pub use roles::Role;
pub(crate) use roles::escalation::{AccountChange, Authority};
pub(crate) use roles::groups::{
    create_group, delete_group, grant_group, list_groups, revoke_group,
};
pub(crate) use roles::{RoleDifference, Roles};
pub use rows::access::{Key, RowAccess};
pub use rows::allowed::{Allowed, Change, Delete, OnRow, View};
pub use rows::allowed_rows::AllowedRows;
pub(crate) use rows::explain::{EntityPolicy, GrantChange, PolicyOf};
pub use rows::export::Export;
pub use rows::pick::{Labelled, Pick};
pub use rows::reference::{Ref, RowReference};
pub(crate) use rows::table::{Change as TableChange, PureChange, Table, TableOf, key_text};
pub use rows::table::{Fill, Guard, Judge};
pub use rows::{RowCondition, Rows, Scoped, Verb};
pub(crate) use rule::ExportRule;
pub(crate) use rule::documented;
pub use rule::{
    Access, Policy, Verdict, can, export, member_of, public, signed_by, signed_in, staff, token,
    when,
};
pub(crate) use rule::{Question, admin_export, admin_staff, admin_staff_now, owner};
pub(crate) use store::{EndingMembership, grant, join_until, missing, revoke, set_member};
pub use store::{ensure, forget, of_user};
