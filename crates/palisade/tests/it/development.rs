//! The development loop: files from the disk, pages that reload, errors that name the handler.

use palisade::prelude::*;
use palisade::static_files::StaticFiles;
use palisade::template::Layer;
use palisade::testing::TestSite;
use std::path::Path;
use std::time::{Duration, SystemTime};

const PAGES: &[(&str, &str)] = &[(
    "page.html",
    "<html><head><link rel=\"stylesheet\" href=\"/static/site.css\"></head><body>first</body></html>",
)];

async fn broken(page: Page) -> Result<Response> {
    page.render("broken.html", context! { x => 1 }).await
}

async fn failing() -> Result<String> {
    Err(Error::bug("as asked"))
}

fn app(folder: &Path) -> App {
    let files = StaticFiles::embedded(&[("site.css", b"embedded {}")]);
    App::new()
        .static_files(files.watching(folder.join("static")))
        .templates(Layer::embedded(PAGES).watching(folder.join("templates")))
        .routes(
            Routes::new()
                .route("/", public().get(show_template("page.html")))
                .route("/broken", public().get(broken).post(failing))
                .route("/failing", public().get(failing)),
        )
}

/// A folder with a static file and a template that differ from the embedded ones.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("static/site.css", "changed {}"),
        ("static/.hidden.css", "hidden"),
        ("outside.css", "outside"),
        ("templates/broken.html", "<p>\n{{ missing }}</p>"),
    ] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let link = folder.path().join("static/link.css");
    std::os::unix::fs::symlink(folder.path().join("outside.css"), link).unwrap();
    folder
}

// B1, D7: new and changed files are served as they are
#[tokio::test]
async fn static_files_are_those_of_the_disk() {
    let folder = folder();
    let site = TestSite::start_watching(app(folder.path()), &[]).await;
    let mut client = site.client();
    let page = client.get("/").await.body;
    assert!(
        page.contains("href=\"/static/site.css\"") && !page.contains("integrity"),
        "{page}"
    );
    let style = client.get("/static/site.css").await;
    assert_eq!(
        (style.body.as_str(), style.header("cache-control")),
        ("changed {}", "public, no-cache")
    );
    std::fs::write(folder.path().join("static/site.css"), "again {}").unwrap();
    std::fs::write(folder.path().join("static/new.css"), "new {}").unwrap();
    assert_eq!(client.get("/static/site.css").await.body, "again {}");
    assert_eq!(client.get("/static/new.css").await.body, "new {}");
    // names are compared and never become paths; hidden files and links are none
    for name in [
        "../outside.css",
        "..%2Foutside.css",
        "%2e%2e/outside.css",
        ".hidden.css",
        "link.css",
        "",
    ] {
        let answer = client.get(&format!("/static/{name}")).await;
        assert!(answer.status.is_client_error(), "{name}: {}", answer.body);
    }
    // the framework's own files keep their hash
    assert!(
        client
            .get("/account/login")
            .await
            .body
            .contains("integrity")
    );
}

// pages reload when a file changes, and no other site does so
#[tokio::test]
async fn pages_reload_when_a_file_changes() {
    let folder = folder();
    let site = TestSite::start_watching(app(folder.path()), &[]).await;
    let mut client = site.client();
    let page = client.get("/").await;
    let nonce = page
        .body
        .split("<script nonce=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    assert!(page.header("content-security-policy").contains(nonce));
    let state = client.get("/palisade/reload").await.body;
    assert_eq!(client.get("/palisade/reload").await.body, state);
    let mut seen = vec![state];
    for name in ["static/site.css", "static/other.js", "templates/page.html"] {
        let path = folder.path().join(name);
        std::fs::write(&path, "<html><body>second</body></html>").unwrap();
        let later = SystemTime::now() + Duration::from_secs(seen.len() as u64);
        std::fs::File::options()
            .append(true)
            .open(&path)
            .unwrap()
            .set_modified(later)
            .unwrap();
        let state = client.get("/palisade/reload").await.body;
        assert!(!seen.contains(&state), "{name}");
        seen.push(state);
    }
    assert!(client.get("/").await.body.contains("second"));
    // an error page reloads, too; the answer to a form does not, because it would be sent again
    assert!(
        client
            .get("/broken")
            .await
            .body
            .contains("/palisade/reload")
    );
    let token = client.get("/account/login").await.token().unwrap();
    let answer = client
        .post("/broken", &[("csrfmiddlewaretoken", &token)])
        .await;
    assert_eq!(answer.status, 500);
    assert!(!answer.body.contains("/palisade/reload"), "{}", answer.body);

    for site in [
        TestSite::start(app(folder.path()), &[]).await,
        TestSite::production(app(folder.path()), &[]).await,
    ] {
        let mut client = site.client();
        assert!(!client.get("/").await.body.contains("<script"));
        assert_eq!(client.get("/palisade/reload").await.status, 404);
        assert_eq!(client.get("/static/site.css").await.body, "embedded {}");
    }
}

// B10: the page of an error names the handler, and the template with its line
#[tokio::test]
async fn the_debug_page_names_handler_and_template() {
    let folder = folder();
    let site = TestSite::start_watching(app(folder.path()), &[]).await;
    let mut client = site.client();
    let page = client.get("/broken").await.body;
    assert!(page.contains("it::development::broken"), "{page}");
    assert!(
        page.contains("broken.html:2") && page.contains("<pre>"),
        "{page}"
    );
    assert!(
        !page.contains("views/page.rs"),
        "no source of the framework: {page}"
    );
    let page = client.get("/failing").await.body;
    assert!(
        page.contains("it::development::failing") && page.contains("tests/it/development.rs:"),
        "{page}"
    );
    assert!(page.contains("Error::bug"), "the listing: {page}");
}
