//! Receives files: from the part of a form to a row and encrypted bytes, or to a refusal.

use super::bytes::{sealed, stream_of};
use super::content::treat;
use super::incoming::{self, Ended, Incoming, Limits};
use super::kind::{Kind, kind_of};
use super::policy::{Claim, judge};
use super::quota;
use super::refusal::Refusal;
use super::row::{ActiveModel, Column, Entity, Model, State, place, seal_key};
use super::scan::Scanner;
use super::sender::Sender;
use super::settings::UploadSettings;
use super::work::{Fault, Treated, WorkLimits};
use crate::audit_log::{self, Entry, Event};
use crate::clock::Clock;
use crate::db::{Database, Tx};
use crate::forms::{FileShape, Part, ReceiveFiles, ReceivedFile};
use crate::http::BodyAllowance;
use crate::permissions::EntityPolicy;
use crate::storage::{ByteStream, Storage, StorageKey, free_bytes};
use crate::system::{Priority, Workers};
use crate::views::{Error, ErrorKind, Result};
use async_trait::async_trait;
use http::Extensions;
use palisade_crypto::file::{FileSealer, sealed_length};
use palisade_crypto::random::{self, stored_hash};
use palisade_crypto::{KeyRing, Secret, hex};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, Set};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A held file is deleted after this time, in seconds.
pub(super) const HELD: i64 = 3600;

/// Parts of the service.
pub(crate) struct UploadParts {
    pub(crate) settings: UploadSettings,
    pub(crate) database: Database,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ring: KeyRing,
    pub(crate) storage: Arc<dyn Storage>,
    /// For files on their way, which have no names.
    pub(crate) incoming: PathBuf,
    /// Declared kinds that are stored as they came.
    pub(crate) declared: Vec<&'static str>,
    pub(crate) scanner: Option<Scanner>,
    pub(crate) policies: Vec<Arc<dyn EntityPolicy>>,
    pub(crate) sealing: Sealing,
}

/// Whether files are encrypted in the storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Sealing {
    /// Each with a key of its own.
    #[default]
    PerFile,
    /// Not: a bucket serves them itself.
    Off,
}

/// The files of a site.
#[derive(Clone)]
pub(crate) struct Uploads(pub(super) Arc<Service>);

pub(super) struct Service {
    pub(super) parts: UploadParts,
    workers: Workers,
}

impl std::ops::Deref for Service {
    type Target = UploadParts;

    fn deref(&self) -> &UploadParts {
        &self.parts
    }
}

impl Uploads {
    pub(crate) fn new(parts: UploadParts) -> Self {
        let workers = usize::try_from(parts.settings.max_work).unwrap_or(1);
        let workers = Workers::new("files", workers, Priority::Low);
        Self(Arc::new(Service { parts, workers }))
    }
}

/// A file in the middle of its way.
struct Arrival<'a> {
    sender: &'a Sender,
    kind: Kind,
    field: &'static str,
}

