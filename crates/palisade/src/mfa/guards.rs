//! Conditions that the pages of second factors share.

use super::Factors;
#[cfg(feature = "passkeys")]
use super::keys::only_way;
use crate::audit_log::Event;
use crate::auth::views::audit;
use crate::auth::{User, Visitor};
use crate::views::{Error, ErrorKind, Result};
use palisade_macros::Form;
use std::any::Any;

#[derive(Form)]
pub(crate) struct Nothing {}

/// The factors of the visitor's site.
pub(super) fn factors(visitor: &Visitor) -> Result<&Factors> {
    let step: &dyn Any = &*visitor.accounts().second_step;
    step.downcast_ref()
        .ok_or_else(|| Error::bug("the second step is not that of mfa"))
}

/// A factor was used: cancels the removal of factors that were reported as lost.
pub(super) async fn nothing_is_lost(visitor: &Visitor, user: &User) -> Result<()> {
    if factors(visitor)?.keep(user.id).await? {
        audit(visitor, Event::FactorKept, &user.username);
    }
    Ok(())
}

/// A trusted browser skips the code at login, but not for changes of the factors: it may be stolen.
pub(super) async fn may_change_factors(visitor: &Visitor, user: &User) -> Result<()> {
    if visitor.accounts().second_step.is_needed(user.id).await? {
        typed_a_code(visitor).await
    } else {
        Ok(())
    }
}

pub(super) async fn typed_a_code(visitor: &Visitor) -> Result<()> {
    let said = "You logged in without a code or a passkey. Revoke the trust in all browsers below, log in with a second factor, and come back.";
    if visitor.has_typed_code().await? {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::Forbidden, said))
    }
}

#[cfg(feature = "passkeys")]
/// Refuses a user who would lose their only login method.
pub(super) async fn keeps_a_way_in(visitor: &Visitor, user: &User) -> Result<()> {
    let is_needed =
        factors(visitor)?.has_key(user.id).await? && !visitor.accounts().has_way_in(user).await?;
    if is_needed { Err(only_way()) } else { Ok(()) }
}
