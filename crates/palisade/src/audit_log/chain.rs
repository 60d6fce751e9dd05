//! Entries and head of the chain as rows.

use super::entry::Record;
use super::tables::{entries, head};
use palisade_crypto::chain::{self, ChainKey, ChainKeys, Hash, ORIGIN};

/// A number of the chain and the link of its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) seq: i64,
    pub(crate) hash: Hash,
}

impl Link {
    /// Before the first entry.
    pub(super) const FIRST: Self = Self {
        seq: 0,
        hash: ORIGIN,
    };

    pub(super) fn read(seq: i64, hash: &str) -> Option<Self> {
        let hash = chain::from_text(hash)?;
        Some(Self { seq, hash })
    }

    /// The link of an entry after this one.
    pub(super) fn then(&self, digest: &Hash) -> Self {
        Self {
            seq: self.seq.saturating_add(1),
            hash: chain::link(&self.hash, digest),
        }
    }
}

/// The row of a record after another entry, and its link.
pub(super) fn append(before: &Link, record: &Record, keys: &ChainKeys) -> (entries::Model, Link) {
    let who = record.who.commitment();
    let key = keys.newest();
    let digest = digest_of_record(PURPOSE, record, (&who, key.id()));
    let link = before.then(&digest);
    let row = entries::Model {
        seq: link.seq,
        at: record.at,
        event: record.event.clone(),
        severity: record.severity.name().into(),
        outcome: record.outcome.clone(),
        actor: record.actor.clone(),
        subject: record.subject.clone(),
        request: record.request.clone(),
        route: record.route.clone(),
        detail: record.detail.clone(),
        who,
        link: chain::to_text(&link.hash),
        seal: chain::to_text(&key.seal(&digest)),
        mac: chain::to_text(&key.authenticate(&link.hash)),
        key: key.id().into(),
    };
    (row, link)
}

/// The hash of the content of a row.
pub(super) fn digest_of(row: &entries::Model) -> Hash {
    let texts = [
        &row.event,
        &row.severity,
        &row.outcome,
        &row.actor,
        &row.subject,
        &row.request,
        &row.route,
        &row.detail,
        &row.who,
        &row.key,
    ];
    digest(PURPOSE, row.at, texts.map(String::as_str))
}

/// The hash of a record, with the commitment to its personal part and the id of its key.
fn digest_of_record(purpose: &str, record: &Record, (who, key): (&str, &str)) -> Hash {
    let texts = [
        &record.event,
        record.severity.name(),
        &record.outcome,
        &record.actor,
        &record.subject,
        &record.request,
        &record.route,
        &record.detail,
        who,
        key,
    ];
    digest(purpose, record.at, texts)
}

fn digest(purpose: &str, at: i64, texts: [&str; 10]) -> Hash {
    let at = at.to_be_bytes();
    let fields: Vec<&[u8]> = std::iter::once(&at[..])
        .chain(texts.into_iter().map(str::as_bytes))
        .collect();
    chain::digest(purpose, &fields)
}

/// The seal of a record before it is in the chain.
pub(super) fn seal_of(record: &Record, key: &ChainKey) -> String {
    let who = record.who.commitment();
    let digest = digest_of_record(INBOX, record, (&who, key.id()));
    chain::to_text(&key.seal(&digest))
}

/// Whether a record has this seal.
pub(super) fn is_sealed(record: &Record, key: &ChainKey, seal: &str) -> bool {
    let who = record.who.commitment();
    let digest = digest_of_record(INBOX, record, (&who, key.id()));
    chain::from_text(seal).is_some_and(|seal| key.is_seal(&digest, &seal))
}

/// Purpose of the digests of the inbox: an entry is not taken for a waiting record.
const INBOX: &str = "palisade.audit inbox";
/// Purpose of digests and of keys.
pub(super) const PURPOSE: &str = "palisade.audit";

/// The ends of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) end: Link,
    /// The last pruned entry.
    pub(super) pruned: Link,
    /// Number of erased personal parts.
    pub(super) erased: i64,
}

/// State of the row of the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeadState {
    Authentic(Head),
    /// Its key is not on the ring.
    UnknownKey,
    Damaged,
}

impl Head {
    pub(super) const NEW: Self = Self {
        end: Link::FIRST,
        pruned: Link::FIRST,
        erased: 0,
    };

    pub(super) fn read(row: &head::Model, keys: &ChainKeys) -> HeadState {
        let ends = Link::read(row.seq, &row.link).zip(Link::read(row.pruned_seq, &row.pruned_link));
        let Some((end, pruned)) = ends else {
            return HeadState::Damaged;
        };
        let head = Self {
            end,
            pruned,
            erased: row.erased,
        };
        // of a new log, made before the first key
        if row.key.is_empty() && head == Self::NEW {
            return HeadState::Authentic(head);
        }
        let Some(key) = keys.key(&row.key) else {
            return HeadState::UnknownKey;
        };
        let mac = chain::from_text(&row.mac).unwrap_or_default();
        match key.is_authentic(&head.digest(), &mac) {
            true => HeadState::Authentic(head),
            false => HeadState::Damaged,
        }
    }

    fn digest(&self) -> Hash {
        let numbers = [self.end.seq, self.pruned.seq, self.erased].map(i64::to_be_bytes);
        let fields: [&[u8]; 5] = [
            &numbers[0],
            &self.end.hash,
            &numbers[1],
            &self.pruned.hash,
            &numbers[2],
        ];
        chain::digest("palisade.audit head", &fields)
    }

    /// The row of a head without a MAC, which only a new one may lack.
    pub(super) fn unsigned(&self) -> head::Model {
        head::Model {
            id: ONLY,
            seq: self.end.seq,
            link: chain::to_text(&self.end.hash),
            pruned_seq: self.pruned.seq,
            pruned_link: chain::to_text(&self.pruned.hash),
            erased: self.erased,
            mac: String::new(),
            key: String::new(),
        }
    }

    pub(super) fn row(&self, keys: &ChainKeys) -> head::Model {
        let key = keys.newest();
        head::Model {
            mac: chain::to_text(&key.authenticate(&self.digest())),
            key: key.id().into(),
            ..self.unsigned()
        }
    }
}

/// The id of the head's row.
pub(super) const ONLY: i32 = 1;
