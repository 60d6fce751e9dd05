//! The audit log: entries of every security event, and the tampering that a verification names.

mod commands;
mod entries;
mod erasure;
mod life;
mod site;
mod tampering;
mod writers;
