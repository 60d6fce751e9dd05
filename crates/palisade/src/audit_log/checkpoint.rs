use super::AuditLog;
use super::chain::{Head, HeadState, Link, ONLY};
use super::tables::head;
use crate::db::Database;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use palisade_crypto::signed_note::{self, Verifier};
use sea_orm::{DbErr, EntityTrait};
use std::fmt;

/// The end of the audit log at one time, signed: number and link of its last entry.
///
/// As text it is a checkpoint of [C2SP](https://c2sp.org/tlog-checkpoint): origin, number, and the
/// link as Base64, with an Ed25519 signature. Kept outside of the database, it proves later
/// that entries were cut off, or that the log was written again with the site's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub(super) origin: String,
    pub(super) link: Link,
}

impl Checkpoint {
    /// Reads the text of a signed note.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let (origin, seq, hash) = (lines.next()?, lines.next()?, lines.next()?);
        Some(Self {
            origin: origin.to_owned(),
            link: Link {
                seq: seq.parse().ok()?,
                hash: STANDARD.decode(hash).ok()?.try_into().ok()?,
            },
        })
    }

    /// Number of the last entry.
    pub fn seq(&self) -> i64 {
        self.link.seq
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = STANDARD.encode(self.link.hash);
        writeln!(f, "{}\n{}\n{hash}", self.origin, self.link.seq)
    }
}

impl AuditLog {
    /// The public keys of checkpoints, newest first, as `name+id+key`.
    pub(crate) fn verifiers(&self) -> Vec<Verifier> {
        let keys = self.keys().all().iter();
        keys.map(|key| Verifier::of(key, self.origin())).collect()
    }

    /// A signed checkpoint of the end of the chain; `None` before its first entry.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn checkpoint(&self, database: &Database) -> Result<Option<String>, DbErr> {
        let head = head::Entity::find_by_id(ONLY)
            .one(&database.handle())
            .await?;
        let link = match head.map(|head| Head::read(&head, self.keys())) {
            Some(HeadState::Authentic(head)) => Some(head.end),
            // a signature must not certify the values of an attacker
            Some(HeadState::Damaged | HeadState::UnknownKey) => {
                let why = "the head of the audit log was changed: run `audit verify`";
                return Err(DbErr::Custom(why.into()));
            }
            None => None,
        };
        let link = link.filter(|link| link.seq > 0);
        Ok(link.map(|link| {
            let text = Checkpoint {
                origin: self.origin().to_owned(),
                link,
            };
            signed_note::sign(self.keys().newest(), self.origin(), &text.to_string())
        }))
    }

    /// Signs a text with the key of checkpoints. It must not read as one: its second line is no number.
    #[cfg(any(feature = "backup", feature = "evidence"))]
    pub(crate) fn sign(&self, text: &str) -> String {
        signed_note::sign(self.keys().newest(), self.origin(), text)
    }

    /// The text of a note that one of the keys has signed.
    #[cfg(feature = "backup")]
    pub(crate) fn opened(&self, note: &str) -> Option<String> {
        let verifiers = self.verifiers();
        let opened = verifiers.iter().find_map(|key| key.open(note).ok());
        opened.map(str::to_owned)
    }

    /// Writes a checkpoint into the log of the process, and gives it to its observer: both lead away
    /// from the machine.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn log_checkpoint(&self, database: &Database) -> Result<(), DbErr> {
        if let Some(checkpoint) = self.checkpoint(database).await? {
            tracing::event!(target: "palisade::audit", tracing::Level::INFO, event.action = "checkpoint", checkpoint = checkpoint.as_str());
            self.checkpoint_signed(&checkpoint);
        }
        Ok(())
    }
}

/// The checkpoints of a text that one of the keys has signed, and the number of notes that none of
/// them has: notes behind each other, or lines of the log.
pub(crate) fn checkpoints(text: &str, verifiers: &[Verifier]) -> (Vec<Checkpoint>, usize) {
    let (mut found, mut unsigned) = (Vec::new(), 0);
    for note in notes(text) {
        let opened = verifiers.iter().find_map(|key| key.open(&note).ok());
        match opened.and_then(Checkpoint::parse) {
            Some(checkpoint) => found.push(checkpoint),
            None => unsigned += 1,
        }
    }
    (found, unsigned)
}

/// The notes of a text. A line of the log holds one with escaped line breaks.
fn notes(text: &str) -> Vec<String> {
    let unescaped: String = text
        .lines()
        .map(|line| match line.split_once(ESCAPED) {
            Some(_) => line
                .replace("\\\\n", "\n")
                .replace("\\n", "\n")
                .replace("\\u{2014}", "\u{2014}"),
            None => line.to_owned(),
        })
        .flat_map(|line| [line, "\n".into()])
        .collect();
    let mut notes = Vec::new();
    let lines: Vec<&str> = unescaped.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let Some(signature) = line.strip_prefix(SIGNATURE) else {
            continue;
        };
        if at < 4 || !lines[at - 1].is_empty() {
            continue;
        }
        // in a line of the log, the first and the last are quoted
        let origin = lines[at - 4].rsplit('"').next().unwrap_or_default();
        let signature = signature.split(['"', '\\']).next().unwrap_or_default();
        let (seq, hash) = (lines[at - 3], lines[at - 2]);
        notes.push(format!(
            "{origin}\n{seq}\n{hash}\n\n{SIGNATURE}{signature}\n"
        ));
    }
    notes
}

const SIGNATURE: &str = "\u{2014} ";
/// A line of the log with a checkpoint contains this.
const ESCAPED: &str = "checkpoint";

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::clock::SystemClock;
    use palisade_crypto::KeyRing;
    use std::sync::Arc;

    #[test]
    fn notes_are_read_from_files_and_from_the_log() {
        let ring =
            KeyRing::new("a first example key, at least fifty characters long 0123").unwrap();
        let log = AuditLog::new(&ring, Arc::new(SystemClock), "desk example+org");
        assert_eq!(log.origin(), "deskexampleorg/audit");
        let checkpoint = |seq| Checkpoint {
            origin: log.origin().into(),
            link: Link { seq, ..Link::FIRST },
        };
        let note = |seq| {
            signed_note::sign(
                log.keys().newest(),
                log.origin(),
                &checkpoint(seq).to_string(),
            )
        };
        let (one, two) = (note(1), note(20));
        let json =
            serde_json::json!({"event.action": "checkpoint", "checkpoint": format!("{two:?}")});
        for text in [
            format!("{one}\n{two}"),
            format!("{one}{two}"),
            format!("{one}some line\n{json}\nanother line\n"),
            format!("{one}INFO palisade::audit: event.action=\"checkpoint\" checkpoint={two:?}\n"),
        ] {
            let (found, unsigned) = checkpoints(&text, &log.verifiers());
            assert_eq!(
                (found, unsigned),
                (vec![checkpoint(1), checkpoint(20)], 0),
                "{text}"
            );
        }
        let forged = one.replace("\n1\n", "\n2\n");
        assert_eq!(checkpoints(&forged, &log.verifiers()), (Vec::new(), 1));
    }
}
