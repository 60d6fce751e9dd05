use super::messages::MessageLevel;
use super::messages::Messages;
use super::record::Record;
use super::{Binding, CookieStore, Lifetime, NewSession, Replaced, SessionStore, Sessions};
use crate::http::cookies::Cookie;
use crate::views::{Error, Personal, Result};
use axum::extract::FromRequestParts;
use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderValue;
use http::request::Parts;
use palisade_crypto::Secret;
use sea_orm::DbErr;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::{Mutex, MutexGuard};

/// The visitor's session. Cheap to clone, loaded lazily, and saved once, after the handler.
#[derive(Clone)]
pub struct Session(Arc<Shared>);

struct Shared {
    sessions: Arc<Sessions>,
    /// The store of a cookie-based session.
    carried: Option<Arc<CookieStore>>,
    key: Option<Secret<String>>,
    personal: Personal,
    state: Mutex<Option<State>>,
    /// The key after this response, if it is rotated.
    next_key: OnceLock<Secret<String>>,
    /// Flash messages in a cookie, where Django reads them.
    messages: Option<Messages>,
    /// Whether it was renewed for another user.
    is_renewed: AtomicBool,
    /// Lifetime of the cookie in seconds, where the user chose to stay signed in.
    kept_secs: OnceLock<u64>,
}

#[derive(Default)]
struct State {
    record: Record,
    /// The serialised session as loaded, where Django writes it too.
    read: Option<String>,
    /// Whether the cookie's key leads to a session.
    exists: bool,
    is_changed: bool,
    /// Whether a change is optional to save.
    is_noted: bool,
    fate: Fate,
}

#[derive(Default, PartialEq, Eq)]
enum Fate {
    #[default]
    Keep,
    Rotate,
    Renew,
    End,
}

const MESSAGES: &str = "_palisade_messages";
/// Most pending messages.
const MAX_MESSAGES: usize = 10;

impl Session {
    pub(super) fn new(
        sessions: Arc<Sessions>,
        (carried, messages): (Option<Arc<CookieStore>>, Option<Messages>),
        key: Option<Secret<String>>,
        personal: Personal,
    ) -> Self {
        Self(Arc::new(Shared {
            sessions,
            carried,
            key,
            personal,
            state: Mutex::new(None),
            next_key: OnceLock::new(),
            messages,
            is_renewed: AtomicBool::new(false),
            kept_secs: OnceLock::new(),
        }))
    }

    fn store(&self) -> &dyn SessionStore {
        match &self.0.carried {
            Some(carried) => &**carried,
            None => &*self.0.sessions.store,
        }
    }

