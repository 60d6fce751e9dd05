//! The admin of a site: its resources, and the state that its pages share.

use super::built_in::{Groups, Users};
use super::entry::Entry;
use super::tile::Tile;
use super::{AdminSettings, Operation, Resource};
use crate::clock::Clock;
use crate::db::Database;
use crate::permissions::{DeclaredPermission, Key, PermissionName};
use crate::tasks::JobQueue;
use chrono::{DateTime, Utc};
use palisade_crypto::KeyRing;
use sea_orm::sea_query::Value;
use sea_orm::{ActiveModelBehavior, DbErr, EntityTrait, IntoActiveModel};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use tokio::sync::OnceCell;

/// The resources of the admin, and the numbers of its first page.
///
/// Users, groups, memberships, sessions, locks, the mail queue, tokens, the audit log and the
/// history of changes come with it.
#[derive(Default)]
pub struct Admin {
    pub(crate) entries: Vec<Entry>,
    pub(crate) tiles: Vec<Tile>,
}

impl Admin {
    /// An admin with the resources of the framework.
    pub fn new() -> Self {
        Self::default().resource::<Users>().resource::<Groups>()
    }

    /// Adds a resource.
    ///
    /// # Panics
    /// If its name or that of an action is taken, or its primary key is not one column.
    #[must_use]
    pub fn resource<R: Resource>(mut self) -> Self
    where
        Key<R::Entity>: FromStr + Into<Value>,
        <R::Entity as EntityTrait>::Model:
            IntoActiveModel<<R::Entity as EntityTrait>::ActiveModel> + Send,
        <R::Entity as EntityTrait>::ActiveModel: ActiveModelBehavior + Send + Sync + 'static,
    {
        let entry = Entry::of::<R>();
        let is_taken = self.entries.iter().any(|known| known.name == entry.name)
            || RESERVED.contains(&entry.name);
        assert!(!is_taken, "the admin has a page {:?} already", entry.name);
        let mut actions = entry.actions.iter().map(|action| action.name);
        let verb = actions.find(|name| VERBS.contains(name));
        assert!(verb.is_none(), "the history has a verb {verb:?} already");
        self.entries.push(entry);
        self
    }

    /// Adds a number or a plot to the first page.
    #[must_use]
    pub fn tile(mut self, tile: Tile) -> Self {
        self.tiles.push(tile);
        self
    }

    /// All permissions that its pages ask for.
    pub(crate) fn asked_permissions(&self) -> impl Iterator<Item = &'static str> {
        let further = self.entries.iter().flat_map(Entry::further_permissions);
        let own = self.permissions().into_iter().map(|declared| declared.name);
        further.map(|permission| permission.as_str()).chain(own)
    }

    /// The permissions of all resources, and those of the admin itself.
    pub(crate) fn permissions(&self) -> Vec<DeclaredPermission> {
        let own = OWN_PERMISSIONS
            .iter()
            .map(|(name, label)| DeclaredPermission {
                name,
                label,
                table: None,
            });
        self.entries
            .iter()
            .flat_map(Entry::declared)
            .chain(own)
            .collect()
    }
}

/// Pages beside the resources.
const RESERVED: [&str; 13] = [
    "members",
    "access",
    "mail",
    "history",
    "audit",
    "proposals",
    "bin",
    "locks",
    "files",
    "view-as",
    "rights",
    "sessions",
    "search",
];

/// Verbs of the history that no action may have.
pub(crate) const VERBS: [&str; 4] = ["add", "change", "delete", "restore"];

/// Permissions of the admin itself.
pub(crate) const VIEW_AUDIT: &str = "palisade.view_audit";
pub(crate) const VIEW_HISTORY: &str = "palisade.view_history";
pub(crate) const APPROVE: &str = "palisade.approve";
pub(crate) const VIEW_AS: &str = "palisade.view_as";
pub(crate) const MANAGE_SESSIONS: &str = "palisade.manage_sessions";
pub(crate) const MANAGE_RIGHTS: &str = "palisade.manage_rights";
pub(crate) const MANAGE_FILES: &str = "palisade.manage_files";
pub(crate) const VIEW_MAIL: &str = "palisade.view_mail";

