use super::site::{attacker, column, contact, new, on_both, parse, plain, set};
use chrono::TimeDelta;
use palisade::db::{DbFailure, failure};
use palisade::encrypted_fields::FieldErrorKind;
use palisade::prelude::*;
use palisade::testing::TestSite;
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel, QueryFilter, Set};

async fn add(site: &TestSite, row: contact::ActiveModel) -> contact::Model {
    let database = site.site().database();
    let added = database.write(async |tx| tx.insert_row(row).await).await;
    added.unwrap()
}

// F104 D24 V11.3.3
#[tokio::test]
async fn values_are_stored_encrypted_and_found_by_their_index() {
    on_both(&[], async |site| {
        let db = site.site().database().handle();
        let row = contact::ActiveModel {
            phone: Set(Some(parse::<Line<30>>("+31 20 1234567").into())),
            blood: Set(Some(contact::Blood::Zero.into())),
            ..new(1, "Ada@Example.org")
        };
        let ada = add(site, row).await;
        add(site, new(1, "eve@example.org")).await;
        assert_eq!(&**ada.open_email(&db).unwrap().expose(), "Ada@Example.org");
        assert_eq!(
            &**ada.open_phone(&db).unwrap().unwrap().expose(),
            "+31 20 1234567"
        );
        assert_eq!(
            ada.open_born(&db).unwrap().expose().to_string(),
            "1815-12-10"
        );
        let blood = ada.open_blood(&db).unwrap().unwrap();
        assert_eq!(*blood.expose(), contact::Blood::Zero);
        // nothing of it is in the database, in debug output, or the same for two rows
        let attacker = attacker(site).await;
        for name in [
            "email",
            "phone",
            "last_name",
            "born",
            "blood",
            "email_index",
        ] {
            for text in column(&attacker, name).await {
                assert!(
                    text.starts_with("e1.") || text.starts_with("b1."),
                    "{name}: {text}"
                );
                for secret in ["da@", "31 20", "Lovelace", "1815", "zero"] {
                    assert!(!text.contains(secret), "{name}: {text}");
                }
            }
        }
        let names = column(&attacker, "last_name").await;
        assert_ne!(names[0], names[1]);
        let shown = format!("{ada:?} {:?}", new(1, "canary@example.org"));
        assert!(
            !shown.contains("canary") && !shown.contains("e1."),
            "{shown}"
        );
        // by its index: case of an address is no difference, and a list finds several
        let is = contact::Entity::email_is(&db, &parse("ada@example.ORG")).unwrap();
        let found = contact::Entity::find().filter(is).all(&db).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].id, ada.id);
        let both = [
            parse("ada@example.org"),
            parse("eve@example.org"),
            parse("no@example.org"),
        ];
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
        let none = contact::Entity::email_is_in(&db, &[]).unwrap();
        assert!(
            contact::Entity::find()
                .filter(none)
                .all(&db)
                .await
                .unwrap()
                .is_empty()
        );
        // of two columns together, and of some bits
        let person = |name: &str, born: &str| (parse::<Line<80>>(name), parse::<Day>(born));
        for (person, count) in [
            (person("Lovelace", "1815-12-10"), 2),
            (person("Lovelace", "1815-12-11"), 0),
            (person("Lovelac", "1815-12-10"), 0),
        ] {
            let is = contact::Entity::person_is(&db, &person).unwrap();
            assert_eq!(
                contact::Entity::find()
                    .filter(is)
                    .all(&db)
                    .await
                    .unwrap()
                    .len(),
                count
            );
        }
        let texts: std::collections::BTreeSet<String> =
            column(&attacker, "name_index").await.into_iter().collect();
        assert_eq!(texts.len(), 1);
        assert!(
            texts.first().unwrap().len() <= "b1.12345678.AA".len(),
            "{texts:?}"
        );
        attacker.close().await.unwrap();
    })
    .await;
}

