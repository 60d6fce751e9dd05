//! Authentication by a personal access token.

use super::rows::palisade_access_token::Model as AccessToken;
use super::rows::palisade_access_token::{Column, Entity};
use super::rules::{TokenRefusal, TokenUser};
use super::{format, notices, rows};
use crate::audit_log::{self, Entry, Event};
use crate::auth::accounts::Accounts;
use crate::auth::user::entity::Model;
use crate::db::Tx;
use crate::http::{ClientAddress, network};
use crate::views::{Error, Result};
use palisade_crypto::{constant_time_eq, random};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter};

/// Seconds between two records of the use of a token from one network.
const RECORDED_EVERY: i64 = 600;

impl Accounts {
    /// The token and its user.
    pub(crate) async fn authenticate_token(
        &self,
        token: &str,
        client: ClientAddress,
    ) -> Result<(AccessToken, TokenUser), TokenRefusal> {
        let wrong = |why| Err(TokenRefusal::Wrong(why));
        if !format::is_well_formed(token) {
            return wrong("its checksum is wrong");
        }
        let found = rows::find(&self.database.handle(), &random::stored_hash(token)).await;
        let found = found.map_err(Error::from)?;
        let Some((row, account, epoch)) = found else {
            return wrong("it is unknown");
        };
        if let Some(why) = self.objection(&row, (&account, epoch), client) {
            return wrong(why);
        }
        self.record_use(&row, client).await?;
        let user = TokenUser {
            user: account.public(),
            has_factor: row.has_factor,
        };
        Ok((row, user))
    }

    fn objection(
        &self,
        row: &AccessToken,
        (account, epoch): (&Model, i64),
        client: ClientAddress,
    ) -> Option<&'static str> {
        let bindings = self.bindings_of(account, epoch);
        let is_bound = |known: &String| constant_time_eq(known.as_bytes(), row.bound_to.as_bytes());
        let is_from = match &row.networks {
            Some(_) => row.networks().is_some_and(|all| all.contains(client.0)),
            None => true,
        };
        let now = self.now().timestamp();
        let rules = [
            (row.ended.is_none(), "it was revoked"),
            (row.expires > now, "it has expired"),
            (account.is_active, "the account of its user is closed"),
            (
                bindings.iter().any(is_bound),
                "its user has changed the password or has ended all sessions",
            ),
            (is_from, "it is not valid in this network"),
        ];
        rules
            .into_iter()
            .find(|(holds, _)| !holds)
            .map(|(_, why)| why)
    }

    /// Records time and network of a use, and tells the owner of another network than before: at
    /// most one write in ten minutes, and one notice in a day.
    async fn record_use(&self, row: &AccessToken, client: ClientAddress) -> Result<()> {
        let (now, from) = (self.now().timestamp(), network(client.0).to_string());
        let is_past = |at: Option<i64>, seconds: i64| at.is_none_or(|at| now - at >= seconds);
        let is_elsewhere = row.used_from.as_ref().is_some_and(|known| *known != from);
        let has_moved = is_elsewhere && is_past(row.moved, rows::DAY);
        if !has_moved && !is_past(row.used, RECORDED_EVERY) {
            return Ok(());
        }
        let mut used = Entity::update_many()
            .col_expr(Column::Used, Expr::value(now))
            .col_expr(Column::UsedFrom, Expr::value(from))
            .filter(Column::Id.eq(row.id));
        if has_moved {
            used = used.col_expr(Column::Moved, Expr::value(now));
        }
        let write = async |tx: &Tx| -> Result<()> {
            used.clone().exec(tx).await?;
            match has_moved {
                true => self.tell_of_move(tx, row).await,
                false => Ok(()),
            }
        };
        self.database.write_always(write).await
    }

    async fn tell_of_move(&self, tx: &Tx, row: &AccessToken) -> Result<()> {
        let entry = Entry::new(Event::TokenMoved).about(row.user_id);
        audit_log::record_in(tx, entry.detail(row.name.clone())).await?;
        self.notify_of_tokens(tx, row.user_id, &notices::moved(&row.name))
            .await
    }
}

/// Ties the tokens of a user to a new hash of the same password.
pub(in crate::auth) async fn rebind(
    tx: &Tx,
    user_id: i32,
    (before, now): (&[String], &str),
) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::BoundTo, Expr::value(now))
        .filter(Column::UserId.eq(user_id))
        .filter(Column::BoundTo.is_in(before))
        .exec(tx)
        .await
        .map(drop)
}
