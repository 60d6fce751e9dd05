//! Streams of a file's bytes: from disk, encrypted and decrypted.

use crate::storage::{ByteStream, Storage, StorageError, StorageKey};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};
use palisade_crypto::file::{CHUNK, FileOpener, FileSealer, chunk_count, sealed_range};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

/// The bytes of a file on disk, from where it stands.
pub(super) fn stream_of(file: File) -> ByteStream {
    ReaderStream::with_capacity(tokio::fs::File::from_std(file), CHUNK as usize).boxed()
}

/// The encrypted bytes of a file of `length` bytes.
pub(super) fn sealed(file: File, length: u64, sealer: FileSealer) -> ByteStream {
    let begin = (tokio::fs::File::from_std(file), Some(sealer), 0_u64);
    let next = move |(mut file, sealer, chunk): (tokio::fs::File, Option<FileSealer>, u64)| async move {
        let Some(mut sealer) = sealer else {
            return Ok(None);
        };
        let is_last = chunk + 1 == chunk_count(length);
        let size = if is_last {
            length - chunk * CHUNK
        } else {
            CHUNK
        };
        let mut plain = vec![0; usize::try_from(size).unwrap_or_default()];
        file.read_exact(&mut plain).await?;
        let (bytes, sealer) = match is_last {
            true => (sealer.last(&plain), None),
            false => (sealer.next(&plain), Some(sealer)),
        };
        Ok(Some((Bytes::from(bytes), (file, sealer, chunk + 1))))
    };
    stream::try_unfold(begin, next).boxed()
}

/// A stored file: its key in the storage, and its length before encryption.
pub(super) struct StoredBytes {
    pub(super) key: StorageKey,
    /// `None` for one that is not encrypted.
    pub(super) opener: Option<Arc<FileOpener>>,
    pub(super) length: u64,
}

/// The decrypted bytes of a range of a stored file. The stream fails where a chunk was changed.
pub(super) async fn opened(
    storage: &dyn Storage,
    stored: StoredBytes,
    range: Range<u64>,
) -> Result<ByteStream, StorageError> {
    if range.is_empty() {
        return Ok(stream::empty().boxed());
    }
    let Some(opener) = stored.opener else {
        return storage.read(&(&stored.key).into(), range).await;
    };
    let (first, last) = (range.start / CHUNK, (range.end - 1) / CHUNK);
    let begin = sealed_range(first, stored.length).start;
    let end = sealed_range(last, stored.length).end;
    let source = storage.read(&(&stored.key).into(), begin..end).await?;
    let state = (source, BytesMut::new(), first);
    let next = move |(mut source, mut held, chunk): (ByteStream, BytesMut, u64)| {
        let (opener, length, range) = (opener.clone(), stored.length, range.clone());
        async move {
            if chunk > last {
                return Ok(None);
            }
            let place = sealed_range(chunk, length);
            let wanted = usize::try_from(place.end - place.start).unwrap_or_default();
            while held.len() < wanted {
                match source.try_next().await? {
                    Some(piece) => held.extend_from_slice(&piece),
                    None => return Err(io::ErrorKind::UnexpectedEof.into()),
                }
            }
            let sealed = held.split_to(wanted);
            let plain = opener
                .open(chunk, &sealed, length)
                .map_err(io::Error::other)?;
            let part = within(chunk * CHUNK, plain, &range);
            Ok(Some((part, (source, held, chunk + 1))))
        }
    };
    Ok(stream::try_unfold(state, next).boxed())
}

/// The part of a chunk that begins at `begin` which is in the range.
fn within(begin: u64, chunk: Vec<u8>, range: &Range<u64>) -> Bytes {
    let inside = |at: u64| usize::try_from(at.saturating_sub(begin)).unwrap_or(usize::MAX);
    let (from, to) = (inside(range.start), inside(range.end).min(chunk.len()));
    Bytes::from(chunk).slice(from.min(to)..to)
}
