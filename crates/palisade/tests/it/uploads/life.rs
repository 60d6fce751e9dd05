//! The life of a file: limits, sweeping, erasure, keys.

use super::{errors, files_of, png, rows, send, site, site_of, stored};
use palisade::chrono::TimeDelta;
use palisade::prelude::*;
use palisade::testing::TestDatabase;

/// Runs a statement as another program would.
async fn run(site: &palisade::testing::TestSite, statement: palisade::db::RawSql) {
    let tx = site.site().database().handle().begin().await.unwrap();
    tx.execute_sql(statement).await.unwrap();
    tx.commit().await.unwrap();
}

// the file of a deleted row is gone at once, and its bytes with the next sweep
#[tokio::test]
async fn files_go_with_their_row() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some((site, mut ann)) = site_of(database, &[]).await else {
            continue;
        };
        let mut urls = Vec::new();
        for _ in 0..2 {
            let created = send(&mut ann, ("shot", "a.png", "image/png"), &png()).await;
            urls.extend(files_of(&mut ann, &created).await);
        }
        run(&site, sql!("DELETE FROM uploads_note WHERE id = 1")).await;
        assert_eq!(ann.get(&urls[0]).await.status, 404);
        assert_eq!(ann.get(&urls[1]).await.status, 200);
        assert_eq!(site.site().files_swept().await.unwrap(), 1);
        assert_eq!((rows(&site).await, stored(&site).len()), (1, 1));
        assert_eq!(ann.get(&urls[1]).await.status, 200);
    }
}

// F089: an erased user's files are gone
#[tokio::test]
async fn files_go_with_their_user() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some((site, mut ann)) = site_of(database, &[]).await else {
            continue;
        };
        let mut bob = site.client();
        bob.sign_up("bob").await;
        let created = send(&mut ann, ("shot", "private.png", "image/png"), &png()).await;
        let url = files_of(&mut ann, &created).await.remove(0);
        let created = send(&mut bob, ("shot", "b.png", "image/png"), &png()).await;
        let other = files_of(&mut bob, &created).await.remove(0);
        let password = [("current_password", palisade::testing::PASSWORD)];
        let export = ann
            .submit("/account/export", "/account/export", &password)
            .await;
        assert!(export.body.contains("private.png"), "{}", export.body);
        let deleted = ann
            .submit("/account/delete", "/account/delete", &password)
            .await;
        assert_eq!(deleted.status, 303, "{}", deleted.body);
        let staff = site.sign_in("carl", palisade::auth::Rank::Staff).await;
        let mut staff = staff;
        assert_eq!(staff.get(&url).await.status, 404);
        site.site().files_swept().await.unwrap();
        assert_eq!((rows(&site).await, stored(&site).len()), (1, 1));
        assert_eq!(bob.get(&other).await.status, 200);
    }
}

// F084 D52 V5.2.1 V5.2.4: limits of a file, a form, a user, the site and the disk
#[tokio::test]
async fn limits_are_kept() {
    let large = vec![b'a'; 1_100_000];
    let (own, mut ann) = site(&[]).await;
    let sent = send(&mut ann, ("plain", "a.txt", "text/plain"), &large).await;
    assert!(
        errors(&sent).contains("larger than 1 MB"),
        "{}",
        errors(&sent)
    );
    assert_eq!((rows(&own).await, stored(&own)), (0, Vec::new()));

    let (form, mut ann) = site(&[
        ("uploads.max_form_bytes", "900000"),
        ("http.max_body_bytes", "200000"),
    ])
    .await;
    let sent = send(&mut ann, ("plain", "a.txt", "text/plain"), &large).await;
    assert_eq!(sent.status, 413);
    assert_eq!((rows(&form).await, stored(&form)), (0, Vec::new()));
    let sent = send(
        &mut ann,
        ("plain", "a.txt", "text/plain"),
        &large[..800_000],
    )
    .await;
    assert_eq!(
        sent.status, 303,
        "above the limit of other bodies: {}",
        sent.body
    );

    let (user, mut ann) = site(&[("uploads.user_bytes", "2500")]).await;
    for expected in [303, 303, 422] {
        let sent = send(&mut ann, ("plain", "a.txt", "text/plain"), &large[..1_000]).await;
        assert_eq!(sent.status, expected);
    }
    let mut bob = user.client();
    bob.sign_up("bob").await;
    let sent = send(&mut bob, ("plain", "a.txt", "text/plain"), &large[..1_000]).await;
    assert_eq!(sent.status, 303, "the limit of another user");
    assert_eq!((rows(&user).await, stored(&user).len()), (3, 3));

    let (all, mut ann) = site(&[("uploads.site_bytes", "1500")]).await;
    for expected in [303, 422] {
        let sent = send(&mut ann, ("plain", "a.txt", "text/plain"), &large[..1_000]).await;
        assert_eq!(sent.status, expected);
    }
    assert_eq!(rows(&all).await, 1);

    let (disk, mut ann) = site(&[("uploads.min_free_bytes", "900000000000000")]).await;
    let sent = send(&mut ann, ("plain", "a.txt", "text/plain"), b"small").await;
    assert_eq!(sent.status, 503);
    assert_eq!((rows(&disk).await, stored(&disk)), (0, Vec::new()));
}

