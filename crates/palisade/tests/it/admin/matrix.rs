//! Role, resource, operation and field: each answer is computed from the declarations, and compared
//! with that of the site.

use super::desk::{events, on_both, staff, tickets};
use http::StatusCode;
use palisade::admin::Operation;
use palisade::auth::Rank;
use palisade::permissions::PermissionName;
use palisade::sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use palisade::testing::{AdminColumn, AdminResource, Client, TestSite};
use std::collections::BTreeSet;

type Permissions = BTreeSet<&'static str>;

/// A member of staff, by the permissions on a resource.
struct Role {
    name: String,
    permissions: Permissions,
}

fn roles(resource: &AdminResource, others: &[AdminResource]) -> Vec<Role> {
    let all: Permissions = resource.operations.iter().map(|(_, name)| *name).collect();
    let view = resource
        .operations
        .iter()
        .find(|(one, _)| *one == Operation::View);
    let view = view.map(|(_, name)| *name);
    let role = |name: String, permissions: Permissions| Role { name, permissions };
    let mut roles = vec![role("none".into(), Permissions::new())];
    for (operation, permission) in &resource.operations {
        roles.push(role(
            format!("only {}", operation.word()),
            [*permission].into(),
        ));
        let with_view = [*permission].into_iter().chain(view).collect();
        roles.push(role(format!("view and {}", operation.word()), with_view));
    }
    roles.push(role("all operations".into(), all.clone()));
    let columns = resource
        .columns
        .iter()
        .flat_map(|column| [column.view, column.change]);
    let columns = columns.flatten().map(PermissionName::as_str);
    roles.push(role("all".into(), all.into_iter().chain(columns).collect()));
    let of_others = others.iter().filter(|other| other.table != resource.table);
    let of_others = of_others.flat_map(|other| other.operations.iter().map(|(_, name)| *name));
    roles.push(role("all of other resources".into(), of_others.collect()));
    roles
}

impl Role {
    fn holds(&self, permission: Option<PermissionName>) -> bool {
        permission.is_none_or(|name| self.permissions.contains(name.as_str()))
    }

    fn has(&self, resource: &AdminResource, operation: Operation) -> bool {
        let mut all = resource.operations.iter();
        all.any(|(one, name)| *one == operation && self.permissions.contains(name))
    }

    /// The answer to an operation: who may change rows sees them, and the others see nothing.
    fn expected(&self, resource: &AdminResource, operation: Operation) -> StatusCode {
        let sees = self.has(resource, Operation::View) || self.has(resource, Operation::Change);
        let exists = resource.operations.iter().any(|(one, _)| *one == operation);
        match (sees, operation) {
            (false, _) => StatusCode::NOT_FOUND,
            (true, Operation::View) => StatusCode::OK,
            (true, _) if !exists => StatusCode::NOT_FOUND,
            // an import adds rows
            (true, Operation::Import) if !self.has(resource, Operation::Add) => {
                StatusCode::FORBIDDEN
            }
            (true, _) if self.has(resource, operation) => StatusCode::OK,
            (true, _) => StatusCode::FORBIDDEN,
        }
    }
}

/// The declared values of a row, as text.
async fn row(db: &DatabaseConnection, resource: &AdminResource, key: i32) -> String {
    let columns = resource.columns.iter();
    let texts: Vec<String> = columns
        .map(|column| format!("coalesce(CAST({} AS text), '-')", column.name))
        .collect();
    let sql = format!(
        "SELECT {} AS it FROM {} WHERE id = {key}",
        texts.join(" || ' ' || "),
        resource.table
    );
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let found = db.query_one_raw(statement).await.unwrap();
    found.expect("the row is there").try_get("", "it").unwrap()
}

