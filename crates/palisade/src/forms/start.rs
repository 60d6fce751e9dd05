use super::input::{Pairs, RawError, pairs};
use axum::body::{Body, BodyDataStream, Bytes};
use bytes::BytesMut;
use futures_util::{StreamExt, stream};

/// The first bytes of a form: enough to find its token, however long the rest is.
pub(crate) struct FormStart {
    bytes: Bytes,
    /// Whether it is the whole form.
    pub(crate) is_whole: bool,
}

impl FormStart {
    /// Reads about `most` bytes of a body, and leaves the body intact.
    ///
    /// # Errors
    /// Errors of the body.
    pub(crate) async fn read(body: &mut Body, most: usize) -> Result<Self, axum::Error> {
        let mut rest = std::mem::take(body).into_data_stream();
        let (bytes, is_whole) = first_bytes(&mut rest, most).await?;
        *body = if is_whole {
            Body::from(bytes.clone())
        } else {
            let first = bytes.clone();
            Body::from_stream(stream::once(async { Ok(first) }).chain(rest))
        };
        Ok(Self { bytes, is_whole })
    }

    /// The form, if it is complete.
    pub(crate) fn whole(&self) -> Option<&[u8]> {
        self.is_whole.then_some(&self.bytes[..])
    }

    /// The complete fields.
    ///
    /// # Errors
    /// See [`RawError`].
    pub(crate) fn fields(&self, most: usize) -> Result<Pairs, RawError> {
        let end = self
            .bytes
            .iter()
            .rposition(|byte| *byte == b'&')
            .filter(|_| !self.is_whole)
            .unwrap_or(self.bytes.len());
        pairs(&self.bytes[..end], most)
    }
}

async fn first_bytes(body: &mut BodyDataStream, most: usize) -> Result<(Bytes, bool), axum::Error> {
    let Some(first) = body.next().await.transpose()? else {
        return Ok((Bytes::new(), true));
    };
    let mut bytes = BytesMut::from(first);
    while bytes.len() <= most {
        match body.next().await.transpose()? {
            Some(more) => bytes.extend_from_slice(&more),
            None => return Ok((bytes.freeze(), true)),
        }
    }
    Ok((bytes.freeze(), false))
}