// equal values in two columns have unrelated indexes
#[tokio::test]
async fn an_index_of_another_column_shows_nothing() {
    on_both(&[], async |site| {
        let row = contact::ActiveModel {
            phone: Set(Some(parse::<Line<30>>("ada@example.org").into())),
            ..new(1, "ada@example.org")
        };
        add(site, row).await;
        let attacker = attacker(site).await;
        let phone = column(&attacker, "phone_index").await.remove(0);
        let email = column(&attacker, "email_index").await.remove(0);
        let tag = |text: &str| text.rsplit_once('.').unwrap().1.to_owned();
        assert_ne!(tag(&phone), tag(&email));
        attacker.close().await.unwrap();
    })
    .await;
}

// F104 D55: each attack has a name for the program, and one page for the visitor
#[tokio::test]
async fn a_moved_changed_or_foreign_value_is_an_error_and_never_text() {
    on_both(&[], async |site| {
        let db = site.site().database().handle();
        let ada = add(site, new(1, "ada@example.org")).await;
        let eve = add(site, new(1, "eve@example.org")).await;
        let attacker = attacker(site).await;
        let emails = column(&attacker, "email").await;
        let names = column(&attacker, "last_name").await;
        let mut damaged = emails[0].clone();
        let last = damaged.pop().unwrap();
        damaged.push(if last == 'A' { 'Q' } else { 'A' });
        let foreign = emails[0].replacen(&emails[0][3..11], "zzzzzzzz", 1);
        let rows = [
            ("of another row", emails[1].clone(), FieldErrorKind::Moved),
            ("of another column", names[0].clone(), FieldErrorKind::Moved),
            ("changed", damaged, FieldErrorKind::Damaged),
            (
                "cut off",
                emails[0][..60].to_owned(),
                FieldErrorKind::Damaged,
            ),
            ("of another key", foreign, FieldErrorKind::UnknownKey),
            (
                "not encrypted",
                "eve@example.org".into(),
                FieldErrorKind::Damaged,
            ),
            ("empty", String::new(), FieldErrorKind::Damaged),
        ];
        let mut client = site.client();
        let path = format!("/contacts/{}", ada.id);
        assert_eq!(client.get(&path).await.body, "ada@example.org");
        let mut bodies = std::collections::BTreeSet::new();
        for (attack, text, kind) in rows {
            set(&attacker, ("email", ada.id), &text).await;
            let row = contact::Entity::find_by_id(ada.id)
                .one(&db)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(row.open_email(&db).unwrap_err().kind(), kind, "{attack}");
            let answer = client.get(&path).await;
            assert_eq!(answer.status, 500, "{attack}");
            let events = answer.events();
            let why = format!("contact.email of row {} cannot be decrypted", ada.id);
            assert!(
                events.iter().any(|event| event.contains(&why)),
                "{attack}: {events:?}"
            );
            let leaks = |text: &str| text.contains("@example") || text.contains("e1.");
            assert!(
                !events.iter().any(|event| leaks(event)),
                "{attack}: {events:?}"
            );
            // the request id differs, and the debug page of development names the cause
            bodies.insert(answer.status);
        }
        assert_eq!(bodies.len(), 1);
        set(&attacker, ("email", ada.id), &emails[0]).await;
        assert_eq!(client.get(&path).await.status, 200);
        assert_eq!(&**eve.open_email(&db).unwrap().expose(), "eve@example.org");
        attacker.close().await.unwrap();
    })
    .await;
}

// F105
#[tokio::test]
async fn an_expired_value_is_gone_for_the_program() {
    on_both(&[], async |site| {
        let db = site.site().database().handle();
        let until = site.site().now() + TimeDelta::hours(1);
        let row = contact::ActiveModel {
            phone: Set(Some(Encrypted::until(parse("112"), until))),
            ..new(1, "ada@example.org")
        };
        let ada = add(site, row).await;
        assert!(ada.open_phone(&db).is_ok());
        site.clock().advance(TimeDelta::minutes(59));
        assert!(ada.open_phone(&db).is_ok());
        site.clock().advance(TimeDelta::minutes(2));
        let error = ada.open_phone(&db).unwrap_err();
        assert_eq!(error.kind(), FieldErrorKind::Expired);
    })
    .await;
}

