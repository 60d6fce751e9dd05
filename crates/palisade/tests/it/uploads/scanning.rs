//! Files that a scanner must look at are served after its verdict, and no other answer is one.

use super::clamd::{Clamd, False, Habit, eicar};
use super::corpus::docx;
use super::{app, errors, events_named, files_of, png, rows, send, site, stored};
use palisade::app::BootError;
use palisade::auth::Rank;
use palisade::chrono::TimeDelta;
use palisade::prelude::*;
use palisade::testing::{Client, TestSite, ran};

const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

async fn states(site: &TestSite) -> Vec<(String, String)> {
    let rows = sql!("SELECT state, verdict FROM palisade_file ORDER BY id");
    site.site()
        .database()
        .handle()
        .fetch_all(rows)
        .await
        .unwrap()
}

// F084 V5.4.3: clamd of Debian finds the test virus in a text, and within an archive
#[tokio::test]
async fn a_real_clamd_finds_a_virus() {
    let folder = tempfile::tempdir().unwrap();
    let Some(clamd) = Clamd::start(folder.path(), "").await else {
        return;
    };
    let (site, mut ann) = site(&[("uploads.clamd", &clamd.address)]).await;
    let clean = send(&mut ann, ("plain", "a.txt", "text/plain"), b"hello").await;
    let url = files_of(&mut ann, &clean).await.remove(0);
    assert_eq!(ann.get(&url).await.body, "hello");
    let bad = [
        (
            "plain",
            "a.txt",
            "text/plain",
            [&b"a text and "[..], &eicar()].concat(),
        ),
        (
            "paper",
            "a.docx",
            DOCX,
            docx(&[("word/eicar.txt", &eicar())]),
        ),
        (
            "any",
            "a.bin",
            "application/octet-stream",
            [vec![b'x'; 900_000], eicar()].concat(),
        ),
    ];
    for (field, name, media_type, content) in bad {
        let refused = send(&mut ann, (field, name, media_type), &content).await;
        assert_eq!(refused.status, 422, "{name}");
        assert!(
            errors(&refused).contains("virus scanner found"),
            "{}",
            errors(&refused)
        );
        assert!(!refused.body.contains("Keep "), "it is not held");
    }
    let found = states(&site).await;
    assert_eq!(found[0].0, "clean");
    let found = &found[1..];
    assert!(
        found.len() == 3
            && found.iter().all(
                |(state, verdict)| state == "quarantined" && verdict.contains("Palisade.Eicar")
            ),
        "{found:?}"
    );
    assert_eq!(events_named(&site, "file_quarantined").await, 3);
    // after its time, nothing is left
    site.clock().advance(TimeDelta::days(31));
    site.site().files_swept().await.unwrap();
    assert_eq!((rows(&site).await, stored(&site).len()), (1, 1));
    ran("files scanned by clamd");
}

// D53, Nextcloud#396: a clamd whose limits are below those of the site says OK to what it has not read
#[tokio::test]
async fn a_clamd_with_small_limits_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let small = "MaxFileSize 100K\nMaxScanSize 100K\nStreamMaxLength 30M";
    let Some(clamd) = Clamd::start(folder.path(), small).await else {
        return;
    };
    let (site, mut ann) = site(&[("uploads.clamd", &clamd.address)]).await;
    let hidden = [vec![b'x'; 500_000], eicar()].concat();
    for content in [b"hello".to_vec(), hidden] {
        let sent = send(&mut ann, ("plain", "a.txt", "text/plain"), &content).await;
        let url = files_of(&mut ann, &sent).await.remove(0);
        assert_eq!(ann.get(&url).await.status, 404, "not before a verdict");
    }
    assert_eq!(site.site().files_scanned().await.unwrap(), 0);
    drop(clamd);
    let Some(_clamd) = Clamd::start(folder.path(), "").await else {
        return;
    };
    assert_eq!(site.site().files_scanned().await.unwrap(), 2);
    let states: Vec<String> = states(&site)
        .await
        .into_iter()
        .map(|(state, _)| state)
        .collect();
    assert_eq!(states, ["clean", "quarantined"]);
}

