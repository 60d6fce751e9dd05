use super::declared_files::DeclaredFiles;
use super::endpoints;
use super::page_values::{PageRequest, PageValue};
use super::parts::session_cookie;
use super::sections::RegisteredSection;
use super::site::{Challenge, CsrfRefusalPage};
use super::{Routes, Site, SiteSettings};
use crate::admin::Admin;
use crate::api::{DeclaredSource, WebhookScheme};
use crate::auth::{
    self, AccountHooks, DeclaredScope, LoginChallenge, PersonalData, Profile, ProfileForm,
    ProfileOf, ProfileRow, ProfileTable,
};
use crate::csrf::Refusal;
use crate::db::migrate::Migrations;
use crate::db::{EncryptedTable, EntityTable, Migration};
use crate::encrypted_fields::EncryptedRow;
use crate::permissions::{
    DeclaredPermission, EntityPolicy, Key, OwnRights, Permission, PolicyOf, Role, Roles, Scoped,
};
use crate::static_files::{StaticFiles, Store};
use crate::tasks::Background;
use crate::views::Result;
use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::Route;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use http::request::Parts;
use palisade_template::{Layer as TemplateLayer, Value};
use sea_orm::EntityTrait;
use sea_orm_migration::MigratorTrait;
use std::convert::Infallible;
use std::str::FromStr;
use std::sync::Arc;
use tower::{Layer, Service};

/// Adds middleware of the site's own.
pub(super) type LayerFn = Box<dyn FnOnce(Router) -> Router + Send>;

/// Builder of a site. All protections are on by default.
///
/// ```no_run
/// use palisade::prelude::*;
///
/// fn main() -> ExitCode {
///     App::new().routes(Routes::new().route("/", public().get(async || "Hello"))).run()
/// }
/// ```
pub struct App {
    pub(super) templates: Vec<TemplateLayer>,
    pub(super) static_files: StaticFiles,
    pub(super) migrations: Migrations,
    pub(super) routes: Routes,
    pub(super) permissions: Vec<DeclaredPermission>,
    pub(super) adopted_permissions: Vec<&'static str>,
    pub(super) policies: Vec<Arc<dyn EntityPolicy>>,
    pub(super) entities: Vec<EntityTable>,
    /// Tables with encrypted columns.
    pub(super) encrypted: Vec<EncryptedTable>,
    /// Whether pages reload themselves.
    pub(super) reloads: bool,
    pub(super) roles: Roles,
    pub(super) settings: Vec<(&'static str, String)>,
    pub(super) csrf_refusal: Option<CsrfRefusalPage>,
    pub(super) challenge: Option<Challenge>,
    pub(super) login_challenge: Option<LoginChallenge>,
    pub(super) layers: Vec<LayerFn>,
    pub(crate) commands: Vec<SiteCommand>,
    pub(super) alert_rules: Vec<crate::alerts::Rule>,
    pub(super) personal_data: Vec<Arc<dyn PersonalData>>,
    pub(super) background: Background<Site>,
    pub(super) page_values: Vec<PageValue>,
    /// Settings of the site's own.
    pub(super) sections: Vec<RegisteredSection>,
    pub(super) profile: Option<Arc<dyn ProfileForm>>,
    pub(super) account_hooks: Vec<Arc<dyn AccountHooks>>,
    pub(super) admin: Option<Admin>,
    pub(super) files: DeclaredFiles,
    pub(super) scopes: Vec<DeclaredScope>,
    pub(super) webhook_sources: Vec<DeclaredSource>,
}

/// A custom command, in addition to `serve`, `check` and the others.
#[derive(Clone)]
pub struct SiteCommand {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) run: Arc<dyn Fn(Arc<Site>) -> BoxFuture<'static, Result<String>> + Send + Sync>,
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}

