//! Rate limits. The generic cell rate algorithm (GCRA), counted in this process or, for several
//! instances, in Redis.
//!
//! Two limits of the whole site are on by default (`throttle.requests`, `throttle.changes`). A
//! route or a group of routes can have its own:
//!
//! ```
//! use palisade::prelude::*;
//! use palisade::throttle::{By, Limit};
//!
//! async fn send() -> &'static str {
//!     "sent"
//! }
//!
//! let routes = Routes::<()>::new()
//!     .route("/contact", public().post(send).limit(Limit::new("contact", By::Address, "5/m, 50/d")));
//! ```
//!
//! A client that exceeds a rate limit gets 429 with `Retry-After` and the fields of
//! [RateLimit](https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/), and an
//! event is recorded.

mod limit;
mod lock_policy;
mod rate;
#[cfg(feature = "redis")]
mod redis;
mod settings;
mod store;
#[cfg(test)]
mod tests;

pub(crate) use limit::key;
pub use limit::{By, Limit, Outcome, Throttle, WhenUnreachable};
pub use lock_policy::{LockPolicy, LockState};
pub use rate::{Left, Rate, Rates};
#[cfg(feature = "redis")]
pub use redis::RedisStore;
pub use settings::{CHECKS, ThrottleSettings};
pub use store::{Count, CounterKey, CounterStore, MemoryStore, Revert, StoreDown};
