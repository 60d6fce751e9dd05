//! Verification of the chain.

use super::chain::{Head, HeadState, Link, ONLY, digest_of};
use super::entry::Who;
use super::tables::{entries, head, inbox, people};
use super::tampering::Tampering;
use super::{AuditLog, Checkpoint, Event};
use crate::db::{Database, Db};
use palisade_crypto::chain::{self, Hash};
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use std::collections::{BTreeMap, HashMap};

/// Rows of one query.
const PAGE: u64 = 1000;
/// A record waits in the inbox for less than this, in microseconds.
const LONGEST_WAIT: i64 = 60_000_000;

/// Facts from outside of the database.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expected {
    pub(crate) checkpoints: Vec<Checkpoint>,
    /// Damage noted up to this entry is known.
    pub(crate) known_damage: i64,
}

/// The result of a verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) erased: i64,
    /// Checkpoints that were compared.
    pub(crate) compared: usize,
    pub(crate) tampering: Option<Tampering>,
}

/// Verifies all entries, and names the first that is not as the site wrote it. A running site appends
/// and prunes meanwhile: a finding counts only if the head has not moved.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn verify(
    log: &AuditLog,
    database: &Database,
    expected: &Expected,
) -> Result<Verified, DbErr> {
    let db = database.handle();
    let mut head = head::Entity::find_by_id(ONLY).one(&db).await?;
    for _ in 0..ATTEMPTS {
        let verified = verify_once(log, &db, (head.as_ref(), expected)).await?;
        let now = head::Entity::find_by_id(ONLY).one(&db).await?;
        if verified.tampering.is_none() || now == head {
            return Ok(verified);
        }
        head = now;
    }
    verify_once(log, &db, (head.as_ref(), expected)).await
}

/// Attempts beside a site that writes.
const ATTEMPTS: usize = 10;

/// Verifies the entries up to a head, and none behind it.
async fn verify_once(
    log: &AuditLog,
    db: &Db,
    (head, expected): (Option<&head::Model>, &Expected),
) -> Result<Verified, DbErr> {
    let state = head.map(|row| Head::read(row, log.keys()));
    let known = match state {
        Some(HeadState::Authentic(head)) => Some(head),
        _ => None,
    };
    let start = known.map_or(Link::FIRST, |head| head.pruned);
    let last = known.map_or(i64::MAX, |head| head.end.seq);
    let mut walk = Walk::new(log, db, start);
    walk.links = checkpoint_links(expected, start);
    let mut tampering = walk.judge_outside().await?;
    if tampering.is_none() {
        tampering = walk.run((expected.known_damage, last)).await?;
    }
    if tampering.is_none() {
        tampering = walk.judge_end(state, &expected.checkpoints);
    }
    if tampering.is_none() {
        tampering = walk.judge_behind(last).await?;
    }
    if tampering.is_none() {
        tampering = walk.judge_rest(known).await?;
    }
    Ok(Verified {
        from: start.seq + 1,
        to: walk.before.seq,
        erased: walk.missing,
        compared: comparable(expected, start).count(),
        tampering,
    })
}

/// Whether the entries after one and up to another are as the site wrote them.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn is_intact(
    log: &AuditLog,
    database: &Database,
    (start, last): (Link, i64),
) -> Result<bool, DbErr> {
    let db = database.handle();
    let mut walk = Walk::new(log, &db, start);
    let found = walk.run((i64::MAX, last)).await?;
    Ok(found.is_none() && walk.before.seq >= last)
}

fn comparable(expected: &Expected, start: Link) -> impl Iterator<Item = &Checkpoint> {
    let checkpoints = expected.checkpoints.iter();
    checkpoints.filter(move |checkpoint| checkpoint.link.seq >= start.seq)
}

/// Links to note on the way: those with a checkpoint.
fn checkpoint_links(expected: &Expected, start: Link) -> BTreeMap<i64, Option<Hash>> {
    let seqs = comparable(expected, start).map(|checkpoint| checkpoint.link.seq);
    seqs.map(|seq| (seq, (seq == start.seq).then_some(start.hash)))
        .collect()
}

struct Walk<'a> {
    log: &'a AuditLog,
    db: &'a Db,
    /// The last good entry.
    before: Link,
    start: Link,
    links: BTreeMap<i64, Option<Hash>>,
    /// Entries without their personal part.
    missing: i64,
    noted: Option<i64>,
    /// The first entry under a key of the ring. It covers those of retired keys before it; after it,
    /// a key that is not on the ring is an attacker's.
    is_sealed_since: Option<i64>,
}

impl<'a> Walk<'a> {
    fn new(log: &'a AuditLog, db: &'a Db, start: Link) -> Self {
        Self {
            log,
            db,
            before: start,
            start,
            links: BTreeMap::new(),
            missing: 0,
            noted: None,
            is_sealed_since: None,
        }
    }

