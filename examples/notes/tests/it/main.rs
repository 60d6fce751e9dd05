//! The site of the tutorial, as its users see it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "tests run programs and write files of their own"
)]

use axum::body::Body;
use http::Method;
use palisade::sql;
use palisade::testing::{Answer, Client, PASSWORD, TestDatabase, TestSite};
use std::time::{Duration, Instant};

async fn sites() -> Vec<TestSite> {
    let settings = &[
        ("site.name", "Notes of ours"),
        ("site.time_zone", "Europe/Berlin"),
    ];
    let mut sites = Vec::new();
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        sites.extend(TestSite::start_on(database, notes::app(), settings).await);
    }
    sites
}

async fn sign_in(site: &TestSite, name: &str) -> Client {
    let mut client = site.client();
    client.sign_up_with(name, &[("company", "Lind & Co")]).await;
    client
}

async fn write(client: &mut Client, fields: &[(&str, &str)]) -> String {
    let answer = client.submit("/notes/new", "/notes/new", fields).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    answer.header("location").to_owned()
}

#[tokio::test]
async fn notes_have_tags_and_are_private() {
    for site in sites().await {
        let mut ann = sign_in(&site, "ann").await;
        let mut eve = sign_in(&site, "eve").await;
        for name in ["red", "blue"] {
            ann.submit("/tags/new", "/tags/new", &[("name", name)])
                .await;
        }
        eve.submit("/tags/new", "/tags/new", &[("name", "of eve")])
            .await;
        let page = ann.get("/notes/new").await.body;
        assert!(page.contains("red") && !page.contains("of eve"), "{page}");

        let fields = [
            ("title", "A <b>title"),
            ("body", "two\nlines"),
            ("due", "2031-07-01"),
        ];
        let tagged = [fields.as_slice(), &[("tags", "1"), ("tags", "2")]].concat();
        let note = write(&mut ann, &tagged).await;
        let page = ann.get(&note).await.body;
        assert!(
            page.contains("A &lt;b&gt;title") && page.contains("Due on 1 July 2031"),
            "{page}"
        );
        assert!(page.contains(">red<") && page.contains(">blue<"), "{page}");

        // editing shows what is stored, and replaces the tags
        let edit = format!("{note}/edit");
        let form = ann.get(&edit).await.body;
        assert_eq!(form.matches("checked").count(), 2, "{form}");
        let fields = [
            ("title", "Other"),
            ("body", "x"),
            ("due", ""),
            ("tags", "2"),
        ];
        assert_eq!(ann.submit(&edit, &edit, &fields).await.status, 303);
        let page = ann.get(&note).await.body;
        assert!(
            page.contains("Other") && page.contains(">blue<") && !page.contains(">red<"),
            "{page}"
        );

        // another user sees, changes and deletes nothing; nor does a tag of another user help
        for path in [note.clone(), edit.clone()] {
            assert_eq!(eve.get(&path).await.status, 404, "{path}");
        }
        let fields = [("title", "Mine"), ("body", "x"), ("due", "")];
        assert_eq!(eve.submit("/notes/new", &edit, &fields).await.status, 404);
        assert_eq!(
            eve.submit("/notes/new", &format!("{note}/delete"), &[])
                .await
                .status,
            404
        );
        let stolen = [("title", "Mine"), ("body", "x"), ("due", ""), ("tags", "1")];
        let answer = eve.submit("/notes/new", "/notes/new", &stolen).await;
        assert_eq!(answer.status, 422, "{}", answer.body);
        assert!(
            answer.body.contains("value=\"Mine\""),
            "what was typed comes back"
        );
        assert!(ann.get(&note).await.body.contains("Other"));

        assert_eq!(
            ann.submit(&note, &format!("{note}/delete"), &[])
                .await
                .status,
            303
        );
        assert_eq!(ann.get(&note).await.status, 404);
    }
}

