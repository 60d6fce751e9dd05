//! A whole site in a test, with a browser-like client: [`TestSite`] and [`Client`].
//!
//! Requests pass the whole pipeline after the server's socket. The database is SQLite in a
//! temporary folder, or, for [`TestDatabase::Postgres`], a temporary database on the server of
//! `PALISADE_TEST_POSTGRES`.

mod admin;
mod caller;
mod client;
mod crawl;
mod files;
mod log;
mod servers;
mod site;
pub mod vectors;

pub use admin::{AdminColumn, AdminResource};
pub use client::{Answer, Client, PASSWORD, interrupt_after};
pub use crawl::{Crawl, CrawlReport};
pub use files::SentFile;
pub use log::{events, events_of_this_thread};
pub use servers::{ran, server};
pub use site::{TestDatabase, TestSite, connect, new_postgres};
