//! Incident response: an operator makes the site read-only, pauses parts of it, or blocks requests,
//! on every instance within two seconds, without a restart.
//!
//! The posture is in the table `palisade_posture`. Each instance reads it every second; while the
//! database is away, the last one holds.

mod instances;
mod measure;
mod migration;
mod posture;
mod rule;
mod runbook;
mod settings;
mod store;

pub(crate) use instances::instances;
pub(crate) use measure::{AtClose, Kind, Measure};
pub(crate) use migration::migrations;
pub(crate) use posture::{Paused, Posture};
pub(crate) use rule::{BlockRule, Blockable};
pub(crate) use runbook::{RUNBOOKS, Runbook};
pub use settings::{IncidentSettings, Recipient};
pub(crate) use store::{end, measures, put};

use crate::db::Database;
use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use palisade_crypto::random;
use sea_orm::DbErr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The posture is read this often.
pub(crate) const POLL: Duration = Duration::from_secs(1);
/// An instance says that it runs this often.
const BEAT: Duration = Duration::from_secs(10);

/// The posture of this instance.
pub(crate) struct Incident {
    /// Id of this process.
    id: String,
    posture: ArcSwap<Posture>,
    said: Mutex<Said>,
}

/// Facts that other processes know about this instance.
#[derive(Default)]
struct Said {
    /// Version of the measures that it has applied.
    applied: String,
    at: Option<Instant>,
}

impl Default for Incident {
    fn default() -> Self {
        Self {
            id: random::nonce(),
            posture: ArcSwap::default(),
            said: Mutex::default(),
        }
    }
}

impl Incident {
    pub(crate) fn posture(&self) -> arc_swap::Guard<Arc<Posture>> {
        self.posture.load()
    }

    /// Applies the freeze of an account until the measures are read again. For tests.
    pub(crate) fn freeze(&self, user: i32) {
        let freeze = Measure {
            id: "test".into(),
            kind: Kind::Freeze,
            value: user.to_string(),
            reason: String::new(),
            since: 0,
            until: 0,
            hits: 0,
        };
        self.posture.store(Arc::new(Posture::new(&[freeze])));
    }

    /// Reads the measures and applies them. Once they are read-only, no transaction of the site
    /// commits any more when this returns, and none of a frozen account.
    ///
    /// # Errors
    /// When the database does not answer: the last measures hold.
    pub(crate) async fn refresh(
        &self,
        database: &Database,
        now: DateTime<Utc>,
    ) -> Result<(), DbErr> {
        let measures = measures(database, now.timestamp()).await?;
        let new = Posture::new(&measures);
        if new.version() == self.said().applied {
            return Ok(());
        }
        let (version, is_read_only) = (new.version().to_owned(), new.is_read_only());
        let has_frozen = new.has_frozen();
        let before = self.posture.swap(Arc::new(new));
        store::count_hits(database, &before).await?;
        match is_read_only {
            true if !database.lock().lock().await => {
                return Err(DbErr::Custom("a transaction is still committing".into()));
            }
            true => {}
            false => database.lock().unlock(),
        }
        if has_frozen && !database.lock().settle().await {
            return Err(DbErr::Custom("a transaction is still committing".into()));
        }
        let mut said = self.said();
        (said.applied, said.at) = (version, None);
        Ok(())
    }

    /// The same, for a running instance, which says which measures it has applied.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn follow(
        &self,
        database: &Database,
        now: DateTime<Utc>,
    ) -> Result<(), DbErr> {
        self.refresh(database, now).await?;
        if self.is_beat_due() {
            let applied = self.said().applied.clone();
            instances::say(database, (&self.id, &applied), now.timestamp()).await?;
            store::count_hits(database, &self.posture.load()).await?;
            self.said().at = Some(Instant::now());
        }
        Ok(())
    }

    fn is_beat_due(&self) -> bool {
        self.said().at.is_none_or(|at| at.elapsed() >= BEAT)
    }

    fn said(&self) -> std::sync::MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets this instance when it stops.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn leave(&self, database: &Database) -> Result<(), DbErr> {
        instances::forget(database, &self.id).await
    }
}
