/// The policy of a page ([CSP level 3](https://www.w3.org/TR/CSP3/)): nothing but what is named, scripts by this nonce only.
///
/// `strict-dynamic` lets a trusted script load others, and makes browsers ignore hosts for scripts. There is no `unsafe-inline` and no
/// `unsafe-eval`, and no setting that adds them.
pub fn content_security_policy(nonce: &str, frames: super::Frames) -> String {
    let ancestors = match frames {
        super::Frames::Deny => "'none'",
        super::Frames::SameOrigin => "'self'",
    };
    format!(
        "default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic'; style-src 'self' 'nonce-{nonce}'; img-src 'self'; \
         font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; \
         frame-ancestors {ancestors}"
    )
}
