use super::mailer::{Console, Mailer, NotSent, Nowhere, Outbox};
use super::{Letter, Mail, MailSettings, Sender};
use crate::clock::Clock;
use crate::db::{Database, KeyColumn, SealedColumn, Tx};
use futures_util::{StreamExt, stream};
use palisade_crypto::KeyRing;
use palisade_crypto::seal::Sealer;
use palisade_mail::{ActiveModel, Column, Entity, Model};
use palisade_template::Templates;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

mod palisade_mail {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_mail")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        #[sea_orm(column_type = "Text")]
        pub sealed: String,
        pub due: i64,
        pub expires: i64,
        pub tries: i32,
        /// See [`MailKind`](super::MailKind).
        pub kind: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What a mail is about. Each kind has a part of the queue's capacity, so that a flood of one holds back no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailKind {
    /// A notice about the security of an account.
    Notice = 0,
    /// What an account's owner asked for: a link, a code.
    Account = 1,
    /// To an address that is to get an account.
    SignUp = 2,
    /// To an address that no account has.
    Unknown = 3,
}

/// Mail of each kind that is taken at once, the most urgent first.
const SHARES: [(MailKind, u64); 4] = [
    (MailKind::Notice, 8),
    (MailKind::Account, 6),
    (MailKind::SignUp, 4),
    (MailKind::Unknown, 2),
];
/// Mail that is sent at once.
const AT_ONCE: usize = 4;

/// Mail that waits.
pub(crate) const SEALED: SealedColumn = SealedColumn {
    table: "palisade_mail",
    key: KeyColumn::Number("id"),
    column: "sealed",
    purpose: PURPOSE,
    owner: None,
    place: |_| PLACE.into(),
};

/// Mail that waits to be sent.
pub struct MailQueue {
    database: Database,
    clock: Arc<dyn Clock>,
    ring: KeyRing,
    mailer: Box<dyn Mailer>,
    templates: Templates,
    came: Notify,
}

/// What became of a mail that was due.
#[derive(PartialEq, Eq)]
enum Outcome {
    Sent,
    NotSent,
    /// Another instance has it.
    Elsewhere,
}

/// Where mail should go cannot be used.
#[derive(Debug)]
pub struct MailError(pub String);

/// How long one instance has for a mail before another one tries: longer than a server's patience.
const TURN_SECS: i64 = 180;
const PATIENCE: Duration = Duration::from_secs(120);
const PURPOSE: &str = "mail";
const PLACE: &str = "palisade_mail";

impl MailQueue {
    /// The queue of a site.
    ///
    /// # Errors
    /// When `mail.url` needs what this program was built without, or names no server.
    pub fn new(
        settings: &MailSettings,
        sender: Sender,
        database: Database,
        clock: Arc<dyn Clock>,
        ring: KeyRing,
        templates: Templates,
        is_development: bool,
    ) -> Result<Self, MailError> {
        let mailer = mailer(settings, sender, is_development)?;
        Ok(Self {
            database,
            clock,
            ring,
            mailer,
            templates,
            came: Notify::new(),
        })
    }

    /// Whether mail can be sent at all.
    pub fn is_real(&self) -> bool {
        self.mailer.is_real()
    }