// the keys of files are encrypted again with the newest key of the site
#[tokio::test]
async fn keys_of_files_are_rotated() {
    let old = "an old key of a test which is long enough: 01234567890123456789";
    let new = "a new key of a test which is long enough: 01234567890123456789";
    let (first, mut ann) = site(&[("keys.secret", old)]).await;
    let created = send(&mut ann, ("plain", "a.txt", "text/plain"), b"hello").await;
    let url = files_of(&mut ann, &created).await.remove(0);
    let fallback = [
        ("keys.secret", new),
        ("keys.fallbacks", old),
        ("uploads.min_free_bytes", "1"),
    ];
    let second = first.start_beside(super::app(), &fallback).await;
    second.site().reencrypt().await.unwrap();
    let third = first
        .start_beside(
            super::app(),
            &[("keys.secret", new), ("uploads.min_free_bytes", "1")],
        )
        .await;
    let mut staff = third.sign_in("carl", palisade::auth::Rank::Staff).await;
    assert_eq!(staff.get(&url).await.body, "hello");
}

// an incomplete body leaves nothing
#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let (site, mut ann) = site(&[]).await;
    let page = ann.get("/notes/new").await;
    let token = page.token().unwrap();
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"csrfmiddlewaretoken\"\r\n\r\n{token}\r\n\
         --b\r\nContent-Disposition: form-data; name=\"plain\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nthe beginning of"
    );
    let request = ann
        .request(http::Method::POST, "/notes")
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "multipart/form-data; boundary=b");
    let broken = ann.send(request, axum::body::Body::from(body)).await;
    assert_eq!(broken.status, 400);
    assert_eq!((rows(&site).await, stored(&site)), (0, Vec::new()));
}

// kill -9 between the row and its bytes: a row without bytes is not served, and swept
#[tokio::test]
async fn a_row_that_was_arriving_is_swept() {
    let (site, mut ann) = site(&[]).await;
    let created = send(&mut ann, ("plain", "a.txt", "text/plain"), b"hello").await;
    let url = files_of(&mut ann, &created).await.remove(0);
    run(
        &site,
        sql!("UPDATE palisade_file SET state = 'arriving', until = created + 3600, owner_table = NULL, owner_key = NULL"),
    )
    .await;
    assert_eq!(ann.get(&url).await.status, 404);
    assert_eq!(site.site().files_swept().await.unwrap(), 0);
    site.clock().advance(TimeDelta::minutes(61));
    assert_eq!(site.site().files_swept().await.unwrap(), 1);
    assert_eq!((rows(&site).await, stored(&site)), (0, Vec::new()));
}

// D52: of uploads at once, no more are accepted than there is room for
#[tokio::test]
async fn a_quota_holds_for_uploads_at_once() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let settings = [("uploads.user_bytes", "2500"), ("uploads.max_work", "12")];
        let Some((site, ann)) = site_of(database, &settings).await else {
            continue;
        };
        let content = vec![b'a'; 1_000];
        let uploads = (0..12).map(|_| {
            let (mut ann, content) = (ann.clone(), content.clone());
            async move {
                send(&mut ann, ("plain", "a.txt", "text/plain"), &content)
                    .await
                    .status
            }
        });
        let statuses = futures_util::future::join_all(uploads).await;
        let accepted = statuses
            .iter()
            .filter(|status| status.as_u16() == 303)
            .count();
        assert_eq!(accepted, 2, "{statuses:?}");
        assert_eq!((rows(&site).await, stored(&site).len()), (2, 2));
    }
}

