//! The sessions of one user, for that user to list and end.

use super::record::{ADDRESS, AGENT};
use super::{Session, Sessions};
use crate::views::Result;
use chrono::{DateTime, Utc};
use palisade_crypto::random;

/// A session, as displayed to its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSession {
    /// Hash of its key: an id that cannot be used as a key.
    pub id: String,
    /// User agent at login.
    pub agent: String,
    /// Address at login.
    pub address: String,
    /// Time of the login.
    pub began: Option<DateTime<Utc>>,
    /// Time of the last use, with a resolution of a tenth of the idle timeout.
    pub seen: Option<DateTime<Utc>>,
    /// Whether it is the session of this request.
    pub is_this: bool,
    /// The user's epoch at login; sessions of an earlier one have ended.
    pub(crate) epoch: Option<i64>,
}

impl Sessions {
    /// The sessions of a user, the most recently used first.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn owned_by(&self, owner: i32) -> Result<Vec<UserSession>> {
        let now = self.clock.now();
        let all = self.all_of(owner, now).await?;
        let shown = |(id, text): (String, String)| {
            let record = self.decode(&id, &text)?;
            let text = |name: &str| {
                record
                    .values
                    .get(name)
                    .and_then(|value| value.as_str())
                    .unwrap_or_default()
                    .to_owned()
            };
            let is_open = !record.has_ended(now, self.limits(record.lifetime()))
                && record.owner() == Some(owner);
            let (agent, address) = (text(AGENT), text(ADDRESS));
            // where the store has the keys themselves, they are not displayed
            let id = if self.is_shared {
                random::stored_hash(&id)
            } else {
                id
            };
            is_open.then_some(UserSession {
                id,
                agent,
                address,
                began: record.began,
                seen: record.seen,
                is_this: false,
                epoch: record.epoch(),
            })
        };
        let mut all: Vec<UserSession> = all.into_iter().filter_map(shown).collect();
        all.sort_by_key(|session| std::cmp::Reverse(session.seen));
        Ok(all)
    }

    /// Ends a session of a user. `false` if the user has none with this id.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn end_of(&self, owner: i32, id: &str) -> Result<bool> {
        let theirs = self.all_of(owner, self.clock.now()).await?;
        let is_it = |stored: &String| {
            *stored == id || (self.is_shared && random::stored_hash(stored) == id)
        };
        match theirs
            .into_iter()
            .find(|(stored, text)| is_it(stored) && self.owner_of(stored, text) == Some(owner))
        {
            Some((stored, _)) => Ok(self.store.delete(&stored).await?),
            None => Ok(false),
        }
    }

    /// Deletes all sessions of a user from the store except the id `kept`, and returns their
    /// number. What revokes them, even during a key rotation, is the user's epoch (`auth`).
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn end_all(&self, owner: i32, kept: Option<&str>) -> Result<usize> {
        let mut ended = 0;
        // Django has no epoch: one of its sessions whose key is rotated meanwhile is found in the
        // next round
        let rounds = if self.is_shared { SHARED_ROUNDS } else { 1 };
        for _ in 0..rounds {
            let all = self.all_of(owner, self.clock.now()).await?;
            let others: Vec<_> = all
                .iter()
                .filter(|(id, _)| Some(id.as_str()) != kept)
                .collect();
            for (id, _) in &others {
                ended += usize::from(self.store.delete(id).await?);
            }
            if others.is_empty() {
                break;
            }
        }
        Ok(ended)
    }
}

const SHARED_ROUNDS: usize = 5;

impl Sessions {
    /// The listed sessions of a user; of shared ones all, because Django lists none.
    async fn all_of(&self, owner: i32, now: DateTime<Utc>) -> Result<Vec<(String, String)>> {
        if !self.is_shared {
            return Ok(self.store.owned_by(owner, now).await?);
        }
        let _turn = self.shared_scan.acquire().await;
        let (mut theirs, mut after) = (Vec::new(), String::new());
        loop {
            let some = self.store.some(&after, now).await?;
            let Some((last, _)) = some.last() else {
                return Ok(theirs);
            };
            after.clone_from(last);
            let is_theirs = |(id, text): &(String, String)| {
                self.decode(id, text)
                    .is_some_and(|record| record.owner() == Some(owner))
            };
            theirs.extend(some.into_iter().filter(is_theirs));
        }
    }

    /// Deletes all sessions that are shared with Django, which has no epochs, and returns their
    /// number. Other sessions end by the epoch of their user.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn clear_shared(&self) -> Result<u64> {
        let (mut ended, now) = (0, self.clock.now());
        if !self.is_shared {
            return Ok(ended);
        }
        loop {
            let some = self.store.some("", now).await?;
            if some.is_empty() {
                return Ok(ended);
            }
            for (id, _) in some {
                ended += u64::from(self.store.delete(&id).await?);
            }
        }
    }

    /// The users with an open session for which this holds, by time and address of its login.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn owners(
        &self,
        is_meant: impl Fn(&UserSession) -> bool,
        users: &[i32],
    ) -> Result<Vec<i32>> {
        let mut found = Vec::new();
        for user in users {
            if self.owned_by(*user).await?.iter().any(&is_meant) {
                found.push(*user);
            }
        }
        Ok(found)
    }

    fn owner_of(&self, id: &str, text: &str) -> Option<i32> {
        let now = self.clock.now();
        self.decode(id, text)
            .filter(|record| !record.has_ended(now, self.limits(record.lifetime())))?
            .owner()
    }

    /// Waits until pending revocations have reached every instance, before the program ends.
    pub(crate) async fn settle(&self) {
        self.store.settle().await;
    }
}

impl Session {
    /// The sessions of this session's user.
    pub(crate) async fn siblings(&self, owner: i32) -> Result<Vec<UserSession>> {
        let own = self.id();
        let mut all = self.sessions().owned_by(owner).await?;
        let own = if self.sessions().is_shared {
            own.as_deref().map(random::stored_hash)
        } else {
            own
        };
        all.iter_mut()
            .for_each(|session| session.is_this = Some(&session.id) == own.as_ref());
        Ok(all)
    }

    /// Ends one of them.
    pub(crate) async fn end_sibling(&self, owner: i32, id: &str) -> Result<bool> {
        self.sessions().end_of(owner, id).await
    }

    /// Ends all of them except this one.
    pub(crate) async fn end_siblings(&self, owner: i32) -> Result<usize> {
        self.sessions().end_all(owner, self.id().as_deref()).await
    }

    fn id(&self) -> Option<String> {
        self.cookie_key().map(|key| self.sessions().id(key))
    }
}
