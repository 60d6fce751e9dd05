//! The routes of a resource of the API.

use super::Routes;
use crate::api::{
    Body, Entry, Object, OnceObject, Operation, Resource, ResourceContent, ResourceRequest,
};
use crate::permissions::{Access, Key};
use crate::throttle::Limit;
use crate::views::Path;
use http::{Method, StatusCode};
use sea_orm::sea_query::Value;
use sea_orm::{ActiveModelBehavior, EntityTrait, IntoActiveModel};
use std::str::FromStr;
use std::sync::Arc;

/// The routes of a resource, created by [`resource`]. An operation without a rule has no route.
#[must_use = "add its routes to the site"]
pub struct ResourceRoutes {
    path: String,
    entry: Arc<Entry>,
    read: Option<Access>,
    create: Option<Access>,
    change: Option<Access>,
    delete: Option<Access>,
    limits: Vec<Limit>,
}

/// The routes of a resource below a path.
///
/// | Request | Operation |
/// |---|---|
/// | `GET path` | a page of the rows that the user may view, with filters and order |
/// | `GET path/{id}` | one of them |
/// | `POST path` | a new row, once for each `Idempotency-Key` |
/// | `PUT path/{id}` | all fields that the user may write |
/// | `PATCH path/{id}` | some of them, as merge patch ([RFC 7396](https://www.rfc-editor.org/rfc/rfc7396)) |
/// | `DELETE path/{id}` | its deletion |
///
/// The rule of an operation is that of its routes; the policy of the entity selects the rows, and the
/// rules of the fields the members. Errors are
/// [problems](https://www.rfc-editor.org/rfc/rfc9457): 400 for an unknown parameter or field, 403
/// for a field that the user may not write, 404 for a row that the user may not view, 422 for
/// invalid values.
pub fn resource<R: Resource>(path: &str) -> ResourceRoutes
where
    Key<R::Entity>: FromStr + Into<Value>,
    <R::Entity as EntityTrait>::Model:
        IntoActiveModel<<R::Entity as EntityTrait>::ActiveModel> + Send,
    <R::Entity as EntityTrait>::ActiveModel: ActiveModelBehavior + Send + Sync + 'static,
{
    ResourceRoutes {
        path: path.to_owned(),
        entry: Arc::new(Entry::of::<R>()),
        read: None,
        create: None,
        change: None,
        delete: None,
        limits: Vec::new(),
    }
}

impl ResourceRoutes {
    /// Lists and reads rows, under this rule.
    pub fn read(mut self, rule: Access) -> Self {
        self.read = Some(rule);
        self
    }

    /// Creates rows, under this rule.
    pub fn create(mut self, rule: Access) -> Self {
        self.create = Some(rule);
        self
    }

    /// Changes rows, under this rule.
    pub fn change(mut self, rule: Access) -> Self {
        self.change = Some(rule);
        self
    }

    /// Deletes rows, under this rule.
    pub fn delete(mut self, rule: Access) -> Self {
        self.delete = Some(rule);
        self
    }

    /// Adds a rate limit to all its routes, counted together.
    pub fn limit(mut self, limit: Limit) -> Self {
        self.limits.push(limit);
        self
    }

    /// The routes.
    #[must_use]
    #[track_caller]
    pub fn routes(self) -> Routes {
        let routes = Routes::new().with_resource(self.entry.clone());
        let routes = self.add_reads(routes);
        let routes = self.add_creation(routes);
        let routes = self.add_changes(routes);
        let routes = self.add_deletion(routes);
        let limits = self.limits.iter();
        limits.fold(routes, |routes, limit| routes.limit(limit))
    }

    /// The path of a row.
    fn one(&self) -> String {
        format!("{}/{{id}}", self.path.trim_end_matches('/'))
    }

    fn describe(
        &self,
        operation: (&str, Option<ResourceContent>),
        answer: (StatusCode, Option<ResourceContent>),
    ) -> Operation {
        Operation::of_resource(&self.entry, operation, answer)
    }

    fn add_reads(&self, routes: Routes) -> Routes {
        let Some(rule) = self.read.clone() else {
            return routes;
        };
        let (all, item) = (self.entry.clone(), self.entry.clone());
        let list = async move |request: ResourceRequest| request.list(all).await;
        let item = async move |request: ResourceRequest, Path(key): Path<String>| {
            request.item(item, key).await
        };
        let page = (StatusCode::OK, Some(ResourceContent::Page));
        let row = (StatusCode::OK, Some(ResourceContent::Item));
        let list = rule.clone().get(list).of_api();
        let list = list.described(Method::GET, self.describe(("List", None), page));
        let item = rule.get(item).of_api();
        let item = item.described(Method::GET, self.describe(("Read", None), row));
        routes.route(&self.path, list).route(&self.one(), item)
    }

    fn add_creation(&self, routes: Routes) -> Routes {
        let Some(rule) = self.create.clone() else {
            return routes;
        };
        let entry = self.entry.clone();
        let create = async move |request: ResourceRequest, body: OnceObject| {
            request.create(entry, (body.0, body.1)).await
        };
        let body = ("Create", Some(ResourceContent::New));
        let made = (StatusCode::CREATED, Some(ResourceContent::Item));
        let create = rule.post(create).of_api();
        let create = create.described(Method::POST, self.describe(body, made));
        routes.route(&self.path, create)
    }

    fn add_changes(&self, routes: Routes) -> Routes {
        let Some(rule) = self.change.clone() else {
            return routes;
        };
        let change = |entry: Arc<Entry>, body: Body| {
            async move |request: ResourceRequest, Path(key): Path<String>, object: Object| {
                request.change(entry, key, (object, body)).await
            }
        };
        let guarded = rule.put(change(self.entry.clone(), Body::Whole));
        let guarded = guarded.patch(change(self.entry.clone(), Body::Patch));
        let changed = (StatusCode::OK, Some(ResourceContent::Item));
        let put = self.describe(("Replace", Some(ResourceContent::Whole)), changed);
        let patch = self.describe(("Change", Some(ResourceContent::Patch)), changed);
        let guarded = guarded.of_api().described(Method::PUT, put);
        routes.route(&self.one(), guarded.described(Method::PATCH, patch))
    }

    fn add_deletion(&self, routes: Routes) -> Routes {
        let Some(rule) = self.delete.clone() else {
            return routes;
        };
        let entry = self.entry.clone();
        let delete = async move |request: ResourceRequest, Path(key): Path<String>| {
            request.delete(entry, key).await
        };
        let gone = self.describe(("Delete", None), (StatusCode::NO_CONTENT, None));
        let delete = rule.delete(delete).of_api();
        routes.route(&self.one(), delete.described(Method::DELETE, gone))
    }
}
