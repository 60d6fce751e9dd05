//! State of authorization that all requests share.

use super::report::uses::PermissionUses;
use super::{DeclaredPermission, PermissionName, Roles};
use crate::clock::Clock;
use crate::db::Database;
use chrono::{DateTime, Utc};
use palisade_template::Templates;
use sea_orm::DbErr;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// Shared state of authorization.
pub(crate) struct Authorizer {
    pub(super) database: Database,
    pub(super) uses: PermissionUses,
    pub(crate) roles: Roles,
    clock: Arc<dyn Clock>,
    known: BTreeSet<&'static str>,
    templates: Templates,
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorizer").finish_non_exhaustive()
    }
}

/// Permissions and roles that a site declares for authorization.
pub(crate) struct Declarations<'a> {
    pub(crate) permissions: &'a [DeclaredPermission],
    pub(crate) adopted: &'a [&'static str],
    pub(crate) roles: Roles,
}

impl Authorizer {
    pub(crate) fn new(
        (database, clock): (Database, Arc<dyn Clock>),
        templates: Templates,
        declared: Declarations<'_>,
    ) -> Self {
        let own = declared.permissions.iter();
        let own = own.map(|permission| permission.name);
        Self {
            database,
            clock,
            uses: PermissionUses::default(),
            roles: declared.roles,
            known: own.chain(declared.adopted.iter().copied()).collect(),
            templates,
        }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Whether a permission is declared, or adopted from a Django project.
    pub(super) fn is_known(&self, name: &str) -> bool {
        self.known.contains(name)
    }

    /// The declared or adopted permission of this name.
    pub(crate) fn permission(&self, name: &str) -> Option<PermissionName> {
        self.known.get(name).copied().map(PermissionName::from)
    }

    /// Whether a template calls `may`.
    pub(super) fn do_templates_ask(&self) -> bool {
        self.templates.wants("may")
    }

    /// Writes new uses of permissions, and returns their number.
    ///
    /// # Errors
    /// When the database does not answer; the uses are written later then.
    pub(crate) async fn flush_uses(&self) -> Result<usize, DbErr> {
        self.uses.flush(&self.database, self.now()).await
    }
}
