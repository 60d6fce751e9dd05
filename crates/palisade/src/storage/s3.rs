//! A bucket of an S3-compatible storage.

use super::{Answer, ByteStream, ObjectName, S3Url, Storage, StorageError, StorageKeys};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut};
use object_store::path::Path;
use object_store::{
    ClientOptions, Error, GetOptions, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode,
    RetryConfig,
};
use palisade_crypto::presigned::{Addressing, Bucket, Link};
use std::io;
use std::ops::Range;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Private objects, which are never overwritten.
pub(super) struct S3 {
    store: AmazonS3,
    url: S3Url,
    keys: StorageKeys,
    /// Uploads at the same time: each holds a part in memory.
    turns: Semaphore,
}

/// Bytes of a request; a longer object is sent in parts of this size.
const PART: usize = 8 * 1024 * 1024;
const MOST_UPLOADS: usize = 8;
const CONNECT: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_secs(30);

impl S3 {
    pub(super) fn new(url: S3Url, keys: StorageKeys) -> Result<Self, StorageError> {
        // a request takes as long as its body, but not longer without a byte
        let client = ClientOptions::new()
            .with_connect_timeout(CONNECT)
            .with_timeout_disabled()
            .with_read_timeout(SILENCE);
        let retry = RetryConfig {
            max_retries: 2,
            retry_timeout: SILENCE,
            ..RetryConfig::default()
        };
        // only the URL, which is checked, decides on TLS
        let is_plain = |endpoint: &String| endpoint.starts_with("http:");
        let mut builder = AmazonS3Builder::new()
            .with_client_options(client)
            .with_retry(retry)
            .with_allow_http(url.endpoint.as_ref().is_some_and(is_plain))
            .with_bucket_name(&url.bucket)
            .with_region(&url.region)
            .with_conditional_put(S3ConditionalPut::ETagMatch);
        if let Some(endpoint) = &url.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let (Some(access), Some(secret)) = (&keys.access_key, &keys.secret_key) {
            builder = builder.with_access_key_id(access);
            builder = builder.with_secret_access_key(secret.expose());
        }
        if let Some(token) = &keys.session_token {
            builder = builder.with_token(token.expose());
        }
        Ok(Self {
            store: builder.build().map_err(failed)?,
            url,
            keys,
            turns: Semaphore::new(MOST_UPLOADS),
        })
    }

    fn path(&self, name: &ObjectName) -> Path {
        Path::from(self.url.key(name))
    }

    /// The rest of an object of more than one part.
    async fn put_parts(&self, path: &Path, parts: Parts) -> Result<(), StorageError> {
        // storages compare only whole requests: names are random, so this finds mistakes, not races
        match self.store.head(path).await {
            Err(Error::NotFound { .. }) => {}
            Ok(_) => return Err(StorageError::Exists),
            Err(error) => return Err(failed(error)),
        }
        let mut upload = self.store.put_multipart(path).await.map_err(failed)?;
        match send_parts(&mut *upload, parts).await {
            Ok(()) => upload.complete().await.map(drop).map_err(failed),
            Err(error) => {
                let _ = upload.abort().await;
                Err(error)
            }
        }
    }
}

/// Content in pieces of [`PART`] bytes.
struct Parts {
    content: ByteStream,
    held: BytesMut,
    length: Option<u64>,
    read: u64,
}

impl Parts {
    fn new(content: ByteStream, length: Option<u64>) -> Self {
        let held = BytesMut::new();
        Self {
            content,
            held,
            length,
            read: 0,
        }
    }

    /// Fills the next part. The last one is shorter, or empty.
    async fn fill(&mut self) -> io::Result<()> {
        while self.held.len() < PART {
            let Some(piece) = self.content.try_next().await? else {
                return self.judge_length();
            };
            self.read += piece.len() as u64;
            self.held.extend_from_slice(&piece);
        }
        Ok(())
    }

    fn judge_length(&self) -> io::Result<()> {
        match self.length.is_some_and(|length| length != self.read) {
            true => Err(io::Error::other("the content has another length")),
            false => Ok(()),
        }
    }

    fn is_last(&self) -> bool {
        self.held.len() < PART
    }

