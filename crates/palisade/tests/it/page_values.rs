//! Values of a site's own for every page: loaded only where a template uses them.

use palisade::prelude::*;
use palisade::template::Layer;
use palisade::testing::TestSite;
use std::sync::Mutex;

/// Paths of the pages for which the menu was loaded.
static LOADS: Mutex<Vec<String>> = Mutex::new(Vec::new());

async fn menu(request: PageRequest) -> Result<Value> {
    LOADS.lock().unwrap().push(request.path().to_owned());
    let users: Option<(i64,)> = request
        .db()
        .fetch_one(sql!("SELECT COUNT(*) FROM auth_user"))
        .await?;
    let name = request.user().await?.map(|user| user.username.clone());
    let path = request.path().to_owned();
    Ok(context! { users => users.map_or(0, |(count,)| count), name, path })
}

async fn writes(request: PageRequest) -> Result<Value> {
    let tx = request.db().begin().await?;
    drop(tx);
    Ok(Value::from(1))
}

const PAGES: &[(&str, &str)] = &[
    (
        "base.html",
        "{% extends \"palisade/skeleton.html\" %}{% block nav %}{% if menu %}[{{ menu.users }} {{ menu.name }} {{ menu.path }}]{% endif %}{% endblock %}",
    ),
    (
        "with.html",
        "{% extends \"base.html\" %}{% block main %}x{% endblock %}",
    ),
    ("included.html", "<p>{% include \"part.html\" %}</p>"),
    ("part.html", "{{ menu.users }}"),
    ("without.html", "<p>plain</p>"),
    ("own.html", "<p>{{ menu }}</p>"),
    ("writes.html", "<p>{{ writes }}</p>"),
];

fn app() -> App {
    let show =
        |template: &'static str| async move |page: Page| page.render(template, context! {}).await;
    let own = async |page: Page| page.render("own.html", context! { menu => "mine" }).await;
    let broken = async || Err::<String, _>(Error::bug("as asked"));
    App::new()
        .templates(Layer::embedded(PAGES))
        .page_value("menu", menu)
        .page_value("writes", writes)
        .routes(
            Routes::new()
                .route("/with", public().get(show("with.html")))
                .route("/included", public().get(show("included.html")))
                .route("/without", public().get(show("without.html")))
                .route("/writes", public().get(show("writes.html")))
                .route("/own", public().get(own))
                .route("/broken", signed_in().get(broken)),
        )
}

#[tokio::test]
async fn a_value_is_loaded_where_a_template_uses_it() {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    for (path, is_expected, part) in [
        ("/with", true, "[1 ann /with]"),
        ("/with?a=b", true, "[1 ann /with]"),
        ("/included", true, "<p>1</p>"),
        ("/without", false, "plain"),
        // a value of the handler takes precedence
        ("/own", true, "<p>mine</p>"),
        // so does an error page in the frame of the site
        ("/nowhere", true, "[1 ann /nowhere]"),
    ] {
        let body = ann.get(path).await.body;
        assert!(body.contains(part), "{path}: {body}");
        let path = path.split('?').next().unwrap();
        let is_loaded = LOADS.lock().unwrap().iter().any(|loaded| loaded == path);
        assert_eq!(is_loaded, is_expected, "{path}");
    }
    // a value reads
    assert_eq!(ann.get("/writes").await.status, 500);
}
