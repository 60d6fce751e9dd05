//! Files of users: what is accepted, where it goes, and who gets it.

mod browser;
pub(crate) mod buckets;
mod clamd;
mod corpus;
mod crashes;
mod forms;
mod life;
mod origin;
mod pictures;
mod readers;
mod scanning;
mod serving;
pub(crate) mod site;

use palisade::prelude::*;
use palisade::testing::{Answer, Client, SentFile, TestDatabase, TestSite};
pub(crate) use site::{app, undeclared};
use std::path::{Path as FilePath, PathBuf};

/// A site on this database, and a user of it.
pub(crate) async fn site_of(
    database: TestDatabase,
    settings: &[(&str, &str)],
) -> Option<(TestSite, Client)> {
    let own = [("uploads.min_free_bytes", "1")];
    let site = TestSite::start_on(database, app(), &[&own, settings].concat()).await?;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    Some((site, ann))
}

pub(crate) async fn site(settings: &[(&str, &str)]) -> (TestSite, Client) {
    site_of(TestDatabase::Sqlite, settings).await.unwrap()
}

/// Sends a note with one file.
pub(crate) async fn send(
    client: &mut Client,
    (field, name, media_type): (&str, &str, &str),
    content: &[u8],
) -> Answer {
    let file = SentFile {
        field,
        name,
        media_type,
        content,
    };
    client
        .submit_files("/notes/new", "/notes", &[("title", "a note")], &[file])
        .await
}

/// The page of the note that was created, and the URLs of its files.
pub(crate) async fn files_of(client: &mut Client, created: &Answer) -> Vec<String> {
    assert_eq!(created.status, 303, "{}", errors(created));
    let page = client.get(created.header("location")).await.body;
    let links = page.split("<a href=\"").skip(1);
    let urls = links.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()));
    urls.collect()
}

/// The sentences of a form.
pub(crate) fn errors(answer: &Answer) -> String {
    let lists = answer.body.split("<ul class=\"errors\"").skip(1);
    let lists = lists.filter_map(|rest| Some(rest.split_once("</ul>")?.0.to_owned()));
    lists.collect::<Vec<_>>().join("\n")
}

/// All files below a folder.
pub(crate) fn files_below(folder: &FilePath) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else {
        return found;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files_below(&path)),
            false => found.push(path),
        }
    }
    found
}

/// Files in the storage and on their way.
pub(crate) fn stored(site: &TestSite) -> Vec<PathBuf> {
    let mut all = files_below(&site.folder().join("files"));
    all.extend(files_below(&site.folder().join("incoming")));
    all
}

pub(crate) async fn rows(site: &TestSite) -> i64 {
    let count = sql!("SELECT COUNT(*) FROM palisade_file");
    let count: Option<(i64,)> = site
        .site()
        .database()
        .handle()
        .fetch_one(count)
        .await
        .unwrap();
    count.unwrap().0
}

/// Entries of the audit log.
pub(crate) async fn events_named(site: &TestSite, event: &str) -> i64 {
    site.site().audit_stored().await.unwrap();
    let count = sql!("SELECT COUNT(*) FROM palisade_audit WHERE event = ?", event);
    let db = site.site().database().handle();
    let count: Option<(i64,)> = db.fetch_one(count).await.unwrap();
    count.unwrap().0
}

/// A picture with a gradient.
pub(crate) fn picture(format: image::ImageFormat) -> Vec<u8> {
    let pixels =
        image::RgbImage::from_fn(64, 48, |x, y| image::Rgb([x as u8 * 4, y as u8 * 5, 90]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    pixels.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub(crate) fn png() -> Vec<u8> {
    picture(image::ImageFormat::Png)
}
