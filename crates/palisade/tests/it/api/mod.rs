//! API clients: tokens, resources, described routes.

mod desk;
mod documents;
mod guide;
mod resources;
mod tokens;
mod webhooks;
