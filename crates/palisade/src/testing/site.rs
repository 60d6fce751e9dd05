use super::{Client, log, servers};
use crate::app::{App, BootError, Prepared, Site};
use crate::auth::{Flag, Rank, RightChange, set_flag};
use crate::clock::FrozenClock;
use crate::crypto::random;
use crate::db::Tx;
use crate::permissions::{self, Membership, PermissionName};
use crate::settings::{Origin, Sources};
use std::path::PathBuf;
use std::sync::Arc;

/// The database of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestDatabase {
    /// A file in a temporary folder.
    Sqlite,
    /// A temporary database on a real server.
    Postgres,
}

/// A site in a test.
pub struct TestSite {
    site: Arc<Site>,
    clock: FrozenClock,
    folder: PathBuf,
    /// The data folder and the database, as settings.
    shared: Vec<(&'static str, String)>,
    /// The database for its owner.
    owner: Option<String>,
}

/// A site before it boots.
struct Parts {
    prepared: Prepared,
    folder: PathBuf,
}

impl Parts {
    fn new(app: App, settings: &[(&str, &str)]) -> Result<Self, BootError> {
        log::capture();
        let folder = std::env::temp_dir().join(format!("palisade-test-{}", random::nonce()));
        std::fs::create_dir_all(&folder).expect("a folder for the test");
        let mut sources = Sources::none();
        // the default of a release build is production
        sources.set_weakest("profile", "development");
        sources.set(
            "site.data",
            folder.display().to_string(),
            Origin::CommandLine("test"),
        );
        sources.set("mail.url", "memory:", Origin::CommandLine("test"));
        for (key, value) in settings {
            match *key {
                "palisade.toml" => sources.add_toml(value, std::path::Path::new(key)),
                key => sources.set(key, *value, Origin::CommandLine("test")),
            }
        }
        let prepared = Prepared::new(app, sources).map_err(BootError::Settings)?;
        if prepared.settings().keys.data.is_none() {
            prepared.make_data_key()?;
        }
        Ok(Self { prepared, folder })
    }

    async fn boot(self, change: impl FnOnce(Prepared) -> Prepared) -> Result<TestSite, BootError> {
        let clock = FrozenClock::at(chrono::Utc::now());
        let site = Arc::new(change(self.prepared).boot(Arc::new(clock.clone())).await?);
        site.start().await.map_err(BootError::Start)?;
        // the server does so with its first task
        site.declare_tasks().await.map_err(BootError::Database)?;
        let shared = vec![("site.data", site.settings().site.data.clone())];
        Ok(TestSite {
            site,
            clock,
            folder: self.folder,
            shared,
            owner: None,
        })
    }
}

impl TestSite {
    /// The site in the development profile on SQLite, configured by these settings:
    /// `("http.max_body_bytes", "1000")`.
    ///
    /// # Panics
    /// When the site does not start.
    pub async fn start(app: App, settings: &[(&str, &str)]) -> Self {
        Self::try_start(app, settings)
            .await
            .unwrap_or_else(|error| panic!("the site starts: {error}"))
    }

    /// The site in the production profile behind a TLS-terminating proxy, on SQLite, with these
    /// settings.
    ///
    /// # Panics
    /// When the site does not start.
    pub async fn production(app: App, settings: &[(&str, &str)]) -> Self {
        let key = crate::crypto::KeyRing::generate();
        let base = [
            ("profile", "production"),
            ("http.allowed_hosts", "desk.example.org"),
            ("http.trusted_proxies", "127.0.0.1/32"),
            ("site.migrate_at_start", "true"),
            ("keys.secret", key.expose().as_str()),
        ];
        Self::start(app, &[&base[..], settings].concat()).await
    }

    /// The same as [`TestSite::start`], on another database. `None` without its server.
    ///
    /// # Panics
    /// When the site does not start, or when `PALISADE_REQUIRE_SERVERS` is set and there is no
    /// server.
    pub async fn start_on(
        database: TestDatabase,
        app: App,
        settings: &[(&str, &str)],
    ) -> Option<Self> {
        if database == TestDatabase::Sqlite {
            return Some(Self::start(app, settings).await);
        }
        let owner = new_postgres().await?;
        Some(Self::start_as_role(app, settings, owner).await)
    }

