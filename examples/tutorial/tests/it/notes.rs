//! Notes are private.

use palisade::auth::Rank;
use palisade::testing::{TestDatabase, TestSite};
use tutorial::app;

#[tokio::test]
async fn users_see_and_change_their_own_notes() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some(site) = TestSite::start_on(database, app(), &[]).await else {
            continue;
        };
        let mut ann = site.sign_in("ann", Rank::Plain).await;
        let mut eve = site.sign_in("eve", Rank::Plain).await;
        let note = [("title", "A <b>"), ("body", "text")];
        // loads the page of the form, and sends its token
        let made = ann.submit("/notes/new", "/notes/new", &note).await;
        assert_eq!(made.header("location"), "/notes");
        assert!(ann.get("/notes").await.body.contains("A &lt;b&gt;"));
        assert!(eve.get("/notes").await.body.contains("There are no notes."));

        // a title that is too long comes back with its error
        let long = "x".repeat(121);
        let refused = ann
            .submit(
                "/notes/new",
                "/notes/new",
                &[("title", &long), ("body", "kept")],
            )
            .await;
        assert_eq!(refused.status, 422);
        assert!(refused.body.contains("kept"));

        for path in ["/notes/1", "/notes/1/edit"] {
            assert_eq!(eve.get(path).await.status, 404);
        }
        let stolen = [("title", "mine"), ("body", "x")];
        for path in ["/notes/1/edit", "/notes/1/delete"] {
            assert_eq!(eve.submit("/notes/new", path, &stolen).await.status, 404);
        }
        let edited = ann
            .submit(
                "/notes/1/edit",
                "/notes/1/edit",
                &[("title", "B"), ("body", "y")],
            )
            .await;
        assert_eq!(edited.header("location"), "/notes/1");
        assert!(ann.get("/notes/1").await.body.contains("<h1>B</h1>"));
        ann.submit("/notes/1", "/notes/1/delete", &[]).await;
        assert_eq!(ann.get("/notes/1").await.status, 404);
    }
}
