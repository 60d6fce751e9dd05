//! An encrypted value is in no log, error page, debug output, data export, backup or file of the
//! database, and a visitor learns nothing from an error.

use super::site::{app, attacker, column, contact, new, parse, set};
use palisade::prelude::*;
use palisade::testing::{PASSWORD, TestSite, events};
use sea_orm::Set;
use std::path::Path;

const CANARY: &str = "canary-7f3a91";

fn holds(path: &Path, text: &str) -> bool {
    let content = std::fs::read(path).unwrap();
    content
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

// V14.2.1 D21
#[tokio::test]
async fn an_encrypted_value_leaves_no_trace() {
    let site = TestSite::start(app(), &[]).await;
    let mut client = site.client();
    client.sign_up("ann").await;
    let owner = site.id_of("ann").await;
    let row = contact::ActiveModel {
        phone: Set(Some(parse::<Line<30>>(CANARY).into())),
        diagnosis: Set(Some(parse::<Text<1000>>(CANARY).into())),
        ..new(owner, &format!("{CANARY}@example.org"))
    };
    let shown = format!("{row:?}");
    let database = site.site().database();
    let added = database
        .write(async |tx| tx.insert_row(row).await)
        .await
        .unwrap();
    let opened = added.open_phone(&database.handle()).unwrap();
    let shown = format!("{shown} {added:?} {opened:?}");
    assert!(!shown.contains(CANARY), "{shown}");
    // a duplicate, a refused statement and a damaged value are errors without the value
    let again = new(owner, &format!("{CANARY}@example.org"));
    let again = database.write(async |tx| tx.insert_row(again).await).await;
    let said = format!("{:?}", again.unwrap_err());
    assert!(!said.contains(CANARY), "{said}");
    let attacker = attacker(&site).await;
    let sealed = column(&attacker, "email").await.remove(0);
    set(&attacker, ("email", added.id), &sealed[..sealed.len() - 2]).await;
    let failed = client.get(&format!("/contacts/{}", added.id)).await;
    assert_eq!(failed.status, 500);
    assert!(!failed.body.contains(CANARY) && !failed.body.contains(&sealed[..60]));
    let export = client
        .submit(
            "/account/export",
            "/account/export",
            &[("current_password", PASSWORD)],
        )
        .await;
    assert!(!export.body.contains(CANARY));
    attacker.close().await.unwrap();
    assert!(events(CANARY).is_empty());
    let folder = site.folder();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        assert!(
            !path.is_file() || !holds(&path, CANARY),
            "{}",
            path.display()
        );
    }
}

// V11.2.5: one error for the visitor, for every cause
#[tokio::test]
async fn a_visitor_sees_one_error() {
    let site = TestSite::production(app(), &[]).await;
    let database = site.site().database();
    let ada = database
        .write(async |tx| tx.insert_row(new(1, "ada@example.org")).await)
        .await;
    let eve = database
        .write(async |tx| tx.insert_row(new(1, "eve@example.org")).await)
        .await;
    let (ada, _) = (ada.unwrap(), eve.unwrap());
    let attacker = attacker(&site).await;
    let emails = column(&attacker, "email").await;
    let mut client = site.client();
    let mut pages = std::collections::BTreeSet::new();
    let foreign = emails[0].replacen(&emails[0][3..11], "zzzzzzzz", 1);
    for text in [&emails[1], &emails[0][..80], &foreign, "plain", ""] {
        set(&attacker, ("email", ada.id), text).await;
        let answer = client.get(&format!("/contacts/{}", ada.id)).await;
        assert_eq!(answer.status, 500);
        let id = answer.header("x-request-id").to_owned();
        pages.insert(answer.body.replace(&id, ""));
    }
    assert_eq!(pages.len(), 1, "{pages:?}");
    attacker.close().await.unwrap();
}
