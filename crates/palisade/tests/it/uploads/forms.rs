//! Files as fields of forms.

use super::{errors, files_of, png, rows, send, site, stored};
use palisade::testing::SentFile;

// F082 F084 D44: a form with a file is multipart by itself, its token is the first part, and other forms stay as they are
#[tokio::test]
async fn a_form_with_a_file_is_multipart() {
    let (_site, mut ann) = site(&[]).await;
    let page = ann.get("/notes/new").await.body;
    let token =
        "enctype=\"multipart/form-data\"><input type=\"hidden\" name=\"csrfmiddlewaretoken\"";
    assert!(page.contains(token), "{page}");
    assert_eq!(page.matches("enctype").count(), 1);
    assert!(page.contains("accept=\".png,.jpg,.jpeg,.gif,.webp\""));
    let url_encoded = async |client: &mut palisade::testing::Client, shot: &str| {
        let fields = [("title", "a"), ("shot", shot)];
        let sent = client.submit("/notes/new", "/notes", &fields).await;
        sent.status.as_u16()
    };
    assert_eq!(
        url_encoded(&mut ann, "a.png").await,
        422,
        "the file was not sent"
    );
    assert_eq!(url_encoded(&mut ann, "").await, 303, "without a file");
}

#[tokio::test]
async fn a_file_is_stored_with_its_row() {
    let (site, mut ann) = site(&[]).await;
    let created = send(&mut ann, ("shot", "screen.png", "image/png"), &png()).await;
    let files = files_of(&mut ann, &created).await;
    assert_eq!(
        (files.len(), rows(&site).await, stored(&site).len()),
        (1, 1, 1)
    );
    let file = ann.get(&files[0]).await;
    assert_eq!(
        (file.status.as_u16(), file.header("content-type")),
        (200, "image/png")
    );
    let sent = image::load_from_memory(&png()).unwrap().into_rgb8();
    let got = image::load_from_memory(&file.bytes).unwrap().into_rgb8();
    assert_eq!(sent, got, "the pixels are the same");
    assert_eq!(super::events_named(&site, "file_stored").await, 1);
}

// D82: nothing is lost when another field was wrong
#[tokio::test]
async fn a_file_is_held_while_another_field_is_corrected() {
    let (site, mut ann) = site(&[]).await;
    let shot = SentFile {
        field: "shot",
        name: "screen.png",
        media_type: "image/png",
        content: &png(),
    };
    let again = ann
        .submit_files("/notes/new", "/notes", &[("title", "")], &[shot])
        .await;
    assert_eq!(again.status, 422);
    assert!(again.body.contains("Keep screen.png"), "{}", again.body);
    let token = held(&again.body);
    assert_eq!((rows(&site).await, stored(&site).len()), (1, 1));
    // a browser sends an empty file for a field without a choice
    let empty = SentFile {
        name: "",
        media_type: "application/octet-stream",
        content: b"",
        ..shot
    };
    let created = ann
        .submit_files(
            "/notes/new",
            "/notes",
            &[("title", "now"), ("shot", &token)],
            &[empty],
        )
        .await;
    let files = files_of(&mut ann, &created).await;
    assert_eq!(ann.get(&files[0]).await.status, 200);
    // the token is worth nothing any more
    let twice = ann
        .submit_files(
            "/notes/new",
            "/notes",
            &[("title", "now"), ("shot", &token)],
            &[],
        )
        .await;
    assert!(
        errors(&twice).contains("kept for an hour only"),
        "{}",
        twice.body
    );
    assert_eq!(rows(&site).await, 1);
}

