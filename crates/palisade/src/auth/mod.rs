//! Users: sign-up, login, logout, passwords, email addresses and personal data, in Django's tables.
//!
//! Every failed login takes the same work, and gets the same text and status, whether the name is
//! known, unknown, inactive or without a usable password. Hashing runs on a bounded pool, so that a
//! flood of logins slows logins only.
//!
//! Sign-up and password reset respond identically whether or not the account exists, which prevents
//! user enumeration. Details are sent by mail to the address. The pages are part of the framework,
//! so that updates fix them; a site can replace their templates.

mod account;
mod accounts;
mod email;
mod epoch;
mod login;
mod migration;
mod password;
mod settings;
mod user;
pub(crate) mod views;
mod visitor;

pub(crate) use account::operator::Flag;
pub use account::personal_data::PersonalData;
use accounts::Attempt;
pub(crate) use accounts::{AccountParts, Notice};
pub use accounts::{Accounts, NewUser, SignUpError};
pub(crate) use email::links::Links;
#[cfg(any(feature = "passkeys", feature = "social"))]
pub(crate) use email::tokens::Purpose;
pub(crate) use email::tokens::SEALED;
pub(crate) use login::challenge::LoginChallenge;
pub(crate) use login::django_factors::DjangoFactors;
pub(crate) use login::lockout::Guess;
pub use login::lockout::{Lifted, Lock};
pub(crate) use login::methods::LoginWays;
pub use login::second_factor::SecondStep;
pub(crate) use login::second_factor::{Factor, FactorRule, Held};
pub(crate) use login::user_agent::describe;
pub use migration::migrations;
pub(crate) use migration::{create_user_indexes, drop_user_indexes};
pub use password::hash_pool::{HashPool, TooBusy};
pub use settings::{
    CHECKS, HasherKind, LOCKOUT_CHECKS, LockoutSettings, LoginSettings, PasswordSettings,
    WhenUnknown,
};
pub use user::{Rank, User};
pub use visitor::Visitor;
#[cfg(feature = "social")]
pub(crate) use {email::codes::Coded, email::codes::MailedCode, email::codes::Typed};

/// Session entry of the identity provider's logout page.
pub(crate) const LOGOUT_PAGE: &str = "_palisade_logout_page";

/// Condition that an account has this address, in any case of its letters.
fn same_address(address: &str) -> sea_orm::sea_query::SimpleExpr {
    same_letters(user::entity::Column::Email, address)
}

fn same_letters(column: user::entity::Column, text: &str) -> sea_orm::sea_query::SimpleExpr {
    use sea_orm::sea_query::{Expr, ExprTrait, Func};
    Expr::expr(Func::lower(Expr::col(column))).eq(Func::lower(Expr::val(text)))
}
