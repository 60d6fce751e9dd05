//! Authorization: the access rule of every route, and permissions of users and groups.
//!
//! ```
//! use palisade::prelude::*;
//! # async fn page() {}
//! let routes: Routes = Routes::new()
//!     .route("/", public().get(page))
//!     .route("/tickets", signed_in().get(page).post(page))
//!     .route("/queue", staff().and(can("helpdesk.work_queue")).get(page))
//!     .route("/early", when("early birds", |user, _| user.is_some_and(|user| user.id < 100)).get(page));
//! ```

mod caller;
mod rule;
mod store;
#[cfg(test)]
mod tests;

pub use caller::Caller;
pub use rule::{Access, Policy, Verdict, can, public, signed_in, staff, token, when};
pub(crate) use rule::{Question, owner};
pub use store::{ensure, forget, of_user};
pub(crate) use store::{grant, revoke, set_member};