    /// The site on PostgreSQL: migrated by the owner of the database, and served by the role of
    /// `deploy grants postgres`, as in production.
    async fn start_as_role(app: App, settings: &[(&str, &str)], owner: String) -> Self {
        let settings = [settings, &[("database.url", &owner)]].concat();
        let parts = Parts::new(app, &settings).unwrap_or_else(|error| panic!("{error}"));
        let database = parts.prepared.database().await;
        let database = database.unwrap_or_else(|error| panic!("{error}"));
        let migrated = parts.prepared.migrate(&database).await;
        migrated.unwrap_or_else(|error| panic!("the database is migrated: {error}"));
        let served = serving_role(&owner).await;
        let url = served.parse().expect("a URL of PostgreSQL");
        let booted = parts.boot(|prepared| prepared.on_migrated(url)).await;
        let mut site = booted.unwrap_or_else(|error| panic!("the site starts: {error}"));
        let served = [
            ("database.url", served),
            ("site.migrate_at_start", "false".into()),
        ];
        site.shared.extend(served);
        site.owner = Some(owner);
        site
    }

    /// The URL of the PostgreSQL database for its owner, who can change tables; the site itself
    /// cannot.
    pub fn owner_url(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// Runs or reverts migrations, until this one is the last that was executed: `migrate --to`.
    /// `app` is that of the site.
    ///
    /// # Panics
    /// When there is no such migration, or when it fails.
    pub async fn migrate_to(&self, app: App, name: &str) {
        let mut settings = self.shared_settings();
        if let Some(owner) = &self.owner {
            settings.push(("database.url", owner));
        }
        let parts = Parts::new(app, &settings).unwrap_or_else(|error| panic!("{error}"));
        let database = parts.prepared.database().await;
        let database = database.unwrap_or_else(|error| panic!("{error}"));
        let steps = parts.prepared.migrations().steps_to(&database, name).await;
        let steps = steps.expect("the database answers");
        let steps = steps.unwrap_or_else(|| panic!("there is no migration {name}"));
        let taken = parts.prepared.take_steps(&database, &steps).await;
        taken.unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    fn shared_settings(&self) -> Vec<(&str, &str)> {
        let shared = self.shared.iter();
        shared.map(|(key, value)| (*key, value.as_str())).collect()
    }

    /// Another instance with the same database and keys.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_beside(&self, app: App, settings: &[(&str, &str)]) -> Self {
        Self::start(app, &[settings, &self.shared_settings()].concat()).await
    }

    /// Starts a site that may refuse to. A setting named `palisade.toml` is the text of such a
    /// file.
    ///
    /// # Errors
    /// Why it does not start.
    ///
    /// # Panics
    /// When no temporary folder can be created.
    pub async fn try_start(app: App, settings: &[(&str, &str)]) -> Result<Self, BootError> {
        Parts::new(app, settings)?.boot(|prepared| prepared).await
    }

    /// The same as [`TestSite::start`] with the development loop of `serve`: static files are read
    /// from the disk, and pages reload themselves.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_watching(app: App, settings: &[(&str, &str)]) -> Self {
        let parts = Parts::new(app, settings).unwrap_or_else(|error| panic!("{error}"));
        let watching = |mut prepared: Prepared| {
            prepared.watch_files();
            prepared
        };
        let booted = parts.boot(watching).await;
        booted.unwrap_or_else(|error| panic!("the site starts: {error}"))
    }

    /// A client without cookies. The site is `http://localhost`, or `https://desk.example.org` in
    /// production.
    pub fn client(&self) -> Client {
        Client::new(self.site.clone())
    }

    /// A client with the session of a new user. Staff and superusers add a second factor, which
    /// `mfa.require_for_staff` demands.
    ///
    /// ```
    /// # async fn test(site: palisade::testing::TestSite) {
    /// use palisade::auth::Rank;
    /// let mut ines = site.sign_in("ines", Rank::Staff).await;
    /// assert_eq!(ines.get("/queue").await.status, 200);
    /// # }
    /// ```
    ///
    /// # Panics
    /// When it fails.
    pub async fn sign_in(&self, username: &str, rank: Rank) -> Client {
        self.sign_in_with((username, rank), &[]).await
    }

