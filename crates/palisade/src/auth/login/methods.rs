use serde::Serialize;

/// Login methods besides username and password, as pages show them.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct LoginMethods {
    /// Whether there is any.
    pub(crate) are_any: bool,
    /// By passkey.
    pub(crate) passkeys: bool,
    /// By a mailed code.
    pub(crate) mail: bool,
    /// By identity providers: id and display name.
    pub(crate) others: Vec<(String, String)>,
}