    /// An entry, or a personal part, before the first one.
    async fn judge_outside(&self) -> Result<Option<Tampering>, DbErr> {
        let entry = entries::Entity::find()
            .filter(entries::Column::Seq.lte(self.start.seq))
            .one(self.db)
            .await?;
        let person = people::Entity::find()
            .filter(people::Column::Seq.lte(self.start.seq))
            .one(self.db)
            .await?;
        let entry = entry.map(|row| Tampering::Inserted(row.seq));
        Ok(entry.or(person.map(|row| Tampering::PersonEdited(row.seq))))
    }

    /// An entry behind the head.
    async fn judge_behind(&self, last: i64) -> Result<Option<Tampering>, DbErr> {
        let behind = self.rows_after(last, 1).await?.into_iter().next();
        Ok(behind.map(|row| Tampering::Inserted(row.seq)))
    }

    /// Follows the chain to its end, to an entry, or to the first that does not continue it.
    async fn run(&mut self, (known_damage, last): (i64, i64)) -> Result<Option<Tampering>, DbErr> {
        while self.before.seq < last {
            let rows = self.rows_after(self.before.seq, PAGE).await?;
            if rows.is_empty() {
                return Ok(None);
            }
            let people = self.people_of(&rows).await?;
            for row in &rows {
                let Some(link) = self.continues(self.before, row) else {
                    return self.classify(row).await.map(Some);
                };
                if !self.is_person_intact(row, people.get(&row.seq)) {
                    return Ok(Some(Tampering::PersonEdited(row.seq)));
                }
                if row.event == Event::LogDamaged.name() && row.seq > known_damage {
                    self.noted.get_or_insert(row.seq);
                }
                if self.log.keys().key(&row.key).is_some() {
                    self.is_sealed_since.get_or_insert(row.seq);
                }
                self.before = link;
                if let Some(noted) = self.links.get_mut(&link.seq) {
                    *noted = Some(link.hash);
                }
                if link.seq == last {
                    break;
                }
            }
        }
        Ok(None)
    }

    async fn rows_after(&self, seq: i64, most: u64) -> Result<Vec<entries::Model>, DbErr> {
        entries::Entity::find()
            .filter(entries::Column::Seq.gt(seq))
            .order_by_asc(entries::Column::Seq)
            .limit(most)
            .all(self.db)
            .await
    }

