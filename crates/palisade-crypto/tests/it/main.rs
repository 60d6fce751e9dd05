//! Django's own answers, and attacks on what is signed.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fields;
mod rotation;
mod sealing;
mod vectors;
mod webhooks;
