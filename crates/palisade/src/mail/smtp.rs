use super::mailer::{Mailer, NotSent};
use super::{Mail, Sender, deliverable};
use futures_util::future::BoxFuture;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use palisade_crypto::random;
use std::net::IpAddr;
use std::time::Duration;
use url::Url;

/// SMTP transport ([RFC 5321](https://www.rfc-editor.org/rfc/rfc5321)).
pub(super) struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Sender,
}

/// Timeout of an SMTP command.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest line that is sent unencoded
/// ([RFC 5322 section 2.1.1](https://www.rfc-editor.org/rfc/rfc5322#section-2.1.1)).
const MAX_LINE: usize = 990;

impl Smtp {
    /// `ehlo` is the EHLO name; by default the sender's domain.
    pub(super) fn new(url: &Url, from: Sender, ehlo: Option<&str>) -> Result<Self, String> {
        let host = url.host_str().unwrap_or_default();
        let builder = match url.scheme() {
            "smtps" => AsyncSmtpTransport::<Tokio1Executor>::relay(host),
            _ if is_this_machine(host) => Ok(
                AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host),
            ),
            _ => AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(host),
        };
        let mut builder = builder
            .map_err(|error| error.to_string())?
            .timeout(Some(PATIENCE));
        builder = builder.hello_name(ClientId::Domain(
            ehlo.unwrap_or_else(|| from.0.email.domain()).to_owned(),
        ));
        if let Some(port) = url.port() {
            builder = builder.port(port);
        }
        if let Some(password) = url.password() {
            builder =
                builder.credentials(Credentials::new(decode(url.username())?, decode(password)?));
        }
        Ok(Self {
            transport: builder.build(),
            from,
        })
    }

    async fn hand_over(&self, mail: &Mail) -> Result<(), NotSent> {
        let never = |why: String| NotSent::Ever(why);
        let message = self.message(mail).map_err(never)?;
        self.transport
            .send(message)
            .await
            .map(drop)
            .map_err(|error| match error.status() {
                // the server's text may repeat the address, so only the code is reported
                Some(code) if is_about_this_mail(&code.to_string()) => {
                    never(format!("the SMTP server refused it: {code}"))
                }
                Some(code) => NotSent::Yet(format!("the SMTP server did not accept it: {code}")),
                None => NotSent::Yet(error.to_string()),
            })
    }
}

impl Smtp {
    /// Builds a complete message: with a Message-ID
    /// ([RFC 5322 section 3.6.4](https://www.rfc-editor.org/rfc/rfc5322#section-3.6.4)) of the
    /// sender's domain, a MIME-Version
    /// ([RFC 2045 section 4](https://www.rfc-editor.org/rfc/rfc2045#section-4)), and
    /// Auto-Submitted, against automatic replies
    /// ([RFC 3834 section 5](https://www.rfc-editor.org/rfc/rfc3834#section-5)).
    pub(super) fn message(&self, mail: &Mail) -> Result<Message, String> {
        // forms are stricter than Django's existing rows: those are sent as they are
        let to = deliverable(&mail.to)
            .or_else(|| mail.to.parse().ok())
            .ok_or("the address is invalid")?;
        let id = format!(
            "<{}@{}>",
            random::alphanumeric(32).expose(),
            self.from.0.email.domain()
        );
        let message = Message::builder()
            .from(self.from.0.clone())
            .to(to.into())
            .subject(one_line(&mail.subject))
            .message_id(Some(id));
        let message = match &mail.reply_to {
            Some(address) => message.reply_to(
                deliverable(address)
                    .ok_or("the address for replies is invalid")?
                    .into(),
            ),
            None => message,
        };
        let text = part(ContentType::TEXT_PLAIN, &mail.text)?;
        let message = match &mail.html {
            // the preferred part comes last (RFC 2046 section 5.1.4)
            Some(html) => message.multipart(
                MultiPart::alternative()
                    .singlepart(text)
                    .singlepart(part(ContentType::TEXT_HTML, html)?),
            ),
            None => message.singlepart(text),
        };
        let mut message = message.map_err(|error| error.to_string())?;
        let name = HeaderName::new_from_ascii_str("Auto-Submitted");
        message
            .headers_mut()
            .insert_raw(HeaderValue::new(name, "auto-generated".to_owned()));
        Ok(message)
    }
}

fn one_line(subject: &str) -> String {
    subject.replace(
        |letter: char| letter.is_control() || "\u{2028}\u{2029}".contains(letter),
        " ",
    )
}

/// Unencoded lines where possible, so that no client breaks a link.
fn part(kind: ContentType, text: &str) -> Result<SinglePart, String> {
    let is_plain = text.lines().all(|line| {
        line.len() <= MAX_LINE && line.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
    });
    let body = match is_plain {
        true => Body::dangerous_pre_encoded(
            text.lines()
                .flat_map(|line| [line, "\r\n"])
                .collect::<String>()
                .into_bytes(),
            ContentTransferEncoding::SevenBit,
        ),
        false => Body::new_with_encoding(text.to_owned(), ContentTransferEncoding::QuotedPrintable)
            .map_err(|_| "the text cannot be encoded")?,
    };
    Ok(SinglePart::builder().header(kind).body(body))
}

impl Mailer for Smtp {
    fn send<'a>(&'a self, mail: &'a Mail) -> BoxFuture<'a, Result<(), NotSent>> {
        Box::pin(self.hand_over(mail))
    }
}

/// Whether a refusal is about this address or this message
/// ([RFC 5321 section 4.2.3](https://www.rfc-editor.org/rfc/rfc5321#section-4.2.3)), and so
/// permanent. Authentication and server errors are temporary.
fn is_about_this_mail(code: &str) -> bool {
    ["550", "551", "552", "553", "554", "555"].contains(&code)
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn decode(part: &str) -> Result<String, String> {
    let text = percent_encoding::percent_decode_str(part).decode_utf8();
    text.map(Into::into)
        .map_err(|_| "the user or the password is not UTF-8".into())
}
