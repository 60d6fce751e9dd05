//! A bucket of an S3-compatible storage.

use super::{Answer, ByteStream, ObjectName, S3Url, Storage, StorageError, StorageKeys};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut};
use object_store::path::Path;
use object_store::{
    ClientOptions, Error, GetOptions, GetResult, MultipartUpload, ObjectStore, ObjectStoreExt,
    PutMode, RetryConfig,
};
use palisade_crypto::presigned::{Addressing, Bucket, Link};
use std::io;
use std::ops::Range;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::sync::Semaphore;
use tokio_util::io::{ReaderStream, StreamReader};

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

    async fn get(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<GetResult, Error> {
        let options = GetOptions {
            range: range.map(Into::into),
            ..GetOptions::default()
        };
        self.store.get_opts(&self.path(name), options).await
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
        let length = range.end - range.start;
        let mut skipped = 0;
        let found = match self.get(name, Some(range.clone())).await {
            // a server may ignore ranges (RFC 9110, 14.2)
            Err(Error::Generic { .. }) => {
                skipped = range.start;
                self.get(name, None).await
            }
            found => found,
        };
        let content = found.map_err(failed)?.into_stream().map_err(broken_off);
        let mut content = StreamReader::new(content);
        tokio::io::copy(&mut (&mut content).take(skipped), &mut tokio::io::sink()).await?;
        Ok(ReaderStream::with_capacity(content.take(length), 64 * 1024).boxed())
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::crypto::Secret;
    use futures_util::stream;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::process::{Child, Command, Stdio};

    struct Stopped(Child);

    impl Drop for Stopped {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn content(bytes: &[u8]) -> ByteStream {
        let pieces: Vec<_> = bytes
            .chunks(100_000)
            .map(Bytes::copy_from_slice)
            .map(Ok)
            .collect();
        stream::iter(pieces).boxed()
    }

    /// moto, with a bucket.
    fn moto() -> Option<(Stopped, u16)> {
        let python = std::env::var("PALISADE_TEST_S3").ok();
        let is_required = std::env::var_os("PALISADE_REQUIRE_SERVERS").is_some();
        assert!(python.is_some() || !is_required, "scripts/servers names it");
        let python = python?;
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let program = std::path::Path::new(&python).with_file_name("moto_server");
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let child = Stopped(child);
        for _ in 0..400 {
            if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
                let create = format!(
                    "PUT /files HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: AWS4-HMAC-SHA256 Credential=a/20261130/us-east-1/s3/aws4_request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                );
                stream.write_all(create.as_bytes()).unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                return Some((child, port));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("moto did not start");
    }

    // F085: an object is never overwritten, whether it is sent in one request or in parts
    #[tokio::test(flavor = "multi_thread")]
    async fn an_object_is_never_overwritten() {
        let Some((_moto, port)) = moto() else {
            return;
        };
        let url = format!("s3://files/site?endpoint=http://127.0.0.1:{port}");
        let keys = StorageKeys {
            access_key: Some("a".into()),
            secret_key: Some(Secret::new("b".into())),
            session_token: None,
        };
        let store = S3::new(url.parse().unwrap(), keys).unwrap();
        let small = vec![1; 1000];
        let large = vec![2; 2 * PART + 1000];
        for (name, bytes) in [("ab/small", &small), ("ab/large", &large)] {
            let name: ObjectName = name.parse().unwrap();
            let length = Some(bytes.len() as u64);
            store.put_new(&name, content(bytes), length).await.unwrap();
            for other in [&small, &large] {
                let again = store.put_new(&name, content(other), None).await;
                assert!(
                    matches!(again, Err(StorageError::Exists)),
                    "{name} {again:?}"
                );
            }
            assert_eq!(store.length(&name).await.unwrap(), bytes.len() as u64);
            let end = bytes.len() as u64;
            let read = store.read(&name, end - 10..end).await.unwrap();
            let read: Vec<Bytes> = read.try_collect().await.unwrap();
            assert_eq!(read.concat(), bytes[bytes.len() - 10..]);
        }
        // content of another length leaves nothing
        let name: ObjectName = "ab/cut".parse().unwrap();
        for bytes in [&small, &large] {
            let length = Some(bytes.len() as u64 + 1);
            assert!(store.put_new(&name, content(bytes), length).await.is_err());
            assert!(matches!(
                store.length(&name).await,
                Err(StorageError::Missing)
            ));
        }
        let mut names: Vec<String> = store
            .names()
            .await
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        names.sort();
        assert_eq!(names, ["ab/large", "ab/small"]);
        for name in ["ab/small", "ab/small", "ab/none"] {
            store.delete(&name.parse().unwrap()).await.unwrap();
        }
        assert_eq!(store.names().await.unwrap().len(), 1);
    }
}
