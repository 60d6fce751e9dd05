//! Attacks on Palisade: every test sends requests through the whole pipeline.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod acme;
mod architecture;
mod attacks;
mod between;
mod bodies;
mod check;
mod circles;
mod compile_fail;
mod cors;
mod costs;
mod data;
mod degraded;
mod django_tables;
mod framing;
mod http2;
mod interrupted;
mod keys;
mod limits;
mod lists;
mod mail;
mod pairs;
mod policies;
mod reference;
mod reports;
mod server;
mod sessions;
mod site;
mod sqlite;
mod static_files;
mod strangers;
mod templates;
mod tls;
mod way;
mod well_known;
mod words;
