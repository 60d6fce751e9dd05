//! Users: sign-up, login, logout, passwords, email addresses and personal data, in Django's tables.
//!
//! Every failed login takes the same work, and gets the same text and status, whether the name is
//! known, unknown, inactive or without a usable password. Hashing runs on a bounded pool, so that a
//! flood of logins slows logins only.
//!
//! Sign-up and password reset respond identically whether or not the account exists, which prevents
//! user enumeration. Details are sent by mail to the address. The pages are part of the framework,
//! so that updates fix them; a site can replace their templates.

mod access_tokens;
mod account;
mod accounts;
mod email;
mod login;
mod migration;
mod password;
mod settings;
mod tokens;
mod user;
mod users;
pub(crate) mod views;
mod visitor;

pub use access_tokens::DeclaredScope;
pub(crate) use access_tokens::{
    AccessToken, AccessTokenRules, NewAccessToken, OwnAccessTokens, PREFIX as TOKEN_PREFIX,
    TokenEnd, TokenRefusal, TokenUser, find_access_token,
};
pub(crate) use account::erasure::Again;
pub(crate) use account::operator::{Flag, RightChange, set_flag};
pub use account::personal_data::{Kept, PersonalData};
pub use account::personal_rows::PersonalRows;
pub use account::profile::{AccountHooks, Profile};
pub(crate) use account::profile::{ProfileForm, ProfileOf};
pub use account::profile_table::ProfileRow;
pub(crate) use account::profile_table::ProfileTable;
pub(crate) use accounts::AccountParts;
pub use accounts::{Accounts, SignUpError};

pub(crate) use email::notices::Notice;
pub(crate) use login::django_factors::DjangoFactors;
pub(crate) use login::guard::{Guess, LoginChallenge};
pub(crate) use login::known_devices::Trust;
pub use login::locks::{Lock, LockFilter};
pub(crate) use login::methods::LoginMethods;
pub(crate) use login::pending_login::PendingLogin;
pub use login::second_factor::SecondStep;
pub(crate) use login::second_factor::{Factor, FactorRule, SecondFactors};
pub(crate) use login::unsent_forms::{
    MOST_BYTES as MOST_UNSENT_BYTES, SEALED as SEALED_UNSENT, UnsentForm,
};
pub(crate) use login::user_agent::describe;
pub use migration::migrations;
pub(crate) use migration::{create_user_indexes, drop_user_indexes};
pub use password::hash_pool::{HashPool, TooBusy};
pub use settings::{
    CHECKS, HasherKind, LOCKOUT_CHECKS, LockoutSettings, LoginSettings, PasswordSettings,
    WhenUnknown,
};
#[cfg(any(feature = "passkeys", feature = "social"))]
pub(crate) use tokens::Purpose;
pub(crate) use tokens::SEALED;
pub use tokens::{Action, ActionLinks};
pub use user::{NewUser, Rank, User};
pub(crate) use users::{lock_user, names_of_users};
pub use visitor::Visitor;
#[cfg(feature = "social")]
pub(crate) use {email::codes::Coded, email::codes::MailedCode, email::codes::Typed};

/// Session entry of the identity provider's logout page.
pub(crate) const LOGOUT_PAGE: &str = "_palisade_logout_page";