// D53: away, slow, closing or odd is "being checked", and never clean
#[tokio::test]
async fn no_other_answer_is_a_verdict() {
    let clamd = False::start(Habit::Finds(b"evil".to_vec())).await;
    let settings = [
        ("uploads.clamd", clamd.address.as_str()),
        ("uploads.scan_wait_secs", "1"),
        ("uploads.scan_secs", "2"),
        ("uploads.max_form_bytes", "3000000"),
    ];
    let (site, mut ann) = site(&settings).await;
    let habits = [
        Habit::Lies,
        Habit::Hangs,
        Habit::Closes(""),
        Habit::Closes("stream: OK"),
        Habit::Says("stream: OK\n"),
        Habit::Says("OK"),
        Habit::Says("INSTREAM size limit exceeded. ERROR"),
        Habit::Says("stream: Can't allocate memory ERROR"),
    ];
    let mut urls = Vec::new();
    for habit in habits {
        clamd.set(habit.clone());
        site.clock().advance(TimeDelta::minutes(61));
        let sent = send(&mut ann, ("plain", "a.txt", "text/plain"), b"evil").await;
        let page = ann.get(sent.header("location")).await.body;
        assert!(page.contains("class=\"checking\""), "{habit:?}: {page}");
        let url = files_of(&mut ann, &sent).await.remove(0);
        assert_eq!(ann.get(&url).await.status, 404, "{habit:?}");
        assert_eq!(site.site().files_scanned().await.unwrap(), 0, "{habit:?}");
        urls.push(url);
    }
    assert!(
        states(&site)
            .await
            .iter()
            .all(|(state, _)| state == "checking")
    );
    // pictures are encoded again, and wait for no scanner
    let sent = send(&mut ann, ("shot", "a.png", "image/png"), &png()).await;
    let url = files_of(&mut ann, &sent).await.remove(0);
    assert_eq!(ann.get(&url).await.status, 200);
    // an honest scanner finds all of them
    clamd.set(Habit::Finds(b"evil".to_vec()));
    assert_eq!(site.site().files_scanned().await.unwrap(), 8);
    for url in urls {
        assert_eq!(ann.get(&url).await.status, 404);
    }
    assert_eq!(events_named(&site, "file_quarantined").await, 8);
}

// F084: files of the last days are scanned again with new signatures, and a bad one is withdrawn
#[tokio::test]
async fn new_signatures_withdraw_a_stored_file() {
    let clamd = False::start(Habit::Finds(b"nothing".to_vec())).await;
    let settings = [
        ("uploads.clamd", clamd.address.as_str()),
        ("uploads.max_form_bytes", "3000000"),
    ];
    let (site, mut ann) = site(&settings).await;
    let old = send(&mut ann, ("plain", "old.txt", "text/plain"), b"sleeper").await;
    let old = files_of(&mut ann, &old).await.remove(0);
    site.clock().advance(TimeDelta::days(8));
    let mut ann = site.client();
    ann.log_in("ann", palisade::testing::PASSWORD).await;
    let new = send(&mut ann, ("plain", "new.txt", "text/plain"), b"sleeper").await;
    let new = files_of(&mut ann, &new).await.remove(0);
    assert_eq!(
        site.site().files_scanned().await.unwrap(),
        0,
        "nothing is new"
    );
    clamd.set(Habit::Finds(b"sleeper".to_vec()));
    clamd.update("ClamAV 1.4.6/27801/tomorrow");
    assert_eq!(site.site().files_scanned().await.unwrap(), 1);
    assert_eq!(ann.get(&new).await.status, 404);
    assert_eq!(
        ann.get(&old).await.status,
        200,
        "older than uploads.rescan_days"
    );
    site.site().files_swept().await.unwrap();
    assert_eq!(rows(&site).await, 2, "a file of a row stays in quarantine");
}

async fn staff(site: &TestSite, name: &str) -> Client {
    let client = site.sign_in(name, Rank::Staff).await;
    for permission in ["palisade.manage_files", "palisade.approve"] {
        site.grant(name, permission).await;
    }
    client
}

