use super::site::{app, effects, on_both, owner, run, texts};
use chrono::TimeDelta;
use palisade::testing::TestSite;

const PASSWORD: &str = "correct horse battery staple";

// F113 F121: the personal parts of a deleted user are gone, and the chain still verifies
#[tokio::test]
async fn a_deleted_user_is_forgotten_and_the_chain_holds() {
    on_both(&[], async |site| {
        let mut ann = site.client().with_header("user-agent", "canary-agent/1");
        ann.sign_up("canaryann").await;
        site.client().sign_up("ben").await;
        site.client().log_in("canaryann", "wrong password").await;
        site.site().audit_stored().await.unwrap();
        let owner = owner(site).await;
        let people = "SELECT name AS text FROM palisade_audit_who WHERE name = 'canaryann'";
        assert!(texts(&owner, people).await.len() >= 3);
        let fields = [("current_password", PASSWORD)];
        let gone = ann
            .submit("/account/delete", "/account/delete", &fields)
            .await;
        assert_eq!(gone.status, 303, "{}", gone.body);
        // a note of another instance that comes late
        site.site().audit_stored().await.unwrap();
        for column in ["name", "agent"] {
            let sql = format!("SELECT {column} AS text FROM palisade_audit_who");
            let left = texts(&owner, &sql).await;
            assert!(!left.iter().any(|text| text.contains("canary")), "{left:?}");
        }
        for column in ["detail", "actor", "subject", "route", "request"] {
            let sql = format!("SELECT {column} AS text FROM palisade_audit");
            let left = texts(&owner, &sql).await;
            assert!(!left.iter().any(|text| text.contains("canary")), "{left:?}");
        }
        assert!(
            texts(&owner, "SELECT record AS text FROM palisade_audit_inbox")
                .await
                .is_empty()
        );
        let kept = "SELECT name AS text FROM palisade_audit_who WHERE name = 'ben'";
        assert!(!texts(&owner, kept).await.is_empty(), "others stay");
        assert_eq!(site.site().audit_tampering("").await.unwrap(), None);
        // an attacker's erasure is not the site's
        run(&owner, "DELETE FROM palisade_audit_who WHERE name = 'ben'").await;
        let found = site.site().audit_tampering("").await.unwrap().unwrap();
        assert_eq!(found.0, "people_removed");
    })
    .await;
}

// F113: a changed personal part does not match its commitment
#[tokio::test]
async fn a_changed_personal_part_is_found() {
    on_both(&[], async |site| {
        site.client().sign_up("ann").await;
        site.site().audit_stored().await.unwrap();
        let owner = owner(site).await;
        run(
            &owner,
            "UPDATE palisade_audit_who SET address = '192.0.2.1' WHERE seq = 2",
        )
        .await;
        let found = site.site().audit_tampering("").await.unwrap();
        assert_eq!(found, Some(("person_edited", Some(2))));
    })
    .await;
}

// F113: personal parts and entries are removed after their days, and the rest verifies
#[tokio::test]
async fn entries_are_removed_after_their_days() {
    on_both(&[], async |site| {
        site.client().sign_up("ann").await;
        effects(site, 1..=3).await;
        site.site().audit_stored().await.unwrap();
        let kept = site.site().audit_checkpoint().await.unwrap();
        let owner = owner(site).await;
        assert_eq!(site.site().audit_pruned().await.unwrap(), (0, 0));
        site.clock().advance(TimeDelta::days(91));
        let (entries, people) = site.site().audit_pruned().await.unwrap();
        assert!(entries == 0 && people > 0);
        assert!(
            texts(&owner, "SELECT name AS text FROM palisade_audit_who")
                .await
                .is_empty()
        );
        assert_eq!(site.site().audit_tampering(&kept).await.unwrap(), None);
        site.clock().advance(TimeDelta::days(310));
        effects(site, 4..=6).await;
        let (entries, people) = site.site().audit_pruned().await.unwrap();
        assert!(entries > 3 && people == 0);
        let left = texts(
            &owner,
            "SELECT event AS text FROM palisade_audit ORDER BY seq",
        )
        .await;
        assert_eq!(
            left,
            [
                "log_pruned",
                "test.effect",
                "test.effect",
                "test.effect",
                "log_pruned"
            ]
        );
        assert_eq!(site.site().audit_tampering(&kept).await.unwrap(), None);
        // pruned entries do not hide a cut
        run(
            &owner,
            "DELETE FROM palisade_audit WHERE seq = (SELECT MIN(seq) FROM palisade_audit)",
        )
        .await;
        let found = site.site().audit_tampering(&kept).await.unwrap().unwrap();
        assert_eq!(found.0, "cut_at_start");
    })
    .await;
}

// F113: a clock that goes back removes nothing, and breaks nothing
#[tokio::test]
async fn a_clock_that_goes_back_removes_nothing() {
    let site = TestSite::start(app(), &[]).await;
    effects(&site, 1..=3).await;
    site.site().audit_stored().await.unwrap();
    site.clock().advance(TimeDelta::days(-1000));
    effects(&site, 4..=6).await;
    site.site().audit_stored().await.unwrap();
    assert_eq!(site.site().audit_pruned().await.unwrap(), (0, 0));
    assert_eq!(site.site().audit_tampering("").await.unwrap(), None);
}

// F113: retention removes no entry whose time was changed
#[tokio::test]
async fn a_changed_time_does_not_let_the_site_remove_an_entry() {
    on_both(&[], async |site| {
        effects(site, 1..=6).await;
        site.site().audit_stored().await.unwrap();
        let owner = owner(site).await;
        run(&owner, "UPDATE palisade_audit SET at = 0 WHERE seq <= 3").await;
        let refused = site.site().audit_pruned().await.unwrap_err();
        assert!(
            refused.to_string().contains("not as the site wrote them"),
            "{refused}"
        );
        let left = "SELECT event AS text FROM palisade_audit";
        assert_eq!(texts(&owner, left).await.len(), 6);
        let found = site.site().audit_tampering("").await.unwrap();
        assert_eq!(found, Some(("edited", Some(1))));
    })
    .await;
}
