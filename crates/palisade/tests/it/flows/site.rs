//! A site with payments that must happen once, and orders that move through states.

use palisade::db::Migration;
use palisade::flows::{Once, Quota, States};
use palisade::forms::Seen;
use palisade::prelude::*;
use palisade::sea_orm_migration::prelude::Table;
use palisade::sea_orm_migration::schema::*;
use palisade::testing::{Client, TestDatabase, TestSite};

#[derive(Choice, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    Cart,
    Paid,
    Sent,
    Cancelled,
}

#[derive(Clone, Copy, Debug)]
pub enum Side {
    Customer,
    Shop,
}

impl States for Status {
    type Side = Side;
    const SIDES: &'static [Side] = &[Side::Customer, Side::Shop];

    fn next(self, side: Side) -> &'static [Self] {
        match (self, side) {
            (Self::Cart, Side::Customer) => &[Self::Paid, Self::Cancelled],
            (Self::Paid, Side::Shop) => &[Self::Sent, Self::Cancelled],
            _ => &[],
        }
    }
}

pub mod order {
    use palisade::entity::*;
    use palisade::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "shop_order")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub owner_id: i32,
        pub requested_by: i32,
        pub title: String,
        pub note: String,
        pub status: String,
        pub moves: i32,
    }

    impl ActiveModelBehavior for ActiveModel {}

    impl Scoped for Entity {
        fn rows(actor: &Actor, verb: Verb) -> Rows<Self> {
            let rows = Rows::none().or("signed in", actor.id().is_some());
            match verb {
                Verb::Delete => rows.and("another person", actor.is_not(Column::RequestedBy)),
                _ => rows,
            }
        }
    }
}

pub mod payment {
    use palisade::entity::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "payment")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub user_id: i32,
        pub amount: i64,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

#[derive(Form)]
struct Payment {
    amount: Number<1, 1000>,
}

#[derive(Form)]
struct Move {
    from: Status,
    to: Status,
}

#[derive(Form)]
#[form(entity = order::Entity)]
struct EditOrder {
    title: Line<120>,
    note: Text<1000>,
    seen: Seen,
}

const REFUNDS: Quota = Quota::per_day("refunds", 3);

async fn insert(tx: &Tx, user: i32, amount: i64) -> Result<()> {
    let paid = sql!(
        "INSERT INTO payment (user_id, amount) VALUES (?, ?)",
        user,
        amount
    );
    tx.execute_sql(paid).await?;
    Ok(())
}

async fn pay(user: User, db: Db, once: Once<Form<Payment>>) -> Result<Response> {
    let (key, form) = once.into_parts();
    let amount = form.valid_or_show("pay.html").await?.amount.get();
    key.write(&db, async |tx| {
        insert(tx, user.id, amount).await?;
        if amount == 666 {
            return Err(Error::conflict("The bank refused this."));
        }
        Ok(redirect_to(format!(
            "/paid/{}",
            palisade::crypto::random::nonce()
        )))
    })
    .await
}

async fn pay_by_api(user: User, db: Db, once: Once<Json<Payment>>) -> Result<Response> {
    let (key, Json(payment)) = once.into_parts();
    key.write(&db, async |tx| {
        insert(tx, user.id, payment.amount.get()).await?;
        let receipt = palisade::crypto::random::nonce();
        Ok((http::StatusCode::CREATED, Json(receipt)))
    })
    .await
}

async fn refund(user: User, db: Db) -> Result<&'static str> {
    let refund = async |tx: &Tx| {
        REFUNDS.take(tx, user.id).await?;
        insert(tx, user.id, -1).await
    };
    db.write(refund).await?;
    Ok("refunded")
}