impl App {
    /// A site with accounts, health checks and a stylesheet only.
    pub fn new() -> Self {
        let mut migrations = Migrations::default();
        migrations.add(auth::migrations);
        migrations.add(crate::sessions::migrations);
        migrations.add(crate::mail::migrations);
        migrations.add(crate::tasks::migrations);
        migrations.add(crate::mfa::migrations);
        migrations.add(crate::social::migrations);
        migrations.add(crate::permissions::migrations);
        migrations.add(crate::encrypted_fields::migrations);
        migrations.add(crate::flows::migrations);
        migrations.add(crate::audit_log::migrations);
        migrations.add(crate::alerts::migrations);
        migrations.add(crate::incident::migrations);
        migrations.add(crate::admin::migrations);
        migrations.add(crate::uploads::migrations);
        migrations.add(crate::backups::migrations);
        migrations.add(super::acme::migrations);
        migrations.add(crate::db::probe::migrations);
        Self {
            templates: Vec::new(),
            static_files: StaticFiles::default(),
            migrations,
            routes: Routes::new(),
            permissions: Vec::new(),
            adopted_permissions: Vec::new(),
            policies: Vec::new(),
            entities: Vec::new(),
            encrypted: Vec::new(),
            reloads: false,
            roles: Roles::default(),
            settings: Vec::new(),
            csrf_refusal: None,
            challenge: None,
            login_challenge: None,
            layers: Vec::new(),
            commands: Vec::new(),
            alert_rules: Vec::new(),
            personal_data: vec![
                Arc::new(crate::social::Identities),
                Arc::new(crate::mfa::OwnKeys),
                Arc::new(crate::admin::OwnHistory),
                Arc::new(crate::uploads::OwnFiles),
                Arc::new(auth::OwnAccessTokens),
            ],
            background: Background::default(),
            page_values: Vec::new(),
            sections: Vec::new(),
            profile: None,
            account_hooks: Vec::new(),
            admin: None,
            files: DeclaredFiles::default(),
            scopes: Vec::new(),
            webhook_sources: Vec::new(),
        }
    }

    /// Adds templates: `include_templates!("templates")`. They take precedence over the framework's
    /// templates of the same name.
    #[must_use]
    pub fn templates(mut self, layer: TemplateLayer) -> Self {
        self.templates.push(layer);
        self
    }

    /// Adds static files: `include_static!("static")`. They are served below `/static/`, and take
    /// precedence over the framework's files of the same name.
    #[must_use]
    pub fn static_files(mut self, files: StaticFiles) -> Self {
        self.static_files = self.static_files.layered_over(files);
        self
    }

    /// Adds the site's migrations, which run after the framework's.
    #[must_use]
    pub fn schema(mut self, migrations: fn() -> Vec<Migration>) -> Self {
        self.migrations.add_list(migrations);
        self
    }

