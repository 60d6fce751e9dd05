//! Exports of many rows, as CSV, JSON or, with the feature `xlsx`, XLSX: behind a rule of their own, limited and recorded (F081).
//!
//! ```
//! # mod ticket {
//! #     use palisade::entity::*;
//! #     use palisade::prelude::*;
//! #     #[sea_orm::model]
//! #     #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
//! #     #[sea_orm(table_name = "ticket")]
//! #     pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub owner_id: i32, pub subject: String }
//! #     impl ActiveModelBehavior for ActiveModel {}
//! #     impl Scoped for Entity {
//! #         fn rows(actor: &Actor, _: Verb) -> Rows<Self> { Rows::none().or("own", actor.owns(Column::OwnerId)) }
//! #     }
//! # }
//! use palisade::exports::{Export, export};
//! use palisade::prelude::*;
//!
//! #[derive(Permission, Clone, Copy)]
//! #[permission(app = "desk")]
//! enum May {
//!     ExportTickets,
//! }
//!
//! #[derive(Columns)]
//! #[columns(entity = ticket::Entity)]
//! struct TicketRow {
//!     id: i32,
//!     subject: String,
//! }
//!
//! async fn tickets(export: Export, rows: AllowedRows<ticket::Entity>) -> Result<Response> {
//!     export.csv::<_, TicketRow>("tickets", rows.find()).await
//! }
//!
//! let app = App::new()
//!     .permissions::<May>()
//!     .routes(Routes::new().route("/tickets.csv", export(May::ExportTickets).get(tickets)));
//! ```
//!
//! The rule [`export`] requires the permission and a login of the last hour, and admits
//! 20 exports of a user in an hour. [`Export`] works behind it only. Each export is an event
//! `exported` with the user, the path with its filter, the number of rows, and the SHA-256 of the
//! file. Cells of text that a spreadsheet would take for a formula begin with `'`.

mod csv;
mod export;
#[cfg(feature = "xlsx")]
mod xlsx;

pub use crate::permissions::export;
pub use export::Export;
pub(crate) use export::Format;
