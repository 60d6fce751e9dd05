//! The cost of the protections: the helpdesk's pages compared with bare axum and Django (`pages`),
//! templates with the engine alone (`templates`), block lists (`lists`), user enumeration
//! (`identity`), a page migrated from Django (`beside`), lists by a policy
//! (`rows`), encrypted columns (`encrypted`), the audit log (`audit`), lists of the admin
//! (`admin`), uploads and backups (`files`). Alternating rounds, medians, ratios.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot be made ends")]

mod admin;
mod audit;
mod beside;
mod encrypted;
mod files;
mod identity;
mod lists;
mod load;
mod pages;
mod rows;
mod templates;

const HOST: &str = "desk.example.org";
const ROUNDS: usize = 5;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("templates") => templates::measure(),
        Some("lists") => lists::measure(),
        Some("identity") => identity::measure().await,
        Some("pages") => pages::measure().await,
        Some("beside") => beside::measure(),
        Some("rows") => rows::measure().await,
        Some("admin") => admin::measure().await,
        Some("audit") => audit::measure().await,
        Some("files") => files::measure().await,
        Some("encrypted") => encrypted::measure().await,
        Some(other) => panic!(
            "{other} is not measured: pages, beside, templates, lists, identity, rows, encrypted, audit, admin, files, or nothing for all"
        ),
        None => {
            templates::measure();
            lists::measure();
            identity::measure().await;
            pages::measure().await;
            beside::measure();
            rows::measure().await;
            encrypted::measure().await;
            audit::measure().await;
            admin::measure().await;
            files::measure().await;
        }
    }
}
