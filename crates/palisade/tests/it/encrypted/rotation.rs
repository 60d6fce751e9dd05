use super::site::{app, attacker, column, contact, new, on_both, parse};
use chrono::TimeDelta;
use palisade::prelude::*;
use palisade::testing::TestSite;
use sea_orm::{ConnectionTrait, EntityTrait, QueryFilter, Set};
use std::collections::BTreeSet;

async fn add(site: &TestSite, email: &str) -> contact::Model {
    let row = contact::ActiveModel {
        phone: Set(Some(parse::<Line<30>>("112").into())),
        ..new(1, email)
    };
    let database = site.site().database();
    let added = database.write(async |tx| tx.insert_row(row).await).await;
    added.unwrap()
}

/// The ids of the keys that a column names.
async fn ids(site: &TestSite, name: &str) -> BTreeSet<String> {
    let attacker = attacker(site).await;
    let texts = column(&attacker, name).await;
    attacker.close().await.unwrap();
    texts
        .iter()
        .map(|text| text.split('.').nth(1).unwrap().to_owned())
        .collect()
}

async fn pass_days(site: &TestSite, days: i64) {
    site.clock().advance(TimeDelta::days(days));
    site.site().data_keys_refreshed().await.unwrap();
}

fn keys_in_file(site: &TestSite) -> usize {
    let path = site.folder().join("data.keys");
    std::fs::read_to_string(path)
        .unwrap()
        .matches("[[key]]")
        .count()
}

async fn every_value_opens(site: &TestSite, count: usize) {
    let db = site.site().database().handle();
    let rows = contact::Entity::find().all(&db).await.unwrap();
    assert_eq!(rows.len(), count);
    for row in rows {
        let email = row.open_email(&db).unwrap();
        assert_eq!(
            row.open_last_name(&db).unwrap().expose().to_string(),
            "Lovelace"
        );
        assert_eq!(
            row.open_phone(&db).unwrap().unwrap().expose().to_string(),
            "112"
        );
        let is = contact::Entity::email_is(&db, email.expose()).unwrap();
        let found = contact::Entity::find().filter(is).all(&db).await.unwrap();
        assert_eq!(found.len(), 1, "its index finds it");
        assert_eq!(found[0].id, row.id);
    }
}

// V13.3.4: a key is made two days before it is used, every 90 days
#[tokio::test]
async fn a_key_is_made_two_days_before_it_is_used() {
    on_both(&[], async |site| {
        add(site, "ada@example.org").await;
        assert_eq!(keys_in_file(site), 1);
        pass_days(site, 87).await;
        assert_eq!(keys_in_file(site), 1, "on day 87");
        pass_days(site, 1).await;
        assert_eq!(keys_in_file(site), 2, "on day 88");
        pass_days(site, 0).await;
        assert_eq!(keys_in_file(site), 2, "once");
        add(site, "bob@example.org").await;
        assert_eq!(
            ids(site, "email").await.len(),
            1,
            "the new key is not used yet"
        );
        pass_days(site, 2).await;
        add(site, "eve@example.org").await;
        assert_eq!(ids(site, "email").await.len(), 2, "on day 90");
        every_value_opens(site, 3).await;
        // an instance that was away for a year still gives two days' notice
        pass_days(site, 365).await;
        assert_eq!(keys_in_file(site), 3);
        add(site, "dan@example.org").await;
        assert_eq!(ids(site, "email").await.len(), 2);
        every_value_opens(site, 4).await;
    })
    .await;
}

// F104: unique across keys while a rotation runs
#[tokio::test]
async fn a_value_under_the_older_key_is_still_unique_and_found() {
    on_both(&[], async |site| {
        add(site, "ada@example.org").await;
        pass_days(site, 88).await;
        pass_days(site, 2).await;
        let database = site.site().database();
        let again = (0..4).map(|_| async {
            let row = new(1, "ada@example.org");
            database.write(async |tx| tx.insert_row(row).await).await
        });
        let again = futures_util::future::join_all(again).await;
        assert!(again.iter().all(Result::is_err));
        add(site, "bob@example.org").await;
        every_value_opens(site, 2).await;
        let db = database.handle();
        let both = [parse("ada@example.org"), parse("bob@example.org")];
        let both = contact::Entity::email_is_in(&db, &both).unwrap();
        assert_eq!(
            contact::Entity::find()
                .filter(both)
                .all(&db)
                .await
                .unwrap()
                .len(),
            2
        );
    })
    .await;
}

// F104 D55 V11.2.2
#[tokio::test]
async fn reencryption_changes_every_value_once_and_keeps_it() {
    on_both(&[], async |site| {
        for number in 0..450 {
            add(site, &format!("p{number}@example.org")).await;
        }
        pass_days(site, 88).await;
        pass_days(site, 2).await;
        let old = ids(site, "email").await;
        let done = site.site().data_reencrypted().await.unwrap();
        assert_eq!(done, (450, 0));
        for name in [
            "email",
            "email_index",
            "phone",
            "phone_index",
            "person_index",
            "born",
        ] {
            let new = ids(site, name).await;
            assert_eq!(new.len(), 1, "{name}");
            assert!(new.is_disjoint(&old), "{name}");
        }
        every_value_opens(site, 450).await;
        assert_eq!(
            site.site().data_reencrypted().await.unwrap(),
            (0, 0),
            "once"
        );
    })
    .await;
}

