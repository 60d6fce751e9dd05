use crate::http::ClientAddress;
use http::HeaderMap;

/// The client of a login or of a guess.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) client: ClientAddress,
    pub(crate) headers: &'a HeaderMap,
}