    async fn people_of(
        &self,
        rows: &[entries::Model],
    ) -> Result<HashMap<i64, people::Model>, DbErr> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return Ok(HashMap::new());
        };
        let found = people::Entity::find()
            .filter(people::Column::Seq.between(first.seq, last.seq))
            .all(self.db)
            .await?;
        Ok(found.into_iter().map(|row| (row.seq, row)).collect())
    }

    /// The link of a row, if it is the entry after another one.
    fn continues(&self, before: Link, row: &entries::Model) -> Option<Link> {
        let link = self.follows(before, row)?;
        (row.seq == link.seq && row.link == chain::to_text(&link.hash)).then_some(link)
    }

    /// The same, wherever the row is. Without its key, only the hash can be compared; a later entry,
    /// or the head, covers it.
    fn follows(&self, before: Link, row: &entries::Model) -> Option<Link> {
        let digest = digest_of(row);
        let link = before.then(&digest);
        let is_good = match self.log.keys().key(&row.key) {
            None if self.is_sealed_since.is_some() => false,
            None => row.link == chain::to_text(&link.hash),
            Some(key) => {
                let mac = chain::from_text(&row.mac)?;
                key.is_authentic(&link.hash, &mac) && self.is_sealed(row)
            }
        };
        is_good.then_some(link)
    }

    /// Whether the site wrote the content of a row.
    fn is_sealed(&self, row: &entries::Model) -> bool {
        let key = self.log.keys().key(&row.key);
        let seal = chain::from_text(&row.seal);
        key.zip(seal)
            .is_some_and(|(key, seal)| key.is_seal(&digest_of(row), &seal))
    }

    fn is_person_intact(&mut self, row: &entries::Model, person: Option<&people::Model>) -> bool {
        let Some(person) = person else {
            self.missing += i64::from(!row.who.is_empty());
            return true;
        };
        let who = Who {
            salt: person.salt.clone(),
            name: person.name.clone(),
            address: person.address.clone(),
            agent: person.agent.clone(),
        };
        who.commitment() == row.who
    }

    /// Names the change at the first row that does not continue the chain.
    async fn classify(&self, row: &entries::Model) -> Result<Tampering, DbErr> {
        let expected = self.before.seq + 1;
        let (from, to) = (expected, row.seq - 1);
        if row.seq > expected {
            return Ok(match self.elsewhere().await? {
                Some(_) => Tampering::Moved(expected),
                None if self.before == self.start => Tampering::CutAtStart { from, to },
                None => Tampering::Removed { from, to },
            });
        }
        let is_genuine = self.is_sealed(row);
        if is_genuine && self.copies(row).await? > 1 {
            return Ok(Tampering::Inserted(row.seq));
        }
        let next = self.rows_after(row.seq, 1).await?.into_iter().next();
        let skips = |next: &entries::Model| self.follows(self.before, next).is_some();
        if next.as_ref().is_some_and(skips) || next.is_none() && !is_genuine {
            let is_last_edited = next.is_none() && row.seq <= self.head_seq().await?;
            return Ok(match (is_genuine, is_last_edited) {
                (true, _) => Tampering::Moved(row.seq),
                (false, true) => Tampering::Edited(row.seq),
                (false, false) => Tampering::Inserted(row.seq),
            });
        }
        if !is_genuine || self.is_followed(row, next.as_ref()) {
            return Ok(Tampering::Edited(row.seq));
        }
        Ok(match self.elsewhere().await? {
            Some(_) => Tampering::Moved(expected),
            None => Tampering::Removed {
                from: expected,
                to: expected,
            },
        })
    }

    /// Whether the next row continues from the content of this one: then only its MAC or link was
    /// changed.
    fn is_followed(&self, row: &entries::Model, next: Option<&entries::Model>) -> bool {
        let link = self.before.then(&digest_of(row));
        next.is_some_and(|next| self.follows(link, next).is_some())
    }

    /// The row that belongs here, if it is at another place.
    async fn elsewhere(&self) -> Result<Option<i64>, DbErr> {
        let mut seq = self.before.seq;
        loop {
            let rows = self.rows_after(seq, PAGE).await?;
            let Some(last) = rows.last() else {
                return Ok(None);
            };
            seq = last.seq;
            let found = rows
                .iter()
                .find(|row| self.follows(self.before, row).is_some());
            if let Some(found) = found {
                return Ok(Some(found.seq));
            }
        }
    }

    /// Rows with the content of this one.
    async fn copies(&self, row: &entries::Model) -> Result<u64, DbErr> {
        let same = entries::Entity::find().filter(entries::Column::Seal.eq(row.seal.as_str()));
        same.count(self.db).await
    }

    async fn head_seq(&self) -> Result<i64, DbErr> {
        let head = head::Entity::find_by_id(ONLY).one(self.db).await?;
        Ok(head.map_or(0, |head| head.seq))
    }

    /// Compares the end of the chain with the head and with checkpoints.
    fn judge_end(&self, head: Option<HeadState>, checkpoints: &[Checkpoint]) -> Option<Tampering> {
        let last = self.before;
        let cut = |to: i64| Tampering::CutAtEnd {
            from: last.seq + 1,
            to,
        };
        let newest = checkpoints
            .iter()
            .map(|checkpoint| checkpoint.link.seq)
            .max();
        match head {
            None => {
                return Some(
                    newest
                        .filter(|to| *to > last.seq)
                        .map_or(Tampering::HeadMissing, cut),
                );
            }
            Some(HeadState::Damaged | HeadState::UnknownKey) => {
                let to = newest.filter(|to| *to > last.seq);
                return Some(to.map_or(Tampering::HeadChanged, cut));
            }
            Some(HeadState::Authentic(head)) => {
                if head.end.seq > last.seq {
                    return Some(cut(head.end.seq));
                }
                if head.end != last {
                    return Some(Tampering::HeadChanged);
                }
            }
        }
        if let Some(to) = newest.filter(|to| *to > last.seq) {
            return Some(cut(to));
        }
        self.judge_checkpoints(checkpoints)
    }

    fn judge_checkpoints(&self, checkpoints: &[Checkpoint]) -> Option<Tampering> {
        let mut sorted: Vec<&Checkpoint> = checkpoints.iter().collect();
        sorted.sort_by_key(|checkpoint| checkpoint.link.seq);
        let mut good = self.start.seq;
        for checkpoint in sorted {
            let Link { seq, hash } = checkpoint.link;
            match self.links.get(&seq) {
                Some(Some(found)) if *found != hash => {
                    return Some(Tampering::Rewritten {
                        from: good + 1,
                        to: seq,
                    });
                }
                Some(Some(_)) => good = seq,
                _ => {}
            }
        }
        None
    }

    /// Verifies the personal parts and the inbox.
    async fn judge_rest(&self, head: Option<Head>) -> Result<Option<Tampering>, DbErr> {
        let erased = head.map_or(0, |head| head.erased);
        if self.missing > erased {
            return Ok(Some(Tampering::PeopleRemoved {
                missing: self.missing,
                erased,
            }));
        }
        let late = self.log.now().timestamp_micros() - LONGEST_WAIT;
        let waiting = inbox::Entity::find()
            .filter(inbox::Column::At.lt(late))
            .one(self.db)
            .await?;
        let waiting = waiting.map(|row| Tampering::InboxWaiting(row.id));
        Ok(self.noted.map(Tampering::Noted).or(waiting))
    }
}
