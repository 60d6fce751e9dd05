use super::site::{app, effect, on_both, owner, texts};
use futures_util::future::join_all;
use palisade::audit_log::{self, Entry, Event};
use palisade::testing::{TestSite, events};
use std::collections::BTreeSet;

// F113: 200 writers on two instances fork no chain and leave no gap
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_instances_write_one_chain() {
    on_both(&[], async |site| {
        let other = site.start_beside(app(), &[]).await;
        let write = async |number: i32| {
            let site = if number % 2 == 0 { site } else { &other };
            effect(site, number).await.unwrap();
            if number % 10 == 0 {
                // an instance whose transaction loses the race tries again
                let _ = site.site().audit_stored().await;
            }
        };
        join_all((1..=200).map(write)).await;
        let (one, two) = tokio::join!(site.site().audit_stored(), other.site().audit_stored());
        let _ = (one, two);
        site.site().audit_stored().await.unwrap();
        assert_eq!(site.site().audit_tampering("").await.unwrap(), None);
        let details = texts(
            &owner(site).await,
            "SELECT detail AS text FROM palisade_audit WHERE event = 'test.effect' ORDER BY seq",
        )
        .await;
        assert_eq!(details.len(), 200);
        assert_eq!(details.iter().collect::<BTreeSet<_>>().len(), 200);
    })
    .await;
}

// F113: an effect that is rolled back has no entry and no line
#[tokio::test]
async fn an_effect_and_its_entry_are_stored_together_or_not_at_all() {
    on_both(&[], async |site| {
        let database = site.site().database();
        let marker = format!("rolled back {}", site.folder().display());
        let tx = database.handle().begin().await.unwrap();
        let entry = Entry::new(Event::Site("test.effect")).detail(&marker);
        audit_log::record_in(&tx, entry).await.unwrap();
        drop(tx);
        assert_eq!(site.site().audit_stored().await.unwrap(), 0);
        assert!(events(&marker).is_empty());
    })
    .await;
}

// F113 D30: a flood of notes neither waits nor fills the memory; the number of lost ones is an entry
#[tokio::test]
async fn lost_notes_are_counted_by_an_entry() {
    let site = TestSite::start(app(), &[("throttle.requests", "1000000/m")]).await;
    site.site().audit_stored().await.unwrap();
    let mut client = site.client();
    for _ in 0..4200 {
        // an anonymous client is refused
        client.get("/staff/1").await;
    }
    site.site().audit_stored().await.unwrap();
    let owner = owner(&site).await;
    let denied = texts(
        &owner,
        "SELECT detail AS text FROM palisade_audit WHERE event = 'access_denied'",
    )
    .await;
    let lost = texts(
        &owner,
        "SELECT detail AS text FROM palisade_audit WHERE event = 'entries_lost'",
    )
    .await;
    assert_eq!((denied.len(), lost), (4096, vec!["104 entries".to_owned()]));
    assert_eq!(site.site().audit_tampering("").await.unwrap(), None);
}