    /// Puts a mail into the queue, as part of a transaction. It is not sent any more when `for_secs` have passed: who waits for a link by then has asked
    /// for another one.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub async fn put(&self, tx: &Tx, mail: &Mail, for_secs: i64) -> Result<(), DbErr> {
        self.put_kind(tx, MailKind::Account, mail, for_secs).await
    }

    /// The same for a mail of a template.
    pub(crate) async fn put_letter(
        &self,
        tx: &Tx,
        kind: MailKind,
        letter: &Letter,
        for_secs: i64,
    ) -> Result<(), DbErr> {
        let mail = letter
            .render(&self.templates)
            .map_err(|error| DbErr::Custom(error.to_string()))?;
        self.put_kind(tx, kind, &mail, for_secs).await
    }

    /// The same for a mail of another kind.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub async fn put_kind(
        &self,
        tx: &Tx,
        kind: MailKind,
        mail: &Mail,
        for_secs: i64,
    ) -> Result<(), DbErr> {
        let text = serde_json::to_vec(mail).map_err(|error| DbErr::Custom(error.to_string()))?;
        let now = self.clock.now().timestamp();
        let row = ActiveModel {
            sealed: Set(Sealer::new(&self.ring, PURPOSE).seal(&text, PLACE)),
            due: Set(now),
            expires: Set(now + for_secs),
            tries: Set(0),
            kind: Set(kind as i32),
            ..Default::default()
        };
        Entity::insert(row)
            .exec_without_returning(tx)
            .await
            .map(drop)
    }

    /// Says that something was put in and kept, so that it is sent at once.
    pub fn wake(&self) {
        self.came.notify_one();
    }

    /// Waits until something was put in, or for as long as this.
    pub(crate) async fn next(&self, at_most: Duration) {
        let _ = timeout(at_most, self.came.notified()).await;
    }

    /// Sends what is due, and says how much was sent.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn deliver(&self) -> Result<usize, DbErr> {
        let mut sent = 0;
        loop {
            // asked anew after each batch: what is urgent does not wait for what came before it
            let due = self.due().await?;
            let batch: Vec<Result<Outcome, DbErr>> = stream::iter(due)
                .map(|row| self.deliver_one(row))
                .buffer_unordered(AT_ONCE)
                .collect()
                .await;
            let batch = batch.into_iter().collect::<Result<Vec<_>, _>>()?;
            sent += batch
                .iter()
                .filter(|outcome| **outcome == Outcome::Sent)
                .count();
            if batch.iter().all(|outcome| *outcome == Outcome::Elsewhere) {
                return Ok(sent);
            }
        }
    }

    /// Of each kind its share, the oldest first.
    async fn due(&self) -> Result<Vec<Model>, DbErr> {
        let (now, db) = (self.clock.now().timestamp(), self.database.handle());
        let mut all = Vec::new();
        for (kind, share) in SHARES {
            let due = Entity::find()
                .filter(Column::Kind.eq(kind as i32))
                .filter(Column::Due.lte(now));
            all.extend(
                due.order_by_asc(Column::Due)
                    .order_by_asc(Column::Id)
                    .limit(share)
                    .all(&db)
                    .await?,
            );
        }
        Ok(all)
    }

    async fn deliver_one(&self, row: Model) -> Result<Outcome, DbErr> {
        // one before it may have taken its time
        let now = self.clock.now().timestamp();
        match self.is_mine(&row, now).await? {
            true if self.attempt(row, now).await? => Ok(Outcome::Sent),
            true => Ok(Outcome::NotSent),
            false => Ok(Outcome::Elsewhere),
        }
    }

    /// What was sent, where `mail.url` is `memory:`.
    pub fn kept(&self) -> Vec<Mail> {
        self.mailer.kept()
    }

    /// Takes a mail for this instance: another one that saw it too comes too late.
    async fn is_mine(&self, row: &Model, now: i64) -> Result<bool, DbErr> {
        let tx = self.database.begin().await?;
        let turn = ActiveModel {
            due: Set(now + TURN_SECS),
            tries: Set(row.tries + 1),
            ..Default::default()
        };
        let same = Entity::update_many()
            .set(turn)
            .filter(Column::Id.eq(row.id))
            .filter(Column::Tries.eq(row.tries));
        let taken = same.exec(&tx).await?.rows_affected;
        tx.commit().await?;
        Ok(taken == 1)
    }

    async fn attempt(&self, row: Model, now: i64) -> Result<bool, DbErr> {
        if Self::is_for_nobody(&row) {
            return self.forget(row.id).await.map(|()| false);
        }
        let outcome = match self.opened(&row) {
            _ if row.expires <= now => Err(NotSent::Ever("it is too late for it".into())),
            Some(mail) => {
                let late = |_| {
                    Err(NotSent::Yet(format!(
                        "the server did not answer in {PATIENCE:?}"
                    )))
                };
                timeout(PATIENCE, self.mailer.send(&mail))
                    .await
                    .unwrap_or_else(late)
            }
            None => Err(NotSent::Ever(
                "it does not open with the site's keys".into(),
            )),
        };
        match &outcome {
            Err(NotSent::Yet(why)) => {
                tracing::warn!(target: "palisade", mail = row.id, tries = row.tries + 1, why, "a mail was not taken yet");
                self.later(&row, now).await?;
            }
            Err(NotSent::Ever(why)) => {
                tracing::error!(target: "palisade", mail = row.id, why, "a mail was given up");
                self.forget(row.id).await?;
            }
            Ok(()) => self.forget(row.id).await?,
        }
        Ok(outcome.is_ok())
    }

    /// Drops what was never to be sent, without a word.
    fn is_for_nobody(row: &Model) -> bool {
        row.kind == MailKind::Unknown as i32 && row.expires <= row.due
    }

    fn opened(&self, row: &Model) -> Option<Mail> {
        let text = Sealer::new(&self.ring, PURPOSE)
            .open(&row.sealed, PLACE)
            .ok()?;
        serde_json::from_slice(text.expose()).ok()
    }

    /// After a minute, two, four, and so on, to an hour.
    async fn later(&self, row: &Model, now: i64) -> Result<(), DbErr> {
        let pause = 60_i64 << row.tries.clamp(0, 6);
        let tx = self.database.begin().await?;
        let again = ActiveModel {
            due: Set(now + pause.min(3600)),
            ..Default::default()
        };
        Entity::update_many()
            .set(again)
            .filter(Column::Id.eq(row.id))
            .filter(Column::Tries.eq(row.tries + 1))
            .exec(&tx)
            .await?;
        tx.commit().await
    }

    async fn forget(&self, id: i64) -> Result<(), DbErr> {
        let tx = self.database.begin().await?;
        Entity::delete_by_id(id).exec(&tx).await?;
        tx.commit().await
    }
}

fn mailer(
    settings: &MailSettings,
    sender: Sender,
    is_development: bool,
) -> Result<Box<dyn Mailer>, MailError> {
    let url =
        url::Url::parse(settings.url.expose()).map_err(|error| MailError(error.to_string()))?;
    Ok(match url.scheme() {
        "memory" => Box::new(Outbox::default()),
        "console" if is_development => Box::new(Console),
        // what is printed is kept in the logs of machines, and mail holds links that open accounts
        "console" => Box::new(Nowhere),
        #[cfg(feature = "smtp")]
        _ => Box::new(
            super::smtp::Smtp::new(&url, sender, settings.ehlo_name.as_deref())
                .map_err(MailError)?,
        ),
        #[cfg(not(feature = "smtp"))]
        _ => {
            drop(sender);
            return Err(MailError(
                "this program was built without the feature smtp".into(),
            ));
        }
    })
}

impl fmt::Display for MailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MailError {}
