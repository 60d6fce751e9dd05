//! The rows of the route table.

use http::Method;

/// One row of the route table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteInfo {
    /// Method.
    pub method: Method,
    /// Path with its parameters.
    pub path: String,
    /// Access rule.
    pub access: String,
    /// CSRF protection: `token`, `bearer` for API clients, which need none, `-` for safe methods and
    /// for requests whose authority is their body, or `OFF`.
    pub csrf: &'static str,
    /// Whether it belongs to the API.
    pub is_api: bool,
    /// Rate limits of the route that count requests with this method, such as `contact 5/h`.
    pub limits: Vec<String>,
    /// The handler.
    pub handler: &'static str,
    /// File and line.
    pub source: String,
}
