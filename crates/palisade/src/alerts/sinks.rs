//! Where alerts are sent to.

use super::syslog::{checkpoint_message, message};
use super::syslog_target::SyslogTarget;
use super::webhook::{HookUrl, WebhookKey};
use super::{Alert, AlertSettings};
use crate::audit_log::Severity;
use crate::crypto::random;
use crate::db::Tx;
use crate::http::client::{Client, FetchError, FetchErrorKind};
use crate::mail::{Mail, MailQueue, Sender};
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use http::Request;
use http::header::CONTENT_TYPE;
use sea_orm::DbErr;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// The sinks of the settings.
pub(super) struct Sinks {
    mail_to: Vec<Sender>,
    most_mails: i64,
    mail: MailQueue,
    site: String,
    posts: Vec<Arc<Post>>,
    client: Client,
    /// Deliveries at the same time. A sink that hangs does not fill the memory.
    free: Arc<Semaphore>,
    /// The last checkpoint, for the footer of mails.
    checkpoint: Mutex<String>,
}

/// A message to a sink without a queue.
#[derive(Clone)]
enum News {
    Alert(Arc<Alert>),
    /// Time and text of a signed checkpoint.
    Checkpoint(String, Arc<str>),
}

/// A sink without a queue.
enum Post {
    Webhook(HookUrl, Option<WebhookKey>),
    Chat(HookUrl),
    Syslog(SyslogTarget),
}

/// Deliveries at the same time.
const MOST_POSTS: usize = 32;
/// Seconds before the second and the third try.
const RETRIES: [u64; 2] = [2, 20];
const LONGEST: Duration = Duration::from_secs(10);

