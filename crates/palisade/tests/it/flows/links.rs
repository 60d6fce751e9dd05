//! One-time links by purpose.

use http::StatusCode;
use palisade::auth::{Action, ActionLinks, Rank};
use palisade::prelude::*;
use palisade::testing::{PASSWORD, TestDatabase, TestSite};

struct Leave;
struct Join;

impl Action for Leave {
    const NAME: &'static str = "leave";
    const LIFETIME_SECS: i64 = 3600;
    type Payload = i32;
}

impl Action for Join {
    const NAME: &'static str = "join";
    const LIFETIME_SECS: i64 = 3600;
    type Payload = i32;
}

async fn issue(user: User, db: Db, links: ActionLinks) -> Result<String> {
    db.write(async |tx| links.issue::<Leave>(tx, Some(&user), &7).await)
        .await
}

async fn ask(links: ActionLinks, Path(token): Path<String>) -> Result<String> {
    Ok(links.find::<Leave>(&token).await?.or_404()?.to_string())
}

async fn leave(db: Db, links: ActionLinks, Path(token): Path<String>) -> Result<String> {
    db.write(async |tx| {
        let list = links.spend::<Leave>(tx, &token).await?;
        tokio::task::yield_now().await;
        Ok(format!("left {list}"))
    })
    .await
}

async fn join(db: Db, links: ActionLinks, Path(token): Path<String>) -> Result<String> {
    let joined = db
        .write(async |tx| links.spend::<Join>(tx, &token).await)
        .await?;
    Ok(joined.to_string())
}

fn app() -> App {
    App::new().routes(
        Routes::new()
            .route("/issue", signed_in().post(issue))
            .route("/leave/{token}", public().get(ask).post(leave))
            .route("/join/{token}", public().post(join)),
    )
}

// F080: once, for one purpose, for a time, for one state of the account
#[tokio::test]
async fn a_link_works_once_for_its_purpose() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some(site) = TestSite::start_on(database, app(), &[]).await else {
            continue;
        };
        let mut ann = site.sign_in("ann", Rank::Plain).await;
        let page = "/account/password";
        let link =
            async |ann: &mut palisade::testing::Client| ann.submit(page, "/issue", &[]).await.body;
        let token = link(&mut ann).await;
        let path = format!("/leave/{token}");
        let mut reader = site.client();
        // a program that opens the link of a mail does not spend it
        for _ in 0..3 {
            assert_eq!(reader.get(&path).await.body, "7");
        }
        let wrong = reader
            .submit("/account/login", &format!("/join/{token}"), &[])
            .await;
        assert_eq!(wrong.status, StatusCode::GONE, "another purpose");
        let csrf = reader.get("/account/login").await.token().unwrap();
        let cookies = reader.cookies().clone();
        let spend = async |_| {
            let mut client = site.client();
            *client.cookies() = cookies.clone();
            client.post(&path, &[("csrfmiddlewaretoken", &csrf)]).await
        };
        let spent = futures_util::future::join_all((0..8).map(spend)).await;
        assert_eq!(
            spent
                .iter()
                .filter(|answer| answer.body == "left 7")
                .count(),
            1
        );
        let others = spent.iter().filter(|answer| answer.body != "left 7");
        assert!(
            others
                .clone()
                .all(|answer| answer.status == StatusCode::GONE)
        );
        assert_eq!(reader.get(&path).await.status, StatusCode::NOT_FOUND);
        // too old, invented, and after a change of the password
        let token = link(&mut ann).await;
        site.clock().advance(chrono::TimeDelta::minutes(61));
        assert_eq!(
            reader.get(&format!("/leave/{token}")).await.status,
            StatusCode::NOT_FOUND
        );
        assert_eq!(
            reader.get("/leave/invented").await.status,
            StatusCode::NOT_FOUND
        );
        let mut ann = site.client();
        ann.log_in("ann", PASSWORD).await;
        let token = link(&mut ann).await;
        let new = "another horse battery staple";
        let fields = [
            ("current_password", PASSWORD),
            ("new_password", new),
            ("new_password_again", new),
        ];
        let changed = ann.submit(page, page, &fields).await;
        assert_eq!(changed.status, StatusCode::SEE_OTHER, "{}", changed.body);
        assert_eq!(
            reader.get(&format!("/leave/{token}")).await.status,
            StatusCode::NOT_FOUND
        );
    }
}