// D55: killed at any statement, it goes on where it was, and no value is encrypted twice
#[tokio::test]
async fn reencryption_that_is_killed_at_any_point_goes_on() {
    on_both(&[], async |site| {
        for number in 0..5 {
            add(site, &format!("p{number}@example.org")).await;
        }
        pass_days(site, 88).await;
        pass_days(site, 2).await;
        let mut points = 0;
        loop {
            points += 1;
            let reencrypt = site.site().data_reencrypted();
            let done = palisade::testing::interrupt_after(points, reencrypt).await;
            every_value_opens(site, 5).await;
            if let Some(done) = done {
                assert_eq!(done.unwrap().1, 0);
                break;
            }
            // back to the older key for the next point: with a key that is active from now on
            site.site().data_key_added().await.unwrap();
            assert!(points < 500, "it ends");
        }
        assert!(points > 1, "it was killed {points} times");
        assert_eq!(ids(site, "email").await.len(), 1);
    })
    .await;
}

// beside writers: no change is lost, and no older value comes back
#[tokio::test]
async fn writers_beside_a_reencryption_lose_nothing() {
    on_both(&[], async |site| {
        let mut rows = Vec::new();
        for number in 0..60 {
            rows.push(add(site, &format!("p{number}@example.org")).await.id);
        }
        pass_days(site, 88).await;
        pass_days(site, 2).await;
        let database = site.site().database();
        let write = async {
            for id in &rows {
                let change = contact::ActiveModel {
                    id: Set(*id),
                    phone: Set(Some(parse::<Line<30>>(&format!("+{id}")).into())),
                    ..Default::default()
                };
                database
                    .write(async |tx| tx.change_row(change).await)
                    .await
                    .unwrap();
            }
        };
        let reencrypt = async {
            for _ in 0..5 {
                assert_eq!(site.site().data_reencrypted().await.unwrap().1, 0);
            }
        };
        tokio::join!(write, reencrypt);
        let db = database.handle();
        for row in contact::Entity::find().all(&db).await.unwrap() {
            let phone = row.open_phone(&db).unwrap().unwrap();
            assert_eq!(phone.expose().to_string(), format!("+{}", row.id));
            let is = contact::Entity::phone_is(&db, phone.expose()).unwrap();
            assert!(
                contact::Entity::find()
                    .filter(is)
                    .one(&db)
                    .await
                    .unwrap()
                    .is_some()
            );
        }
        assert_eq!(ids(site, "email").await.len(), 1);
        assert_eq!(ids(site, "phone").await.len(), 1);
    })
    .await;
}

// an expired value stays expired, and a value that cannot be decrypted stays as it is
#[tokio::test]
async fn reencryption_leaves_what_it_cannot_read() {
    on_both(&[], async |site| {
        let ada = add(site, "ada@example.org").await;
        add(site, "bob@example.org").await;
        let attacker = attacker(site).await;
        let damaged = column(&attacker, "email").await[1].clone();
        super::site::set(&attacker, ("email", ada.id), &damaged).await;
        pass_days(site, 88).await;
        pass_days(site, 2).await;
        let (rows, failed) = site.site().data_reencrypted().await.unwrap();
        assert_eq!(
            (rows, failed),
            (2, 1),
            "the other columns of the row are done"
        );
        let texts = column(&attacker, "email").await;
        assert_eq!(texts[0], damaged);
        attacker.close().await.unwrap();
    })
    .await;
}

// a key that is still in use cannot be dropped unseen
#[tokio::test]
async fn a_site_without_a_key_that_values_may_need_does_not_start() {
    let site = TestSite::start(app(), &[]).await;
    add(&site, "ada@example.org").await;
    let path = site.folder().join("data.keys");
    let kept = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let data = site.site().settings().site.data.clone();
    let again = TestSite::try_start(app(), &[("site.data", &data)]).await;
    let said = again.err().unwrap().to_string();
    assert!(
        said.contains("may need keys that are not in data.keys"),
        "{said}"
    );
    assert!(said.contains("data retire ID"), "{said}");
    std::fs::write(&path, "nonsense").unwrap();
    let again = TestSite::try_start(app(), &[("site.data", &data)]).await;
    let said = again.err().unwrap().to_string();
    assert!(said.contains("keys.data_unreadable"), "{said}");
    std::fs::write(&path, kept).unwrap();
    let again = TestSite::try_start(app(), &[("site.data", &data)]).await;
    assert!(again.is_ok(), "{:?}", again.err());
}

#[test]
fn the_key_file_is_private() {
    #[cfg(unix)]
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        use std::os::unix::fs::PermissionsExt;
        let site = TestSite::start(app(), &[]).await;
        let path = site.folder().join("data.keys");
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    });
}

// two instances of one database and one folder: each reads what the other writes
#[tokio::test]
async fn instances_share_their_keys() {
    on_both(&[], async |site| {
        let other = site.start_beside(app(), &[]).await;
        other.clock().advance(TimeDelta::days(88));
        other.site().data_keys_refreshed().await.unwrap();
        site.site().data_keys_refreshed().await.unwrap();
        assert_eq!(keys_in_file(site), 2, "made once");
        other.clock().advance(TimeDelta::days(2));
        add(&other, "ada@example.org").await;
        every_value_opens(site, 1).await;
        other.site().data_keys_refreshed().await.unwrap();
        let attacker = attacker(site).await;
        let noted = "SELECT id FROM palisade_data_key";
        let noted = sea_orm::Statement::from_string(attacker.get_database_backend(), noted);
        assert_eq!(attacker.query_all_raw(noted).await.unwrap().len(), 2);
        attacker.close().await.unwrap();
    })
    .await;
}