/// A value of a row, as text.
async fn value_of(
    db: &DatabaseConnection,
    (resource, column): (&AdminResource, &str),
    key: i32,
) -> String {
    let sql = format!(
        "SELECT CAST({column} AS text) AS it FROM {} WHERE id = {key}",
        resource.table
    );
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let found = db.query_one_raw(statement).await.unwrap();
    let value: String = found.unwrap().try_get("", "it").unwrap();
    value.replace(' ', "+")
}

/// Every page and every change of a resource.
async fn operations(client: &mut Client, (role, resource): (&Role, &AdminResource), key: i32) {
    let list = format!("/office/{}", resource.name);
    let row = format!("{list}/row/{key}");
    let pages = [
        (Operation::View, list.clone()),
        (Operation::View, row.clone()),
        (Operation::View, format!("{row}/history")),
        (Operation::Add, format!("{list}/add")),
        (Operation::Delete, format!("{row}/delete")),
        (Operation::Export, format!("{list}/export")),
        (Operation::Import, format!("{list}/import")),
    ];
    for (operation, path) in &pages {
        let answer = client.get(path).await;
        let expected = role.expected(resource, *operation);
        assert_eq!(
            answer.status, expected,
            "{} {path}: {}",
            role.name, answer.body
        );
        let denied = if expected == StatusCode::OK {
            vec![]
        } else {
            vec!["access_denied"]
        };
        assert_eq!(events(&answer), denied, "{} {path}", role.name);
    }
    let changes = [
        (Operation::Add, format!("{list}/add")),
        (Operation::Change, row.clone()),
        (Operation::Delete, format!("{row}/delete")),
        (Operation::Export, format!("{list}/export")),
        (Operation::Import, format!("{list}/import")),
        (Operation::Import, format!("{list}/import/run")),
        (Operation::Change, format!("{row}/undo")),
        (Operation::Delete, format!("{list}/action")),
        (Operation::Delete, format!("{list}/action/run")),
    ];
    for (operation, path) in &changes {
        let expected = role.expected(resource, *operation);
        // a file that no `add` admits is in `views_and_imports`
        let is_file = *operation == Operation::Import && role.has(resource, *operation);
        if expected == StatusCode::OK || is_file {
            continue;
        }
        let key = key.to_string();
        let form = match path.contains("/action") {
            true => vec![("action", "delete"), ("key", &*key)],
            false => vec![("format", "csv"), ("why", "x")],
        };
        let answer = client.submit("/office", path, &form).await;
        assert_eq!(answer.status, expected, "{} POST {path}", role.name);
        assert_eq!(
            events(&answer),
            ["access_denied"],
            "{} POST {path}",
            role.name
        );
    }
}