#[tokio::test]
async fn a_list_is_searched_and_paged() {
    for site in sites().await {
        let mut ann = sign_in(&site, "ann").await;
        for number in 1..=21 {
            let title = format!("note {number}%");
            write(
                &mut ann,
                &[("title", title.as_str()), ("body", "x"), ("due", "")],
            )
            .await;
        }
        let first = ann.get("/notes?search=note").await.body;
        assert!(
            first.contains("note 21%") && !first.contains("note 1%"),
            "{first}"
        );
        assert!(first.contains("?search=note&amp;page=2"), "{first}");
        let second = ann.get("/notes?search=note&page=2").await.body;
        assert!(
            second.contains("note 1%") && !second.contains("note 2%"),
            "{second}"
        );
        // what is typed is text, and no pattern
        assert!(
            !ann.get("/notes?search=not__21")
                .await
                .body
                .contains("note 21")
        );
    }
}

#[tokio::test]
async fn editors_see_all_notes_and_the_menu_says_so() {
    for site in sites().await {
        let mut ann = sign_in(&site, "ann").await;
        let mut ines = sign_in(&site, "ines").await;
        let note = write(
            &mut ann,
            &[("title", "of ann"), ("body", "x"), ("due", "2000-01-01")],
        )
        .await;
        assert_eq!(ines.get("/all").await.status, 403);
        assert!(!ines.get("/notes").await.body.contains("All notes"));
        site.join("ines", "editors").await;
        assert!(ines.get("/notes").await.body.contains("All notes"));
        assert!(ines.get("/all").await.body.contains("of ann"));
        let page = ines.get(&note).await.body;
        assert!(
            page.contains("of ann") && !page.contains("Delete"),
            "an editor reads: {page}"
        );
        assert_eq!(ines.get(&format!("{note}/edit")).await.status, 403);
        // the count of the menu is of the user's own notes
        assert!(ann.get("/").await.body.contains("Your notes (1 due)"));
        assert!(!ines.get("/").await.body.contains("due)"));
    }
}

#[tokio::test]
async fn json_shows_the_columns_of_its_struct() {
    for site in sites().await {
        let mut ann = sign_in(&site, "ann").await;
        write(
            &mut ann,
            &[("title", "a title"), ("body", "x"), ("due", "2031-07-01")],
        )
        .await;
        let list = ann.get("/notes.json").await.body;
        let list: serde_json::Value = serde_json::from_str(&list).unwrap();
        let note =
            serde_json::json!([{ "id": 1, "title": "a title", "body": "x", "due": "2031-07-01" }]);
        assert_eq!(list, note);
        assert_eq!(
            sign_in(&site, "eve").await.get("/notes.json").await.body,
            "[]"
        );
    }
}

#[tokio::test]
async fn a_file_fills_the_form_of_a_note() {
    for site in sites().await {
        let mut ann = sign_in(&site, "ann").await;
        let token = ann.get("/import").await.token().unwrap();
        let mut import = async |file: &[u8]| -> Answer {
            let head = |name: &str| {
                format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n")
            };
            let parts = head("csrfmiddlewaretoken") + &token + "\r\n" + &head("file");
            let body = [parts.as_bytes(), file, b"\r\n--x--\r\n"].concat();
            let request = ann.request(Method::POST, "/import");
            let request = request.header("content-type", "multipart/form-data; boundary=x");
            ann.send(request, Body::from(body)).await
        };
        assert_eq!(import(b"\xff\xfe").await.status, 400, "this is no text");
        assert_eq!(import(&vec![b'x'; 65 * 1024]).await.status, 413);
        let form = import(b"A <b>title\nand its\nbody").await.body;
        assert!(
            form.contains("value=\"A &lt;b&gt;title\"") && form.contains("and its\nbody"),
            "{form}"
        );
        // the form is that of a new note, and a title that is too long comes back with its error
        assert!(
            form.contains("action=\"/notes/new\"") && form.contains("csrfmiddlewaretoken"),
            "{form}"
        );
        let list = ann.get("/notes").await.body;
        assert!(
            list.contains("There are no notes"),
            "an import alone writes nothing: {list}"
        );
    }
}

