use super::MailError;
use super::mailer::{Console, Mailer, NotSent, Nowhere, Outbox};
use super::{Letter, Links, Mail, MailSettings, Sender, deliverable};
use crate::clock::Clock;
use crate::db::{Database, KeyColumn, SealedColumn, Tx, retry_after_secs};
use crate::settings::Profile;
use crate::views::{Error, RequestContext, Result};
use axum::extract::FromRequestParts;
use futures_util::{StreamExt, stream};
use http::request::Parts;
use palisade_crypto::KeyRing;
use palisade_crypto::seal::Sealer;
use palisade_mail::{ActiveModel, Column, Entity, Model};
use palisade_template::{PageSecrets, Templates, Value, context};
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
    /// Of the site's own.
    Site = 4,
}

/// Batch size per kind, the most urgent first.
const SHARES: [(MailKind, u64); 5] = [
    (MailKind::Notice, 8),
    (MailKind::Account, 6),
    (MailKind::Site, 6),
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

/// The mail queue, as extractor of handlers and as [`Site::mail`](crate::app::Site::mail).
///
/// ```
/// use palisade::prelude::*;
/// use palisade::throttle::{By, Limit};
///
/// #[derive(Form)]
/// struct Contact {
///     email: Email,
///     text: Text<2_000>,
/// }
///
/// async fn send(db: Db, mail: MailQueue, form: Form<Contact>) -> Result<Response> {
///     let contact = form.valid_or_show("contact.html").await?;
///     // subject and body are those of templates/mail/contact.html
///     let message = mail
///         .render("desk@example.org", "mail/contact.html", context! { text => &*contact.text })?
///         .reply_to(contact.email);
///     db.write(async |tx| mail.send(tx, &message).await).await?;
///     Ok(redirect_to("/"))
/// }
/// let limit = Limit::new("contact", By::Address, "5/h");
/// let routes: Routes = Routes::new().route("/contact", public().post(send).limit(limit));
/// ```
#[derive(Clone)]
pub struct MailQueue {
    inner: Arc<Inner>,
    /// Base URL of links.
    base: Arc<str>,
}

struct Inner {
    database: Database,
    clock: Arc<dyn Clock>,
    ring: KeyRing,
    mailer: Box<dyn Mailer>,
    templates: Templates,
    links: Links,
    /// Name of the site in mails.
    site_name: String,
    /// Notified at the commit of a transaction that queued a mail.
    came: Arc<Notify>,
}

/// Dependencies of a [`MailQueue`].
pub(crate) struct MailParts {
    /// Stores the queue.
    pub(crate) database: Database,
    /// Time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Encrypts the queue.
    pub(crate) ring: KeyRing,
    /// Templates of mails.
    pub(crate) templates: Templates,
    /// Base URLs of links in mails.
    pub(crate) links: Links,
    /// Name of the site in mails.
    pub(crate) site_name: String,
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
/// How long a site's own mail is retried.
const KEPT_SECS: i64 = 3 * 24 * 3600;
const PURPOSE: &str = "mail";
const PLACE: &str = "palisade_mail";

impl MailQueue {
    /// The queue of a site.
    ///
    /// # Errors
    /// When `mail.url` needs a feature that this program was built without, or names no server.
    pub(crate) fn new(
        settings: &MailSettings,
        sender: Sender,
        profile: Profile,
        parts: MailParts,
    ) -> Result<Self, MailError> {
        let base = parts.links.main_base().into();
        let inner = Inner {
            mailer: mailer(settings, sender, profile)?,
            database: parts.database,
            clock: parts.clock,
            ring: parts.ring,
            templates: parts.templates,
            links: parts.links,
            site_name: parts.site_name,
            came: Arc::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
            base,
        })
    }

    /// Whether mail can be delivered at all.
    pub fn is_real(&self) -> bool {
        self.inner.mailer.is_real()
    }

    /// Name of the site: `site.name`, or its host.
    pub(crate) fn site_name(&self) -> &str {
        &self.inner.site_name
    }

    /// A mail from a template, such as `mail/contact.html`: its title becomes the subject, and the
    /// text part is generated from the HTML. Besides `values`, the template gets `site`, the name
    /// of the site, and `base`, the base URL of its links; `mail/skeleton.html` is the frame of all
    /// mails.
    ///
    /// # Errors
    /// An error in the template, or a template without a title.
    pub fn render(&self, to: impl Into<String>, template: &str, values: Value) -> Result<Mail> {
        let mail = self.render_template(to.into(), template, values);
        mail.map_err(|error| Error::bug(format!("{template}: {error}")))
    }

    fn render_template(
        &self,
        to: String,
        template: &str,
        values: Value,
    ) -> Result<Mail, MailError> {
        let common = context! { base => &*self.base, site => self.inner.site_name.as_str() };
        let values = context! { ..values, ..common };
        let page = self
            .inner
            .templates
            .render(template, values, PageSecrets::none());
        Mail::from_html(to, page.map_err(|error| MailError(error.to_string()))?)
    }

    /// Queues a mail as part of a transaction: it is sent after the commit, within a second where a
    /// site serves, and not after a rollback. It is retried for three days.
    ///
    /// # Errors
    /// When it cannot be stored, or [`Mail::reply_to`] is not an email address.
    pub async fn send(&self, tx: &Tx, mail: &Mail) -> Result<()> {
        if let Some(address) = &mail.reply_to
            && deliverable(address).is_none()
        {
            return Err(Error::bug("reply_to is not an email address"));
        }
        let sent = self.put_kind(tx, MailKind::Site, mail, KEPT_SECS);
        Ok(sent.await?)
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
        let Letter {
            to,
            template,
            values,
        } = letter;
        let mail = self
            .render_template(to.clone(), template, values.clone())
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
        let now = self.inner.clock.now().timestamp();
        let row = ActiveModel {
            sealed: Set(Sealer::new(&self.inner.ring, PURPOSE).seal(&text, PLACE)),
            due: Set(now),
            expires: Set(now + for_secs),
            tries: Set(0),
            kind: Set(kind as i32),
            ..Default::default()
        };
        tx.notify_at_commit(&self.inner.came);
        Entity::insert(row)
            .exec_without_returning(tx)
            .await
            .map(drop)
    }

    /// Number of mails that are not sent.
    ///
    /// # Errors
    /// When the database does not answer.
    #[cfg(feature = "metrics")]
    pub(crate) async fn waiting(&self) -> Result<u64, DbErr> {
        let db = self.inner.database.handle();
        sea_orm::PaginatorTrait::count(Entity::find(), &db).await
    }

    /// Waits until it is woken, or for a timeout.
    pub(crate) async fn next(&self, at_most: Duration) {
        let _ = timeout(at_most, self.inner.came.notified()).await;
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
        let (now, db) = (
            self.inner.clock.now().timestamp(),
            self.inner.database.handle(),
        );
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
        let now = self.inner.clock.now().timestamp();
        match self.is_mine(&row, now).await? {
            true if self.attempt(row, now).await? => Ok(Outcome::Sent),
            true => Ok(Outcome::NotSent),
            false => Ok(Outcome::Elsewhere),
        }
    }

    /// Sent mail, where `mail.url` is `memory:`.
    pub fn outbox(&self) -> Vec<Mail> {
        self.inner.mailer.outbox()
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
        let taken = same
            .exec(&self.inner.database.single())
            .await?
            .rows_affected;
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
                timeout(PATIENCE, self.inner.mailer.send(&mail))
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
        let text = Sealer::new(&self.inner.ring, PURPOSE)
            .open(&row.sealed, PLACE)
            .ok()?;
        serde_json::from_slice(text.expose()).ok()
    }

    /// Makes a mail due again after the back-off.
    async fn later(&self, row: &Model, now: i64) -> Result<(), DbErr> {
        let again = ActiveModel {
            due: Set(now + retry_after_secs(row.tries)),
            ..Default::default()
        };
        Entity::update_many()
            .set(again)
            .filter(Column::Id.eq(row.id))
            .filter(Column::Tries.eq(row.tries + 1))
            .exec(&self.inner.database.single())
            .await?;
        Ok(())
    }

    async fn forget(&self, id: i64) -> Result<(), DbErr> {
        Entity::delete_by_id(id)
            .exec(&self.inner.database.single())
            .await?;
        Ok(())
    }
}

/// The queue of the site, whose links in mails lead to the host of the request, if that is listed in
/// `http.allowed_hosts` by its full name.
impl<S: Sync> FromRequestParts<S> for MailQueue {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let context = RequestContext::from_request_parts(parts, state).await?;
        let queue = context.site().services.get::<Self>();
        let queue = queue
            .ok_or_else(|| Error::bug("there is no mail queue: routes must be served by App"))?;
        Ok(Self {
            base: queue.inner.links.base(&parts.headers).into(),
            ..queue.clone()
        })
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