    /// The same with the fields of the site's own on the sign-up page:
    /// `site.sign_in_with(("ines", Rank::Staff), &[("company", "Acme")])`.
    ///
    /// # Panics
    /// When it fails.
    pub async fn sign_in_with(
        &self,
        (username, rank): (&str, Rank),
        more: &[(&str, &str)],
    ) -> Client {
        let mut client = self.client();
        client.sign_up_with(username, more).await;
        if rank != Rank::Plain {
            self.set_rank(username, rank).await;
            client.add_factor().await;
        }
        client
    }

    /// Changes the rank of a user in the database.
    ///
    /// # Panics
    /// When there is no such user.
    pub async fn set_rank(&self, username: &str, rank: Rank) {
        let accounts = self.site.accounts();
        let id = self.id_of(username).await;
        let flags = [
            (Flag::Staff, rank != Rank::Plain),
            (Flag::Superuser, rank == Rank::Superuser),
        ];
        let tx = accounts.database().begin().await.expect("a transaction");
        for (flag, has) in flags {
            let change = match has {
                true => RightChange::Grant,
                false => RightChange::Revoke,
            };
            set_flag(&tx, id, flag, change).await.expect("a change");
        }
        tx.commit().await.expect("a commit");
    }

    /// Grants a user a permission.
    ///
    /// ```
    /// # use palisade::prelude::*;
    /// # #[derive(Permission, Clone, Copy)]
    /// # #[permission(app = "shop")]
    /// # enum May { Refund }
    /// # async fn test(site: palisade::testing::TestSite) {
    /// let mut ann = site.client();
    /// ann.sign_up("ann").await;
    /// site.grant("ann", May::Refund).await;
    /// assert_eq!(ann.get("/refunds").await.status, 200);
    /// # }
    /// ```
    ///
    /// # Panics
    /// When there is no such user or permission.
    pub async fn grant(&self, username: &str, permission: impl Into<PermissionName>) {
        let change = RightChange::Grant;
        self.change_right(username, (permission.into(), change))
            .await;
    }

    /// Revokes a permission of a user.
    ///
    /// # Panics
    /// When there is no such user or permission.
    pub async fn revoke(&self, username: &str, permission: impl Into<PermissionName>) {
        let change = RightChange::Revoke;
        self.change_right(username, (permission.into(), change))
            .await;
    }

    async fn change_right(&self, username: &str, (name, change): (PermissionName, RightChange)) {
        let id = self.id_of(username).await;
        let change = async |tx: &Tx| match change {
            RightChange::Grant => permissions::grant(tx, id, name.as_str()).await,
            RightChange::Revoke => permissions::revoke(tx, id, name.as_str()).await,
        };
        let is_known = self.site.database().write(change).await;
        assert!(
            is_known.expect("the database answers"),
            "there is no permission {name}"
        );
    }

    /// Adds a user to a group.
    ///
    /// # Panics
    /// When there is no such user or group.
    pub async fn join(&self, username: &str, group: &str) {
        let membership = Membership::new(group, self.id_of(username).await);
        let join = async |tx: &Tx| membership.store(tx).await;
        let joined = self.site.database().write(join).await;
        joined.unwrap_or_else(|error| panic!("{}", error.public_message()));
    }

    /// The primary key of a user.
    ///
    /// # Panics
    /// When there is no such user.
    pub async fn id_of(&self, username: &str) -> i32 {
        let id = self.site.accounts().id_of(username).await;
        id.expect("the database answers")
            .expect("a user of this name")
    }

    /// The site.
    pub fn site(&self) -> &Arc<Site> {
        &self.site
    }

    /// The site's clock, which is advanced manually.
    pub fn clock(&self) -> &FrozenClock {
        &self.clock
    }

    /// The site's data folder.
    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }
}

impl Drop for TestSite {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
        if let Some(owner) = &self.owner {
            drop_database(owner);
        }
    }
}

/// The URL of an empty database on the test server. `None` without a server.
///
/// # Panics
/// When it cannot be created.
pub async fn new_postgres() -> Option<String> {
    let server = servers::server("PALISADE_TEST_POSTGRES")?;
    Some(own_database(&server).await)
}

/// A connection of the test, separate from the site's.
///
/// # Panics
/// When there is no such database.
pub async fn connect(url: impl Into<String>) -> sea_orm::DatabaseConnection {
    sea_orm::Database::connect(crate::db::options(url.into(), 1))
        .await
        .expect("the database answers")
}