// nothing to remember: what is not encrypted is not written, whichever way it is tried
#[tokio::test]
async fn no_statement_writes_a_plaintext() {
    on_both(&[], async |site| {
        let database = site.site().database();
        let db = database.handle();
        let ada = add(site, new(1, "ada@example.org")).await;
        let refused = |error: sea_orm::DbErr| {
            let said = error.to_string();
            assert!(
                said.contains("was not encrypted: register the entity"),
                "{said}"
            );
            assert!(!said.contains("canary"), "{said}");
        };
        let inserted = database
            .write(async |tx| new(1, "canary@example.org").insert(tx).await)
            .await;
        refused(inserted.unwrap_err());
        let many = database
            .write(async |tx| {
                let rows = [new(1, "canary@example.org"), new(1, "canary2@example.org")];
                contact::Entity::insert_many(rows).exec(tx).await
            })
            .await;
        refused(many.unwrap_err());
        let updated = database
            .write(async |tx| {
                let change = contact::ActiveModel {
                    last_name: Set(parse::<Line<80>>("canary").into()),
                    ..Default::default()
                };
                contact::Entity::update_many().set(change).exec(tx).await
            })
            .await;
        refused(updated.unwrap_err());
        let raw = database
            .write(async |tx| {
                let phone = Encrypted::new(parse::<Line<30>>("canary"));
                let sql =
                    palisade::sql!("UPDATE contact SET phone = ? WHERE id = ?", phone, ada.id);
                tx.execute_sql(sql).await
            })
            .await;
        refused(raw.unwrap_err());
        // an encrypted value is not copied into another row, where nothing would decrypt it
        let copied = database
            .write(async |tx| {
                let copy = contact::ActiveModel {
                    last_name: Set(ada.last_name.clone()),
                    ..new(1, "eve@example.org")
                };
                tx.insert_row(copy).await
            })
            .await;
        let said = copied.unwrap_err().to_string();
        assert!(
            said.contains("set to the encrypted value of a row"),
            "{said}"
        );
        assert_eq!(plain::Entity::find().all(&db).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn changes_are_encrypted_with_their_indexes() {
    on_both(&[], async |site| {
        let database = site.site().database();
        let db = database.handle();
        let row = contact::ActiveModel {
            phone: Set(Some(parse::<Line<30>>("112").into())),
            ..new(1, "ada@example.org")
        };
        let ada = add(site, row).await;
        let mut change = ada.clone().into_active_model();
        change.email = Set(parse::<Email>("countess@example.org").into());
        change.phone = Set(None);
        database
            .write(async |tx| tx.change_row(change).await)
            .await
            .unwrap();
        let of = async |email: &str| {
            let is = contact::Entity::email_is(&db, &parse(email)).unwrap();
            contact::Entity::find().filter(is).one(&db).await.unwrap()
        };
        assert!(of("ada@example.org").await.is_none());
        let changed = of("countess@example.org").await.unwrap();
        assert_eq!(
            (changed.id, changed.phone, changed.phone_index),
            (ada.id, None, None)
        );
        assert_eq!(
            changed.last_name, ada.last_name,
            "the others stay as they were"
        );
        // an index of two columns needs both
        let half = contact::ActiveModel {
            id: Set(ada.id),
            born: Set(parse::<Day>("1815-12-11").into()),
            ..Default::default()
        };
        let refused = database.write(async |tx| tx.change_row(half).await).await;
        let said = refused.unwrap_err().to_string();
        assert!(
            said.contains("contact.person_index is an index of last_name and born"),
            "{said}"
        );
    })
    .await;
}

// with a policy: `Actor::insert` and `Allowed::change` encrypt too, and forms fill columns
#[tokio::test]
async fn rows_of_a_policy_are_encrypted() {
    use palisade::forms::Fields as _;
    #[derive(Form)]
    #[form(entity = contact::Entity)]
    struct Names {
        last_name: Line<80>,
        born: Day,
    }
    on_both(&[], async |site| {
        let mut client = site.client();
        client.sign_up("ann").await;
        let user = site
            .site()
            .accounts()
            .user_by_name("ann")
            .await
            .unwrap()
            .unwrap();
        let actor = site.site().actor(&user).await.unwrap();
        let database = site.site().database();
        let db = database.handle();
        let row = new(user.id, "ada@example.org");
        let ada = database
            .write(async |tx| actor.insert(tx, row).await)
            .await
            .unwrap();
        assert_eq!(Names::FIELDS.len(), 2);
        let typed = Names {
            last_name: parse("King"),
            born: parse("1815-12-10"),
        };
        let change = async |tx: &Tx| {
            let access = actor.row::<contact::Entity>(ada.id);
            access.change(tx, typed.changes()).await
        };
        database.write(change).await.unwrap();
        let changed = contact::Entity::find_by_id(ada.id)
            .one(&db)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(&**changed.open_last_name(&db).unwrap().expose(), "King");
        let is = (parse::<Line<80>>("King"), parse::<Day>("1815-12-10"));
        let is = contact::Entity::person_is(&db, &is).unwrap();
        assert!(
            contact::Entity::find()
                .filter(is)
                .one(&db)
                .await
                .unwrap()
                .is_some()
        );
        // the row of another user is neither changed nor named
        let stranger = Actor::anonymous();
        let change = async |tx: &Tx| {
            let access = stranger.row::<contact::Entity>(ada.id);
            access.change(tx, typed.changes()).await
        };
        assert_eq!(database.write(change).await.unwrap_err().status(), 404);
    })
    .await;
}

// F104: unique under every key, for two transactions at once
#[tokio::test]
async fn a_unique_value_is_unique_for_two_writers_at_once() {
    on_both(&[], async |site| {
        let database = site.site().database();
        let writers = (0..8).map(|_| async {
            database
                .write(async |tx| tx.insert_row(new(1, "ada@example.org")).await)
                .await
        });
        let done = futures_util::future::join_all(writers).await;
        let (won, lost): (Vec<_>, Vec<_>) = done.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        for error in lost {
            assert_eq!(failure(&error.unwrap_err()), DbFailure::Duplicate);
        }
        // and keeps its own value
        let ada = won.into_iter().next().unwrap().unwrap();
        let mut again = ada.into_active_model();
        again.email = Set(parse::<Email>("ADA@example.org").into());
        database
            .write(async |tx| tx.change_row(again).await)
            .await
            .unwrap();
    })
    .await;
}

// a key per user: its deletion forgets the values in every copy of the database
#[tokio::test]
async fn the_key_of_a_user_goes_with_the_account() {
    on_both(&[], async |site| {
        let mut client = site.client();
        client.sign_up("ann").await;
        let user = site
            .site()
            .accounts()
            .user_by_name("ann")
            .await
            .unwrap()
            .unwrap();
        let database = site.site().database();
        let db = database.handle();
        let row = contact::ActiveModel {
            diagnosis: Set(Some(parse::<Text<1000>>("canary").into())),
            ..new(user.id, "ada@example.org")
        };
        let ada = add(site, row).await;
        let attacker = attacker(site).await;
        assert!(column(&attacker, "diagnosis").await[0].starts_with("u1."));
        let opened = ada.open_diagnosis(&db).await.unwrap().unwrap();
        assert_eq!(&**opened.expose(), "canary");
        // the user of the row changes with its values only
        let moved = database
            .write(async |tx| {
                let moved = contact::ActiveModel {
                    id: Set(ada.id),
                    owner_id: Set(user.id + 1),
                    ..Default::default()
                };
                tx.change_row(moved).await
            })
            .await;
        let said = moved.unwrap_err().to_string();
        assert!(
            said.contains("contact.diagnosis must be set with owner_id"),
            "{said}"
        );
        // moved to another user
        set(&attacker, ("owner_id", ada.id), &(user.id + 1).to_string()).await;
        let row = contact::Entity::find_by_id(ada.id)
            .one(&db)
            .await
            .unwrap()
            .unwrap();
        let error = row.open_diagnosis(&db).await.unwrap_err();
        assert_eq!(error.kind(), FieldErrorKind::Forgotten);
        let answer = client
            .submit(
                "/account/delete",
                "/account/delete",
                &[("current_password", palisade::testing::PASSWORD)],
            )
            .await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        // a copy of the row is as unreadable as the row
        let error = ada.open_diagnosis(&db).await.unwrap_err();
        assert_eq!(error.kind(), FieldErrorKind::Forgotten);
        attacker.close().await.unwrap();
    })
    .await;
}
