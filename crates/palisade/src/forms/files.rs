//! Files in forms: the field, and the interface of the area that receives them.

use super::received_file::ReceivedFile;
use super::{FieldSpec, Part};
use crate::views::{RequestContext, Result};
use async_trait::async_trait;
use http::Extensions;
use std::sync::Arc;
use std::time::Duration;

/// Kind and size of the files of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileShape {
    /// Name of the kind.
    pub kind: &'static str,
    /// The `accept` attribute: extensions, separated by commas.
    pub accept: &'static str,
    /// Most bytes of a file.
    pub most_bytes: u64,
}

/// Receives the files of forms.
#[async_trait]
pub(crate) trait ReceiveFiles: Send + Sync {
    /// Receives a file; the inner error is a sentence for the visitor.
    async fn receive(
        &self,
        request: &Extensions,
        part: &mut Part<'_>,
        field: (&'static str, FileShape),
    ) -> Result<Result<ReceivedFile, String>>;

    /// The file that is held by this token for the visitor of the request and this field.
    async fn held(
        &self,
        request: &Extensions,
        token: &str,
        field: (&'static str, FileShape),
    ) -> Result<Option<ReceivedFile>>;

    /// Most bytes of a form with files, and the time for its body.
    fn limits(&self) -> (u64, Duration);
}

/// The receiver of a site, among the services of its views.
#[derive(Clone)]
pub(crate) struct FileReceiver(pub(crate) Arc<dyn ReceiveFiles>);

impl FileReceiver {
    pub(super) fn of(request: &Extensions) -> Option<Self> {
        let context = request.get::<RequestContext>()?;
        context.site().services.get().cloned()
    }
}

/// Whether one of these fields takes files.
pub(super) const fn has_files(fields: &[FieldSpec]) -> bool {
    let mut at = 0;
    while at < fields.len() {
        if fields[at].shape.file.is_some() {
            return true;
        }
        at += 1;
    }
    false
}

/// Most bytes of the files of these fields.
pub(super) fn most_file_bytes(fields: &[FieldSpec]) -> u64 {
    let bytes = |field: &FieldSpec| {
        let file = field.shape.file?;
        let count = u64::try_from(field.shape.max_count).ok()?;
        Some(file.most_bytes.saturating_mul(count))
    };
    fields.iter().filter_map(bytes).fold(0, u64::saturating_add)
}
