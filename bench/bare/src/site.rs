//! The baseline: the same pages and queries with axum, minijinja, SeaORM and SQLite alone, without
//! protections.

use axum::extract::{Form, State};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, TemplateSource, Value, context};
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set,
    TransactionTrait,
};
use std::sync::Arc;

mod ticket {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "helpdesk_ticket")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub subject: String,
        pub body: String,
        pub status: String,
        pub customer_id: i32,
        pub customer_name: String,
        pub assignee_id: Option<i32>,
        pub assignee_name: Option<String>,
        pub version: i32,
        pub opened_at: DateTimeUtc,
        pub changed_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod session {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "django_session")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub session_key: String,
        pub session_data: String,
        pub expire_date: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod user {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "auth_user")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub password: String,
        pub last_login: Option<DateTimeUtc>,
        pub is_superuser: bool,
        pub username: String,
        pub first_name: String,
        pub last_name: String,
        pub email: String,
        pub is_staff: bool,
        pub is_active: bool,
        pub date_joined: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

struct Site {
    templates: Environment<'static>,
    read: DatabaseConnection,
    write: DatabaseConnection,
    session: String,
}

type Shared = State<Arc<Site>>;

pub async fn serve() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, database, port] = arguments.as_slice() else {
        panic!("bare DATABASE PORT")
    };
    let port: u16 = port.parse().unwrap();
    // two pools with the settings of the measured site
    let connect = async |count: u32| {
        let mut options = sea_orm::ConnectOptions::new(format!("sqlite://{database}"));
        options
            .max_connections(count)
            .sqlx_logging(false)
            .test_before_acquire(false)
            .record_stmt_in_spans(false);
        options.map_sqlx_sqlite_opts(|options| {
            options
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Normal)
        });
        sea_orm::Database::connect(options).await.unwrap()
    };
    let (read, write) = (connect(8).await, connect(1).await);
    let session = session::Entity::find()
        .one(&read)
        .await
        .unwrap()
        .unwrap()
        .session_key;
    let site = Arc::new(Site {
        templates: environment(),
        read,
        write,
        session,
    });
    let app = Router::new()
        .route("/", get(front))
        .route("/status", get(status))
        .route("/tickets", get(tickets).post(open))
        .route("/static/palisade.css", get(stylesheet))
        .with_state(site);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port))
        .await
        .unwrap();
    axum::serve(listener, app).await.unwrap();
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .unwrap(),
    );
    environment.set_loader(move |name| {
        let own = name.strip_prefix("palisade/").unwrap_or(name);
        let folders = [
            "examples/helpdesk/templates",
            "crates/palisade/src/views/templates",
        ];
        let text = folders
            .iter()
            .zip([name, own])
            .find_map(|(folder, name)| std::fs::read_to_string(root.join(folder).join(name)).ok());
        Ok(text.map(TemplateSource::new))
    });
    environment
}

async fn stylesheet() -> impl IntoResponse {
    (
        [(CONTENT_TYPE, "text/css; charset=utf-8")],
        include_str!("../../../crates/palisade/src/static_files/palisade.css"),
    )
}

async fn front(State(site): Shared) -> Html<String> {
    let values = context! { user => (), messages => Vec::<Value>::new() };
    Html(
        site.templates
            .get_template("front.html")
            .unwrap()
            .render(values)
            .unwrap(),
    )
}

async fn status(State(site): Shared) -> Json<serde_json::Map<String, serde_json::Value>> {
    let counts: Vec<(String, i64)> = ticket::Entity::find()
        .select_only()
        .column(ticket::Column::Status)
        .column_as(ticket::Column::Id.count(), "count")
        .filter(ticket::Column::Status.is_in(["open", "waiting", "resolved"]))
        .group_by(ticket::Column::Status)
        .into_tuple()
        .all(&site.read)
        .await
        .unwrap();
    Json(
        counts
            .into_iter()
            .map(|(status, count)| (status, count.into()))
            .collect(),
    )
}

