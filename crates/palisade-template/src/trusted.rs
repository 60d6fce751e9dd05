use minijinja::Value;

/// HTML that is printed as it is. Everything else is escaped.
#[derive(Debug, Clone)]
pub struct TrustedHtml(String);

impl TrustedHtml {
    /// Trusts `html`. `reason` says why nobody but the programmer can have written any part of it.
    ///
    /// # Security
    /// A value from outside in here is script injection.
    pub fn dangerous_from(html: impl Into<String>, reason: &'static str) -> Self {
        debug_assert!(!reason.trim().is_empty(), "say why this HTML can be trusted");
        Self(html.into())
    }
}

impl From<TrustedHtml> for Value {
    fn from(html: TrustedHtml) -> Self {
        Value::from_safe_string(html.0)
    }
}
