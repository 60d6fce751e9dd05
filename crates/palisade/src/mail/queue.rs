use super::MailError;
use super::mailer::{Console, Mailer, NotSent, Nowhere, Outbox};
use super::{Letter, Mail, MailSettings, Sender};
use crate::clock::Clock;
use crate::db::{Database, KeyColumn, SealedColumn, Tx};
use crate::settings::Profile;
use futures_util::{StreamExt, stream};
use palisade_crypto::KeyRing;
use palisade_crypto::seal::Sealer;
use palisade_mail::{ActiveModel, Column, Entity, Model};
use palisade_template::Templates;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};
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

/// Kind of a mail. Each has a share of the queue's capacity, so that a flood of one does not delay
/// others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailKind {
    /// A security notice.
    Notice = 0,
    /// Requested by an account's owner: a link, a code.
    Account = 1,
    /// To the address of a sign-up.
    SignUp = 2,
    /// To an address without an account.
    Unknown = 3,
}

/// Batch size per kind, the most urgent first.
const SHARES: [(MailKind, u64); 4] = [
    (MailKind::Notice, 8),
    (MailKind::Account, 6),
    (MailKind::SignUp, 4),
    (MailKind::Unknown, 2),
];
/// Concurrent deliveries.
const AT_ONCE: usize = 4;

/// The encrypted column of the queue.
pub(crate) const SEALED: SealedColumn = SealedColumn {
    table: "palisade_mail",
    key: KeyColumn::Number("id"),
    column: "sealed",
    purpose: PURPOSE,
    owner: None,
    place: |_| PLACE.into(),
};

/// The mail queue.
pub struct MailQueue {
    database: Database,
    clock: Arc<dyn Clock>,
    ring: KeyRing,
    mailer: Box<dyn Mailer>,
    templates: Templates,
    /// Notified at the commit of a transaction that queued a mail.
    came: Arc<Notify>,
}

/// Dependencies of a [`MailQueue`].
pub struct MailParts {
    /// Stores the queue.
    pub database: Database,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Encrypts the queue.
    pub ring: KeyRing,
    /// Templates of mails.
    pub templates: Templates,
}

/// Result of a delivery.
#[derive(PartialEq, Eq)]
enum Outcome {
    Sent,
    NotSent,
    /// Another instance has claimed it.
    Elsewhere,
}

/// Duration of an instance's claim on a mail: longer than the timeout of a delivery.
const TURN_SECS: i64 = 180;
const PATIENCE: Duration = Duration::from_secs(120);
const PURPOSE: &str = "mail";
const PLACE: &str = "palisade_mail";

impl MailQueue {
    /// The queue of a site.
    ///
    /// # Errors
    /// When `mail.url` needs a feature that this program was built without, or names no server.
    pub fn new(
        settings: &MailSettings,
        sender: Sender,
        profile: Profile,
        parts: MailParts,
    ) -> Result<Self, MailError> {
        Ok(Self {
            mailer: mailer(settings, sender, profile)?,
            database: parts.database,
            clock: parts.clock,
            ring: parts.ring,
            templates: parts.templates,
            came: Arc::default(),
        })
    }

    /// Whether mail can be delivered at all.
    pub fn is_real(&self) -> bool {
        self.mailer.is_real()
    }

    /// Queues a mail as part of a transaction, whose commit wakes the sender. It expires after
    /// `for_secs`, like the link in it.
    ///
    /// ```
    /// # async fn example(site: palisade::app::Site) -> palisade::views::Result<()> {
    /// use palisade::mail::Mail;
    /// let mail = Mail::plain("ann@example.org", "Your ticket", "It was answered.");
    /// let tx = site.database().handle().begin().await?;
    /// site.mail().put(&tx, &mail, 3600).await?;
    /// tx.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When it cannot be stored.
    pub async fn put(&self, tx: &Tx, mail: &Mail, for_secs: i64) -> Result<(), DbErr> {
        self.put_kind(tx, MailKind::Account, mail, for_secs).await
    }

    /// The same for a mail from a template.
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

