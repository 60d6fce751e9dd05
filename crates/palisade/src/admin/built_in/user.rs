//! Users, without their password: `Pick<user::Entity>` is a foreign key to them.

use crate::db::Tx;
use crate::forms::{Email, Line, Moment, Username};
use crate::permissions::{Actor, Labelled, Rows, Scoped, Verb};
use crate::views::{Error, Result};
use futures_util::future::BoxFuture;
use palisade_macros::Admin;
use sea_orm::entity::prelude::*;

/// A row of `auth_user`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "auth_user")]
pub struct Model {
    /// The primary key.
    #[sea_orm(primary_key, select_as = "integer")]
    pub id: i32,
    /// Last login.
    pub last_login: Option<DateTimeUtc>,
    /// Whether the user has every permission.
    pub is_superuser: bool,
    /// Login name.
    pub username: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Email address.
    pub email: String,
    /// Whether the user is staff.
    pub is_staff: bool,
    /// Whether the user can log in.
    pub is_active: bool,
    /// Time of the sign-up.
    pub date_joined: DateTimeUtc,
}

/// Relations of the entity: none.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Users see themselves and, with Django's permission `auth.view_user`, all others.
impl Scoped for Entity {
    fn rows(actor: &Actor, verb: Verb) -> Rows<Self> {
        let view = actor.may("auth.view_user") || actor.may("auth.change_user");
        match verb {
            Verb::View => Rows::none()
                .or("own", actor.owns(Column::Id))
                .or("view", view),
            Verb::Change => Rows::none().or("change", actor.may("auth.change_user")),
            // accounts are made by sign-up or command, and deleted with their personal data
            Verb::Create | Verb::Delete => Rows::none(),
        }
    }
}

impl Labelled for Entity {
    fn label() -> Column {
        Column::Username
    }
}

/// Accounts. They are closed, and rights are given, on the page of a user's access; passwords are set
/// by their owners.
#[derive(Admin)]
#[admin(of = Entity, order = "username", guard = guard, without(Add, Delete, Import))]
pub(crate) struct Users {
    #[admin(list, search = start, fixed)]
    username: Username,
    #[admin(list, search = start, fixed)]
    email: Option<Email>,
    first_name: Option<Line<150>>,
    last_name: Option<Line<150>>,
    #[admin(list, filter, fixed)]
    is_active: bool,
    #[admin(list, filter, fixed)]
    is_staff: bool,
    #[admin(filter, fixed)]
    is_superuser: bool,
    #[admin(list, fixed)]
    last_login: Option<Moment>,
    #[admin(filter, fixed)]
    date_joined: Moment,
}

/// Refuses a change of an account that holds more than the actor (escalation of privileges).
fn guard<'a>(actor: &'a Actor, tx: &'a Tx, key: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let id = key.parse().map_err(|_| Error::not_found())?;
        actor.require_account_authority(tx, id).await
    })
}
