//! Retention of entries, and erasure of personal parts.

use super::chain::{Head, Link};
use super::entry::{Record, Who};
use super::tables::{entries, people};
use super::{AuditLog, Entry, Event, verify};
use crate::db::{Database, Tx};
use chrono::TimeDelta;
use sea_orm::sea_query::{Condition, Query};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use std::collections::BTreeSet;

impl Who {
    pub(super) fn row(self, seq: i64) -> people::ActiveModel {
        use sea_orm::Set;
        people::ActiveModel {
            seq: Set(seq),
            salt: Set(self.salt),
            name: Set(self.name),
            address: Set(self.address),
            agent: Set(self.agent),
        }
    }
}

/// Number of removed entries and personal parts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Pruned {
    pub(crate) entries: i64,
    pub(crate) people: i64,
}

impl Pruned {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl AuditLog {
    /// Erases the personal parts of users, for the erasures among the records. Returns the erased
    /// users of all records, also of earlier erasures, and the erased names.
    pub(super) async fn erase_people(
        &self,
        tx: &Tx,
        records: &[Record],
        head: &mut Head,
    ) -> Result<BTreeSet<String>, DbErr> {
        let mut erased = BTreeSet::new();
        for record in records.iter().filter(|record| record.is_erasure()) {
            head.erased += erase(tx, &record.subject, &record.who.name).await?;
            erased.insert(record.subject.clone());
            erased.insert(record.who.name.to_lowercase());
        }
        // of entries without a name
        erased.remove("");
        let concerned: BTreeSet<&String> = records
            .iter()
            .flat_map(|record| [&record.actor, &record.subject])
            .filter(|user| user.starts_with("user:"))
            .collect();
        if !concerned.is_empty() {
            let before = entries::Entity::find()
                .filter(entries::Column::Seq.gt(head.pruned.seq))
                .filter(entries::Column::Event.eq(Event::PersonErased.name()))
                .filter(entries::Column::Subject.is_in(concerned.iter().map(|user| user.as_str())))
                .all(tx)
                .await?;
            erased.extend(before.into_iter().map(|row| row.subject));
        }
        Ok(erased)
    }

    /// Removes entries older than `keep`, and personal parts older than `keep_people`, up to the
    /// first younger entry.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn prune(
        &self,
        database: &Database,
        (keep, keep_people): (TimeDelta, TimeDelta),
    ) -> Result<Pruned, DbErr> {
        self.flush(database).await?;
        let _one = self.lock().await;
        let tx = database.begin().await?;
        let (mut head, mut records) = self.lock_head(&tx).await?;
        let pruned = self
            .prune_in((&tx, database), (keep, keep_people), &mut head)
            .await?;
        if pruned.is_empty() {
            return Ok(pruned);
        }
        let detail = format!(
            "{} entries, {} personal parts, up to {}",
            pruned.entries, pruned.people, head.pruned.seq
        );
        records.push(self.of_its_own(Entry::new(Event::LogPruned).detail(detail)));
        let head = self.append_all(&tx, head, records.clone()).await?;
        self.store_head(&tx, head).await?;
        tx.commit().await?;
        self.note_head(head);
        records.iter().for_each(|record| self.announce(record));
        Ok(pruned)
    }

    /// The last entry before the first one that is younger than this.
    async fn last_older(&self, tx: &Tx, age: TimeDelta) -> Result<Option<entries::Model>, DbErr> {
        let limit = (self.now() - age).timestamp_micros();
        let first_younger = entries::Entity::find()
            .filter(entries::Column::At.gte(limit))
            .order_by_asc(entries::Column::Seq)
            .one(tx)
            .await?;
        let mut older = entries::Entity::find().order_by_desc(entries::Column::Seq);
        if let Some(younger) = first_younger {
            older = older.filter(entries::Column::Seq.lt(younger.seq));
        }
        older.one(tx).await
    }

    /// Removes nothing unless every entry up to the last old one is as the site wrote it: a changed
    /// time must not let the site remove an entry itself.
    async fn prune_in(
        &self,
        (tx, database): (&Tx, &Database),
        (keep, keep_people): (TimeDelta, TimeDelta),
        head: &mut Head,
    ) -> Result<Pruned, DbErr> {
        let old = self.last_older(tx, keep).await?;
        let old_people = self.last_older(tx, keep_people).await?;
        let last = [&old, &old_people].into_iter().flatten().map(|row| row.seq);
        let Some(last) = last.max() else {
            return Ok(Pruned::default());
        };
        if !verify::is_intact(self, database, (head.pruned, last)).await? {
            let why = "entries to remove are not as the site wrote them: run `audit verify`";
            return Err(DbErr::Custom(why.into()));
        }
        let mut pruned = Pruned::default();
        if let Some(last) = old_people {
            pruned.people = remove_people(tx, (head.pruned.seq, last.seq)).await?;
            head.erased += pruned.people;
        }
        if let Some(last) = old {
            let people = remove_people(tx, (head.pruned.seq, last.seq)).await?;
            let with_person = entries::Entity::find()
                .filter(entries::Column::Seq.lte(last.seq))
                .filter(entries::Column::Who.ne(""))
                .count(tx)
                .await?;
            head.erased -= with_person as i64 - people;
            let removed = entries::Entity::delete_many()
                .filter(entries::Column::Seq.lte(last.seq))
                .exec(tx)
                .await?;
            head.pruned = Link::read(last.seq, &last.link).unwrap_or(head.pruned);
            pruned.entries = removed.rows_affected as i64;
        }
        Ok(pruned)
    }
}

/// Removes the personal parts of entries after one and up to another. Rows that belong to no entry
/// do not count.
async fn remove_people(tx: &Tx, (after, last): (i64, i64)) -> Result<i64, DbErr> {
    let with_person = Query::select()
        .column(entries::Column::Seq)
        .from(entries::Entity)
        .and_where(entries::Column::Who.ne(""))
        .and_where(entries::Column::Seq.gt(after))
        .and_where(entries::Column::Seq.lte(last))
        .take();
    let gone = people::Entity::delete_many()
        .filter(people::Column::Seq.in_subquery(with_person))
        .exec(tx)
        .await?;
    Ok(gone.rows_affected as i64)
}

/// Erases the personal parts of entries by or about a user, and those with the user's name.
async fn erase(tx: &Tx, subject: &str, name: &str) -> Result<i64, DbErr> {
    let own = Query::select()
        .column(entries::Column::Seq)
        .from(entries::Entity)
        .cond_where(
            Condition::any()
                .add(entries::Column::Actor.eq(subject))
                .add(entries::Column::Subject.eq(subject)),
        )
        .take();
    let mut whose = Condition::any().add(people::Column::Seq.in_subquery(own));
    if !name.is_empty() {
        whose = whose.add(people::Column::Name.eq(name));
    }
    let gone = people::Entity::delete_many().filter(whose).exec(tx).await?;
    Ok(gone.rows_affected as i64)
}

/// The entry of an erasure. Its name is not stored.
pub(crate) fn erasure(id: i32, username: &str) -> Entry {
    Entry::new(Event::PersonErased).about(id).name(username)
}
