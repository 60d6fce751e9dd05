use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A virtual patch: requests with all of these are refused until a date. There is no pattern
/// language: a part that is not named matches every request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BlockRule {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<String>,
    /// A path, or a template such as `/files/{name}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    /// A parameter of the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parameter: Option<String>,
    /// The name of a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) header: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<IpNet>,
}

/// The parts of a request that rules ask for.
pub(crate) struct Blockable<'a> {
    pub(crate) method: &'a str,
    pub(crate) query: &'a str,
    pub(crate) address: IpAddr,
    /// Whether the path is that of a template.
    pub(crate) is_path: &'a dyn Fn(&str) -> bool,
    pub(crate) has_header: &'a dyn Fn(&str) -> bool,
}

impl BlockRule {
    /// Whether it names nothing, and would refuse every request.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn blocks(&self, request: &Blockable<'_>) -> bool {
        let is_method = |method: &String| {
            let is_same = request.method.eq_ignore_ascii_case(method);
            // the handler of GET answers HEAD
            is_same || (request.method == "HEAD" && method.eq_ignore_ascii_case("GET"))
        };
        let is_in = |network: &IpNet| network.contains(&request.address);
        let has_parameter = |name: &String| {
            url::form_urlencoded::parse(request.query.as_bytes()).any(|(key, _)| key == **name)
        };
        self.method.as_ref().is_none_or(is_method)
            && self.address.as_ref().is_none_or(is_in)
            && self
                .path
                .as_ref()
                .is_none_or(|path| (request.is_path)(path))
            && self.parameter.as_ref().is_none_or(has_parameter)
            && self
                .header
                .as_ref()
                .is_none_or(|name| (request.has_header)(name))
    }
}