/// Filter, order, form, and forged values of every field.
async fn fields(
    client: &mut Client,
    (role, resource): (&Role, &AdminResource),
    (db, key): (&DatabaseConnection, i32),
) {
    let list = format!("/office/{}", resource.name);
    let path = format!("{list}/row/{key}");
    let (page, form) = (client.get(&list).await.body, client.get(&path).await);
    let may_change = role.has(resource, Operation::Change);
    let exported =
        match role.has(resource, Operation::Export) && role.has(resource, Operation::View) {
            true => {
                let wanted = [("format", "csv"), ("query", "")];
                let file = client
                    .submit(&list, &format!("{list}/export"), &wanted)
                    .await;
                assert_eq!(file.status, StatusCode::OK, "{}", file.body);
                Some(file.body)
            }
            false => None,
        };
    for column in &resource.columns {
        let AdminColumn { name, .. } = column;
        let sees = role.holds(column.view);
        let writes = sees && may_change && !column.is_fixed && role.holds(column.change);
        let what = format!("{}: {}.{name}", role.name, resource.name);
        let order = client.get(&format!("{list}?order={name}")).await;
        let expected = if sees && column.is_listed { 200 } else { 400 };
        assert_eq!(order.status, expected, "{what}");
        if !(sees && column.is_filter) {
            let filter = client.get(&format!("{list}?{name}=1")).await;
            assert_eq!(filter.status, 400, "{what}");
        }
        if column.is_searched {
            // the value of the row is found by users who see a column with it
            let value = value_of(db, (resource, name), key).await;
            let found = client.get(&format!("{list}?q={value}")).await;
            assert_eq!(found.status, 200, "{what}");
            let has_it = |other: &AdminColumn| other.is_searched && role.holds(other.view);
            let by_another = resource
                .columns
                .iter()
                .any(|other| has_it(other) && other.name != *name);
            let is_found = found.body.contains("class=\"row-link\"");
            assert!(is_found == sees || (is_found && by_another), "{what}");
        }
        let is_linked =
            page.contains(&format!("order={name}")) || page.contains(&format!("order=-{name}"));
        assert_eq!(is_linked, sees && column.is_listed, "{what}: {page}");
        let has_input = form.body.contains(&format!("name=\"{name}\""));
        assert_eq!(has_input, writes, "{what}: {}", form.body);
        if let Some(file) = &exported {
            let head = file.lines().next().unwrap_or_default();
            let has = head
                .trim_start_matches('\u{feff}')
                .split(',')
                .any(|one| one.trim_matches('"') == *name);
            assert_eq!(has, sees, "{what}: {head}");
        }
        if may_change && !writes {
            let seen = form.hidden_field("seen").unwrap_or_default();
            let forged = client
                .submit(&path, &path, &[(*name, "1"), ("seen", &seen)])
                .await;
            assert!(forged.status.is_client_error(), "{what}: {}", forged.status);
            assert_eq!(events(&forged), ["access_denied"], "{what}");
        }
    }
}

async fn with_permissions(
    site: &TestSite,
    role: &Role,
    change: impl AsyncFn(&TestSite, &'static str),
) {
    for permission in &role.permissions {
        change(site, permission).await;
    }
}

/// A row of each resource.
async fn key_of(site: &TestSite, resource: &AdminResource, ticket: i32) -> i32 {
    match resource.table {
        "auth_user" => site.id_of("ann").await,
        "desk_ticket" => ticket,
        _ => 1,
    }
}

// D04, D09, D36, D41 to D49; ASVS 8.2.1, 8.2.2, 8.2.3
#[tokio::test]
async fn roles_resources_operations_and_fields_agree_with_the_declarations() {
    on_both(async |site| {
        site.sign_in("ann", Rank::Plain).await;
        let first = tickets(site, site.id_of("ann").await, 3).await;
        let url = site.owner_url().map_or_else(
            || format!("sqlite:{}", site.folder().join("site.sqlite3").display()),
            str::to_owned,
        );
        let db = palisade::testing::connect(url).await;
        let comment =
            format!("INSERT INTO desk_comment (ticket_id, text) VALUES ({first}, 'hello')");
        for sql in [
            &*comment,
            "INSERT INTO auth_group (name) VALUES ('readers')",
        ] {
            db.execute_unprepared(sql).await.unwrap();
        }
        let resources = site.admin_resources();
        let mut asked = 0;
        for resource in &resources {
            // exports of a user have a rate
            let user = &*format!("staff-{}", resource.name);
            let mut client = staff(site, user, &[]).await;
            let key = key_of(site, resource, first).await;
            let before = row(&db, resource, key).await;
            for role in roles(resource, &resources) {
                with_permissions(site, &role, async |site, permission| {
                    site.grant(user, permission).await
                })
                .await;
                operations(&mut client, (&role, resource), key).await;
                if role.expected(resource, Operation::View) == StatusCode::OK {
                    fields(&mut client, (&role, resource), (&db, key)).await;
                }
                assert_eq!(row(&db, resource, key).await, before, "{}", role.name);
                with_permissions(site, &role, async |site, permission| {
                    site.revoke(user, permission).await
                })
                .await;
                asked += 1;
            }
        }
        assert!(asked > 30, "{asked} roles of {} resources", resources.len());
    })
    .await;
}
