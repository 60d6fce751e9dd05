//! The writer: moves records of the inbox and notes of the queue into the chain.

use super::chain::{Head, HeadState, Link, ONLY, append, is_sealed, seal_of};
use super::entry::{Place, Record};
use super::tables::{entries, head, inbox, people};
use super::{AuditLog, Entry, Event};
use crate::db::{Database, Tx};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DbErr, EntityTrait, IntoActiveModel, NotSet, QueryFilter,
    QueryOrder, QuerySelect, Set,
};
use std::time::{Duration, Instant};

/// Records of one transaction.
const BATCH: usize = 100;
/// Records are collected for this long.
const COLLECT: Duration = Duration::from_millis(50);
const UNKNOWN_KEY: &str = "the head of the audit log has a key that this process does not know: \
    restart it after `keys rotate`, or run `audit verify`";
/// A checkpoint is written after this time, or this number of entries.
const HOUR: Duration = Duration::from_secs(3600);
const PER_CHECKPOINT: usize = 1000;
/// The inbox is looked into this often for records of other processes.
const POLL: Duration = Duration::from_secs(1);

impl AuditLog {
    /// Stores a record of an effect in its transaction. It has no place in the chain yet: the lock
    /// of the head would let all effects wait for the longest transaction.
    pub(super) async fn deposit(&self, tx: &Tx, record: &Record) -> Result<(), DbErr> {
        let key = self.keys().newest();
        let text = serde_json::to_string(record).map_err(|error| DbErr::Json(error.to_string()))?;
        let row = inbox::ActiveModel {
            id: NotSet,
            at: Set(record.at),
            record: Set(text),
            seal: Set(seal_of(record, key)),
            key: Set(key.id().into()),
        };
        inbox::Entity::insert(row)
            .exec_without_returning(tx)
            .await?;
        Ok(())
    }

    /// Writes until the site stops, with a checkpoint in the log every hour and every thousand
    /// entries.
    pub(crate) async fn write_on(&self, database: &Database) {
        let (mut is_warned, mut since_checkpoint, mut last) = (false, 0, Instant::now());
        loop {
            self.changed(POLL).await;
            tokio::time::sleep(COLLECT).await;
            let mut stored = self.flush(database).await;
            if let Ok(count) = &stored {
                since_checkpoint += count;
            }
            let is_due = last.elapsed() > HOUR && since_checkpoint > 0;
            if stored.is_ok() && (is_due || since_checkpoint >= PER_CHECKPOINT) {
                stored = self.log_checkpoint(database).await.map(|()| 0);
                (since_checkpoint, last) = (0, Instant::now());
            }
            match stored {
                Ok(_) => is_warned = false,
                Err(error) if !is_warned => {
                    is_warned = true;
                    tracing::warn!(target: "palisade", %error, "the audit log cannot be stored: its entries wait in memory");
                }
                Err(_) => {}
            }
        }
    }