    /// The same as a SeaORM migrator.
    #[must_use]
    pub fn migrations<M: MigratorTrait + 'static>(mut self) -> Self {
        self.migrations.add_migrator::<M>();
        self
    }

    /// Adds routes.
    #[must_use]
    pub fn routes(mut self, routes: Routes) -> Self {
        self.routes = self.routes.merge(routes);
        self
    }

    /// Declares the permissions of an enum. A route with an undeclared permission stops the start.
    ///
    /// ```
    /// use palisade::prelude::*;
    /// #[derive(Permission, Clone, Copy)]
    /// #[permission(app = "helpdesk")]
    /// enum May {
    ///     WorkQueue,
    /// }
    /// # async fn queue() {}
    /// App::new()
    ///     .permissions::<May>()
    ///     .routes(Routes::new().route("/queue", can(May::WorkQueue).get(queue)));
    /// ```
    #[must_use]
    pub fn permissions<P: Permission>(mut self) -> Self {
        self.permissions.extend(DeclaredPermission::all::<P>());
        self
    }

    /// Names permissions that a Django project declares, for `can("shop.view_order")`. One without
    /// a row in the database stops the start.
    #[must_use]
    pub fn adopted_permissions(mut self, names: &[&'static str]) -> Self {
        self.adopted_permissions.extend_from_slice(names);
        self
    }

    /// Declares the scopes of personal access tokens, each with a description for users. They make
    /// tokens at `/account/tokens`, a page that a site without scopes does not have.
    ///
    /// ```
    /// use palisade::prelude::*;
    /// # async fn list(actor: Actor) {}
    /// let rule = signed_in().or(token("tickets.read").on_behalf(signed_in()));
    /// App::new()
    ///     .scopes(&[("tickets.read", "Read your tickets")])
    ///     .routes(Routes::new().route("/api/tickets", rule.get(list)));
    /// ```
    #[must_use]
    pub fn scopes(mut self, scopes: &[(&'static str, &'static str)]) -> Self {
        let declared = scopes.iter().copied();
        let declared = declared.map(|(name, label)| DeclaredScope { name, label });
        self.scopes.extend(declared);
        self
    }

    /// Declares a source of webhooks, for [`signed_by`](crate::permissions::signed_by). Its secrets
    /// are in `webhooks.secrets`; without one the site does not start.
    #[must_use]
    pub fn webhook_source(mut self, name: &'static str, scheme: WebhookScheme) -> Self {
        self.webhook_sources.push(DeclaredSource { name, scheme });
        self
    }

    /// Declares a role. `permissions sync` writes it into its group.
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.roles.add(role);
        self
    }

    /// Registers an entity with a policy: `permissions explain ann view ticket 7` names it, and
    /// `check` compares it with its table.
    #[must_use]
    pub fn entity<E: Scoped>(mut self) -> Self
    where
        Key<E>: FromStr,
    {
        self.policies.push(Arc::new(PolicyOf::<E>::new()));
        self.entities.push(EntityTable::of::<E>());
        self
    }

    /// Registers an entity with encrypted columns (`#[derive(EncryptedFields)]`). Rows of an entity
    /// that is not registered are not written.
    ///
    /// # Panics
    /// When its primary key is not one column of whole numbers or text.
    #[must_use]
    pub fn encrypted<E: EntityTrait<ActiveModel: EncryptedRow>>(mut self) -> Self {
        self.encrypted.push(E::ActiveModel::table());
        self
    }

    /// Adds a value for every page, such as a menu or a count. It is loaded only for pages whose
    /// template uses it, or the templates that it extends or includes; a value of the same name
    /// from the handler takes precedence. On an error page of a site in trouble it is
    /// [`absent`](palisade_template::absent).
    ///
    /// ```
    /// use palisade::prelude::*;
    /// async fn open_count(request: PageRequest) -> Result<Value> {
    ///     let count = sql!("SELECT COUNT(*) FROM ticket WHERE status = ?", "open");
    ///     let row: Option<(i64,)> = request.db().fetch_one(count).await?;
    ///     Ok(row.map_or(0, |(count,)| count).into())
    /// }
    /// App::new().page_value("open_count", open_count);
    /// ```
    ///
    /// # Panics
    /// When the name is that of a value of the framework, or is taken.
    #[must_use]
    pub fn page_value<F, R>(mut self, name: &'static str, load: F) -> Self
    where
        F: Fn(PageRequest) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Value>> + Send + 'static,
    {
        let is_own = ["user", "messages", "path", "site", "may"].contains(&name);
        let is_taken = is_own || self.page_values.iter().any(|value| value.name == name);
        assert!(!is_taken, "pages have another value named {name:?}");
        self.page_values.push(PageValue {
            name,
            load: Arc::new(move |request| Box::pin(load(request))),
        });
        self
    }

    /// Sets a default of this site, which settings can override: `("site.home", "/tickets")`.
    #[must_use]
    pub fn setting(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.settings.push((key, value.into()));
        self
    }

    /// Sets the page for requests that fail the CSRF checks, in place of the generic error page.
    /// The status stays 403.
    #[must_use]
    pub fn csrf_refusal_page<R: IntoResponse>(
        mut self,
        page: impl Fn(Refusal) -> R + Send + Sync + 'static,
    ) -> Self {
        self.csrf_refusal = Some(Arc::new(move |refusal| -> Response {
            page(refusal).into_response()
        }));
        self
    }

    /// Sets the handler for requests from block-listed addresses, where `http.block_mode` is
    /// `challenge`. It returns a response, such as a CAPTCHA, or `None` to let the request pass,
    /// for example when a cookie proves a solved CAPTCHA.
    #[must_use]
    pub fn challenge(
        mut self,
        decide: impl Fn(&Parts) -> Option<Response> + Send + Sync + 'static,
    ) -> Self {
        self.challenge = Some(Arc::new(decide));
        self
    }

    /// Sets a challenge, such as a CAPTCHA or a proof of work, which is shown after a few failed
    /// logins for a name (`lockout.challenge_after`) before the next password is verified. `decide`
    /// gets the headers of the login request and returns a page, or `None` when a cookie proves a
    /// solved challenge. Lockout applies in addition.
    #[must_use]
    pub fn login_challenge<F, R>(mut self, decide: F) -> Self
    where
        F: Fn(HeaderMap) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Option<Response>>> + Send + 'static,
    {
        self.login_challenge = Some(Arc::new(move |headers| Box::pin(decide(headers))));
        self
    }

    /// Wraps all routes in tower middleware. It runs after headers, host checks and rate limits, and
    /// before session and access rule.
    #[must_use]
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        self.layers
            .push(Box::new(move |router| router.layer(layer)));
        self
    }

    /// Registers personal data of the site's own tables: it is part of the user's data export, and
    /// is erased with the account.
    #[must_use]
    pub fn personal_data(mut self, part: impl PersonalData + 'static) -> Self {
        self.personal_data.push(Arc::new(part));
        self
    }

    /// Adds fields of the site's own to the sign-up page and to `/account/profile`.
    ///
    /// # Panics
    /// When a field has the name of one of the sign-up form.
    #[must_use]
    pub fn profile<P: Profile>(self) -> Self {
        self.with_profile(Arc::new(ProfileOf::<P>::new()))
    }

    /// The same with the fields in a table of their own, one row for each user: loaded and stored,
    /// exported, and deleted with the account. `user` is the column with the user's id.
    ///
    /// ```
    /// # mod company {
    /// #     use palisade::entity::*;
    /// #     #[sea_orm::model]
    /// #     #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    /// #     #[sea_orm(table_name = "company")]
    /// #     pub struct Model { #[sea_orm(primary_key, auto_increment = false)] pub user_id: i32, pub company: String }
    /// #     impl ActiveModelBehavior for ActiveModel {}
    /// # }
    /// use palisade::prelude::*;
    ///
    /// #[derive(Form)]
    /// #[form(entity = company::Entity)]
    /// struct Company {
    ///     company: Line<80>,
    /// }
    /// App::new().profile_table::<Company>(company::Column::UserId);
    /// ```
    ///
    /// # Panics
    /// As [`App::profile`].
    #[must_use]
    pub fn profile_table<P: ProfileRow>(
        mut self,
        user: <P::Entity as EntityTrait>::Column,
    ) -> Self {
        let table = ProfileTable::<P>::new(user);
        self.entities.push(EntityTable::of::<P::Entity>());
        self.with_profile(Arc::new(table.clone()))
            .personal_data(table)
    }

    fn with_profile(mut self, profile: Arc<dyn ProfileForm>) -> Self {
        for field in profile.fields() {
            let name = field.name;
            assert!(
                !auth::views::signup::is_taken(name),
                "sign-up has a field {name:?} already"
            );
        }
        self.profile = Some(profile);
        self
    }

    /// Runs functions of the site at events of accounts: sign-up, login, closing.
    #[must_use]
    pub fn account_hooks(mut self, hooks: impl AccountHooks) -> Self {
        self.account_hooks.push(Arc::new(hooks));
        self
    }

    /// Adds a custom command. Its return value is printed.
    ///
    /// ```
    /// use palisade::prelude::*;
    /// use std::sync::Arc;
    /// async fn count(site: Arc<Site>) -> Result<String> {
    ///     Ok(format!("{} users\n", site.accounts().list().await?.len()))
    /// }
    /// App::new().command("count", "Count the users", count);
    /// ```
    #[must_use]
    pub fn command<F, R>(mut self, name: &'static str, about: &'static str, run: F) -> Self
    where
        F: Fn(Arc<Site>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<String>> + Send + 'static,
    {
        self.commands.push(SiteCommand {
            name,
            about,
            run: Arc::new(move |site| Box::pin(run(site))),
        });
        self
    }

    /// Personal data of site and framework.
    pub(super) fn all_personal_data(&self) -> Vec<Arc<dyn PersonalData>> {
        let own = Arc::new(OwnRights) as Arc<dyn PersonalData>;
        self.personal_data.iter().cloned().chain([own]).collect()
    }

    /// Static files of site and framework.
    pub(super) fn take_static_files(&mut self) -> Store {
        let files_of_admin = match &self.admin {
            Some(_) => crate::admin::files(),
            None => StaticFiles::default(),
        };
        Store::new(
            std::mem::take(&mut self.static_files)
                .layered_over(StaticFiles::own())
                .layered_over(StaticFiles::scripts())
                .layered_over(files_of_admin),
        )
    }

    /// Routes of site and framework.
    pub(super) fn take_routes(&mut self, files: &Arc<Store>, settings: &SiteSettings) -> Routes {
        let own = std::mem::take(&mut self.routes);
        let routes = own.merge(endpoints::routes(files.clone(), settings));
        let routes = match self.profile.is_some() {
            true => routes.merge(endpoints::profile_routes()),
            false => routes,
        };
        let routes = match self.scopes.is_empty() {
            true => routes,
            false => routes.merge(endpoints::token_routes()),
        };
        let described = routes.described();
        match described.is_empty() {
            true => routes,
            false => routes.merge(endpoints::openapi::routes(
                described,
                session_cookie(settings),
            )),
        }
    }
}
