//! HTTP primitives: client address, host, origin, cookies, redirects.
//!
//! Untrusted input is validated by parsing it into types here: [`HostPattern`], [`Origin`], [`ClientAddress`],
//! [`RedirectTarget`].

mod address;
mod allowance;
mod body;
pub mod client;
pub mod cookies;
mod filled_path;
mod host;
mod memory;
mod method;
mod networks;
mod origin;
mod range;
mod redirect;
mod settings;
#[cfg(test)]
mod tests;

pub use address::{
    ClientAddress, ClientNetwork, Entrance, ForwardedBy, Link, Peer, Scheme, TrustedProxies,
    UNIX_PEER, network, networks,
};
pub(crate) use address::{X_FORWARDED_FOR, is_forwarding};
pub use allowance::BodyAllowance;
pub use body::{BodyFate, BodyFault, BodyLimits, Received, SharedReceived};
pub use filled_path::{filled_path, parameters};
pub use host::{HostPattern, RequestHost};
pub use memory::{Held, MemoryBudget, NoRoom};
pub(crate) use method::known_method;
pub use networks::{ListError, Networks};
pub use origin::{Origin, OriginPattern};
pub(crate) use range::{Wanted, range_not_satisfiable};
pub use redirect::{RedirectTarget, is_safe_redirect, redirect_to};
pub use settings::{BlockMode, CHECKS, HttpSettings, InputLimits};
