//! Users: sign-up, login, logout, change of password, in Django's tables.
//!
//! Every failed login does the same work, takes the same words and the same status, whether the name is known, unknown, inactive or
//! without a usable password. Hashing runs on a bounded pool, so that a flood of logins slows logins and nothing else.

mod accounts;
mod hashing;
mod migration;
mod settings;
mod user;
pub(crate) mod views;
mod visitor;

use accounts::Attempt;
pub use accounts::{Accounts, NewUser, SignUpError};
pub use hashing::{HashPool, TooBusy};
pub use migration::migrations;
pub use settings::{CHECKS, HasherKind, PasswordSettings};
pub use user::{Rank, User};
pub use visitor::Visitor;
