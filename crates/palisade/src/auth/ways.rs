use serde::Serialize;

/// Ways to log in beside a name and a password, as pages show them.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct LoginWays {
    /// Whether there is another one at all.
    pub(crate) are_any: bool,
    /// By a passkey alone.
    pub(crate) passkeys: bool,
    /// By a code that comes by mail.
    pub(crate) mail: bool,
    /// By other sites: name in addresses and for people.
    pub(crate) others: Vec<(String, String)>,
}
