//! The baseline with the allocator that the helpdesk has: what of the difference is the allocator's.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot be made ends")]

mod site;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() {
    site::serve().await;
}