/// The signed-in user: the queries are made, but not checked.
async fn signed_in(site: &Site, headers: &HeaderMap) -> (session::Model, user::Model) {
    assert!(headers.contains_key("cookie"));
    let session = session::Entity::find_by_id(site.session.as_str())
        .one(&site.read)
        .await
        .unwrap()
        .unwrap();
    let user = user::Entity::find_by_id(1)
        .one(&site.read)
        .await
        .unwrap()
        .unwrap();
    (session, user)
}

async fn tickets(State(site): Shared, headers: HeaderMap) -> Html<String> {
    let (_, user) = signed_in(&site, &headers).await;
    let found = ticket::Entity::find()
        .filter(ticket::Column::CustomerId.eq(user.id))
        .order_by_desc(ticket::Column::ChangedAt)
        .order_by_desc(ticket::Column::Id)
        .limit(21)
        .all(&site.read)
        .await
        .unwrap();
    let day = |time: sea_orm::prelude::DateTimeUtc| time.format("%-d %B %Y, %H:%M").to_string();
    let shown = |ticket: &ticket::Model| {
        context! {
            id => ticket.id, subject => ticket.subject.as_str(), body => ticket.body.as_str(), version => ticket.version,
            status => ticket.status.as_str(), status_label => ticket.status.as_str(), customer => ticket.customer_name.as_str(),
            assignee => ticket.assignee_name.as_deref(), opened => day(ticket.opened_at), changed => day(ticket.changed_at),
        }
    };
    let values = context! {
        title => "Your tickets", tickets => found.iter().map(shown).collect::<Vec<_>>(), number => 1, has_more => false, is_queue => false,
        links => Vec::<Value>::new(), user => context! { username => user.username, is_staff => user.is_staff },
        messages => Vec::<Value>::new(),
        filter => context! { fields => vec![field("q", "text"), field("status", "select"), field("order", "select"), field("page", "number")] },
    };
    Html(
        site.templates
            .get_template("tickets/list.html")
            .unwrap()
            .render(values)
            .unwrap(),
    )
}

fn field(name: &str, kind: &str) -> Value {
    let option = |code: &str| context! { value => code, label => code };
    let options = ["open", "waiting", "resolved", "closed"]
        .map(option)
        .to_vec();
    context! {
        name, kind, label => name, help => "", value => "", max_length => 100, required => false, autocomplete => "",
        errors => Vec::<Value>::new(), options,
    }
}

#[derive(serde::Deserialize)]
struct New {
    subject: String,
    body: String,
}

async fn open(State(site): Shared, headers: HeaderMap, Form(new): Form<New>) -> Response {
    let (mut session, user) = signed_in(&site, &headers).await;
    let now: sea_orm::prelude::DateTimeUtc = std::time::SystemTime::now().into();
    let row = ticket::ActiveModel {
        subject: Set(new.subject),
        body: Set(new.body),
        status: Set("open".into()),
        customer_id: Set(user.id),
        customer_name: Set(user.username),
        version: Set(1),
        opened_at: Set(now),
        changed_at: Set(now),
        ..Default::default()
    };
    let tx = site.write.begin().await.unwrap();
    let ticket = sea_orm::ActiveModelTrait::insert(row, &tx).await.unwrap();
    tx.commit().await.unwrap();
    // the message for the next page
    session.expire_date = now;
    let tx = site.write.begin().await.unwrap();
    let kept = session::ActiveModel {
        session_data: Set(session.session_data),
        expire_date: Set(now),
        ..Default::default()
    };
    session::Entity::update_many()
        .set(kept)
        .filter(session::Column::SessionKey.eq(site.session.as_str()))
        .exec(&tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    (
        StatusCode::SEE_OTHER,
        [(LOCATION, format!("/tickets/{}", ticket.id))],
    )
        .into_response()
}