#[tokio::test]
async fn mail_of_the_contact_form_is_sent_within_a_second() {
    for site in sites().await {
        let of_contact = |route: &&palisade::app::RouteInfo| route.path == "/contact";
        let routes = site.site().routes().iter().filter(of_contact);
        let limits: Vec<String> = routes.map(|route| route.limits.join(", ")).collect();
        assert_eq!(limits, ["", "contact 5/h"], "the page is not limited");
        let mut visitor = site.client();
        let begun = Instant::now();
        let fields = [("email", "guest@example.org"), ("text", "a <question>")];
        assert_eq!(
            visitor.submit("/contact", "/contact", &fields).await.status,
            303
        );
        let mail = visitor.mail_to("desk@example.org").await.unwrap();
        assert!(
            begun.elapsed() < Duration::from_secs(1),
            "{:?}",
            begun.elapsed()
        );
        assert!(
            mail.subject == "A message (Notes of ours)" && mail.text.contains("a <question>"),
            "{mail:?}"
        );
        for _ in 0..4 {
            visitor.submit("/contact", "/contact", &fields).await;
        }
        assert_eq!(
            visitor.submit("/contact", "/contact", &fields).await.status,
            429
        );
        assert_eq!(
            visitor.get("/contact").await.status,
            200,
            "only messages are counted"
        );
    }
}

#[tokio::test]
async fn sign_up_asks_for_the_company_and_mails_have_words_of_the_site() {
    for site in sites().await {
        let mut ann = site.client();
        let page = ann.get("/account/signup").await.body;
        assert!(page.contains("name=\"company\""), "{page}");
        ann.sign_up_with("ann", &[("company", "Lind & Co")]).await;
        let mail = ann.mail_to("ann@example.org").await.unwrap();
        assert!(
            mail.subject == "Welcome (Notes of ours)" && mail.text.contains("One step is left"),
            "{mail:?}"
        );
        let profile = ann.get("/account/profile").await.body;
        assert!(profile.contains("Lind &amp; Co"), "{profile}");
        let fields = [("company", "Other")];
        ann.submit("/account/profile", "/account/profile", &fields)
            .await;
        assert!(ann.get("/account/profile").await.body.contains("Other"));
    }
}

#[tokio::test]
async fn the_nightly_task_deletes_old_notes() {
    for site in sites().await {
        let mut ann = sign_in(&site, "ann").await;
        let fields = |title, due| [("title", title), ("body", "x"), ("due", due)];
        write(&mut ann, &fields("old", "2001-01-01")).await;
        write(&mut ann, &fields("new", "2035-01-01")).await;
        site.clock().advance(chrono::TimeDelta::days(1));
        let ran = site.site().run_due().await.unwrap();
        assert_eq!((&*ran[0].name, &ran[0].error), ("delete old notes", &None));
        let mut ann = site.client();
        ann.log_in("ann", PASSWORD).await;
        let list = ann.get("/notes").await.body;
        assert!(list.contains(">new<") && !list.contains(">old<"), "{list}");
    }
}

#[tokio::test]
async fn an_account_is_exported_and_deleted_with_its_rows() {
    for site in sites().await {
        let mut ann = sign_in(&site, "ann").await;
        ann.submit("/tags/new", "/tags/new", &[("name", "red")])
            .await;
        write(
            &mut ann,
            &[("title", "mine"), ("body", "x"), ("due", ""), ("tags", "1")],
        )
        .await;
        let export = ann
            .submit(
                "/account/export",
                "/account/export",
                &[("current_password", PASSWORD)],
            )
            .await;
        assert!(
            export.body.contains("\"mine\"") && export.body.contains("\"red\""),
            "{}",
            export.body
        );
        let deleted = ann
            .submit(
                "/account/delete",
                "/account/delete",
                &[("current_password", PASSWORD)],
            )
            .await;
        assert_eq!(deleted.status, 303, "{}", deleted.body);
        let db = site.site().database().handle();
        let rows: Option<(i64, i64, i64)> = db.fetch_one(sql!(
            "SELECT (SELECT COUNT(*) FROM note), (SELECT COUNT(*) FROM tag), (SELECT COUNT(*) FROM note_tag)"
        )).await.unwrap();
        assert_eq!(rows, Some((0, 0, 0)));
    }
}
