//! Lists of the admin over a million rows, and their pages beside Django's.

use crate::load::median;
use palisade::auth::Rank;
use palisade::db::Migration;
use palisade::prelude::*;
use palisade::sea_orm::ConnectionTrait;
use palisade::sea_orm_migration::schema::*;
use palisade::testing::{Client, TestDatabase, TestSite};
use std::collections::BTreeMap;
use std::process::Command;
use std::time::Instant;

mod part {
    use palisade::entity::*;
    use palisade::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "bench_part")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        pub status: String,
        pub made_at: i32,
    }

    impl ActiveModelBehavior for ActiveModel {}

    impl Scoped for Entity {
        fn rows(actor: &Actor, _: Verb) -> Rows<Self> {
            Rows::none()
                .or("staff", actor.is_staff())
                .and("not hidden", Column::Status.ne("hidden"))
        }
    }
}

#[derive(Choice, Clone, Copy, PartialEq)]
enum Status {
    Open,
    Closed,
    Rare,
}

#[derive(Admin)]
#[admin(of = part::Entity, order = "-made_at")]
struct Parts {
    #[admin(list, search = start)]
    name: Line<80>,
    #[admin(list, filter)]
    status: Status,
    #[admin(list)]
    made_at: i32,
}

fn migrations() -> Vec<Migration> {
    use palisade::sea_orm_migration::prelude::Table;
    let part = Table::create()
        .table("bench_part")
        .col(pk_auto("id"))
        .col(string_len("name", 80))
        .col(string_len("status", 10))
        .col(integer("made_at"))
        .take();
    vec![Migration::new("bench_0001_part").create_table(part)]
}

const ROUNDS: usize = 21;

/// The database of a site, as its owner.
fn url_of(site: &TestSite) -> String {
    let file = || format!("sqlite:{}", site.folder().join("site.sqlite3").display());
    site.owner_url().map_or_else(file, str::to_owned)
}

/// Fills the table as its owner: the role that serves creates no index.
async fn fill(site: &TestSite, database: TestDatabase) {
    let (numbers, collation) = match database {
        TestDatabase::Postgres => ("generate_series(1, 1000000) AS n(i)", " COLLATE \"C\""),
        TestDatabase::Sqlite => (
            "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT i FROM n)",
            "",
        ),
    };
    let db = palisade::testing::connect(url_of(site)).await;
    let rows = format!(
        "INSERT INTO bench_part (name, status, made_at) SELECT 'Part ' || i, \
         CASE WHEN i % 1000 = 0 THEN 'rare' WHEN i % 3 = 0 THEN 'open' ELSE 'closed' END, i FROM {numbers}"
    );
    let statements = [
        rows,
        "INSERT INTO bench_part (name, status, made_at) VALUES ('Zebra', 'hidden', 0)".to_owned(),
        "CREATE INDEX bench_part_made ON bench_part (made_at, id)".to_owned(),
        "CREATE INDEX bench_part_status ON bench_part (status, made_at, id)".to_owned(),
        format!("CREATE INDEX bench_part_name ON bench_part ((lower(name){collation}))"),
        "ANALYZE".to_owned(),
    ];
    for statement in statements {
        db.execute_unprepared(&statement).await.unwrap();
    }
    println!("{database:?} is filled");
}

