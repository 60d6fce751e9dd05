use crate::csrf::FormTokens;
use crate::permissions::CurrentActor;
use crate::views::Result;
use http::Extensions;
use palisade_crypto::random::stored_hash;
use std::sync::Arc;

/// The visitor who sends a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sender {
    pub(super) user_id: Option<i32>,
    /// Hash of the session that a file is held for; `None` without a session: it is held for
    /// no one then.
    pub(super) binding: Option<String>,
}

impl Sender {
    pub(super) async fn of(request: &Extensions) -> Result<Self> {
        let user_id = match request.get::<CurrentActor>() {
            Some(current) => current.load().await?.id(),
            None => None,
        };
        let tokens = request.get::<Arc<FormTokens>>();
        let binding = tokens.and_then(|tokens| tokens.bound_to().map(stored_hash));
        Ok(Self { user_id, binding })
    }
}