#[async_trait]
impl ReceiveFiles for Uploads {
    async fn receive(
        &self,
        request: &Extensions,
        part: &mut Part<'_>,
        (field, shape): (&'static str, FileShape),
    ) -> Result<Result<ReceivedFile, String>> {
        let kind = self.0.kind(shape.kind)?;
        self.0.require_space(shape.most_bytes)?;
        let sender = Sender::of(request).await?;
        let (name, declared) = (
            part.file_name().unwrap_or_default().to_owned(),
            part.content_type().map(str::to_owned),
        );
        let allowance = request.get::<BodyAllowance>();
        let limits = Limits {
            folder: &self.0.incoming,
            most: shape.most_bytes,
            least_free: self.0.settings.min_free_bytes,
        };
        let arrival = Arrival {
            sender: &sender,
            kind,
            field,
        };
        let stored = match incoming::receive(part, limits, allowance).await? {
            Ended::Received(incoming) => {
                let claim = Claim {
                    name: &name,
                    declared: declared.as_deref(),
                };
                self.0.store(arrival, claim, incoming).await
            }
            Ended::Refused(fault) => Err(fault),
        };
        match stored {
            Ok(file) => Ok(Ok(file)),
            Err(Fault::Refused(refusal)) => {
                let detail = format!("{} in {field} ({})", refusal.word(), kind.name);
                audit_log::record(Entry::new(Event::FileRefused).detail(detail));
                Ok(Err(refusal.to_string()))
            }
            Err(Fault::Failed(error)) => Err(unavailable(&error)),
        }
    }

    async fn held(
        &self,
        request: &Extensions,
        token: &str,
        (field, shape): (&'static str, FileShape),
    ) -> Result<Option<ReceivedFile>> {
        let sender = Sender::of(request).await?;
        let Some(binding) = sender.binding else {
            return Ok(None);
        };
        let row = Entity::find()
            .filter(Column::Token.eq(stored_hash(token)))
            .filter(Column::Binding.eq(binding))
            .filter(Column::Field.eq(field))
            .filter(Column::Kind.eq(shape.kind))
            .filter(Column::Until.gt(self.0.now()))
            .one(&self.0.database.handle())
            .await?;
        let is_held = |row: &Model| {
            KEPT.contains(&State::of(&row.state))
                && row.bytes <= i64::try_from(shape.most_bytes).unwrap_or(i64::MAX)
        };
        Ok(row.filter(is_held).map(|row| described(&row, token)))
    }

    fn limits(&self) -> (u64, Duration) {
        let settings = &self.0.settings;
        (settings.max_form_bytes, settings.timeout_secs.duration())
    }
}

/// States of files that a row may have.
pub(super) const KEPT: [State; 3] = [State::Clean, State::Checking, State::Released];

fn described(row: &Model, token: &str) -> ReceivedFile {
    ReceivedFile {
        token: token.to_owned(),
        field: row.field.clone(),
        kind: row.kind.clone(),
        name: row.name.clone(),
        media_type: row.media_type.clone(),
        bytes: u64::try_from(row.bytes).unwrap_or_default(),
    }
}

pub(super) fn unavailable(error: &dyn std::fmt::Display) -> Error {
    let said = "Files cannot be stored at the moment. Please try again later.";
    Error::new(ErrorKind::Unavailable, said).because(error.to_string())
}

impl Service {
    /// Seconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.clock.now().timestamp()
    }

    /// A kind that is stored as it comes must be declared, so that the checks know of it.
    fn kind(&self, name: &str) -> Result<Kind> {
        let kind =
            kind_of(name).ok_or_else(|| Error::bug(format!("no kind of files is {name}")))?;
        if kind.needs_scan() && !self.declared.contains(&kind.name) {
            let how = match kind.name {
                "any" => "App::dangerous_any_file(Reason::new(…))".to_owned(),
                name => format!("App::files::<{}{}>()", name[..1].to_uppercase(), &name[1..]),
            };
            let why = format!("the kind {name} is not declared: write {how}");
            return Err(Error::bug(why));
        }
        Ok(kind)
    }

    /// Files must not fill the disk that the database needs (D52).
    fn require_space(&self, most: u64) -> Result<()> {
        let least = self.settings.min_free_bytes.saturating_add(most);
        let disks = [self.storage.free_bytes(), free_bytes(&self.incoming)];
        match disks.into_iter().flatten().find(|free| *free < least) {
            Some(free) => Err(unavailable(&format!(
                "{free} bytes are free on the disk of the files, too few for uploads.min_free_bytes"
            ))),
            None => Ok(()),
        }
    }

    /// Validates, transforms, scans and stores a file.
    async fn store(
        &self,
        arrival: Arrival<'_>,
        claim: Claim<'_>,
        incoming: Incoming,
    ) -> Result<ReceivedFile, Fault> {
        let judged = judge(arrival.kind, claim, &incoming.head)?;
        let (treated, hash, length) = self.treat(arrival.kind, judged, incoming.file).await?;
        let (token, key) = (random::token(), StorageKey::random());
        let mut again = treated.file.try_clone()?;
        let row = self.row(&arrival, &treated, (&token, &key));
        let (stored, sealed) = self.sealed(&key, treated.file, length);
        let row = ActiveModel {
            sha256: Set(hash),
            bytes: Set(i64::try_from(length).unwrap_or(i64::MAX)),
            sealed: Set(sealed),
            ..row
        };
        let row = self.insert(row, arrival.sender).await?;
        let (content, length) = stored;
        let put = self
            .storage
            .put_new(&(&key).into(), content, Some(length))
            .await;
        put.map_err(io::Error::other)?;
        again.rewind()?;
        let state = self.first_state(arrival.kind, &row, again).await?;
        let stored = self.set_state(&row, state).await?;
        Ok(described(&stored, token.expose()))
    }

    /// The bytes of a file for the storage with their length, and its encrypted key.
    fn sealed(&self, key: &StorageKey, file: File, length: u64) -> ((ByteStream, u64), String) {
        if self.sealing == Sealing::Off {
            return ((stream_of(file), length), String::new());
        }
        let (sealer, secret) = FileSealer::new(&place(key.as_str()));
        let content = (sealed(file, length, sealer), sealed_length(length));
        (content, seal_key(&self.ring, (key.as_str(), &secret)))
    }

    /// Treats and hashes a file: at most `uploads.max_work` at a time, after requests without files.
    async fn treat(
        &self,
        kind: Kind,
        judged: (crate::system::FileName, Option<super::format::Format>),
        file: File,
    ) -> Result<(Treated, String, u64), Fault> {
        let limits = WorkLimits {
            megapixels: self.settings.max_megapixels,
            most_bytes: self.settings.max_form_bytes,
        };
        let folder = self.incoming.clone();
        let work = move || hashed(treat(kind, judged, file, (&folder, limits))?);
        let treated = self.workers.run(work).await;
        treated.unwrap_or_else(|| Err(io::Error::other("the work on a file panicked").into()))
    }

    fn row(
        &self,
        arrival: &Arrival<'_>,
        treated: &Treated,
        (token, key): (&Secret<String>, &StorageKey),
    ) -> ActiveModel {
        let now = self.now();
        ActiveModel {
            key: Set(key.to_string()),
            token: Set(stored_hash(token.expose())),
            binding: Set(arrival.sender.binding.clone().unwrap_or_default()),
            user_id: Set(arrival.sender.user_id),
            kind: Set(arrival.kind.name.to_owned()),
            field: Set(arrival.field.to_owned()),
            name: Set(treated.name.clone()),
            media_type: Set(treated.media_type.to_owned()),
            store: Set(self.storage.name().to_owned()),
            state: Set(State::Arriving.word().to_owned()),
            verdict: Set(String::new()),
            scanned_with: Set(String::new()),
            tried: Set(0),
            owner_table: Set(None),
            owner_key: Set(None),
            created: Set(now),
            until: Set(Some(now + HELD)),
            proposed_by: Set(None),
            proposed_at: Set(None),
            ..Default::default()
        }
    }

    /// The row comes first, so that bytes without a row cannot be.
    async fn insert(&self, row: ActiveModel, sender: &Sender) -> Result<Model, Fault> {
        let (limits, user) = (&self.settings, sender.user_id);
        let insert = async |tx: &Tx| {
            quota::lock(tx, user).await?;
            let row = row.insert(tx).await?;
            match quota::is_exceeded(tx, limits, user).await? {
                true => Err(Fault::from(Refusal::Quota)),
                false => Ok(row),
            }
        };
        let inserted = self.database.write(insert).await;
        if matches!(inserted, Err(Fault::Refused(_))) {
            audit_log::record(Entry::new(Event::QuotaExceeded).detail("files"));
        }
        inserted
    }

    /// The state of a file whose bytes are stored. A file that was encoded again needs no scanner;
    /// another one waits for a verdict.
    async fn first_state(&self, kind: Kind, row: &Model, file: File) -> Result<State, Fault> {
        let Some(scanner) = self.scanner.as_ref().filter(|_| kind.needs_scan()) else {
            return Ok(State::Clean);
        };
        let scan = scanner.scan(stream_of(file));
        let time = self.settings.scan_wait_secs.duration();
        match tokio::time::timeout(time, scan).await {
            Ok(Ok(verdict)) => match self.judge_scan(row, verdict).await? {
                State::Quarantined | State::Gone => Err(Refusal::Infected.into()),
                state => Ok(state),
            },
            Ok(Err(away)) => {
                tracing::warn!(target: "palisade", %away, "a file waits for the virus scanner");
                Ok(State::Checking)
            }
            Err(_) => Ok(State::Checking),
        }
    }

    async fn set_state(&self, row: &Model, state: State) -> Result<Model, Fault> {
        let change = Entity::update_many()
            .col_expr(Column::State, state.word().into())
            .filter(Column::Id.eq(row.id))
            .filter(Column::State.eq(State::Arriving.word()));
        let changed = self.database.write(async |tx| change.exec(tx).await).await;
        // a clean verdict was stored with the version of the scanner
        if changed?.rows_affected == 0 && state != State::Clean && state != State::Released {
            return Err(Fault::Failed(io::Error::other(
                "the row of the file is gone",
            )));
        }
        Ok(Model {
            state: state.word().to_owned(),
            ..row.clone()
        })
    }
}

/// The file with the hash of its content, from the beginning, and its length.
fn hashed(mut treated: Treated) -> Result<(Treated, String, u64), Fault> {
    treated.file.rewind()?;
    let (mut hash, mut length) = (Sha256::new(), 0);
    let mut piece = vec![0; 64 * 1024];
    loop {
        let read = treated.file.read(&mut piece)?;
        if read == 0 {
            break;
        }
        hash.update(&piece[..read]);
        length += read as u64;
    }
    treated.file.rewind()?;
    let digits = hex(&hash.finalize());
    Ok((treated, digits, length))
}
