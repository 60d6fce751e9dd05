//! The admin: a back office that is safe to leave on (F004, F053).
//!
//! A resource is a struct that lists the columns of an entity. A column that is not listed is not read;
//! one that a user cannot see cannot be filtered, ordered, searched, exported or guessed; and each write
//! is judged as its page is.
//!
//! ```
//! # mod ticket {
//! #     use palisade::entity::*;
//! #     use palisade::prelude::*;
//! #     #[sea_orm::model]
//! #     #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
//! #     #[sea_orm(table_name = "helpdesk_ticket")]
//! #     pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub subject: String, pub body: String, pub opened_at: DateTimeUtc }
//! #     impl ActiveModelBehavior for ActiveModel {}
//! #     impl Scoped for Entity {
//! #         fn rows(actor: &Actor, _: Verb) -> Rows<Self> { Rows::none().or("staff", actor.is_staff()) }
//! #     }
//! # }
//! use palisade::prelude::*;
//!
//! #[derive(Admin)]
//! #[admin(of = ticket::Entity, order = "-opened_at")]
//! struct Tickets {
//!     #[admin(list, search)]
//!     subject: Line<120>,
//!     body: Text<10_000>,
//!     #[admin(list, filter, fixed)]
//!     opened_at: Moment,
//! }
//!
//! let app = App::new().entity::<ticket::Entity>().admin(Admin::new().resource::<Tickets>());
//! ```
//!
//! # Security
//! 1. The admin is a page of staff with a second factor and a login of the last twelve hours; all
//!    others get the 404 of an unknown path. Its path cannot be guessed, unless `admin.path` sets it.
//! 2. A user needs the permission of the operation (`helpdesk.view_ticket`, `add_`, `change_`,
//!    `delete_`, `export_`, `import_`: rows of Django's `auth_permission`), and the policy of the
//!    entity must select the row, in the very statement that reads or writes it.
//! 3. Secrets, encrypted columns, passwords and texts without a limit are no fields: they do not compile.
//! 4. Every change is in the history with the values before and after, in the transaction of the
//!    change, and an event of the audit log.

mod action;
mod assets;
mod bin;
mod built_in;
pub(crate) mod bulk;
mod column;
mod count;
mod desk;
mod diff;
mod django_log;
mod entry;
mod form;
mod history;
pub(crate) mod list;
mod migration;
mod operation;
mod origin;
pub(crate) mod pages;
mod personal;
mod policy;
mod proposal;
mod resource;
mod selection;
mod settings;
mod site;
mod store;
mod tile;
mod transaction;
mod work;

pub use crate::permissions::{Fill, Guard};
pub use action::Action;
pub(crate) use assets::{files, templates};
pub use built_in::{group, user};
pub use column::Column;
pub(crate) use entry::Entry;
pub use migration::migrations;
pub use operation::Operation;
pub(crate) use personal::OwnHistory;
pub use resource::{Description, Resource};
pub use settings::{AdminSettings, CHECKS};
pub use site::Admin;
pub(crate) use site::{AdminSite, path_of};
pub use tile::Tile;

use crate::db::SealedColumn;

/// The encrypted columns of the admin, for key rotation.
pub(crate) const SEALED: [SealedColumn; 2] = [bin::SEALED, proposal::SEALED];
