//! Permissions as types: a wrong name does not compile.

use sea_orm::EntityName;
use std::fmt;

/// A permission of a site: derive it for an enum.
///
/// ```
/// use palisade::prelude::*;
/// #[derive(Permission, Clone, Copy)]
/// #[permission(app = "shop")]
/// enum May {
///     ReadReports,
///     #[permission(label = "Can refund an order")]
///     Refund,
/// }
/// assert_eq!(May::ReadReports.name(), "shop.read_reports");
/// # async fn reports() {}
/// App::new()
///     .permissions::<May>()
///     .routes(Routes::new().route("/reports", can(May::ReadReports).get(reports)));
/// ```
pub trait Permission: Copy + Into<PermissionName> + 'static {
    /// All permissions of the enum.
    const ALL: &'static [Self];

    /// `app.codename`, as Django writes it.
    fn name(self) -> &'static str;

    /// The name for people, as Django's admin shows it.
    fn label(self) -> &'static str;

    /// The table of the entity that it is about.
    fn table(self) -> Option<&'static str>;
}

/// The name of a permission: from an enum, or a string for one that a Django project declares
/// ([`App::adopted_permissions`](crate::app::App::adopted_permissions)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PermissionName(&'static str);

impl PermissionName {
    /// `app.codename`.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl From<&'static str> for PermissionName {
    fn from(name: &'static str) -> Self {
        Self(name)
    }
}

impl fmt::Display for PermissionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The table of an entity, for the derive macro.
#[doc(hidden)]
pub fn table_of(entity: &impl EntityName) -> &'static str {
    entity.table_name()
}

/// A permission, as its row is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeclaredPermission {
    /// `app.codename`.
    pub name: &'static str,
    /// The name for people.
    pub label: &'static str,
    /// The table of its entity; its content type is the app's own without one.
    pub table: Option<&'static str>,
}

impl DeclaredPermission {
    /// The declarations of an enum.
    pub(crate) fn all<P: Permission>() -> impl Iterator<Item = Self> {
        P::ALL.iter().map(|permission| Self {
            name: permission.name(),
            label: permission.label(),
            table: permission.table(),
        })
    }

    /// App and codename.
    pub(super) fn parts(&self) -> (&'static str, &'static str) {
        split(self.name)
    }

    /// The model of the content type: Django's name for the table.
    pub(super) fn model(&self) -> &'static str {
        let (app, _) = self.parts();
        self.table.map_or(APP_MODEL, |table| model_of(app, table))
    }
}

/// App and codename; a name without a dot is that of no permission.
pub(super) fn split(name: &str) -> (&str, &str) {
    name.split_once('.').unwrap_or(("", name))
}

/// Django's name of a model: its table without the app.
pub(super) fn model_of(app: &str, table: &'static str) -> &'static str {
    let model = table
        .strip_prefix(app)
        .and_then(|rest| rest.strip_prefix('_'));
    model.unwrap_or(table)
}

/// Model of the content type of permissions without an entity.
pub(super) const APP_MODEL: &str = "site";