async fn advance(
    db: Db,
    order: Allowed<order::Entity, Change>,
    form: Form<Move>,
) -> Result<&'static str> {
    let Move { from, to } = form.valid()?;
    let side = match order.actor().is_staff() {
        true => Side::Shop,
        false => Side::Customer,
    };
    let change = order::ActiveModel {
        moves: sea_orm::Set(order.moves + 1),
        ..Default::default()
    };
    let column = (order::Column::Status, side);
    db.write(async |tx| order.access().advance(tx, column, (from, to), change).await)
        .await?;
    Ok("moved")
}

async fn edit(
    page: Page,
    order: Allowed<order::Entity, Change>,
    form: FormView<EditOrder>,
) -> Result<Response> {
    page.render("edit.html", context! { form => form.filled(&*order) })
        .await
}

async fn save(
    db: Db,
    order: Allowed<order::Entity, Change>,
    form: Form<EditOrder>,
) -> Result<Response> {
    order.access().change_by(&db, form, "edit.html").await?;
    Ok(redirect_to(format!("/orders/{}/edit", order.id)))
}

async fn delete(db: Db, order: Allowed<order::Entity, Delete>) -> Result<&'static str> {
    db.write(async |tx| order.delete(tx).await).await?;
    Ok("deleted")
}

fn migrations() -> Vec<Migration> {
    let order = Table::create()
        .table("shop_order")
        .col(pk_auto("id"))
        .col(integer("owner_id"))
        .col(integer("requested_by"))
        .col(string_len("title", 120))
        .col(text("note"))
        .col(string_len("status", 20))
        .col(integer("moves"))
        .take();
    let payment = Table::create()
        .table("payment")
        .col(pk_auto("id"))
        .col(integer("user_id"))
        .col(big_integer("amount"))
        .take();
    vec![
        Migration::new("shop_0001_order")
            .create_table(order)
            .create_table(payment),
    ]
}

pub fn app() -> App {
    use palisade::template::Layer;
    let pages = Layer::embedded(&[
        (
            "pay.html",
            "{% extends 'base.html' %}{% from 'palisade/form.html' import fields %}{% block main %}<form method=\"post\" action=\"/pay\">{{ fields(form) }}<button>Pay</button></form>{% endblock %}",
        ),
        (
            "edit.html",
            "{% extends 'base.html' %}{% from 'palisade/form.html' import fields %}{% block main %}<form method=\"post\">{{ fields(form) }}<button>Save</button></form>{% endblock %}",
        ),
    ]);
    App::new()
        .schema(migrations)
        .templates(pages)
        .entity::<order::Entity>()
        .routes(
            Routes::new()
                .route(
                    "/pay",
                    signed_in().get(show_form::<Payment>("pay.html")).post(pay),
                )
                .route("/api/pay", signed_in().post(pay_by_api))
                .route("/refund", signed_in().post(refund))
                .route("/orders/{id}/edit", signed_in().get(edit).post(save))
                .route("/orders/{id}/advance", signed_in().post(advance))
                .route("/orders/{id}/delete", signed_in().post(delete)),
        )
}

pub async fn on_both(test: impl AsyncFn(&TestSite)) {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some(site) = TestSite::start_on(database, app(), &[]).await else {
            continue;
        };
        test(&site).await;
    }
}

/// A token of a page of this client.
pub async fn token(client: &mut Client) -> String {
    client.get("/pay").await.token().unwrap()
}

pub async fn payments(site: &TestSite) -> usize {
    use palisade::entity::*;
    let db = site.site().database().handle();
    payment::Entity::find().all(&db).await.unwrap().len()
}

pub async fn order_of(site: &TestSite, user: i32) -> i32 {
    use palisade::entity::*;
    let row = order::ActiveModel {
        owner_id: Set(user),
        requested_by: Set(user),
        title: Set("Tea".into()),
        note: Set("green".into()),
        status: Set("cart".into()),
        moves: Set(0),
        ..Default::default()
    };
    let database = site.site().database();
    let added = database.write(async |tx| tx.insert_row(row).await).await;
    added.unwrap().id
}