/// The medians of Django's admin over the same rows, by page; empty without a Python that has Django.
fn of_django(url: &str) -> BTreeMap<String, f64> {
    let Some(python) = std::env::var_os("PALISADE_BENCH_DJANGO") else {
        return BTreeMap::new();
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/django/admin_pages.py");
    let output = Command::new(python)
        .args([script, url, &ROUNDS.to_string()])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said = String::from_utf8(output.stdout).unwrap();
    let page = |line: &str| {
        let (name, median) = line.split_once('\t').unwrap();
        (name.to_owned(), median.parse().unwrap())
    };
    said.lines().map(page).collect()
}

pub async fn measure() {
    println!(
        "the admin over 1,000,000 rows: median of {ROUNDS} pages in ms, that of Django, ratio"
    );
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let app = App::new()
            .schema(migrations)
            .entity::<part::Entity>()
            .admin(Admin::new().resource::<Parts>());
        let settings = [
            ("admin.path", "/office"),
            ("throttle.requests", "1000000/m"),
        ];
        let Some(site) = TestSite::start_on(database, app, &settings).await else {
            continue;
        };
        fill(&site, database).await;
        let mut root = site.sign_in("root", Rank::Superuser).await;
        let last = "/office/parts?last=1".to_owned();
        let next = link(&root.get("/office/parts").await.body, "Next page");
        let before_last = link(&root.get(&last).await.body, "Previous page");
        let pages = [
            ("list", "/office/parts".to_owned()),
            ("filter", "/office/parts?status=open".to_owned()),
            ("rare filter", "/office/parts?status=rare".to_owned()),
            ("next page", next),
            ("page 20,000", last),
            ("page 19,999", before_last),
            ("search, hit", "/office/parts?q=part+99999".to_owned()),
            ("search, miss", "/office/parts?q=yebra".to_owned()),
        ];
        let django = of_django(&url_of(&site));
        for (name, url) in pages {
            let mut times = Vec::new();
            for _ in 0..ROUNDS {
                let begun = Instant::now();
                let answer = root.get(&url).await;
                assert_eq!(answer.status, 200, "{}", answer.body);
                times.push(begun.elapsed().as_secs_f64() * 1e3);
            }
            let ours = median(times);
            let theirs = django.get(name).copied().unwrap_or(f64::NAN);
            println!(
                "{:<12}{name:<16}{ours:>8.2}{theirs:>10.2}{:>8.1}",
                format!("{database:?}"),
                theirs / ours
            );
        }
        hidden_search(&mut root, database).await;
        hidden_path(&site, database).await;
    }
}

/// The time of a search for a row that its user may not see, beside that of one for no row.
async fn hidden_search(root: &mut Client, database: TestDatabase) {
    let (mut hidden, mut miss) = (Vec::new(), Vec::new());
    for _ in 0..SEARCHES {
        for (times, query) in [(&mut hidden, "zebra"), (&mut miss, "yebra")] {
            let begun = Instant::now();
            let answer = root.get(&format!("/office/parts?q={query}")).await;
            assert!(answer.body.contains("0 rows"), "{}", answer.body);
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
    }
    let (hidden, miss) = (median(hidden), median(miss));
    println!(
        "{:<12}search for a hidden row {hidden:.3}, for none {miss:.3}, ratio {:.3}",
        format!("{database:?}"),
        hidden / miss
    );
}

/// The time of the admin's 404 for others than staff, beside that of an unknown path.
async fn hidden_path(site: &TestSite, database: TestDatabase) {
    let customer = site.sign_in("ann", Rank::Plain).await;
    for (name, mut client) in [
        ("client without session", site.client()),
        ("customer", customer),
    ] {
        let (mut admin, mut unknown) = (Vec::new(), Vec::new());
        for _ in 0..SEARCHES {
            for (times, path) in [(&mut admin, "/office"), (&mut unknown, "/offices")] {
                let begun = Instant::now();
                assert_eq!(client.get(path).await.status, 404);
                times.push(begun.elapsed().as_secs_f64() * 1e6);
            }
        }
        let (admin, unknown) = (median(admin), median(unknown));
        println!(
            "{:<12}404 of the admin for a {name} {admin:.0} µs, of an unknown path {unknown:.0} µs, ratio {:.3}",
            format!("{database:?}"),
            admin / unknown
        );
    }
}

const SEARCHES: usize = 301;

fn link(body: &str, name: &str) -> String {
    let (before, _) = body.split_once(&format!("\">{name}</a>")).unwrap();
    before
        .rsplit_once("href=\"")
        .unwrap()
        .1
        .replace("&amp;", "&")
}