fn held(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"shot\" value=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

// F085: a held file belongs to the session that sent it, to its field, and for an hour
#[tokio::test]
async fn a_held_file_is_held_for_its_session_only() {
    let (site, mut ann) = site(&[]).await;
    let mut eve = site.client();
    eve.sign_up("eve").await;
    let png = png();
    let shot = SentFile {
        field: "shot",
        name: "screen.png",
        media_type: "image/png",
        content: &png,
    };
    let hold = async |client: &mut palisade::testing::Client| {
        let fields = [("title", "")];
        let again = client
            .submit_files("/notes/new", "/notes", &fields, &[shot])
            .await;
        held(&again.body)
    };
    let token = hold(&mut ann).await;
    let take = async |client: &mut palisade::testing::Client, field: &str, token: &str| {
        let fields = [("title", "mine"), (field, token)];
        client
            .submit_files("/notes/new", "/notes", &fields, &[])
            .await
    };
    let mut same = ann.clone();
    for (client, field) in [(&mut eve, "shot"), (&mut ann, "many"), (&mut same, "paper")] {
        let taken = take(client, field, &token).await;
        assert_eq!(taken.status, 422, "{field}");
        assert!(
            errors(&taken).contains("kept for an hour only"),
            "{}",
            taken.body
        );
    }
    let forged = r#"{"token":"x","field":"shot","kind":"picture","name":"a.png","media_type":"image/png","bytes":1}"#;
    assert_eq!(take(&mut ann, "shot", forged).await.status, 422);
    site.clock()
        .advance(palisade::chrono::TimeDelta::minutes(61));
    assert_eq!(take(&mut ann, "shot", &token).await.status, 422);
    site.site().files_swept().await.unwrap();
    assert_eq!((rows(&site).await, stored(&site).len()), (0, 0));
}

#[tokio::test]
async fn a_new_file_takes_the_place_of_a_held_one_and_an_unticked_one_is_left_out() {
    let (site, mut ann) = site(&[]).await;
    let png = png();
    let shot = |name| SentFile {
        field: "shot",
        name,
        media_type: "image/png",
        content: &png,
    };
    let again = ann
        .submit_files("/notes/new", "/notes", &[("title", "")], &[shot("old.png")])
        .await;
    let token = held(&again.body);
    let fields = [("title", "a"), ("shot", token.as_str())];
    let created = ann
        .submit_files("/notes/new", "/notes", &fields, &[shot("new.png")])
        .await;
    let page = ann.get(created.header("location")).await.body;
    assert!(
        page.contains("new.png") && !page.contains("old.png"),
        "{page}"
    );
    let without = ann
        .submit_files("/notes/new", "/notes", &[("title", "b")], &[])
        .await;
    assert!(files_of(&mut ann, &without).await.is_empty());
    site.clock()
        .advance(palisade::chrono::TimeDelta::minutes(61));
    assert_eq!(site.site().files_swept().await.unwrap(), 1, "the old one");
}

#[tokio::test]
async fn a_field_may_take_several_files() {
    let (site, mut ann) = site(&[]).await;
    let png = png();
    let many = |count: usize| {
        vec![
            SentFile {
                field: "many",
                name: "a.png",
                media_type: "image/png",
                content: &png,
            };
            count
        ]
    };
    let three = ann
        .submit_files("/notes/new", "/notes", &[("title", "a")], &many(3))
        .await;
    assert_eq!(files_of(&mut ann, &three).await.len(), 3);
    let four = ann
        .submit_files("/notes/new", "/notes", &[("title", "a")], &many(4))
        .await;
    assert_eq!(four.status, 400);
    let two_in_one = [
        SentFile {
            field: "shot",
            ..many(1)[0]
        },
        SentFile {
            field: "shot",
            ..many(1)[0]
        },
    ];
    let two = ann
        .submit_files("/notes/new", "/notes", &[("title", "a")], &two_in_one)
        .await;
    assert_eq!(two.status, 400, "a second value");
    assert_eq!(stored(&site).len() as i64, rows(&site).await);
}

// V4.1.5, F082: parts that are no fields of the form, and files where text belongs
#[tokio::test]
async fn odd_parts_are_refused() {
    let (site, mut ann) = site(&[]).await;
    let png = png();
    let file = |field| SentFile {
        field,
        name: "a.png",
        media_type: "image/png",
        content: &png,
    };
    for field in ["other", "title", "owner_id", ""] {
        let sent = ann
            .submit_files("/notes/new", "/notes", &[("title", "a")], &[file(field)])
            .await;
        assert_eq!(sent.status, 400, "{field}");
    }
    let unknown = ann
        .submit_files(
            "/notes/new",
            "/notes",
            &[("title", "a"), ("owner_id", "1")],
            &[],
        )
        .await;
    assert_eq!(unknown.status, 400);
    let twice = ann
        .submit_files(
            "/notes/new",
            "/notes",
            &[("title", "a"), ("title", "b")],
            &[],
        )
        .await;
    assert_eq!(twice.status, 400);
    let long = "x".repeat(100_000);
    let long = ann
        .submit_files("/notes/new", "/notes", &[("title", &long)], &[])
        .await;
    assert_eq!(long.status, 413);
    // without a token nothing is read, and nothing stored
    let forged = ann
        .send_files("/notes", &[("title", "a")], &[file("shot")])
        .await;
    assert_eq!(forged.status, 403);
    let first = ann
        .send_files("/notes", &[], &[file("csrfmiddlewaretoken")])
        .await;
    assert_eq!(first.status, 403);
    assert_eq!((rows(&site).await, stored(&site).len()), (0, 0));
}

// the token of a held file finds it: it is in no Debug output
#[test]
fn the_token_of_a_held_file_is_not_printed() {
    let file = r#"{"token":"canary","field":"shot","kind":"picture","name":"a.png","media_type":"image/png","bytes":1}"#;
    let file: palisade::forms::ReceivedFile = palisade::serde_json::from_str(file).unwrap();
    let shown = format!("{file:?}");
    assert!(
        shown.contains("a.png") && !shown.contains("canary"),
        "{shown}"
    );
}