    fn take(&mut self) -> Bytes {
        let size = self.held.len().min(PART);
        self.held.split_to(size).freeze()
    }
}

async fn send_parts(
    upload: &mut dyn MultipartUpload,
    mut parts: Parts,
) -> Result<(), StorageError> {
    loop {
        let is_last = parts.is_last();
        let part = parts.take();
        if !part.is_empty() {
            upload.put_part(part.into()).await.map_err(failed)?;
        }
        if is_last {
            return Ok(());
        }
        parts.fill().await?;
    }
}

/// Why a request failed, without the body of the answer: it can quote the request with its token.
fn failed(error: Error) -> StorageError {
    match error {
        Error::NotFound { .. } => StorageError::Missing,
        Error::AlreadyExists { .. } | Error::Precondition { .. } => StorageError::Exists,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            StorageError::Failed(io::Error::other("the storage refuses the keys of the site"))
        }
        other => {
            let text = other.to_string();
            let text = text.split(['<', '\n']).next().unwrap_or_default();
            StorageError::Failed(io::Error::other(
                text.trim_end_matches([' ', ':']).to_owned(),
            ))
        }
    }
}

fn broken_off(error: Error) -> io::Error {
    io::Error::other(failed(error))
}

#[async_trait]
impl Storage for S3 {
    fn name(&self) -> &'static str {
        "s3"
    }

    async fn put_new(
        &self,
        name: &ObjectName,
        content: ByteStream,
        length: Option<u64>,
    ) -> Result<(), StorageError> {
        let _turn = self.turns.acquire().await;
        let path = self.path(name);
        let mut parts = Parts::new(content, length);
        parts.fill().await?;
        if !parts.is_last() {
            return self.put_parts(&path, parts).await;
        }
        let put = self
            .store
            .put_opts(&path, parts.take().into(), PutMode::Create.into());
        put.await.map(drop).map_err(failed)
    }

    async fn length(&self, name: &ObjectName) -> Result<u64, StorageError> {
        let found = self.store.head(&self.path(name)).await;
        Ok(found.map_err(failed)?.size)
    }

    async fn read(&self, name: &ObjectName, range: Range<u64>) -> Result<ByteStream, StorageError> {
        let options = GetOptions {
            range: Some(range.into()),
            ..GetOptions::default()
        };
        let found = self.store.get_opts(&self.path(name), options).await;
        let content = found.map_err(failed)?.into_stream();
        Ok(content.map_err(broken_off).boxed())
    }

    async fn delete(&self, name: &ObjectName) -> Result<(), StorageError> {
        match self.store.delete(&self.path(name)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    async fn names(&self) -> Result<Vec<ObjectName>, StorageError> {
        let prefix = Path::from(self.url.prefix.as_str());
        let mut listed = self.store.list(Some(&prefix));
        let mut names = Vec::new();
        while let Some(object) = listed.try_next().await.map_err(failed)? {
            let key = object.location.as_ref();
            let name = key.strip_prefix(&self.url.prefix).unwrap_or_default();
            names.extend(name.parse::<ObjectName>());
        }
        Ok(names)
    }

    fn free_bytes(&self) -> Option<u64> {
        None
    }

    fn link(&self, name: &ObjectName, answer: &Answer<'_>) -> Option<String> {
        let bucket = Bucket {
            name: self.url.bucket.clone(),
            endpoint: self.url.endpoint.clone(),
            region: self.url.region.clone(),
            addressing: match self.url.endpoint {
                Some(_) => Addressing::Path,
                None => Addressing::Virtual,
            },
            access_key: self.keys.access_key.clone()?,
            secret_key: self.keys.secret_key.clone()?,
            session_token: self.keys.session_token.clone(),
        };
        let headers = [
            ("response-content-disposition", answer.disposition),
            ("response-content-type", answer.media_type),
            ("response-cache-control", "no-store"),
        ];
        let link = Link {
            key: &self.url.key(name),
            version: None,
            response: &headers,
            now: &answer.now.format("%Y%m%dT%H%M%SZ").to_string(),
            seconds: answer.seconds,
        };
        bucket.sign(&link).ok()
    }
}