/// Creates an empty database on the server.
#[cfg(feature = "postgres")]
async fn own_database(server: &str) -> String {
    use sea_orm::ConnectionTrait;
    let now = chrono::Utc::now().timestamp();
    let random = random::alphanumeric(16).expose().to_lowercase();
    let name = format!("{TEST_DATABASE}{now}_{random}");
    let connection = connect(server).await;
    drop_leftovers(&connection, now - LEFTOVER_SECS).await;
    connection
        .execute_unprepared(&format!("CREATE DATABASE {name}"))
        .await
        .expect("a database can be made");
    connection.close().await.expect("the connection closes");
    let mut url = url::Url::parse(server).expect("PALISADE_TEST_POSTGRES is a URL");
    url.set_path(&name);
    url.into()
}

/// Begin of the names of test databases; the time of their creation follows.
#[cfg(feature = "postgres")]
const TEST_DATABASE: &str = "palisade_test_";

/// A database of this age belongs to a test that was killed.
#[cfg(feature = "postgres")]
const LEFTOVER_SECS: i64 = 7200;

/// Drops databases of tests that were killed.
#[cfg(feature = "postgres")]
async fn drop_leftovers(server: &sea_orm::DatabaseConnection, before: i64) {
    use sea_orm::ConnectionTrait;
    let databases = "SELECT datname FROM pg_database WHERE datname LIKE 'palisade\\_test\\_%'";
    let databases = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, databases);
    let rows = server.query_all_raw(databases).await.unwrap_or_default();
    let names = rows
        .iter()
        .filter_map(|row| row.try_get_by_index::<String>(0).ok());
    let is_old = |name: &String| {
        let rest = name.strip_prefix(TEST_DATABASE);
        let made = rest.and_then(|rest| rest.split('_').next()?.parse::<i64>().ok());
        made.is_some_and(|made| made < before)
    };
    for name in names.filter(is_old) {
        let _ = server
            .execute_unprepared(&format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)"))
            .await;
    }
}

/// Drops the database of a test. In a thread of its own, because the runtime of the test cannot wait
/// in a destructor.
#[cfg(feature = "postgres")]
fn drop_database(owner: &str) {
    use sea_orm::ConnectionTrait;
    let Some(server) = servers::server("PALISADE_TEST_POSTGRES") else {
        return;
    };
    let url = url::Url::parse(owner).expect("a URL");
    let name = url.path().trim_start_matches('/').to_owned();
    let work = async move {
        let server = connect(server).await;
        let dropped = format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)");
        let _ = server.execute_unprepared(&dropped).await;
        let _ = server.close().await;
    };
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.map(|runtime| runtime.block_on(work))
    };
    let _ = std::thread::spawn(run).join();
}

#[cfg(not(feature = "postgres"))]
fn drop_database(_: &str) {}

/// Creates the roles of `deploy grants postgres` for tests, and returns the URL of the role that
/// serves.
#[cfg(feature = "postgres")]
async fn serving_role(owner: &str) -> String {
    use sea_orm::ConnectionTrait;
    let mut url = url::Url::parse(owner).expect("a URL");
    let mut grants = crate::db::grants_of_roles("palisade_test");
    if let Some(password) = url.password() {
        let password = password.replace('\'', "''");
        grants.push_str(&format!(
            "ALTER ROLE palisade_test_site PASSWORD '{password}';"
        ));
    }
    // roles belong to all databases of the server: tests in parallel would both create them
    let server = connect(servers::server("PALISADE_TEST_POSTGRES").expect("a server")).await;
    let lock = "SELECT pg_advisory_lock(hashtext('roles of palisade tests'))";
    server.execute_unprepared(lock).await.expect("a lock");
    let own = connect(owner).await;
    let granted = own.execute_unprepared(&grants).await;
    granted.expect("the user of PALISADE_TEST_POSTGRES may create roles");
    for connection in [own, server] {
        connection.close().await.expect("the connection closes");
    }
    url.set_username("palisade_test_site")
        .expect("a URL with a host");
    url.into()
}

#[cfg(not(feature = "postgres"))]
async fn serving_role(_: &str) -> String {
    panic!("this test was built without the feature postgres")
}

#[cfg(not(feature = "postgres"))]
async fn own_database(_: &str) -> String {
    panic!("this test was built without the feature postgres")
}
