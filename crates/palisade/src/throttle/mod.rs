//! Limits by rate. First cut: one limit for requests that change something, by client address, in this process.

mod rate;
mod settings;

pub use rate::RateLimit;
pub use settings::{CHECKS, ThrottleSettings};