    /// Gets a value, if it exists and deserialises as `T`.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn value<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let state = self.state().await?;
        Ok(loaded_state(&state)
            .record
            .values
            .get(name)
            .and_then(|value| serde_json::from_value(value.clone()).ok()))
    }

    /// Sets a value.
    ///
    /// ```
    /// use palisade::prelude::*;
    /// async fn choose(session: Session) -> Result<Response> {
    ///     session.insert("theme", "dark").await?;
    ///     let theme: Option<String> = session.value("theme").await?;
    ///     assert_eq!(theme.as_deref(), Some("dark"));
    ///     Ok(redirect_to("/"))
    /// }
    /// let routes: Routes = Routes::new().route("/theme", public().post(choose));
    /// ```
    ///
    /// # Errors
    /// When the store does not answer, or the value is not JSON.
    pub async fn insert(&self, name: &str, value: impl Serialize) -> Result<()> {
        let value = serde_json::to_value(value)?;
        self.change(|record| record.values.insert(name.to_owned(), value))
            .await
            .map(drop)
    }

    /// Sets a value that only this site reads, and that is saved with the next required save.
    pub(crate) async fn note(&self, name: &str, value: impl Serialize) -> Result<()> {
        let value = serde_json::to_value(value)?;
        if let Some(state) = self.state().await?.as_mut() {
            state.record.values.insert(name.to_owned(), value);
        }
        Ok(())
    }

    /// The same, saved at the end of this request if possible; a failure is ignored.
    pub(crate) async fn note_now(&self, name: &str, value: impl Serialize) -> Result<()> {
        self.note(name, value).await?;
        if let Some(state) = self.state().await?.as_mut() {
            state.is_noted = true;
        }
        Ok(())
    }

    /// Whether the site lets users stay signed in.
    pub(crate) fn can_be_kept(&self) -> bool {
        self.0.sessions.kept > TimeDelta::zero()
    }

    /// Records the choice to stay signed in, for this session and the one that the login renews it
    /// to.
    pub(crate) async fn keep(&self, lifetime: Lifetime) -> Result<()> {
        let kept = Some(self.0.sessions.kept.num_seconds());
        let secs = kept.filter(|secs| lifetime == Lifetime::Kept && *secs > 0);
        if let Some(state) = self.state().await?.as_mut() {
            state.record.keep(secs);
        }
        Ok(())
    }

    /// Whether Django writes it too.
    pub(crate) fn is_shared(&self) -> bool {
        self.0.sessions.is_shared
    }

    /// Removes a value and returns it.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn remove(&self, name: &str) -> Result<Option<Value>> {
        if self.value::<Value>(name).await?.is_none() {
            return Ok(None);
        }
        self.change(|record| record.values.shift_remove(name)).await
    }

    /// Rotates the session key; the old one is revoked with the response.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn rotate(&self) -> Result<()> {
        self.fate(Fate::Rotate).await
    }

    /// Clears the session and rotates its key, for another user (session fixation). The choice to
    /// stay signed in belongs to the login and is kept.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn renew(&self) -> Result<()> {
        let kept = self.0.sessions.kept.num_seconds();
        self.change(|record| {
            let lifetime = record.lifetime();
            *record = Record::default();
            record.keep(Some(kept).filter(|_| lifetime == Lifetime::Kept));
        })
        .await?;
        self.0.is_renewed.store(true, Ordering::Relaxed);
        self.fate(Fate::Renew).await
    }

    /// Whether it was renewed or ended in this request.
    pub(crate) fn is_renewed(&self) -> bool {
        self.0.is_renewed.load(Ordering::Relaxed)
    }

    /// Ends the session.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn end(&self) -> Result<()> {
        self.change(|record| *record = Record::default()).await?;
        self.fate(Fate::End).await
    }

    /// Adds a flash message for the next page.
    ///
    /// ```
    /// use palisade::prelude::*;
    /// async fn save(session: Session) -> Result<Response> {
    ///     session.message(MessageLevel::Success, "The ticket was saved.").await?;
    ///     Ok(redirect_to("/tickets"))
    /// }
    /// let routes: Routes = Routes::new().route("/tickets", signed_in().post(save));
    /// ```
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn message(&self, level: MessageLevel, text: impl Into<String>) -> Result<()> {
        if let Some(messages) = &self.0.messages {
            messages.add(level, text.into());
            return Ok(());
        }
        let level = match level {
            MessageLevel::Success => "success",
            MessageLevel::Warning => "warning",
            MessageLevel::Error => "error",
        };
        let mut messages: Vec<Value> = self.value(MESSAGES).await?.unwrap_or_default();
        messages.push(json!({ "level": level, "text": text.into() }));
        let first = messages.len().saturating_sub(MAX_MESSAGES);
        self.insert(MESSAGES, &messages[first..]).await
    }

    /// Takes the pending messages, for this page.
    pub(crate) async fn take_messages(&self) -> Result<Vec<Value>> {
        if let Some(messages) = &self.0.messages {
            return Ok(messages.take());
        }
        // displaying a message twice is better than failing the page
        let mut state = self.state().await?;
        let messages = state.as_mut().and_then(|state| {
            let messages = state.record.values.shift_remove(MESSAGES)?;
            state.is_noted = true;
            Some(messages)
        });
        Ok(messages
            .and_then(|messages| serde_json::from_value(messages).ok())
            .unwrap_or_default())
    }

    /// Whether messages are pending in a cookie besides the session.
    pub(crate) fn has_messages(&self) -> bool {
        self.0.messages.as_ref().is_some_and(Messages::are_there)
    }

    /// The message cookie to set, where Django reads it and it has changed.
    pub(crate) fn message_cookie(&self) -> Option<HeaderValue> {
        let Sessions {
            ring,
            clock,
            cookie,
            ..
        } = &*self.0.sessions;
        self.0.messages.as_ref()?.cookie(
            ring,
            crate::clock::unix_seconds(clock.now()),
            cookie.transport,
        )
    }

    /// The session binding of the configuration.
    pub(crate) fn binding(&self) -> Binding {
        self.0.sessions.binding
    }

    pub(super) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    /// The key in the cookie, whether or not it leads to a session.
    pub(crate) fn cookie_key(&self) -> Option<&str> {
        self.0.key.as_ref().map(|key| key.expose().as_str())
    }

    /// The key that the browser has after this response: CSRF tokens are bound to it.
    pub(crate) fn future_key(&self) -> Option<&str> {
        self.0
            .next_key
            .get()
            .map(|key| key.expose().as_str())
            .or_else(|| self.cookie_key())
    }

    /// Saves changes, and returns the cookie to set.
    pub(crate) async fn finish(&self) -> Result<Option<HeaderValue>> {
        let cookie = self.write_down().await?;
        let Some(carried) = &self.0.carried else {
            return Ok(cookie);
        };
        let Some(sealed) = carried.new_value(&self.0.sessions.ring)? else {
            return Ok(cookie);
        };
        let key = self.future_key().unwrap_or_default();
        Ok(self.cookie().set(&format!("{key}.{sealed}")))
    }

    async fn write_down(&self) -> Result<Option<HeaderValue>> {
        let mut guard = self.0.state.lock().await;
        let Some(state) = guard.take() else {
            return Ok(None);
        };
        // boxed: requests without a session must not reserve space for this future
        Box::pin(self.finish_state(state)).await
    }

    async fn finish_state(&self, state: State) -> Result<Option<HeaderValue>> {
        let sessions = &self.0.sessions;
        if state.record.lifetime() == Lifetime::Kept {
            let now = sessions.clock.now();
            let left =
                sessions.limits(Lifetime::Kept).1 - (now - state.record.began.unwrap_or(now));
            let _ = self
                .0
                .kept_secs
                .set(left.num_seconds().try_into().unwrap_or(0));
        }
        let old_id = self.0.key.as_ref().map(|key| sessions.id(key.expose()));
        match (old_id, state.exists, &state.fate) {
            (Some(id), true, Fate::Keep) => self.write(&id, state).await.map(|()| None),
            (id, exists, Fate::End) => {
                self.delete(id.filter(|_| exists)).await?;
                Ok(self.0.key.as_ref().and_then(|_| sessions.cookie.clear()))
            }
            (Some(id), true, Fate::Rotate) => {
                self.create(
                    state,
                    Some(Replaced {
                        id: &id,
                        must_exist: true,
                    }),
                )
                .await
            }
            (Some(id), true, Fate::Renew) => {
                self.create(
                    state,
                    Some(Replaced {
                        id: &id,
                        must_exist: false,
                    }),
                )
                .await
            }
            (_, _, _) if !state.record.values.is_empty() => self.create(state, None).await,
            // an unknown cookie is left: a concurrent response may have set it, and CSRF tokens may
            // be bound to it
            _ => Ok(None),
        }
    }

    fn cookie(&self) -> Cookie<'static> {
        let cookie = self.0.sessions.cookie;
        Cookie {
            max_age_secs: self.0.kept_secs.get().copied().or(cookie.max_age_secs),
            ..cookie
        }
    }

    async fn write(&self, id: &str, mut state: State) -> Result<()> {
        let now = self.0.sessions.clock.now();
        // saved once per tenth of the idle timeout, not with every request
        let is_due = state
            .record
            .seen
            .is_none_or(|seen| now - seen >= self.0.sessions.idle / 10);
        let is_changed = state.is_changed;
        if !is_changed && !state.is_noted && !is_due {
            return Ok(());
        }
        match self.rewrite(id, &mut state, now).await {
            // bookkeeping only: with a full disk, or a read-only database, pages that only read
            // still work
            Err(error) if !is_changed => {
                tracing::warn!(target: "palisade", %error, "a session could not be saved: the time of its last use, or its displayed messages");
                Ok(())
            }
            written => Ok(written?),
        }
    }

    async fn rewrite(&self, id: &str, state: &mut State, now: DateTime<Utc>) -> Result<(), DbErr> {
        let store = self.store();
        let expires = self.0.sessions.end(
            now,
            state.record.began.unwrap_or(now),
            state.record.lifetime(),
        );
        // a session of Django's, or of an older version of this program
        if let Some(owner) = state.record.owner().filter(|_| !state.record.is_listed()) {
            store.own(id, owner).await?;
            state.record.list();
        }
        let text = state
            .record
            .encode(&self.0.sessions.ring, now, self.0.sessions.of_key(id));
        match &state.read {
            Some(old) => {
                store
                    .rewrite(id, Some(&**old).filter(|_| !state.is_changed), &text)
                    .await
            }
            None => store.update(id, &text, expires).await,
        }
    }

    async fn create(
        &self,
        mut state: State,
        old: Option<Replaced<'_>>,
    ) -> Result<Option<HeaderValue>> {
        let Sessions { clock, ring, .. } = &*self.0.sessions;
        let (now, key) = (
            clock.now(),
            self.0.next_key.get_or_init(|| self.0.sessions.new_key()),
        );
        let id = self.0.sessions.id(key.expose());
        let began = *state.record.began.get_or_insert(now);
        let expires = self.0.sessions.end(now, began, state.record.lifetime());
        let owner = state.record.owner();
        if owner.is_some() {
            state.record.list();
        }
        let data = state.record.encode(ring, now, self.0.sessions.of_key(&id));
        let new = NewSession {
            id: &id,
            owner,
            data: &data,
            expires,
        };
        let is_made = self.store().replace(old, new).await?;
        Ok(if is_made {
            self.cookie().set(key.expose())
        } else {
            None
        })
    }

    async fn delete(&self, id: Option<String>) -> Result<()> {
        if let Some(id) = id {
            self.store().delete(&id).await?;
        }
        Ok(())
    }

    async fn fate(&self, fate: Fate) -> Result<()> {
        if let Some(state) = self.state().await?.as_mut() {
            if fate != Fate::End {
                self.0.next_key.get_or_init(|| self.0.sessions.new_key());
            }
            // a renewed session is not downgraded to a rotated one by a later change of rights
            if state.fate != Fate::Renew || fate == Fate::End {
                state.fate = fate;
            }
        }
        Ok(())
    }

    async fn change<T>(&self, change: impl FnOnce(&mut Record) -> T) -> Result<T> {
        let mut guard = self.state().await?;
        let state = guard.get_or_insert_default();
        state.is_changed = true;
        if !state.exists {
            self.0.next_key.get_or_init(|| self.0.sessions.new_key());
        }
        Ok(change(&mut state.record))
    }

    async fn state(&self) -> Result<MutexGuard<'_, Option<State>>> {
        self.0.personal.mark();
        let mut guard = self.0.state.lock().await;
        if guard.is_none() {
            *guard = Some(self.load().await?);
        }
        Ok(guard)
    }

    async fn load(&self) -> Result<State> {
        let Sessions { clock, .. } = &*self.0.sessions;
        let store = self.store();
        let Some(key) = &self.0.key else {
            return Ok(State::default());
        };
        let now = clock.now();
        let id = self.0.sessions.id(key.expose());
        let text = store.load(&id, now).await?;
        let read = text.clone().filter(|_| self.0.sessions.is_shared);
        let record = text
            .and_then(|text| self.0.sessions.decode(&id, &text))
            .filter(|record| !record.has_ended(now, self.0.sessions.limits(record.lifetime())));
        Ok(State {
            exists: record.is_some(),
            read,
            record: record.unwrap_or_default(),
            ..Default::default()
        })
    }
}

fn loaded_state<'a>(guard: &'a MutexGuard<'_, Option<State>>) -> &'a State {
    guard.as_ref().expect("state() has loaded it")
}

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let session = parts.extensions.get::<Self>().cloned();
        session.ok_or_else(|| Error::bug("there is no session: routes must be served by App"))
    }
}
