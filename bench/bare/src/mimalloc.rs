//! The baseline with the helpdesk's allocator, to separate the allocator's share of the difference.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot be made ends")]

mod site;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() {
    site::serve().await;
}
