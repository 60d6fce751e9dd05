use http::Method;

/// The methods that a site answers: those of
/// [RFC 9110 section 9](https://www.rfc-editor.org/rfc/rfc9110#section-9) without CONNECT and TRACE,
/// and PATCH.
const KNOWN: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

/// The method, if a site answers it. Others are names that a client has made up.
pub(crate) fn known_method(method: &Method) -> Option<&'static Method> {
    const ALL: &[Method] = &KNOWN;
    ALL.iter().find(|known| *known == method)
}
