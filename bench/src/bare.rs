//! The same pages with axum, minijinja and SQLite alone: the baseline.

use axum::extract::State;
use axum::response::Html;
use axum::{Router, routing::get};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, TemplateSource, Value, context};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use std::sync::Arc;

type Shared = Arc<(Environment<'static>, DatabaseConnection)>;

pub async fn serve(database: &str, port: u16) {
    let mut options = sea_orm::ConnectOptions::new(format!("sqlite://{database}?mode=ro"));
    options.max_connections(8).sqlx_logging(false);
    let shared: Shared = Arc::new((environment(), sea_orm::Database::connect(options).await.unwrap()));
    let app = Router::new().route("/", get(front)).route("/tickets", get(tickets)).with_state(shared);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    axum::serve(listener, app).await.unwrap();
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().unwrap());
    environment.set_loader(move |name| {
        let own = name.strip_prefix("palisade/").unwrap_or(name);
        let folders = ["examples/helpdesk/templates", "crates/palisade/src/views/templates"];
        let text =
            folders.iter().zip([name, own]).find_map(|(folder, name)| std::fs::read_to_string(root.join(folder).join(name)).ok());
        Ok(text.map(TemplateSource::new))
    });
    environment
}

async fn front(State(shared): State<Shared>) -> Html<String> {
    let values = context! { user => (), messages => Vec::<Value>::new() };
    Html(shared.0.get_template("front.html").unwrap().render(values).unwrap())
}

fn day(row: &sea_orm::QueryResult, column: &str) -> String {
    row.try_get::<sea_orm::prelude::DateTimeUtc>("", column).unwrap().format("%-d %B %Y, %H:%M").to_string()
}

/// As many queries as the guarded page needs: the session, the user, the tickets.
async fn tickets(State(shared): State<Shared>) -> Html<String> {
    let all = |sql: &'static str| shared.1.query_all_raw(Statement::from_string(DbBackend::Sqlite, sql));
    all("SELECT session_data FROM django_session LIMIT 1").await.unwrap();
    let user = all("SELECT username FROM auth_user WHERE id = 1").await.unwrap();
    let rows = all("SELECT id, subject, status, opened_at, changed_at FROM helpdesk_ticket WHERE customer_id = 1 ORDER BY changed_at DESC LIMIT 21")
        .await
        .unwrap();
    let text = |row: &sea_orm::QueryResult, name: &str| row.try_get::<String>("", name).unwrap();
    let ticket = |row: &sea_orm::QueryResult| {
        let status = text(row, "status");
        context! {
            id => row.try_get::<i32>("", "id").unwrap(), subject => text(row, "subject"), status => status.as_str(),
            status_label => status.as_str(), opened => day(row, "opened_at"), changed => day(row, "changed_at"),
        }
    };
    let field = |name: &str, kind: &str| {
        let options = vec![context! { value => "open", label => "Open" }, context! { value => "closed", label => "Closed" }];
        context! {
            name, kind, label => name, help => "", value => "", max_length => 100, required => false, autocomplete => "",
            errors => Vec::<Value>::new(), options,
        }
    };
    let values = context! {
        title => "Your tickets", tickets => rows.iter().map(ticket).collect::<Vec<_>>(), number => 1, has_more => false, is_queue => false,
        links => Vec::<Value>::new(), user => context! { username => text(&user[0], "username"), is_staff => false },
        messages => Vec::<Value>::new(),
        filter => context! { fields => vec![field("q", "text"), field("status", "select"), field("order", "select")] },
    };
    Html(shared.0.get_template("tickets/list.html").unwrap().render(values).unwrap())
}
