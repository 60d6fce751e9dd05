//! The request of a change.

use crate::views::current_context;
use serde::{Deserialize, Serialize};

/// Address and id of a request, for the history.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) address: String,
    pub(crate) request: String,
}

impl Origin {
    /// Those of this request.
    pub(crate) fn current() -> Self {
        let Some(context) = current_context() else {
            return Self::default();
        };
        Self {
            address: context.client().0.to_string(),
            request: context.id().to_owned(),
        }
    }
}
