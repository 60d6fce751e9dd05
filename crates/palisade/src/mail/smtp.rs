use super::mailer::{Mailer, NotSent};
use super::{Mail, Sender};
use futures_util::future::BoxFuture;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::net::IpAddr;
use std::time::Duration;
use url::Url;

/// Sends by SMTP ([RFC 5321](https://www.rfc-editor.org/rfc/rfc5321)).
pub(super) struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Sender,
}

/// How long a server may take for one step.
const PATIENCE: Duration = Duration::from_secs(20);

impl Smtp {
    pub(super) fn new(url: &Url, from: Sender) -> Result<Self, String> {
        let host = url.host_str().unwrap_or_default();
        let builder = match url.scheme() {
            "smtps" => AsyncSmtpTransport::<Tokio1Executor>::relay(host),
            _ if is_this_machine(host) => Ok(AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)),
            _ => AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(host),
        };
        let mut builder = builder.map_err(|error| error.to_string())?.timeout(Some(PATIENCE));
        if let Some(port) = url.port() {
            builder = builder.port(port);
        }
        if let Some(password) = url.password() {
            builder = builder.credentials(Credentials::new(decoded(url.username())?, decoded(password)?));
        }
        Ok(Self { transport: builder.build(), from })
    }

    async fn hand_over(&self, mail: &Mail) -> Result<(), NotSent> {
        let never = |why: String| NotSent::Ever(why);
        let to = mail.to.parse().map_err(|_| never("the address is none".into()))?;
        let message = Message::builder().from(self.from.0.clone()).to(to).subject(&mail.subject).header(ContentType::TEXT_PLAIN);
        let message = message.body(mail.text.clone()).map_err(|error| never(error.to_string()))?;
        self.transport.send(message).await.map(drop).map_err(|error| match error.status() {
            // the server's words may repeat the address: the number says enough
            Some(code) if is_about_this_mail(&code.to_string()) => never(format!("the server refused it: {code}")),
            Some(code) => NotSent::Yet(format!("the server did not take it: {code}")),
            None => NotSent::Yet(error.to_string()),
        })
    }
}

impl Mailer for Smtp {
    fn send<'a>(&'a self, mail: &'a Mail) -> BoxFuture<'a, Result<(), NotSent>> {
        Box::pin(self.hand_over(mail))
    }
}

/// Whether a refusal is about this address or this message ([RFC 5321 section 4.2.3](https://www.rfc-editor.org/rfc/rfc5321#section-4.2.3)). A wrong password or a
/// server in trouble is not: mail waits for somebody to mend it.
fn is_about_this_mail(code: &str) -> bool {
    ["550", "551", "552", "553", "554", "555"].contains(&code)
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn decoded(part: &str) -> Result<String, String> {
    let text = percent_encoding::percent_decode_str(part).decode_utf8();
    text.map(Into::into).map_err(|_| "the user or the password is not UTF-8".into())
}
