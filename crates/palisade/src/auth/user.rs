use crate::audit_log::{Entry, Event};
use palisade_crypto::KeyRing;
use palisade_crypto::user_tokens;
use serde::Serialize;

/// An authenticated user, without secrets.
///
/// ```
/// use palisade::prelude::*;
/// async fn hello(user: User) -> String {
///     format!("Hello, {}", user.username)
/// }
/// let routes: Routes = Routes::new().route("/hello", signed_in().get(hello));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// Primary key of `auth_user`.
    pub id: i32,
    /// Username.
    pub username: String,
    /// First name, may be empty.
    pub first_name: String,
    /// Last name, may be empty.
    pub last_name: String,
    /// Email address, may be empty.
    pub email: String,
    /// Staff status.
    pub is_staff: bool,
    /// Superuser status: all permissions.
    pub is_superuser: bool,
}

/// Rank of a new account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// A user without special rights.
    Plain,
    /// Staff.
    Staff,
    /// Superuser.
    Superuser,
}

/// A new account.
///
/// ```
/// # async fn example(site: palisade::app::Site) -> Result<(), palisade::auth::SignUpError> {
/// use palisade::auth::{NewUser, Rank};
/// let new = NewUser {
///     username: "ines",
///     email: "ines@example.org",
///     password: "correct horse battery staple",
///     rank: Rank::Staff,
/// };
/// let user = site.accounts().sign_up(new).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct NewUser<'a> {
    /// Username, validated.
    pub username: &'a str,
    /// Email address, validated.
    pub email: &'a str,
    /// Password in plaintext.
    pub password: &'a str,
    /// Rank of the account.
    pub rank: Rank,
}

pub(crate) mod entity {
    use sea_orm::entity::prelude::*;
    use std::fmt;

    #[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "auth_user")]
    pub struct Model {
        // a custom model may have 64-bit ids: they are read as 32-bit, enough for the number of
        // users
        #[sea_orm(primary_key, select_as = "integer")]
        pub id: i32,
        pub password: String,
        pub last_login: Option<DateTimeUtc>,
        pub is_superuser: bool,
        #[sea_orm(unique)]
        pub username: String,
        pub first_name: String,
        pub last_name: String,
        pub email: String,
        pub is_staff: bool,
        pub is_active: bool,
        pub date_joined: DateTimeUtc,
    }

    impl fmt::Debug for Model {
        /// Without the hash.
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "auth_user {} {:?}", self.id, self.username)
        }
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl User {
    /// An entry of the audit log about the user.
    pub(crate) fn entry(&self, event: Event) -> Entry {
        Entry::new(event).about(self.id).name(&self.username)
    }
}

impl entity::Model {
    /// The same.
    pub(crate) fn entry(&self, event: Event) -> Entry {
        Entry::new(event).about(self.id).name(&self.username)
    }

    /// The user without secrets.
    pub(in crate::auth) fn public(&self) -> User {
        User {
            id: self.id,
            username: self.username.clone(),
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
            email: self.email.clone(),
            is_staff: self.is_staff,
            is_superuser: self.is_superuser,
        }
    }

    /// Binds a session to this password.
    pub(super) fn session_hash(&self, ring: &KeyRing) -> String {
        user_tokens::session_auth_hash(ring, &self.password)
    }

    /// Binds a session to the user's rights.
    pub(super) fn privileges(&self) -> String {
        format!("{}{}", u8::from(self.is_staff), u8::from(self.is_superuser))
    }
}

/// Condition that an account has this address, in any case of its letters.
pub(super) fn same_address(address: &str) -> sea_orm::sea_query::SimpleExpr {
    same_letters(entity::Column::Email, address)
}

pub(super) fn same_letters(column: entity::Column, text: &str) -> sea_orm::sea_query::SimpleExpr {
    use sea_orm::sea_query::{Expr, ExprTrait, Func};
    Expr::expr(Func::lower(Expr::col(column))).eq(Func::lower(Expr::val(text)))
}
