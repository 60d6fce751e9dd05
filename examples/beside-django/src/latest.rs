//! The latest posts, and replies to them: the first migrated URLs.

use crate::entity::{forum_post, forum_topic};
use palisade::prelude::*;
use palisade::sea_orm::prelude::{ChronoUtc, DateTimeUtc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Order, Query, SelectStatement};
use sea_orm::{ConnectionTrait, EntityTrait, QueryResult, QuerySelect, Set};

#[derive(Form)]
pub struct Answer {
    #[form(label = "Your answer")]
    text: Text<5_000>,
}

/// `GET /latest`
pub async fn list(page: Page, db: Db) -> Result<Response> {
    let rows = db
        .query_all(
            posts(&db)
                .order_by(("forum_post", "written"), Order::Desc)
                .limit(20),
        )
        .await?;
    let posts: Vec<Value> = rows.iter().map(shown).collect::<Result<_>>()?;
    page.render("latest.html", context! { posts }).await
}

/// Posts with their topics and authors, for any user model.
fn posts(db: &Db) -> SelectStatement {
    let post = |column: &'static str| Expr::col(("forum_post", column));
    let author = Alias::new(&db.users().users);
    Query::select()
        .columns([
            ("forum_post", "id"),
            ("forum_post", "text"),
            ("forum_post", "written"),
            ("forum_post", "topic_id"),
        ])
        .column(("forum_topic", "title"))
        .column((author.clone(), "username"))
        .from("forum_post")
        .inner_join(
            "forum_topic",
            post("topic_id").equals(("forum_topic", "id")),
        )
        .inner_join(author.clone(), post("author_id").equals((author, "id")))
        .to_owned()
}

fn shown(row: &QueryResult) -> Result<Value> {
    let written: DateTimeUtc = row.try_get("", "written")?;
    Ok(context! {
        id => row.try_get::<i64>("", "id")?, text => row.try_get::<String>("", "text")?, topic_id => row.try_get::<i64>("", "topic_id")?,
        topic => row.try_get::<String>("", "title")?, author => row.try_get::<String>("", "username")?,
        written => written.format("%-d %B %Y, %H:%M").to_string(),
    })
}

/// `GET /latest/{id}/answer`
pub async fn ask(page: Page, db: Db, Path(id): Path<i64>) -> Result<Response> {
    let (_, asked) = find(&db, id).await?;
    page.render(
        "answer.html",
        context! { asked, form => Form::<Answer>::blank() },
    )
    .await
}

/// `POST /latest/{id}/answer`
pub async fn answer(
    user: User,
    db: Db,
    session: Session,
    Path(id): Path<i64>,
    form: Form<Answer>,
) -> Result<Response> {
    let (topic_id, asked) = find(&db, id).await?;
    let new = form
        .valid_or_show_with("answer.html", context! { asked })
        .await?;
    let post = forum_post::ActiveModel {
        text: Set(new.text.to_string()),
        written: Set(ChronoUtc::now().into()),
        author_id: Set(user.id),
        topic_id: Set(topic_id),
        answers_id: Set(Some(id)),
        stars: Set(0.into()),
        ..Default::default()
    };
    let tx = db.begin().await?;
    forum_post::Entity::insert(post)
        .exec_without_returning(&tx)
        .await?;
    tx.commit().await?;
    session
        .message(MessageLevel::Success, "Your answer is kept.")
        .await?;
    Ok(redirect_to("/latest"))
}

/// The topic and the text of a post that is open for answers.
async fn find(db: &Db, id: i64) -> Result<(i64, String)> {
    let columns = [forum_post::Column::TopicId, forum_post::Column::Text];
    let found: Option<(i64, String)> = forum_post::Entity::find_by_id(id)
        .select_only()
        .columns(columns)
        .into_tuple()
        .one(db)
        .await?;
    let (topic_id, text) = found.or_404()?;
    let topic = forum_topic::Entity::find_by_id(topic_id)
        .select_only()
        .column(forum_topic::Column::IsClosed);
    match topic.into_tuple::<bool>().one(db).await? {
        Some(false) => Ok((topic_id, text)),
        _ => Err(Error::new(ErrorKind::Conflict, "This topic is closed.")),
    }
}

/// `GET /moderate`: for users with the permission, which Django's admin grants.
pub async fn moderate() -> &'static str {
    "moderate"
}
