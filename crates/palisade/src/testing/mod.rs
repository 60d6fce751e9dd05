//! A whole site in a test, with a client that behaves like a browser: [`TestSite`] and [`Client`].
//!
//! Every request takes the way that a visitor's takes, past the server's socket. The database is SQLite in a folder that is removed, or, for
//! [`TestDatabase::Postgres`], a database of its own on the server that `PALISADE_TEST_POSTGRES` names.

mod client;
mod log;
mod servers;
mod site;
pub mod vectors;

pub use client::{Answer, Client, interrupted};
pub use log::{events, events_of_this_thread};
pub use servers::{ran, server};
pub use site::{TestDatabase, TestSite, connect, new_postgres};
