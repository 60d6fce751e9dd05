use super::site::{app, effects, on_both, owner, run, texts};
use sea_orm::{DatabaseConnection, FromQueryResult};

const TABLES: [&str; 4] = [
    "palisade_audit",
    "palisade_audit_who",
    "palisade_audit_inbox",
    "palisade_audit_head",
];

async fn save(owner: &DatabaseConnection) {
    for table in TABLES {
        run(
            owner,
            &format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}"),
        )
        .await;
    }
}

async fn restore(owner: &DatabaseConnection) {
    for table in TABLES {
        let statements =
            format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}");
        run(owner, &statements).await;
    }
}

const COLUMNS: &str =
    "event, severity, outcome, actor, subject, request, route, detail, who, link, seal, mac, key";
/// Makes room for an entry 5.
const SHIFT: &str = "UPDATE palisade_audit SET seq = -seq WHERE seq >= 5;
    UPDATE palisade_audit SET seq = -seq + 1 WHERE seq < 0";

/// Statements of an attacker with the database, and the kind and entry that a verification names
/// without and with a checkpoint of the last entry.
type Case = (String, Found, Found);
type Found = Option<(&'static str, Option<i64>)>;

fn cases() -> Vec<Case> {
    let both = |statements: &str, found: (&'static str, i64)| {
        let found = Some((found.0, Some(found.1)));
        (statements.to_owned(), found, found)
    };
    let copy = |to: i64, from: i64| {
        format!(
            "INSERT INTO palisade_audit (seq, at, {COLUMNS})
            SELECT {to}, at, {COLUMNS} FROM palisade_audit WHERE seq = {from}"
        )
    };
    let set = |what: &str| format!("UPDATE palisade_audit SET {what} WHERE seq = 5");
    let mut cases: Vec<Case> = [
        "detail = 'number 9'",
        "actor = 'user:9'",
        "at = at + 1",
        "outcome = 'failure'",
        "who = 'x'",
        "key = '00000000'",
        "key = '00000000', mac = '', seal = ''",
        "mac = (SELECT mac FROM palisade_audit WHERE seq = 6)",
        "link = (SELECT link FROM palisade_audit WHERE seq = 6)",
        "seal = (SELECT seal FROM palisade_audit WHERE seq = 6)",
    ]
    .iter()
    .map(|what| both(&set(what), ("edited", 5)))
    .collect();
    cases.extend([
        both(
            "UPDATE palisade_audit SET detail = 'x' WHERE seq = 12",
            ("edited", 12),
        ),
        both("DELETE FROM palisade_audit WHERE seq = 5", ("removed", 5)),
        both(
            "DELETE FROM palisade_audit WHERE seq IN (5, 6, 7)",
            ("removed", 5),
        ),
        both(
            "DELETE FROM palisade_audit WHERE seq = 5;
            UPDATE palisade_audit SET seq = -seq WHERE seq > 5;
            UPDATE palisade_audit SET seq = -seq - 1 WHERE seq < 0",
            ("removed", 5),
        ),
        // swapped with another, moved to the end, and moved to an earlier place
        both(
            "UPDATE palisade_audit SET seq = -8 WHERE seq = 5;
            UPDATE palisade_audit SET seq = 5 WHERE seq = 8;
            UPDATE palisade_audit SET seq = 8 WHERE seq = -8",
            ("moved", 5),
        ),
        both(
            "UPDATE palisade_audit SET seq = 99 WHERE seq = 5",
            ("moved", 5),
        ),
        both(
            &format!(
                "UPDATE palisade_audit SET seq = 0 WHERE seq = 12; {SHIFT};
                UPDATE palisade_audit SET seq = 5 WHERE seq = 0"
            ),
            ("moved", 5),
        ),
        both(&copy(13, 5), ("inserted", 13)),
        both(&format!("{SHIFT}; {}", copy(5, 9)), ("inserted", 5)),
        both(
            &format!(
                "{SHIFT}; {}; UPDATE palisade_audit SET detail = 'x' WHERE seq = 5",
                copy(5, 9)
            ),
            ("inserted", 5),
        ),
        both(
            &format!(
                "{}; UPDATE palisade_audit SET detail = 'x' WHERE seq = 13",
                copy(13, 5)
            ),
            ("inserted", 13),
        ),
        both(
            "DELETE FROM palisade_audit WHERE seq <= 3",
            ("cut_at_start", 1),
        ),
        both(
            "DELETE FROM palisade_audit WHERE seq > 9",
            ("cut_at_end", 10),
        ),
    ]);
    let cut = "DELETE FROM palisade_audit WHERE seq > 9";
    let cut_10 = Some(("cut_at_end", Some(10)));
    let all: String = TABLES.map(|table| format!("DELETE FROM {table};")).concat();
    cases.extend([
        (
            format!("{cut}; UPDATE palisade_audit_head SET seq = 9,
                link = (SELECT link FROM palisade_audit WHERE seq = 9)"),
            Some(("head_changed", None)),
            cut_10,
        ),
        (
            "DELETE FROM palisade_audit_head".into(),
            Some(("head_missing", None)),
            Some(("head_missing", None)),
        ),
        (
            "UPDATE palisade_audit_head SET pruned_seq = 3".into(),
            Some(("head_changed", None)),
            Some(("head_changed", None)),
        ),
        // a head that was kept from earlier is authentic: only a checkpoint shows it
        (format!("{cut}; DELETE FROM palisade_audit_head; INSERT INTO palisade_audit_head SELECT * FROM old_head"), None, cut_10),
        (
            all,
            Some(("head_missing", None)),
            Some(("cut_at_end", Some(1))),
        ),
    ]);
    cases
}

// F113 V16.4.2: an owner of the database edits, removes, moves, inserts, cuts at the start and at
// the end; the first entry and the kind are named
#[tokio::test]
async fn tampering_is_named_with_its_first_entry() {
    on_both(&[], async |site| {
        let owner = owner(site).await;
        effects(site, 1..=9).await;
        assert_eq!(site.site().audit_stored().await.unwrap(), 9);
        run(
            &owner,
            "CREATE TABLE old_head AS SELECT * FROM palisade_audit_head",
        )
        .await;
        effects(site, 10..=12).await;
        site.site().audit_stored().await.unwrap();
        let kept = site.site().audit_checkpoint().await.unwrap();
        save(&owner).await;
        for (statements, alone, with_checkpoint) in cases() {
            run(&owner, &statements).await;
            let found = site.site().audit_tampering("").await.unwrap();
            assert_eq!(found, alone, "{statements}");
            let found = site.site().audit_tampering(&kept).await.unwrap();
            assert_eq!(found, with_checkpoint, "with a checkpoint: {statements}");
            restore(&owner).await;
            assert_eq!(site.site().audit_tampering(&kept).await.unwrap(), None);
        }
    })
    .await;
}

// F113: an attacker with the site's key writes the log again: only a checkpoint shows it
#[tokio::test]
async fn a_log_written_again_with_a_stolen_key_is_found_by_a_checkpoint() {
    on_both(&[], async |site| {
        let owner = owner(site).await;
        run(
            &owner,
            "CREATE TABLE first_head AS SELECT * FROM palisade_audit_head",
        )
        .await;
        effects(site, 1..=4).await;
        site.site().audit_stored().await.unwrap();
        let early = site.site().audit_checkpoint().await.unwrap();
        effects(site, 5..=8).await;
        site.site().audit_stored().await.unwrap();
        let late = site.site().audit_checkpoint().await.unwrap();
        for table in TABLES {
            run(&owner, &format!("DELETE FROM {table}")).await;
        }
        // another process has the key
        run(
            &owner,
            "INSERT INTO palisade_audit_head SELECT * FROM first_head",
        )
        .await;
        let thief = site.start_beside(app(), &[]).await;
        effects(&thief, 11..=19).await;
        thief.site().audit_stored().await.unwrap();
        assert_eq!(site.site().audit_tampering("").await.unwrap(), None);
        for (kept, first) in [(early.clone(), 1), (late.clone(), 1), (early + &late, 1)] {
            let found = site.site().audit_tampering(&kept).await.unwrap();
            assert_eq!(found, Some(("rewritten", Some(first))), "{kept}");
        }
        // notes that are not signed by the site's key are no checkpoints
        let forged = late.replace("\n8\n", "\n9\n");
        assert_eq!(site.site().audit_tampering(&forged).await.unwrap(), None);
    })
    .await;
}

// F113: a record that the site did not write does not become an entry
#[tokio::test]
async fn a_forged_record_of_the_inbox_is_noted_and_not_stored() {
    on_both(&[], async |site| {
        let owner = owner(site).await;
        effects(site, 1..=2).await;
        run(
            &owner,
            "UPDATE palisade_audit_inbox SET record = REPLACE(record, 'number 2', 'number 3')",
        )
        .await;
        site.site().audit_stored().await.unwrap();
        let found = site.site().audit_tampering("").await.unwrap();
        assert_eq!(found, Some(("noted", Some(1))));
        run(
            &owner,
            "INSERT INTO palisade_audit_inbox (at, record, seal, key)
                VALUES (1, '{}', 'x', '00000000')",
        )
        .await;
        site.site().audit_stored().await.unwrap();
        run(&owner, "DELETE FROM palisade_audit WHERE seq > 99").await;
        let found = site.site().audit_tampering("").await.unwrap();
        assert_eq!(found, Some(("noted", Some(1))), "and its key is unknown");
    })
    .await;
}

// F113: a head that is removed while the site runs is noted, and the chain goes on
#[tokio::test]
async fn a_removed_head_is_noted_by_the_writer() {
    on_both(&[], async |site| {
        let owner = owner(site).await;
        effects(site, 1..=3).await;
        site.site().audit_stored().await.unwrap();
        run(&owner, "DELETE FROM palisade_audit_head").await;
        effects(site, 4..=5).await;
        site.site().audit_stored().await.unwrap();
        let found = site.site().audit_tampering("").await.unwrap();
        assert_eq!(found, Some(("noted", Some(4))));
    })
    .await;
}

// F113: an authentic head of earlier, with the entries since then removed, is noted by the running site
#[tokio::test]
async fn an_earlier_head_that_is_put_back_is_noted_by_the_writer() {
    on_both(&[], async |site| {
        let owner = owner(site).await;
        effects(site, 1..=3).await;
        site.site().audit_stored().await.unwrap();
        run(
            &owner,
            "CREATE TABLE old_head AS SELECT * FROM palisade_audit_head",
        )
        .await;
        effects(site, 4..=6).await;
        site.site().audit_stored().await.unwrap();
        run(
            &owner,
            "DELETE FROM palisade_audit WHERE seq > 3; DELETE FROM palisade_audit_head;
                INSERT INTO palisade_audit_head SELECT * FROM old_head",
        )
        .await;
        effects(site, 7..=8).await;
        site.site().audit_stored().await.unwrap();
        let found = site.site().audit_tampering("").await.unwrap();
        assert_eq!(found, Some(("noted", Some(4))));
        // and a log that was emptied
        for table in TABLES {
            run(&owner, &format!("DELETE FROM {table}")).await;
        }
        effects(site, 9..=9).await;
        site.site().audit_stored().await.unwrap();
        let found = site.site().audit_tampering("").await.unwrap();
        assert_eq!(found, Some(("noted", Some(1))));
    })
    .await;
}

// F113: a head under a key that the site does not have is neither believed nor authenticated
#[tokio::test]
async fn a_head_of_an_unknown_key_is_neither_believed_nor_replaced() {
    on_both(&[], async |site| {
        let owner = owner(site).await;
        effects(site, 1..=6).await;
        site.site().audit_stored().await.unwrap();
        run(
            &owner,
            "DELETE FROM palisade_audit WHERE seq > 3;
                UPDATE palisade_audit_head SET key = '00000000', seq = 3,
                    link = (SELECT link FROM palisade_audit WHERE seq = 3)",
        )
        .await;
        let found = site.site().audit_tampering("").await.unwrap();
        assert_eq!(found, Some(("head_changed", None)));
        effects(site, 7..=7).await;
        let refused = site.site().audit_stored().await.unwrap_err();
        assert!(refused.to_string().contains("does not know"), "{refused}");
        let waiting = "SELECT record AS text FROM palisade_audit_inbox";
        assert_eq!(texts(&owner, waiting).await.len(), 1, "nothing is lost");
        let found = site.site().audit_tampering("").await.unwrap();
        assert_eq!(found, Some(("head_changed", None)));
    })
    .await;
}

// F113: an entry that is copied into the inbox, and an entry or a head beside the log, are not believed
#[tokio::test]
async fn entries_beside_the_log_are_not_believed() {
    on_both(&[], async |site| {
        let owner = owner(site).await;
        site.client().sign_up("ann").await;
        effects(site, 1..=3).await;
        site.site().audit_stored().await.unwrap();
        let kept = site.site().audit_checkpoint().await.unwrap();
        run(
            &owner,
            "INSERT INTO palisade_audit_head (id, seq, link, pruned_seq, pruned_link, erased, mac, key)
                SELECT 0, 1, link, 0, link, 0, mac, key FROM palisade_audit_head",
        )
        .await;
        assert_eq!(site.site().audit_checkpoint().await.unwrap(), kept);
        run(
            &owner,
            "INSERT INTO palisade_audit (seq, at, event, severity, outcome, actor, subject, request,
                route, detail, who, link, seal, mac, key)
                SELECT -1, at, 'person_erased', severity, outcome, actor, subject, request, route,
                detail, who, link, seal, mac, key FROM palisade_audit WHERE seq = 1",
        )
        .await;
        let found = site.site().audit_tampering("").await.unwrap();
        assert_eq!(found, Some(("inserted", Some(-1))));
        site.client().log_in("ann", "wrong password").await;
        site.site().audit_stored().await.unwrap();
        let named = "SELECT name AS text FROM palisade_audit_who WHERE name = 'ann'";
        assert!(texts(&owner, named).await.len() > 2, "ann is not erased");
        run(&owner, "DELETE FROM palisade_audit WHERE seq = -1").await;
        // the seal of an entry is not that of a waiting record
        let record = "'{\"at\":' || at || ',\"event\":\"test.effect\",\"severity\":\"low\",\"outcome\":\"success\",\"actor\":\"site\",\"subject\":\"\",\"request\":\"\",\"route\":\"\",\"detail\":\"' || detail || '\",\"who\":{\"salt\":\"x\",\"name\":\"\",\"address\":\"\",\"agent\":\"\"}}'";
        run(
            &owner,
            &format!("INSERT INTO palisade_audit_inbox (at, record, seal, key)
                SELECT at, {record}, seal, key FROM palisade_audit WHERE detail = 'number 2'"),
        )
        .await;
        site.site().audit_stored().await.unwrap();
        let effects = "SELECT detail AS text FROM palisade_audit WHERE event = 'test.effect'";
        assert_eq!(texts(&owner, effects).await.len(), 3);
        let found = site.site().audit_tampering("").await.unwrap();
        assert_eq!(found.map(|found| found.0), Some("noted"));
    })
    .await;
}

#[derive(FromQueryResult)]
struct Row {
    seq: i64,
    at: i64,
    event: String,
    severity: String,
    outcome: String,
    actor: String,
    subject: String,
    request: String,
    route: String,
    detail: String,
    who: String,
    link: String,
    key: String,
}

/// Edits entry 5, and computes every later link again, as an attacker without the site's key can.
/// With a key id, the entries claim to be under another key.
async fn relink(owner: &DatabaseConnection, key: Option<&str>) {
    use palisade::crypto::chain::{digest, from_text, link, to_text};
    use sea_orm::Statement;
    let all = "SELECT * FROM palisade_audit WHERE seq >= 4 ORDER BY seq";
    let all = Statement::from_string(owner.get_database_backend(), all);
    let rows = Row::find_by_statement(all).all(owner).await.unwrap();
    let mut before = from_text(&rows[0].link).unwrap();
    for row in &rows[1..] {
        let detail = if row.seq == 5 { "forged" } else { &row.detail };
        let key = key.unwrap_or(&row.key);
        let texts = [
            &row.event,
            &row.severity,
            &row.outcome,
            &row.actor,
            &row.subject,
            &row.request,
            &row.route,
            detail,
            &row.who,
            key,
        ];
        let at = row.at.to_be_bytes();
        let fields: Vec<&[u8]> = std::iter::once(&at[..])
            .chain(texts.into_iter().map(str::as_bytes))
            .collect();
        before = link(&before, &digest("palisade.audit", &fields));
        let sql = format!(
            "UPDATE palisade_audit SET detail = '{detail}', key = '{key}', link = '{}'
                WHERE seq = {}",
            to_text(&before),
            row.seq
        );
        run(owner, &sql).await;
    }
}

// F113: hashes that an attacker computes again are not authentic, under no key
#[tokio::test]
async fn computing_the_hashes_again_does_not_help_without_the_key() {
    for key in [None, Some("00000000")] {
        on_both(&[], async |site| {
            let owner = owner(site).await;
            effects(site, 1..=12).await;
            site.site().audit_stored().await.unwrap();
            relink(&owner, key).await;
            let found = site.site().audit_tampering("").await.unwrap();
            assert_eq!(found, Some(("edited", Some(5))), "{key:?}");
        })
        .await;
    }
}
