//! Files of users: a field of a form, validated by name, type and content, encrypted on the disk, and
//! served by the access rule of its row (F082 to F085).
//!
//! [`Upload`] is the field, [`StoredFile`] the file of a row. The kinds of files are types:
//!
//! | Kind | Formats | Before it is stored |
//! |---|---|---|
//! | `Picture` (feature `images`) | PNG, JPEG, GIF, WebP | encoded again, without metadata |
//! | `Drawing` (feature `images`) | SVG | written again with an allow-list |
//! | [`Paper`] | PDF, files of LibreOffice and Microsoft Office | scanned for viruses |
//! | [`Plain`] | text, CSV, Markdown, logs | scanned for viruses |
//! | [`Any`] | all | scanned for viruses; needs a reason |
//!
//! # Security
//! 1. Name, declared type and content agree, or the file is refused with a sentence.
//! 2. A file has a random key: no name of a client is part of a path.
//! 3. A file is served by the rule of its row, as an attachment that runs nothing; only pictures that
//!    were encoded again are shown in pages.
//! 4. Each file is encrypted with a key of its own, chunk by chunk.
//! 5. A file that a scanner must look at is served after its verdict. `stream: OK` of a clamd that has
//!    not found the test virus is no verdict.

mod archive;
mod bytes;
mod checking;
mod content;
#[cfg(feature = "images")]
mod drawing;
mod format;
mod incoming;
mod inspection;
mod kind;
mod link;
mod migration;
mod origin;
mod personal;
#[cfg(feature = "images")]
mod picture;
mod policy;
mod quarantine;
mod quota;
mod refusal;
mod row;
pub(crate) mod scan;
mod sender;
mod serve;
mod service;
mod settings;
mod stored;
mod sweep;
mod text;
mod upload;
mod work;

pub(crate) use inspection::Inspection;
pub use kind::{Any, FileKind, Paper, Plain};
#[cfg(feature = "images")]
pub use kind::{Drawing, Picture};
pub use migration::migrations;
pub use origin::FileOrigin;
pub(crate) use personal::OwnFiles;
pub(crate) use quarantine::{Decision, decide, is_proposed, quarantined};
pub(crate) use refusal::size;
pub(crate) use row::SEALED;
pub use scan::ClamdAddress;
pub(crate) use scan::{Scanner, ScannerParts};
pub(crate) use serve::{ROUTE, serve, serve_elsewhere};
pub(crate) use service::{Sealing, UploadParts, Uploads};
pub use settings::{MIB, UploadSettings};
pub use stored::StoredFile;
pub use upload::Upload;