    /// Stores all waiting entries when the site stops, and writes a checkpoint into the log.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn close(&self, database: &Database) -> Result<(), DbErr> {
        self.flush(database).await?;
        self.log_checkpoint(database).await
    }

    /// Stores all waiting records, and returns their number.
    ///
    /// # Errors
    /// When the database does not answer; the notes stay in the queue.
    pub(crate) async fn flush(&self, database: &Database) -> Result<usize, DbErr> {
        let _one = self.lock().await;
        let mut stored = 0;
        loop {
            match self.write_batch(database).await? {
                0 => return Ok(stored),
                count => stored += count,
            }
        }
    }

    async fn write_batch(&self, database: &Database) -> Result<usize, DbErr> {
        let (notes, lost) = self.first_notes(BATCH);
        let is_idle = notes.is_empty() && lost == 0;
        if is_idle && self.deposited().one(&database.handle()).await?.is_none() {
            return Ok(0);
        }
        let count = notes.len();
        let tx = database.begin().await?;
        let (head, mut own) = self.lock_head(&tx).await?;
        let (deposited, forged) = self.take_deposited(&tx).await?;
        own.extend(forged);
        if lost > 0 {
            own.push(self.of_its_own(AuditLog::entry_of_lost(lost)));
        }
        let records = [&own[..], &deposited, &notes].concat();
        let written = records.len();
        let head = self.append_all(&tx, head, records).await?;
        self.store_head(&tx, head).await?;
        tx.commit().await?;
        self.note_head(head);
        self.remove_notes((count, lost));
        own.iter().for_each(|record| self.announce(record));
        // once, by the instance that takes them: effects of commands, too
        deposited.iter().for_each(|record| self.observed(record));
        if deposited.iter().any(Record::is_erasure) {
            database.forget_deleted().await;
        }
        Ok(written)
    }

    /// Deposited records with a known key.
    fn deposited(&self) -> sea_orm::Select<inbox::Entity> {
        let known = self.keys().all().iter().map(|key| key.id().to_owned());
        inbox::Entity::find()
            .filter(inbox::Column::Key.is_in(known))
            .order_by_asc(inbox::Column::Id)
    }

    /// A record of the log itself, to be announced when it is stored.
    pub(super) fn of_its_own(&self, entry: Entry) -> Record {
        Record::new(entry, Place::of_work("site"), self.now())
    }

    /// The head, locked until the end of the transaction, so that instances cannot fork the chain;
    /// and a record of its damage. After damage the chain goes on behind its last entry.
    pub(super) async fn lock_head(&self, tx: &Tx) -> Result<(Head, Vec<Record>), DbErr> {
        let row = head::Entity::find_by_id(ONLY)
            .lock_exclusive()
            .one(tx)
            .await?;
        let last = entries::Entity::find()
            .order_by_desc(entries::Column::Seq)
            .one(tx)
            .await?;
        let last_seq = last.as_ref().map_or(0, |last| last.seq);
        let known = self.last_head();
        match row.as_ref().map(|row| Head::read(row, self.keys())) {
            // an instance with a newer key, or an attacker: going on would authenticate its values
            Some(HeadState::UnknownKey) => Err(DbErr::Custom(UNKNOWN_KEY.into())),
            Some(HeadState::Authentic(head))
                if head.end.seq >= known.end.seq && head.end.seq >= last_seq =>
            {
                Ok((head, Vec::new()))
            }
            None | Some(HeadState::Authentic(_) | HeadState::Damaged) => {
                let damage = self.of_its_own(Entry::new(Event::LogDamaged).detail("its head"));
                Ok((behind(last.as_ref(), known), vec![damage]))
            }
        }
    }

    /// Takes deposited records out of the inbox, and makes records of those that the site did not
    /// write.
    async fn take_deposited(&self, tx: &Tx) -> Result<(Vec<Record>, Vec<Record>), DbErr> {
        let rows = self.deposited().limit(BATCH as u64).all(tx).await?;
        if rows.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        inbox::Entity::delete_many()
            .filter(inbox::Column::Id.is_in(rows.iter().map(|row| row.id)))
            .exec(tx)
            .await?;
        let (mut ours, mut forged) = (Vec::new(), Vec::new());
        for row in &rows {
            match self.open_deposited(row) {
                Some(record) => ours.push(record),
                None => {
                    let detail = format!("inbox row {}", row.id);
                    forged.push(self.of_its_own(Entry::new(Event::LogDamaged).detail(detail)));
                }
            }
        }
        Ok((ours, forged))
    }

    fn open_deposited(&self, row: &inbox::Model) -> Option<Record> {
        let record: Record = serde_json::from_str(&row.record).ok()?;
        let key = self.keys().key(&row.key)?;
        is_sealed(&record, key, &row.seal).then_some(record)
    }

    /// Appends records. Personal parts of erased users are left out.
    pub(super) async fn append_all(
        &self,
        tx: &Tx,
        mut head: Head,
        records: Vec<Record>,
    ) -> Result<Head, DbErr> {
        let (mut rows, mut parts) = (Vec::new(), Vec::new());
        let erased = self.erase_people(tx, &records, &mut head).await?;
        for record in records {
            let (row, link) = append(&head.end, &record, self.keys());
            head.end = link;
            let name = record.who.name.to_lowercase();
            let is_erased = [&row.actor, &row.subject, &name]
                .iter()
                .any(|part| erased.contains(*part));
            match (record.who.is_empty(), is_erased) {
                (true, _) => {}
                (false, true) => head.erased += 1,
                (false, false) => parts.push(record.who.row(link.seq)),
            }
            rows.push(row.into_active_model());
        }
        insert::<entries::Entity, _>(tx, rows).await?;
        insert::<people::Entity, _>(tx, parts).await?;
        Ok(head)
    }

    /// Stores the head in place: another instance may wait for its lock.
    pub(super) async fn store_head(&self, tx: &Tx, head: Head) -> Result<(), DbErr> {
        use head::Column::{Erased, Id, Key, Link, Mac, PrunedLink, PrunedSeq, Seq};
        let row = head.row(self.keys()).into_active_model();
        let columns = [Seq, Link, PrunedSeq, PrunedLink, Erased, Mac, Key];
        let replace = OnConflict::column(Id).update_columns(columns).to_owned();
        let stored = head::Entity::insert(row).on_conflict(replace);
        stored.exec_without_returning(tx).await?;
        Ok(())
    }
}

/// Creates the head with the tables of the log; before the site's first key it is not signed. Later,
/// a missing head is damage.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn create_head(database: &Database) -> Result<(), DbErr> {
    let row = Head::NEW.unsigned().into_active_model();
    database
        .write_always(async |tx| {
            let new = head::Entity::insert(row);
            new.exec_without_returning(tx).await.map(drop)
        })
        .await
}

/// A head behind an entry, with the earlier ends that this process knows.
fn behind(last: Option<&entries::Model>, known: Head) -> Head {
    let end = last.map_or(Link::FIRST, |last| {
        let unreadable = Link {
            seq: last.seq,
            ..Link::FIRST
        };
        Link::read(last.seq, &last.link).unwrap_or(unreadable)
    });
    let is_behind = end.seq >= known.pruned.seq;
    let pruned = if is_behind { known.pruned } else { Link::FIRST };
    Head {
        end,
        pruned,
        erased: known.erased,
    }
}

async fn insert<E, A>(tx: &Tx, rows: Vec<A>) -> Result<(), DbErr>
where
    E: EntityTrait,
    A: ActiveModelTrait<Entity = E>,
{
    if !rows.is_empty() {
        E::insert_many(rows).exec_without_returning(tx).await?;
    }
    Ok(())
}