// D52: two uploads of a user do not add up at the same time
#[tokio::test]
async fn uploads_of_a_user_follow_each_other() {
    let Some((site, mut ann)) = site_of(TestDatabase::Postgres, &[]).await else {
        return;
    };
    let tx = site.site().database().handle().begin().await.unwrap();
    let lock = sql!("SELECT pg_advisory_xact_lock(hashtext('palisade_file'), 1)");
    tx.execute_sql(lock).await.unwrap();
    let mut upload = Box::pin(send(&mut ann, ("plain", "a.txt", "text/plain"), b"hello"));
    let wait = std::time::Duration::from_millis(3000);
    assert!(tokio::time::timeout(wait, &mut upload).await.is_err());
    tx.commit().await.unwrap();
    assert_eq!(upload.await.status, 303);
}

// a row in the bin of the admin comes back with its file; a key of another release deletes nothing;
// and files of users that Django has deleted go
#[tokio::test]
async fn the_sweep_deletes_no_file_that_may_be_needed() {
    let (site, mut ann) = site(&[]).await;
    let created = send(&mut ann, ("shot", "a.png", "image/png"), &png()).await;
    let url = files_of(&mut ann, &created).await.remove(0);
    run(&site, sql!("DELETE FROM uploads_note")).await;
    let until = palisade::chrono::Utc::now().timestamp_micros() + 1_000_000_000;
    run(&site, sql!("INSERT INTO palisade_bin (id, at, until, user_id, resource, object_id, label, sealed, people, batch) VALUES ('a', 1, ?, NULL, 'notes', '1', '', '', '', '')", until)).await;
    assert_eq!(site.site().files_swept().await.unwrap(), 0);
    run(
        &site,
        sql!("INSERT INTO uploads_note (id, owner_id, title) VALUES (1, 1, 'back')"),
    )
    .await;
    assert_eq!(ann.get(&url).await.status, 200, "it is back");
    run(
        &site,
        sql!("UPDATE palisade_file SET owner_key = '3f2a-uuid'"),
    )
    .await;
    assert_eq!(site.site().files_swept().await.unwrap(), 0);
    run(&site, sql!("UPDATE palisade_file SET user_id = 4711")).await;
    assert_eq!(site.site().files_swept().await.unwrap(), 1);
    assert_eq!((rows(&site).await, stored(&site).len()), (0, 0));
}

// D82: a form with files that is sent after the session has ended comes back with its text
#[tokio::test]
async fn the_text_of_a_form_with_files_is_kept_after_the_session() {
    let (site, mut ann) = site(&[]).await;
    let token = ann.get("/notes/new").await.token().unwrap();
    site.clock().advance(TimeDelta::days(8));
    let content = vec![b'a'; 200_000];
    let file = palisade::testing::SentFile {
        field: "plain",
        name: "a.txt",
        media_type: "text/plain",
        content: &content,
    };
    let fields = [
        ("csrfmiddlewaretoken", token.as_str()),
        ("title", "a long thought"),
    ];
    let sent = ann.send_files("/notes", &fields, &[file]).await;
    assert_eq!(sent.status, 303, "{}", sent.body);
    let mut login = ann.clone();
    login.log_in("ann", palisade::testing::PASSWORD).await;
    let kept = login.get("/account/unsent").await;
    assert!(kept.body.contains("a long thought"), "{}", kept.body);
    // sent again, also with the token of a file that was held for the old session
    let again = [("title", "a long thought"), ("shot", "a token")];
    let shown = login.submit("/notes/new", "/notes", &again).await;
    assert!(shown.body.contains("a long thought"), "{}", shown.body);
    assert!(errors(&shown).contains("choose it again"), "{}", shown.body);
    let saved = login.submit("/notes/new", "/notes", &again[..1]).await;
    assert_eq!(saved.status, 303);
    assert_eq!((rows(&site).await, stored(&site).len()), (0, 0));
}