// F084 V2.3.5: two persons release, one deletes, and a released content is not withdrawn again
#[tokio::test]
async fn two_persons_release_a_file_from_quarantine() {
    let clamd = False::start(Habit::Finds(b"false alarm".to_vec())).await;
    let settings = [
        ("uploads.clamd", clamd.address.as_str()),
        ("uploads.max_form_bytes", "3000000"),
        ("uploads.min_free_bytes", "1"),
        ("admin.path", "/office"),
    ];
    let site = TestSite::start(app().admin(Admin::new()), &settings).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    for content in [&b"a false alarm"[..], b"another false alarm"] {
        let refused = send(&mut ann, ("plain", "<b>a.txt", "text/plain"), content).await;
        assert_eq!(refused.status, 422);
        let refused = send(&mut ann, ("plain", "a&b.txt", "text/plain"), content).await;
        assert!(errors(&refused).contains("virus scanner found"));
    }
    let mut plain = site.sign_in("piet", Rank::Staff).await;
    assert_eq!(plain.get("/office/files").await.status, 404);
    let (mut first, mut second) = (staff(&site, "ines").await, staff(&site, "otto").await);
    let page = first.get("/office/files").await;
    assert!(
        page.body.contains("a&amp;b.txt") && page.body.contains("Test.Virus"),
        "{}",
        page.body
    );
    let id = page.hidden_field("id").unwrap();
    let act = async |client: &mut Client, act: &str, id: &str| {
        client
            .submit(
                "/office/files",
                "/office/files",
                &[("id", id), ("act", act)],
            )
            .await
            .status
            .as_u16()
    };
    assert_eq!(
        act(&mut second, "release", &id).await,
        409,
        "without a proposal"
    );
    assert_eq!(act(&mut first, "propose", &id).await, 303);
    assert_eq!(
        act(&mut first, "release", &id).await,
        403,
        "the same person"
    );
    assert_eq!(
        act(&mut second, "withdraw", &id).await,
        409,
        "of another person"
    );
    assert_eq!(act(&mut first, "withdraw", &id).await, 303);
    assert_eq!(
        act(&mut second, "release", &id).await,
        409,
        "it was withdrawn"
    );
    assert_eq!(act(&mut first, "propose", &id).await, 303);
    let yesterday = sql!("UPDATE palisade_file SET proposed_at = proposed_at - 90000");
    let db = site.site().database().handle();
    db.write(async |tx| tx.execute_sql(yesterday).await)
        .await
        .unwrap();
    assert_eq!(act(&mut second, "release", &id).await, 409, "a day later");
    assert_eq!(act(&mut first, "propose", &id).await, 303);
    assert_eq!(act(&mut second, "release", &id).await, 303);
    assert_eq!(
        act(&mut second, "release", &id).await,
        404,
        "it is released"
    );
    assert_eq!(events_named(&site, "file_released").await, 1);
    // the other one is deleted by one person
    let other = second
        .get("/office/files")
        .await
        .hidden_field("id")
        .unwrap();
    assert_eq!(act(&mut second, "delete", &other).await, 303);
    assert_eq!(second.get("/office/files").await.hidden_field("id"), None);
    // the user sends the released content again
    let released = sql!("SELECT id FROM palisade_file WHERE state = 'released'");
    let released: Vec<(i64,)> = db.fetch_all(released).await.unwrap();
    assert_eq!(released.len(), 1);
    let sent = send(
        &mut ann,
        ("plain", "a.txt", "text/plain"),
        b"another false alarm",
    )
    .await;
    let url = files_of(&mut ann, &sent).await.remove(0);
    assert_eq!(ann.get(&url).await.status, 200);
}

// F084: production takes nothing that is stored as it came without a scanner
#[tokio::test]
async fn production_demands_a_scanner() {
    let key = palisade::crypto::KeyRing::generate();
    let settings = [
        ("profile", "production"),
        ("http.allowed_hosts", "desk.example.org"),
        ("http.trusted_proxies", "127.0.0.1/32"),
        ("site.migrate_at_start", "true"),
        ("site.allow_dangerous", "any_file"),
        ("keys.secret", key.expose().as_str()),
    ];
    let refused = TestSite::try_start(app(), &settings).await;
    let Err(BootError::Refused(report)) = refused else {
        panic!("a site without a scanner starts");
    };
    let ids: Vec<&str> = report.errors().map(|finding| &*finding.id).collect();
    assert_eq!(ids, ["uploads.scanner_missing"]);
    let mut with_scanner = settings.to_vec();
    with_scanner.push(("uploads.clamd", "unix:/run/clamav/clamd.ctl"));
    assert!(TestSite::try_start(app(), &with_scanner).await.is_ok());
    let unscanned =
        || app().dangerous_unscanned_files(Reason::new("files are scanned by a gateway"));
    assert!(TestSite::try_start(unscanned(), &settings).await.is_err());
    let mut accepted = settings.to_vec();
    accepted[4].1 = "any_file,unscanned_files";
    assert!(TestSite::try_start(unscanned(), &accepted).await.is_ok());
}