impl Sinks {
    pub(super) fn new(
        settings: &AlertSettings,
        mail: MailQueue,
        (client, site): (Client, String),
    ) -> Self {
        let webhook = settings.webhook_url.clone();
        let webhook = webhook.map(|url| Post::Webhook(url, settings.webhook_secret.clone()));
        let chat = settings.chat_url.clone().map(Post::Chat);
        let syslog = settings.syslog.clone().map(Post::Syslog);
        Self {
            mail_to: settings.mail_to.clone(),
            most_mails: i64::try_from(settings.most_mails_per_day).unwrap_or(i64::MAX),
            mail,
            site,
            posts: [webhook, chat, syslog]
                .into_iter()
                .flatten()
                .map(Arc::new)
                .collect(),
            client,
            free: Arc::new(Semaphore::new(MOST_POSTS)),
            checkpoint: Mutex::default(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.mail_to.is_empty() && self.posts.is_empty()
    }

    pub(super) fn has_mail(&self) -> bool {
        !self.mail_to.is_empty()
    }

    /// Most mails of a day for an alert: half of them are kept for severe ones.
    pub(super) fn most_mails(&self, alert: &Alert) -> i64 {
        match alert.severity >= Severity::High {
            true => self.most_mails,
            false => self.most_mails / 2,
        }
    }

    /// Queues the mails of an alert. `sent` counts the alerts of the day, with this one.
    pub(super) async fn queue_mail(&self, tx: &Tx, alert: &Alert, sent: i64) -> Result<(), DbErr> {
        let mut text = format!("{}\n\n{}\n", self.site, alert.text());
        if sent == self.most_mails {
            text.push_str(LAST);
        }
        let checkpoint = self.last_checkpoint().clone();
        if !checkpoint.is_empty() {
            text.push_str(&format!("\nCheckpoint of the audit log:\n\n{checkpoint}"));
        }
        let subject = format!("{} {}", self.site, alert.title());
        for to in &self.mail_to {
            let mail = Mail::plain(to.address(), &subject, &text);
            self.mail.put(tx, &mail, MAIL_EXPIRES).await?;
        }
        Ok(())
    }

    /// Waits until all deliveries have ended, for half a minute at most.
    pub(super) async fn delivered(&self) {
        let all = self
            .free
            .acquire_many(u32::try_from(MOST_POSTS).unwrap_or(1));
        let _ = timeout(3 * LONGEST, all).await;
    }

    fn last_checkpoint(&self) -> MutexGuard<'_, String> {
        self.checkpoint
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a checkpoint for the footer of mails, and sends it to webhook and syslog.
    pub(super) fn keep_checkpoint(&self, note: &str, now: DateTime<Utc>) {
        note.clone_into(&mut self.last_checkpoint());
        let at = now.to_rfc3339_opts(SecondsFormat::Secs, true);
        self.post_news(&News::Checkpoint(at, note.into()));
    }

    /// Sends an alert to the sinks without a queue, in the background.
    pub(super) fn post(&self, alert: Alert) {
        self.post_news(&News::Alert(Arc::new(alert)));
    }

    fn post_news(&self, news: &News) {
        for post in &self.posts {
            let Ok(permit) = self.free.clone().try_acquire_owned() else {
                tracing::warn!(target: "palisade", "an alert was not sent: its receivers do not answer");
                return;
            };
            let (client, site, news) = (self.client.clone(), self.site.clone(), news.clone());
            let post = post.clone();
            tokio::spawn(async move {
                post.deliver(&client, &site, &news).await;
                drop(permit);
            });
        }
    }
}

const LAST: &str = "\nThis is the last alert by mail today. All events are in the audit log.\n";
/// An alert that could not be sent for a day is no news.
const MAIL_EXPIRES: i64 = 86_400;

impl Post {
    async fn deliver(&self, client: &Client, site: &str, news: &News) {
        // the same for every try, so that a receiver can recognise it
        let id = format!("msg_{}", random::nonce());
        for wait in RETRIES.into_iter().map(Some).chain([None]) {
            let tried = timeout(LONGEST, self.try_once(client, (site, &id), news)).await;
            let why = match tried {
                Ok(Ok(())) => return,
                Ok(Err(why)) => why,
                Err(_) => "no answer in ten seconds".into(),
            };
            let Some(wait) = wait else {
                tracing::warn!(target: "palisade", why, sink = self.name(), "an alert could not be delivered");
                return;
            };
            sleep(Duration::from_secs(wait)).await;
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Webhook(..) => "webhook",
            Self::Chat(_) => "chat",
            Self::Syslog(_) => "syslog",
        }
    }

    async fn try_once(
        &self,
        client: &Client,
        (site, id): (&str, &str),
        news: &News,
    ) -> Result<(), String> {
        match self {
            Self::Webhook(url, key) => {
                let body = news.body(site).to_string();
                let seconds = chrono::Utc::now().timestamp();
                let signature = key.as_ref().map(|key| key.sign(id, seconds, &body));
                let headers = [
                    ("webhook-id", id.to_owned()),
                    ("webhook-timestamp", seconds.to_string()),
                    ("webhook-signature", signature.unwrap_or_default()),
                ];
                send_json(client, url, (&headers, body)).await
            }
            Self::Chat(url) => {
                // a checkpoint is for machines
                let News::Alert(alert) = news else {
                    return Ok(());
                };
                let text = escaped(&format!("{site} {}\n{}", alert.title(), alert.text()));
                send_json(client, url, (&[], json!({ "text": text }).to_string())).await
            }
            Self::Syslog(target) => target.send(client, &news.line(site)).await,
        }
    }
}

impl News {
    /// The body of a webhook.
    fn body(&self, site: &str) -> Value {
        let (kind, at, data) = match self {
            Self::Alert(alert) => ("alert", &alert.at, json!(alert)),
            Self::Checkpoint(at, note) => ("checkpoint", at, json!({ "note": &**note })),
        };
        json!({ "type": kind, "timestamp": at, "data": data, "site": site })
    }

    /// The message of syslog.
    fn line(&self, site: &str) -> String {
        match self {
            Self::Alert(alert) => message(alert, site),
            Self::Checkpoint(at, note) => checkpoint_message(note, (at, site)),
        }
    }
}

/// Text for a chat: no mention, no link (Slack, "Formatting text").
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        // Mattermost mentions by an at sign: a zero-width space follows it
        .replace('@', "@\u{200b}")
}

/// Names the host, and not the path, which may be a secret.
fn reason(error: FetchError) -> String {
    match error.kind() {
        FetchErrorKind::Address => "the URL is not allowed".into(),
        _ => error.to_string(),
    }
}

async fn send_json(
    client: &Client,
    url: &HookUrl,
    (headers, body): (&[(&str, String)], String),
) -> Result<(), String> {
    let mut request = Request::post(url.expose()).header(CONTENT_TYPE, "application/json");
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        request = request.header(*name, value);
    }
    let request = request
        .body(Bytes::from(body))
        .map_err(|error| error.to_string())?;
    let answer = client.send(request).await.map_err(reason)?;
    match answer.status().is_success() {
        true => Ok(()),
        false => Err(format!("it answered {}", answer.status())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_mentions_no_user_and_has_no_link() {
        let text = escaped("<!channel> <https://evil.example|ok> @here & <@U1>");
        assert!(
            !text.contains(['<', '>']) && !text.contains("@here"),
            "{text}"
        );
    }
}
