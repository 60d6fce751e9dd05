use super::live::LiveFolder;
use super::{PREFIX, StaticFiles};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::write::GzEncoder;
use http::HeaderValue;
use palisade_template::StaticLink;
use sha2::{Digest, Sha384};
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

/// The static files of a site.
#[derive(Default)]
pub struct Store {
    files: Vec<File>,
    /// By plain and by hashed URL.
    by_url: HashMap<String, Named>,
    folder: Option<LiveFolder>,
    /// Whether the files of the folder are read for each request.
    is_live: AtomicBool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Named {
    pub(super) at: usize,
    /// Whether the URL holds the hash, so that its content never changes.
    pub(super) is_hashed: bool,
}

pub(super) struct File {
    url: String,
    link: StaticLink,
    pub(super) content_type: HeaderValue,
    pub(super) plain: Variant,
    compressed: OnceLock<Vec<Variant>>,
}

/// A file in one content coding
/// ([RFC 9110 section 8.4](https://www.rfc-editor.org/rfc/rfc9110#section-8.4)).
pub(super) struct Variant {
    /// `None` for the unencoded file.
    pub(super) coding: Option<&'static str>,
    pub(super) bytes: Bytes,
    /// Each variant has different bytes, so each has its own strong entity tag.
    pub(super) tag: HeaderValue,
}

impl Store {
    /// Hashes the files.
    pub fn new(files: StaticFiles) -> Self {
        let mut store = Self {
            folder: files.folder.map(LiveFolder::new),
            ..Self::default()
        };
        for (name, bytes) in files.files {
            let (at, file) = (
                store.files.len(),
                File::new(name, Bytes::from_static(bytes)),
            );
            store.by_url.insert(
                file.url.clone(),
                Named {
                    at,
                    is_hashed: false,
                },
            );
            store.by_url.insert(
                file.link.url.clone(),
                Named {
                    at,
                    is_hashed: true,
                },
            );
            store.files.push(file);
        }
        store
    }

    /// The folder that debug builds may read.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.as_ref().map(LiveFolder::path)
    }

    /// Reads the files of the folder for each request, from now on.
    pub(crate) fn watch(&self) {
        self.is_live.store(true, Ordering::Relaxed);
    }

    fn live(&self) -> Option<&LiveFolder> {
        let is_live = self.is_live.load(Ordering::Relaxed);
        self.folder.as_ref().filter(|_| is_live)
    }

    /// The file as it is on the disk.
    pub(super) fn read_live(&self, url: &str) -> Option<File> {
        let name = url.strip_prefix(PREFIX)?;
        let bytes = self.live()?.read(name)?;
        Some(File::new(name, bytes.into()))
    }

    /// The state of the files on the disk.
    pub(crate) fn live_state(&self) -> Vec<(String, Option<SystemTime>)> {
        self.live().map(LiveFolder::state).unwrap_or_default()
    }

    /// URL and integrity for pages, by plain URL. None for a file that is read from the disk, which
    /// can be another one with each request.
    pub fn links(&self) -> Vec<(String, StaticLink)> {
        let live = self.live().map(LiveFolder::files).unwrap_or_default();
        let is_live = |url: &str| {
            let name = url.strip_prefix(PREFIX);
            live.iter().any(|(known, _)| Some(known.as_str()) == name)
        };
        self.files
            .iter()
            .filter(|file| !is_live(&file.url))
            .map(|file| (file.url.clone(), file.link.clone()))
            .collect()
    }

    /// Compresses files where it helps. Without this call, files are served unencoded.
    pub fn compress(&self) {
        for file in &self.files {
            file.compressed.get_or_init(|| file.compress());
        }
    }

    pub(super) fn find(&self, url: &str) -> Option<(&File, Named)> {
        let named = self.by_url.get(url)?;
        Some((self.files.get(named.at)?, *named))
    }
}

