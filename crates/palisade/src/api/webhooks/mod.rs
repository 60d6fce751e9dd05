//! Webhooks of other sites, whose signature is the access rule of a route.

mod settings;
mod signed;
mod sources;

pub use settings::{WebhookSecret, WebhookSettings};
pub use signed::Signed;
pub use sources::WebhookScheme;
pub(crate) use sources::{DeclaredSource, SignedName, WebhookSources};
