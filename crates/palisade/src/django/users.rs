use crate::settings::setting_from_str;
use std::fmt;
use std::str::FromStr;

/// Django's `AUTH_USER_MODEL`: `auth.User`, or a custom one, such as `forum.Member`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserModel {
    app: String,
    model: String,
}

setting_from_str!(
    UserModel,
    "AUTH_USER_MODEL as Django writes it, such as auth.User or forum.Member"
);

impl FromStr for UserModel {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (app, model) = text.split_once('.').ok_or(())?;
        if [app, model].into_iter().all(is_identifier) {
            Ok(Self {
                app: app.into(),
                model: model.into(),
            })
        } else {
            Err(())
        }
    }
}

impl fmt::Display for UserModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.app, self.model)
    }
}

/// An SQL identifier without quotes: table names are part of statements.
fn is_identifier(text: &str) -> bool {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.len() <= 60
        && text.starts_with(is_first)
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A table name, of letters, digits and _.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName(String);

setting_from_str!(
    TableName,
    "a name of letters, digits and _, such as forum_member"
);

impl FromStr for TableName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        is_identifier(text).then(|| Self(text.into())).ok_or(())
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The tables of users, their groups and their permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserTables {
    /// Users: `auth_user`.
    pub users: String,
    /// Group memberships: `auth_user_groups`.
    pub groups: String,
    /// User permissions: `auth_user_user_permissions`.
    pub permissions: String,
    /// The foreign key to the user in both: `user_id`.
    pub column: String,
}

/// The default table, for which queries are written.
const DEFAULT: &str = "auth_user";

impl Default for UserTables {
    fn default() -> Self {
        Self::for_model(
            &UserModel {
                app: "auth".into(),
                model: "User".into(),
            },
            None,
        )
    }
}

impl UserTables {
    /// The tables of a model, by Django's naming rules; `table` is its `db_table`, if it has one.
    pub fn for_model(model: &UserModel, table: Option<&TableName>) -> Self {
        let own = model.model.to_lowercase();
        let users = table.map_or_else(|| format!("{}_{own}", model.app), |table| table.0.clone());
        Self {
            groups: format!("{users}_groups"),
            permissions: format!("{users}_user_permissions"),
            column: format!("{own}_id"),
            users,
        }
    }

    /// Whether statements must be rewritten.
    pub(crate) fn are_renamed(&self) -> bool {
        self.users != DEFAULT
    }

    /// Rewrites a built statement, whose names are quoted and whose values are bound, for these
    /// tables.
    pub(crate) fn rename(&self, sql: &str) -> String {
        sql.replace(&format!("\"{DEFAULT}\""), &format!("\"{}\"", self.users))
    }
}
