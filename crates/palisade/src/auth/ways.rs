use serde::Serialize;

/// Ways to log in beside a name and a password, as pages show them.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct LoginWays {
    /// By a passkey alone.
    pub(crate) passkeys: bool,
}