impl File {
    fn new(name: &str, bytes: Bytes) -> Self {
        let digest = Sha384::digest(&bytes);
        let hash = crate::crypto::hex(&digest[..HASH_BYTES]);
        let hashed = match name.rsplit_once('.') {
            Some((stem, extension)) if !extension.contains('/') => {
                format!("{stem}.{hash}.{extension}")
            }
            _ => format!("{name}.{hash}"),
        };
        Self {
            url: format!("{PREFIX}{name}"),
            link: StaticLink {
                url: format!("{PREFIX}{hashed}"),
                integrity: format!("sha384-{}", STANDARD.encode(digest)),
            },
            content_type: content_type(name),
            plain: Variant {
                coding: None,
                bytes,
                tag: tag(&format!("\"{hash}\"")),
            },
            compressed: OnceLock::new(),
        }
    }

    /// The file in the codings that make it smaller, the smallest first.
    pub(super) fn compressed_variants(&self) -> &[Variant] {
        self.compressed.get().map_or(&[], Vec::as_slice)
    }

    fn compress(&self) -> Vec<Variant> {
        let bytes = &self.plain.bytes;
        if bytes.len() < LEAST_BYTES || !is_compressible(&self.content_type) {
            return Vec::new();
        }
        let made = [
            ("br", brotli(bytes)),
            ("zstd", zstd::bulk::compress(bytes, ZSTD_LEVEL)),
            ("gzip", gzip(bytes)),
        ];
        let variant = |(coding, made): (&'static str, io::Result<Vec<u8>>)| {
            let made = made.ok().filter(|made| made.len() < bytes.len())?;
            let plain = self
                .plain
                .tag
                .to_str()
                .unwrap_or_default()
                .trim_matches('"');
            Some(Variant {
                coding: Some(coding),
                bytes: made.into(),
                tag: tag(&format!("\"{plain}-{coding}\"")),
            })
        };
        let mut variants: Vec<Variant> = made.into_iter().filter_map(variant).collect();
        variants.sort_by_key(|variant| variant.bytes.len());
        variants
    }
}

fn tag(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("hexadecimal digits and a coding are a header value")
}

/// By file extension; unknown types are bytes, which browsers do not run (`nosniff`).
fn content_type(name: &str) -> HeaderValue {
    let kind = mime_guess::from_path(name).first_or_octet_stream();
    let is_text = kind.type_() == mime_guess::mime::TEXT || is_text(kind.essence_str());
    let text = if is_text {
        format!("{}; charset=utf-8", kind.essence_str())
    } else {
        kind.essence_str().to_owned()
    };
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

fn is_text(kind: &str) -> bool {
    kind.ends_with("json") || kind.ends_with("xml") || kind.ends_with("javascript")
}

/// Images, videos and most fonts are compressed already.
fn is_compressible(content_type: &HeaderValue) -> bool {
    let kind = content_type.to_str().unwrap_or_default();
    kind.contains("charset")
        || [
            "application/wasm",
            "image/x-icon",
            "image/bmp",
            "font/ttf",
            "font/otf",
        ]
        .contains(&kind)
}

fn brotli(bytes: &[u8]) -> io::Result<Vec<u8>> {
    // no window is larger than the file, because it costs memory
    let window = bytes
        .len()
        .next_power_of_two()
        .ilog2()
        .clamp(BROTLI_LEAST_WINDOW, BROTLI_WINDOW);
    let quality = if bytes.len() <= BROTLI_SMALL {
        BROTLI_BEST
    } else {
        BROTLI_QUICK
    };
    let mut writer = brotli::CompressorWriter::new(Vec::new(), 4096, quality, window);
    writer.write_all(bytes)?;
    Ok(writer.into_inner())
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut writer = GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(bytes)?;
    writer.finish()
}

/// 64 bits: enough to distinguish versions of one file.
const HASH_BYTES: usize = 8;
/// A smaller file fits into one packet anyway.
const LEAST_BYTES: usize = 1024;
/// The highest level takes a second per MB and little memory; the next takes 32 MB, however short
/// the file is.
const BROTLI_BEST: u32 = 11;
const BROTLI_QUICK: u32 = 9;
const BROTLI_SMALL: usize = 256 * 1024;
/// Smallest window, as a power of two.
const BROTLI_LEAST_WINDOW: u32 = 10;
/// The usual window, 4 MiB.
const BROTLI_WINDOW: u32 = 22;
/// Of 22: browsers need not support windows of more than 8 MiB
/// ([RFC 9659](https://www.rfc-editor.org/rfc/rfc9659)).
const ZSTD_LEVEL: i32 = 19;
