//! The admin of the site and Django's, on one PostgreSQL: the same permissions, and one log.

use super::pair::{Pair, Variant};
use palisade::auth::Rank;
use palisade::prelude::*;
use palisade::testing::TestSite;

const ON_POSTGRES: Variant = Variant {
    postgres: true,
    user_model: "auth.User",
    csrf_in_session: false,
};

#[tokio::test]
async fn both_admins_see_the_same_permissions_and_log() {
    let Some(pair) = Pair::prepared(ON_POSTGRES) else {
        return;
    };
    let app = App::new()
        .admin(Admin::new())
        .routes(Routes::new().route("/", public().get(async || "front")));
    let settings = [
        ("database.url", &*pair.database_url),
        ("django.beside", "true"),
        ("admin.path", "/office"),
        ("throttle.changes", "1000000/m"),
    ];
    let site = TestSite::start(app, &settings).await;
    let mut ines = site.sign_in("ines", Rank::Staff).await;
    // permissions: Django's grant counts here, ours there
    let give = "[User.objects.get(username='ines').user_permissions.add(p) for p in __import__('django.contrib.auth.models', fromlist=['P']).Permission.objects.filter(codename='view_user')] and 1";
    assert_eq!(ines.get("/office/users").await.status, 404);
    assert_eq!(pair.ask_django(give), "1");
    assert_eq!(ines.get("/office/users").await.status, 200);
    site.grant("ines", "auth.change_user").await;
    assert_eq!(
        pair.ask_django("User.objects.get(username='ines').has_perm('auth.change_user')"),
        "True"
    );

    // ours in Django's log
    site.sign_in("ben", Rank::Plain).await;
    let id = site.id_of("ben").await;
    let path = format!("/office/users/row/{id}");
    let page = ines.get(&path).await;
    let seen = page.hidden_field("seen").unwrap();
    let fields = [
        ("first_name", "Benjamin"),
        ("last_name", ""),
        ("seen", &seen),
    ];
    let saved = ines.submit(&path, &path, &fields).await;
    assert_eq!(saved.status, 303, "{}", saved.body);
    let log = "[(e.user.username, e.action_flag, e.get_change_message(), str(e.get_edited_object()), e.get_admin_url()) for e in __import__('django.contrib.admin.models', fromlist=['L']).LogEntry.objects.all()]";
    let expected =
        format!("[('ines', 2, 'Changed First name.', 'ben', '/admin/auth/user/{id}/change/')]");
    assert_eq!(pair.ask_django(log), expected);

    // and Django's in ours
    let write = format!(
        "__import__('django.contrib.admin.models', fromlist=['L']).LogEntry.objects.log_actions(User.objects.get(username='ines').pk, User.objects.filter(pk={id}), 2, 'by Django <b>') and 1"
    );
    pair.ask_django(&write);
    let history = ines.get(&format!("{path}/history")).await;
    assert!(
        history.body.contains("by Django &lt;b&gt;"),
        "{}",
        history.body
    );
    assert!(history.body.contains("<ins>Benjamin</ins>"));
}
