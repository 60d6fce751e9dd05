//! Descriptions of routes, from their handlers and rules:
//! [OpenAPI 3.1](https://spec.openapis.org/oas/v3.1.1.html).

mod access;
mod changes;
mod described;
mod document;
mod field_schema;
mod handler;
mod operation;
mod resource_schema;
mod schema;

pub(crate) use changes::{ApiChange, changes};
pub use described::{Answer, Described, Undescribed};
pub(crate) use document::{DescribedRoute, Info, document};
pub use handler::Operates;
pub use operation::Operation;
pub(crate) use operation::ResourceContent;
pub(crate) use resource_schema::Viewer;
pub use schema::{Schema, object_schema};
