use super::{Client, log, servers};
use crate::app::{App, BootError, Prepared, Site};
use crate::auth::{Flag, Rank, RightChange, set_flag};
use crate::clock::FrozenClock;
use crate::crypto::random;
use crate::db::Tx;
use crate::permissions::{self, PermissionName};
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
        let url = new_postgres().await?;
        let mut site = Self::start(app, &[settings, &[("database.url", &url)]].concat()).await;
        site.shared.push(("database.url", url));
        Some(site)
    }

    /// Another instance with the same database and keys.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_beside(&self, app: App, settings: &[(&str, &str)]) -> Self {
        let shared: Vec<(&str, &str)> = self
            .shared
            .iter()
            .map(|(key, value)| (*key, value.as_str()))
            .collect();
        Self::start(app, &[settings, &shared].concat()).await
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
        log::capture();
        let folder = std::env::temp_dir().join(format!("palisade-test-{}", random::nonce()));
        std::fs::create_dir_all(&folder).expect("a folder for the test");
        let mut sources = Sources::none();
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
        let clock = FrozenClock::at(chrono::Utc::now());
        let prepared = Prepared::new(app, sources).map_err(BootError::Settings)?;
        let site = prepared.boot(Arc::new(clock.clone())).await?;
        let shared = vec![("site.data", site.settings().site.data.clone())];
        Ok(Self {
            site: Arc::new(site),
            clock,
            folder,
            shared,
        })
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
        let mut client = self.client();
        client.sign_up(username).await;
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
        let name = permission.into().as_str();
        let id = self.id_of(username).await;
        let grant = async |tx: &Tx| permissions::grant(tx, id, name).await;
        let is_known = self
            .site
            .database()
            .write(grant)
            .await
            .expect("the database answers");
        assert!(is_known, "there is no permission {name}");
    }

    /// Revokes a permission of a user.
    ///
    /// # Panics
    /// When there is no such user or permission.
    pub async fn revoke(&self, username: &str, permission: impl Into<PermissionName>) {
        let name = permission.into().as_str();
        let id = self.id_of(username).await;
        let revoke = async |tx: &Tx| permissions::revoke(tx, id, name).await;
        let is_known = self
            .site
            .database()
            .write(revoke)
            .await
            .expect("the database answers");
        assert!(is_known, "there is no permission {name}");
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
    let name = format!(
        "palisade_test_{}",
        random::alphanumeric(16).expose().to_lowercase()
    );
    let connection = connect(server).await;
    connection
        .execute_unprepared(&format!("CREATE DATABASE {name}"))
        .await
        .expect("a database can be made");
    connection.close().await.expect("the connection closes");
    let mut url = url::Url::parse(server).expect("PALISADE_TEST_POSTGRES is a URL");
    url.set_path(&name);
    url.into()
}

#[cfg(not(feature = "postgres"))]
async fn own_database(_: &str) -> String {
    panic!("this test was built without the feature postgres")
}