    /// The same for another kind.
    ///
    /// # Errors
    /// When it cannot be stored.
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
        tx.notify_at_commit(&self.came);
        Entity::insert(row)
            .exec_without_returning(tx)
            .await
            .map(drop)
    }

    /// Waits until it is woken, or for a timeout.
    pub(crate) async fn next(&self, at_most: Duration) {
        let _ = timeout(at_most, self.came.notified()).await;
    }

    /// Delivers due mail, and returns the number sent.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn deliver(&self) -> Result<usize, DbErr> {
        let mut sent = 0;
        loop {
            // queried again after each batch, so that urgent mail overtakes older one
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

    /// The oldest due mail of each kind, up to its batch size.
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
        // an earlier delivery may have taken its time
        let now = self.clock.now().timestamp();
        match self.is_mine(&row, now).await? {
            true if self.attempt(row, now).await? => Ok(Outcome::Sent),
            true => Ok(Outcome::NotSent),
            false => Ok(Outcome::Elsewhere),
        }
    }

    /// Sent mail, where `mail.url` is `memory:`.
    pub fn outbox(&self) -> Vec<Mail> {
        self.mailer.outbox()
    }

    /// Claims a mail for this instance; another instance's later claim fails.
    async fn is_mine(&self, row: &Model, now: i64) -> Result<bool, DbErr> {
        let turn = ActiveModel {
            due: Set(now + TURN_SECS),
            tries: Set(row.tries + 1),
            ..Default::default()
        };
        let same = Entity::update_many()
            .set(turn)
            .filter(Column::Id.eq(row.id))
            .filter(Column::Tries.eq(row.tries));
        let taken = same.exec(&self.database.single()).await?.rows_affected;
        Ok(taken == 1)
    }

    async fn attempt(&self, row: Model, now: i64) -> Result<bool, DbErr> {
        if Self::is_for_nobody(&row) {
            return self.forget(row.id).await.map(|()| false);
        }
        let outcome = match self.open(&row) {
            _ if row.expires <= now => Err(NotSent::Ever("it has expired".into())),
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
                "it cannot be decrypted with the site's keys".into(),
            )),
        };
        match &outcome {
            Err(NotSent::Yet(why)) => {
                tracing::warn!(target: "palisade", mail = row.id, tries = row.tries + 1, why, "a mail could not be sent yet (SMTP)");
                self.later(&row, now).await?;
            }
            Err(NotSent::Ever(why)) => {
                tracing::error!(target: "palisade", mail = row.id, why, "a mail was discarded");
                self.forget(row.id).await?;
            }
            Ok(()) => self.forget(row.id).await?,
        }
        Ok(outcome.is_ok())
    }

    /// Deletes a mail that was never meant to be sent, without a log line.
    fn is_for_nobody(row: &Model) -> bool {
        row.kind == MailKind::Unknown as i32 && row.expires <= row.due
    }

    fn open(&self, row: &Model) -> Option<Mail> {
        let text = Sealer::new(&self.ring, PURPOSE)
            .open(&row.sealed, PLACE)
            .ok()?;
        serde_json::from_slice(text.expose()).ok()
    }

    /// Back-off: one minute, two, four, up to an hour.
    async fn later(&self, row: &Model, now: i64) -> Result<(), DbErr> {
        let pause = 60_i64 << row.tries.clamp(0, 6);
        let again = ActiveModel {
            due: Set(now + pause.min(3600)),
            ..Default::default()
        };
        Entity::update_many()
            .set(again)
            .filter(Column::Id.eq(row.id))
            .filter(Column::Tries.eq(row.tries + 1))
            .exec(&self.database.single())
            .await?;
        Ok(())
    }

    async fn forget(&self, id: i64) -> Result<(), DbErr> {
        Entity::delete_by_id(id)
            .exec(&self.database.single())
            .await?;
        Ok(())
    }
}

fn mailer(
    settings: &MailSettings,
    sender: Sender,
    profile: Profile,
) -> Result<Box<dyn Mailer>, MailError> {
    let url =
        url::Url::parse(settings.url.expose()).map_err(|error| MailError(error.to_string()))?;
    Ok(match url.scheme() {
        "memory" => Box::new(Outbox::default()),
        "console" if profile.is_development() => Box::new(Console),
        // printed mail is stored in logs, and holds secret links
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