// one file that cannot be scanned does not keep the others, and waiting files come first
#[tokio::test]
async fn a_file_that_cannot_be_scanned_keeps_no_other() {
    let clamd = False::start(Habit::Lies).await;
    let settings = [
        ("uploads.clamd", clamd.address.as_str()),
        ("uploads.max_form_bytes", "3000000"),
    ];
    let (site, mut ann) = site(&settings).await;
    let mut urls = Vec::new();
    for _ in 0..3 {
        let sent = send(&mut ann, ("plain", "a.txt", "text/plain"), b"hello").await;
        urls.extend(files_of(&mut ann, &sent).await);
    }
    clamd.set(Habit::Finds(b"nothing".to_vec()));
    // the bytes of the first one are gone
    let first = urls[0].rsplit('/').next().unwrap();
    let path = stored(&site)
        .into_iter()
        .find(|path| path.ends_with(first))
        .unwrap();
    std::fs::write(path, b"damaged").unwrap();
    for count in [2, 0] {
        assert_eq!(site.site().files_scanned().await.unwrap(), count);
        site.clock().advance(TimeDelta::minutes(1));
    }
    for (url, status) in urls.iter().zip([404, 200, 200]) {
        assert_eq!(ann.get(url).await.status.as_u16(), status);
    }
}

// a visitor without an account does not fill the quarantine
#[tokio::test]
async fn findings_of_anonymous_visitors_are_not_kept() {
    let clamd = False::start(Habit::Finds(b"evil".to_vec())).await;
    let settings = [
        ("uploads.clamd", clamd.address.as_str()),
        ("uploads.max_form_bytes", "3000000"),
    ];
    let (site, _ann) = site(&settings).await;
    let mut visitor = site.client();
    let file = palisade::testing::SentFile {
        field: "plain",
        name: "a.txt",
        media_type: "text/plain",
        content: b"evil",
    };
    let refused = visitor
        .submit_files("/letters/new", "/letters", &[], &[file])
        .await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert_eq!(events_named(&site, "file_quarantined").await, 1);
    site.site().files_swept().await.unwrap();
    assert_eq!((rows(&site).await, stored(&site).len()), (0, 0));
}

// a kind that is stored as it came, and that no check knows of, is taken in no profile
#[tokio::test]
async fn an_undeclared_kind_is_not_taken() {
    let site = TestSite::start(super::undeclared(), &[("uploads.min_free_bytes", "1")]).await;
    let mut visitor = site.client();
    let file = palisade::testing::SentFile {
        field: "plain",
        name: "a.txt",
        media_type: "text/plain",
        content: b"hello",
    };
    let sent = visitor
        .submit_files("/letters/new", "/letters", &[], &[file])
        .await;
    assert_eq!(sent.status, 500);
    assert_eq!((rows(&site).await, stored(&site).len()), (0, 0));
}

// pictures that are declared, too, need no scanner
#[tokio::test]
async fn pictures_need_no_scanner() {
    let key = palisade::crypto::KeyRing::generate();
    let settings = [
        ("profile", "production"),
        ("http.allowed_hosts", "desk.example.org"),
        ("http.trusted_proxies", "127.0.0.1/32"),
        ("site.migrate_at_start", "true"),
        ("keys.secret", key.expose().as_str()),
    ];
    let pictures = || super::undeclared().files::<Picture>();
    assert!(TestSite::try_start(pictures(), &settings).await.is_ok());
    let papers = || pictures().files::<palisade::uploads::Paper>();
    assert!(TestSite::try_start(papers(), &settings).await.is_err());
}
