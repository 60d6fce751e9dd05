//! The declarations of a site's admin, for a matrix of its own.

use super::TestSite;
use crate::admin::Operation;
use crate::permissions::PermissionName;
use std::sync::Arc;

/// A resource of the admin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminResource {
    /// Its name in URLs.
    pub name: &'static str,
    /// Its table.
    pub table: &'static str,
    /// The operations that it has, with their permissions.
    pub operations: Vec<(Operation, &'static str)>,
    /// Its columns.
    pub columns: Vec<AdminColumn>,
}

/// A column of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminColumn {
    /// Its name.
    pub name: &'static str,
    /// Whether the list shows it.
    pub is_listed: bool,
    /// Whether the list is filtered by it.
    pub is_filter: bool,
    /// Whether the search finds it.
    pub is_searched: bool,
    /// Whether no form changes it.
    pub is_fixed: bool,
    /// The permission that its readers need.
    pub view: Option<PermissionName>,
    /// The permission that a change of it needs.
    pub change: Option<PermissionName>,
}

impl TestSite {
    /// The resources of the site's admin; none without one.
    ///
    /// ```
    /// # async fn test(site: palisade::testing::TestSite) {
    /// for resource in site.admin_resources() {
    ///     let filters = resource.columns.iter().filter(|column| column.is_filter);
    ///     println!("{} has {} filters", resource.name, filters.count());
    /// }
    /// # }
    /// ```
    pub fn admin_resources(&self) -> Vec<AdminResource> {
        let Some(admin) = self.site().admin() else {
            return Vec::new();
        };
        let resource = |entry: &Arc<crate::admin::Entry>| AdminResource {
            name: entry.name,
            table: entry.table.name(),
            operations: Operation::ALL
                .into_iter()
                .filter(|operation| entry.has(*operation))
                .map(|operation| (operation, entry.permission(operation)))
                .collect(),
            columns: entry.columns.iter().map(column).collect(),
        };
        admin.entries.iter().map(resource).collect()
    }
}

fn column(column: &crate::admin::Column) -> AdminColumn {
    AdminColumn {
        name: column.name,
        is_listed: column.is_listed,
        is_filter: column.is_filter,
        is_searched: column.search.is_some(),
        is_fixed: column.is_fixed,
        view: column.view,
        change: column.change,
    }
}
