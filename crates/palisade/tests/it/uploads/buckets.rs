//! Files in a bucket: rclone judges signatures, and moto conditional writes.

use super::{app, files_of, png, rows, send};
use crate::server::{free_port, raw};
use palisade::chrono::TimeDelta;
use palisade::prelude::*;
use palisade::testing::{Client, TestSite, events, ran, server};
use std::path::{Path as FilePath, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The access key and the secret key of the bucket.
pub(crate) const KEYS: (&str, &str) = ("an-access-key", "canary-of-a-secret-key");

/// `rclone serve s3`, with a bucket `files`.
pub(crate) struct Bucket {
    child: Child,
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
}

impl Bucket {
    /// `None` without the server.
    pub(crate) fn start() -> Option<Self> {
        let python = server("PALISADE_TEST_S3")?;
        let folder =
            std::env::temp_dir().join(format!("palisade-s3-{}", palisade::crypto::random::nonce()));
        std::fs::create_dir_all(folder.join("files")).unwrap();
        let port = free_port();
        let child = Command::new(FilePath::new(&python).with_file_name("rclone"))
            .args([
                "serve",
                "s3",
                "--config",
                "/dev/null",
                "--auth-key",
                &format!("{},{}", KEYS.0, KEYS.1),
            ])
            .args(["--addr", &format!("127.0.0.1:{port}")])
            .arg(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for(port);
        Some(Self {
            child,
            folder,
            port,
        })
    }

    pub(crate) fn url(&self) -> String {
        format!(
            "s3://files/site?region=eu-west-1&endpoint=http://127.0.0.1:{}",
            self.port
        )
    }

    /// All objects.
    pub(crate) fn objects(&self) -> Vec<PathBuf> {
        super::files_below(&self.folder)
    }

    pub(crate) fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(crate) fn wait_for(port: u16) {
    for _ in 0..200 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("the storage did not start on port {port}");
}

async fn site_in(bucket: &Bucket, app: App, keys: (&str, &str)) -> (TestSite, Client) {
    let settings = [
        ("storage.url", bucket.url()),
        ("storage.access_key", keys.0.to_owned()),
        ("storage.secret_key", keys.1.to_owned()),
        ("uploads.min_free_bytes", "1".to_owned()),
    ];
    let settings: Vec<(&str, &str)> = settings
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect();
    let site = TestSite::start(app, &settings).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    (site, ann)
}

// F085: private objects, encrypted, in ranges, and gone with their row
#[tokio::test(flavor = "multi_thread")]
async fn files_in_a_bucket_are_those_of_a_folder() {
    let Some(bucket) = Bucket::start() else {
        return;
    };
    let (site, mut ann) = site_in(&bucket, app(), KEYS).await;
    let text: String = (0..40_000).map(|line| format!("line {line}\n")).collect();
    let created = send(&mut ann, ("plain", "a.txt", "text/plain"), text.as_bytes()).await;
    let url = files_of(&mut ann, &created).await.remove(0);
    assert_eq!(ann.get(&url).await.body, text);
    let request = ann
        .request(http::Method::GET, &url)
        .header("range", "bytes=70000-140000");
    let part = ann.send(request, axum::body::Body::empty()).await;
    assert_eq!(
        (part.status.as_u16(), &*part.body),
        (206, &text[70_000..=140_000])
    );
    let objects = bucket.objects();
    assert_eq!(objects.len(), 1, "{objects:?}");
    let stored = std::fs::read(&objects[0]).unwrap();
    assert!(!String::from_utf8_lossy(&stored).contains("line 7"));
    // a chunk that was changed in the bucket
    let mut changed = stored.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    std::fs::write(&objects[0], &changed).unwrap();
    assert!(
        ann.try_get(&url)
            .await
            .is_none_or(|answer| answer.body != text)
    );
    std::fs::write(&objects[0], &stored).unwrap();
    let delete = sql!("DELETE FROM uploads_note");
    let deleted = site
        .site()
        .database()
        .write(async |tx| tx.execute_sql(delete).await)
        .await;
    deleted.unwrap();
    assert_eq!(site.site().files_swept().await.unwrap(), 1);
    assert_eq!((rows(&site).await, bucket.objects()), (0, Vec::new()));
    ran("buckets");
}

// a file of several parts
#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_goes_in_parts() {
    let Some(bucket) = Bucket::start() else {
        return;
    };
    let routes = Routes::new()
        .route("/letters/new", public().get(large::blank))
        .route("/letters", public().post(large::take));
    let app = App::new()
        .templates(palisade::template::Layer::embedded(large::PAGES))
        .files::<palisade::uploads::Plain>()
        .routes(routes);
    let (site, mut ann) = site_in(&bucket, app, KEYS).await;
    let noise: Vec<u8> = (0..19_000_000_u32)
        .map(|at| b'a' + (at.wrapping_mul(2_654_435_761) >> 24) as u8 % 26)
        .collect();
    let file = palisade::testing::SentFile {
        field: "plain",
        name: "a.txt",
        media_type: "text/plain",
        content: &noise,
    };
    let sent = ann
        .submit_files("/letters/new", "/letters", &[], &[file])
        .await;
    assert_eq!(sent.status, 200, "{}", super::errors(&sent));
    let objects = bucket.objects();
    assert_eq!(objects.len(), 1, "{objects:?}");
    assert!(std::fs::metadata(&objects[0]).unwrap().len() > 19_000_000);
    assert_eq!(rows(&site).await, 1);
}

mod large {
    use palisade::prelude::*;
    use palisade::uploads::Plain;

    #[derive(Form)]
    pub(super) struct Letter {
        plain: Upload<Plain, { 20 * MIB }>,
    }

    pub(super) const PAGES: &[(&str, &str)] = &[(
        "letter.html",
        "<form method=\"post\" action=\"/letters\">{% from \"palisade/form.html\" import fields %}{{ fields(form) }}<button>Send</button></form>",
    )];

    pub(super) async fn blank(page: Page) -> Result<Response> {
        page.render("letter.html", context! { form => Form::<Letter>::blank() })
            .await
    }

    pub(super) async fn take(form: Form<Letter>) -> Result<String> {
        let letter = form.valid_or_show("letter.html").await?;
        Ok(letter.plain.name().to_owned())
    }
}

// RUSTSEC-2024-0358: a refused or missing bucket is a sentence, leaves nothing, and logs no key
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_refuses_leaves_nothing() {
    let Some(mut bucket) = Bucket::start() else {
        return;
    };
    let wrong = (KEYS.0, "canary-of-a-wrong-key");
    let (site, mut ann) = site_in(&bucket, app(), wrong).await;
    let sent = send(&mut ann, ("shot", "a.png", "image/png"), &png()).await;
    assert_eq!(sent.status, 503, "{}", sent.body);
    assert_eq!(bucket.objects(), Vec::<PathBuf>::new());
    bucket.stop();
    let sent = send(&mut ann, ("shot", "a.png", "image/png"), &png()).await;
    assert_eq!(sent.status, 503, "{}", sent.body);
    let said = events("").join("\n");
    assert!(said.contains("refuses the keys"), "{said}");
    for secret in ["canary-of-a-wrong-key", KEYS.1, KEYS.0] {
        assert!(!said.contains(secret), "{secret}: {said}");
    }
    site.clock().advance(TimeDelta::minutes(61));
    // rows of files without bytes wait for the bucket, and are served never
    let _ = site.site().files_swept().await;
    let waiting = rows(&site).await;
    assert!(waiting <= 2);
}

fn unsealed() -> App {
    app().dangerous_unsealed_files(Reason::new("the bucket serves attachments itself"))
}

/// Status and head of an answer of the bucket, and its body.
async fn fetch(link: &str) -> (u16, String, String) {
    let rest = link.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let answer = raw(host, request.as_bytes()).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head
        .split(' ')
        .nth(1)
        .unwrap_or_default()
        .parse()
        .unwrap_or(0);
    (status, head.to_lowercase(), body.to_owned())
}

// F085: links of a minute to one object, with our type and disposition
#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_a_bucket_opens_one_object_for_a_minute() {
    let Some(bucket) = Bucket::start() else {
        return;
    };
    let (site, mut ann) = site_in(&bucket, unsealed(), KEYS).await;
    let created = send(&mut ann, ("plain", "a b.txt", "text/plain"), b"hello").await;
    let url = files_of(&mut ann, &created).await.remove(0);
    let answer = ann.get(&url).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("cache-control")),
        (303, "no-store")
    );
    let link = answer.header("location").to_owned();
    assert!(link.contains("X-Amz-Expires=60&"), "{link}");
    let (status, head, body) = fetch(&link).await;
    assert_eq!((status, body.as_str()), (200, "hello"), "{head}");
    assert!(
        head.contains("content-type: text/plain; charset=utf-8"),
        "{head}"
    );
    assert!(
        head.contains("content-disposition: attachment; filename=\"a b.txt\""),
        "{head}"
    );
    let other = send(&mut ann, ("plain", "b.txt", "text/plain"), b"other").await;
    let other = files_of(&mut ann, &other).await.remove(0);
    let (key, other) = (
        url.rsplit('/').next().unwrap(),
        other.rsplit('/').next().unwrap(),
    );
    let place = |key: &str| format!("{}/{key}", &key[..2]);
    let forged = [
        link.replace("attachment", "inline"),
        link.replace("text%2Fplain", "text%2Fhtml"),
        link.replace(&place(key), &place(other)),
        link.replace("Expires=60", "Expires=600"),
        link.split('?').next().unwrap().to_owned(),
    ];
    for forged in forged {
        assert_ne!(forged, link);
        let (status, head, body) = fetch(&forged).await;
        assert!(
            (400..404).contains(&status) && body != "hello" && body != "other",
            "{forged} {head}"
        );
    }
    // no link for others, and one that has expired opens nothing
    let mut eve = site.client();
    eve.sign_up("eve").await;
    assert_eq!(eve.get(&url).await.status, 404);
    site.clock().advance(TimeDelta::minutes(-2));
    let expired = ann.get(&url).await.header("location").to_owned();
    assert!((400..404).contains(&fetch(&expired).await.0), "{expired}");
    // pictures are shown by the pages of the site
    let picture = send(&mut ann, ("shot", "a.png", "image/png"), &png()).await;
    let picture = files_of(&mut ann, &picture).await.remove(0);
    assert_eq!(ann.get(&picture).await.status, 200);
}

// a row that was changed in the database must not make the site serve other bytes
#[tokio::test]
async fn an_encrypted_site_serves_no_plain_bytes() {
    let (site, mut ann) = super::site(&[]).await;
    let created = send(&mut ann, ("plain", "a.txt", "text/plain"), b"hello").await;
    let url = files_of(&mut ann, &created).await.remove(0);
    let change = sql!("UPDATE palisade_file SET sealed = ''");
    let changed = site
        .site()
        .database()
        .write(async |tx| tx.execute_sql(change).await)
        .await;
    changed.unwrap();
    assert_eq!(ann.get(&url).await.status, 503);
}
