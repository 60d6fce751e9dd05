//! Users: sign-up, login, logout, passwords, email addresses and personal data, in Django's tables.
//!
//! Every failed login takes the same work, and gets the same text and status, whether the name is
//! known, unknown, inactive or without a usable password. Hashing runs on a bounded pool, so that a
//! flood of logins slows logins only.
//!
//! Sign-up and password reset respond identically whether or not the account exists, which prevents
//! user enumeration. Details are sent by mail to the address. The pages are part of the framework,
//! so that updates fix them; a site can replace their templates.

mod accounts;
mod agent;
mod binding;
mod breached;
mod ceremony;
mod challenge;
mod codes;
mod devices;
mod django_factors;
mod django_links;
#[cfg(feature = "social")]
mod enrolment;
mod epoch;
mod hashing;
mod judging;
mod links;
mod lockout;
mod mail_login;
mod migration;
mod names;
mod notices;
mod operator;
mod personal;
mod recovery;
mod registration;
mod second;
mod settings;
mod tokens;
mod user;
pub(crate) mod views;
mod visitor;
mod ways;

use accounts::Attempt;
pub(crate) use accounts::{AccountParts, Notice};
pub use accounts::{Accounts, NewUser, SignUpError};
pub(crate) use agent::describe;
pub(crate) use challenge::LoginChallenge;
pub(crate) use django_factors::DjangoFactors;
pub use hashing::{HashPool, TooBusy};
pub(crate) use links::Links;
pub(crate) use lockout::Guess;
pub use lockout::{Lifted, Lock};
pub use migration::migrations;
pub(crate) use migration::{create_user_indexes, drop_user_indexes};
pub(crate) use operator::Flag;
pub use personal::PersonalData;
pub use second::SecondStep;
pub(crate) use second::{Factor, FactorRule, Held};
pub use settings::{
    CHECKS, HasherKind, LOCKOUT_CHECKS, LockoutSettings, LoginSettings, PasswordSettings,
    WhenUnknown,
};
#[cfg(any(feature = "passkeys", feature = "social"))]
pub(crate) use tokens::Purpose;
pub(crate) use tokens::SEALED;
pub use user::{Rank, User};
pub use visitor::Visitor;
pub(crate) use ways::LoginWays;
#[cfg(feature = "social")]
pub(crate) use {codes::Coded, codes::MailedCode, codes::Typed};

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