const OWN_PERMISSIONS: &[(&str, &str)] = &[
    (VIEW_AUDIT, "Can read the audit log"),
    (VIEW_HISTORY, "Can read the history of changes"),
    (APPROVE, "Can approve proposals"),
    (VIEW_AS, "Can view the site as another user"),
    (
        MANAGE_SESSIONS,
        "Can end sessions, mailed links and locks of other users",
    ),
    (
        MANAGE_FILES,
        "Can see, delete and propose to release files in quarantine",
    ),
    (VIEW_MAIL, "Can see the mail queue"),
    (
        MANAGE_RIGHTS,
        "Can give and take rights that the user holds",
    ),
];

/// State that all pages of the admin share.
pub(crate) struct AdminSite {
    pub(crate) entries: Vec<Arc<Entry>>,
    pub(crate) tiles: Vec<Tile>,
    pub(crate) settings: AdminSettings,
    /// Path of the first page, without a slash at the end.
    pub(crate) path: String,
    pub(crate) ring: KeyRing,
    pub(crate) database: Database,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) jobs: JobQueue,
    /// Completed rows of actions that this instance runs, by id.
    pub(crate) progress: Mutex<BTreeMap<String, u64>>,
    /// Whether `django_admin_log` exists.
    pub(crate) has_django_log: OnceCell<bool>,
    /// Columns with keys of users, by table.
    user_columns: OnceCell<BTreeMap<String, Vec<String>>>,
}

impl AdminSite {
    pub(crate) fn new(
        admin: Admin,
        (settings, path): (AdminSettings, String),
        (ring, database, clock): (KeyRing, Database, Arc<dyn Clock>),
        jobs: JobQueue,
    ) -> Self {
        Self {
            entries: admin
                .entries
                .into_iter()
                .map(|entry| Arc::new(entry.on(database.backend())))
                .collect(),
            tiles: admin.tiles,
            settings,
            path,
            ring,
            database,
            clock,
            jobs,
            progress: Mutex::default(),
            has_django_log: OnceCell::new(),
            user_columns: OnceCell::new(),
        }
    }

    /// The resource of this name.
    pub(crate) fn entry(&self, name: &str) -> Option<&Arc<Entry>> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// The resource of a table.
    pub(crate) fn entry_of_table(&self, table: &str) -> Option<&Arc<Entry>> {
        self.entries
            .iter()
            .find(|entry| entry.table.name() == table)
    }

    /// The page of a row.
    pub(crate) fn url_of(&self, entry: &Entry, key: &str) -> String {
        let key = percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC);
        format!("{}/{}/row/{key}", self.path, entry.name)
    }

    /// The columns of a resource's table with keys of users.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn user_columns(&self, entry: &Entry) -> Result<&[String], DbErr> {
        let look = async || self.database.columns_of_users().await;
        let all = self.user_columns.get_or_try_init(look).await?;
        Ok(all.get(entry.table.name()).map_or(&[], Vec::as_slice))
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Resources that a user who holds these permissions sees.
    pub(crate) fn visible(&self, holds: impl Fn(PermissionName) -> bool) -> Vec<&Arc<Entry>> {
        let is_visible = |entry: &&Arc<Entry>| {
            super::policy::judge(&holds, entry, Operation::View) == super::policy::Verdict::Allow
        };
        self.entries.iter().filter(is_visible).collect()
    }
}

/// The path of the admin: that of the settings, or one that cannot be guessed without the key.
pub(crate) fn path_of(settings: &AdminSettings, ring: &KeyRing) -> String {
    if let Some(path) = settings
        .path
        .as_deref()
        .filter(|path| super::settings::is_path(path))
    {
        return path.to_owned();
    }
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let bytes = ring.derive_newest("admin path", b"");
    let name: String = bytes[..PATH_LENGTH]
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
        .collect();
    format!("/admin-{name}")
}

/// Characters of a derived path: 40 bits.
const PATH_LENGTH: usize = 8;
