//! API clients: tokens, resources, described routes.

mod desk;
mod resources;
mod tokens;
