//! The baseline without Palisade: `bare DATABASE PORT`.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot be made ends")]

mod site;

#[tokio::main]
async fn main() {
    site::serve().await;
}
