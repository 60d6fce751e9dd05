//! Mail of a site's own, from a handler: part of the caller's transaction, from templates.

use crate::mail::Smtp;
use crate::server::free_port;
use palisade::prelude::*;
use palisade::template::Layer;
use palisade::testing::{TestDatabase, TestSite, ran, server};
use std::time::{Duration, Instant};

#[derive(Form)]
struct Contact {
    email: Email,
    text: Text<2_000>,
}

async fn show(page: Page) -> Result<Response> {
    let form = Form::<Contact>::blank();
    page.render("contact.html", context! { form }).await
}

async fn send(db: Db, mail: MailQueue, form: Form<Contact>) -> Result<Response> {
    let contact = form.valid_or_show("contact.html").await?;
    let values = context! { text => &*contact.text };
    let message = mail.render("desk@example.org", "mail/contact.html", values)?;
    let message = message.reply_to(contact.email);
    let written = db
        .write(async |tx| {
            mail.send(tx, &message).await?;
            match contact.text.contains("fail") {
                true => Err(Error::new(ErrorKind::Conflict, "as asked")),
                false => Ok(()),
            }
        })
        .await;
    written.map(|()| redirect_to("/contact"))
}

/// `reply_to` from an unchecked field.
async fn send_unchecked(db: Db, mail: MailQueue) -> Result<Response> {
    let message = Mail::plain("desk@example.org", "x", "y");
    let message = message.reply_to("a@example.org\r\nBcc: eve@example.org");
    db.write(async |tx| mail.send(tx, &message).await).await?;
    Ok(redirect_to("/contact"))
}

const PAGES: &[(&str, &str)] = &[
    (
        "contact.html",
        "{% extends \"base.html\" %}{% from \"palisade/form.html\" import fields %}{% block main %}<form method=\"post\">{{ fields(form) }}</form>{% endblock %}",
    ),
    (
        "mail/contact.html",
        "{% extends \"mail/skeleton.html\" %}{% block title %}A message{% endblock %}{% block main %}<p>{{ text }}</p><p><a href=\"{{ base }}/inbox\">Inbox</a></p>{% endblock %}",
    ),
    // in place of the framework's
    (
        "mail/sign_up.html",
        "<title>Willkommen bei {{ site }}</title><p>Bitte bestätigen: <a href=\"{{ link }}\">{{ link }}</a></p>",
    ),
];

fn app() -> App {
    App::new().templates(Layer::embedded(PAGES)).routes(
        Routes::new()
            .route("/contact", public().get(show).post(send))
            .route("/unchecked", public().post(send_unchecked)),
    )
}

const SETTINGS: &[(&str, &str)] = &[
    ("site.name", "Müller & Söhne"),
    ("site.url", "https://desk.example.org"),
];

#[tokio::test]
async fn a_handler_sends_mail_in_its_transaction() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some(site) = TestSite::start_on(database, app(), SETTINGS).await else {
            continue;
        };
        let mut client = site.client();
        let post = async |client: &mut palisade::testing::Client, email: &str, text: &str| {
            let fields = [("email", email), ("text", text)];
            client.submit("/contact", "/contact", &fields).await.status
        };
        assert_eq!(
            post(&mut client, "ann@example.org", "please fail").await,
            409
        );
        assert_eq!(
            site.site().mail().deliver().await.unwrap(),
            0,
            "a rollback sends nothing"
        );
        let attack = "<script>alert(1)</script>\nBcc: eve@example.org";
        assert_eq!(post(&mut client, "ann@example.org", attack).await, 303);
        assert_eq!(site.site().mail().deliver().await.unwrap(), 1);
        let mail = site.site().mail().outbox().remove(0);
        assert_eq!(mail.to, "desk@example.org");
        assert_eq!(mail.subject, "A message (Müller & Söhne)");
        assert_eq!(mail.reply_to.as_deref(), Some("ann@example.org"));
        let html = mail.html.unwrap();
        assert!(
            html.contains("&lt;script&gt;") && !html.contains("<script>"),
            "{html}"
        );
        assert!(
            mail.text.contains("https://desk.example.org/inbox"),
            "{}",
            mail.text
        );
        assert_eq!(
            post(&mut client, "a@example.org\r\nBcc: eve@example.org", "x").await,
            422
        );
        let refused = client.submit("/contact", "/unchecked", &[]).await;
        assert_eq!(refused.status, 500);
        assert_eq!(site.site().mail().deliver().await.unwrap(), 0);
    }
}

// the words of every mail of the framework are a template of the site, and its name is that of the site
#[tokio::test]
async fn a_site_replaces_the_words_of_mails_and_its_name() {
    let site = TestSite::start(app(), SETTINGS).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let mail = ann.mail_to("ann@example.org").await.unwrap();
    assert_eq!(mail.subject, "Willkommen bei Müller & Söhne");
    let page = ann.get("/account/factors").await;
    assert!(page.body.contains("Müller &amp; Söhne</a>"), "{page:?}");
    ann.submit("/account/logout", "/account/logout", &[]).await;
    ann.submit(
        "/account/reset",
        "/account/reset",
        &[("email", "ann@example.org")],
    )
    .await;
    let mail = ann.mail_to("ann@example.org").await.unwrap();
    assert_eq!(mail.subject, "Choose a new password (Müller & Söhne)");
    let long = "x".repeat(61);
    for name in ["a\nb", &long] {
        let refused = TestSite::try_start(app(), &[("site.name", name)]).await;
        assert!(refused.is_err(), "{name:?}");
    }
}

// a real server gets the address for replies, and sends within a second of the commit
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_server_gets_the_mail_of_a_handler() {
    let Some(python) = server("PALISADE_TEST_SMTP") else {
        return;
    };
    let smtp = Smtp::start(&python, "127.0.0.1", free_port());
    let url = format!("smtp://127.0.0.1:{}", smtp.port);
    let settings = [SETTINGS, &[("mail.url", &url)]].concat();
    let site = TestSite::start(app(), &settings).await;
    let sending = site.site().clone();
    let sending = tokio::spawn(async move { sending.send_mail().await });
    let fields = [("email", "ann@example.org"), ("text", "The printer")];
    let mut client = site.client();
    let sent = client.submit("/contact", "/contact", &fields).await;
    let committed = Instant::now();
    assert_eq!(sent.status, 303);
    while smtp.kept().is_empty() && committed.elapsed() < Duration::from_secs(20) {
        tokio::task::yield_now().await;
    }
    let took = committed.elapsed();
    sending.abort();
    let kept = smtp.kept().remove(0);
    assert!(kept.contains("Reply-To: ann@example.org"), "{kept}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    ran("SMTP of a handler");
}
