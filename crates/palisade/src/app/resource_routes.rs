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
        let one = format!("{}/{{id}}", self.path.trim_end_matches('/'));
        let entry = self.entry;
        let of = entry.clone();
        let describe = |operation, answer| Operation::of_resource(&of, operation, answer);
        let mut routes = Routes::new().with_resource(entry.clone());
        if let Some(rule) = self.read {
            let (all, item) = (entry.clone(), entry.clone());
            let list = async move |request: ResourceRequest| request.list(all).await;
            let item = async move |request: ResourceRequest, Path(key): Path<String>| {
                request.item(item, key).await
            };
            let page = (StatusCode::OK, Some(ResourceContent::Page));
            let row = (StatusCode::OK, Some(ResourceContent::Item));
            let list = rule.clone().get(list).of_api();
            let item = rule.get(item).of_api();
            routes = routes
                .route(
                    &self.path,
                    list.described(Method::GET, describe(("List", None), page)),
                )
                .route(
                    &one,
                    item.described(Method::GET, describe(("Read", None), row)),
                );
        }
        if let Some(rule) = self.create {
            let entry = entry.clone();
            let create =
                async move |request: ResourceRequest, OnceObject(object, once): OnceObject| {
                    request.create(entry, (object, once)).await
                };
            let body = ("Create", Some(ResourceContent::New));
            let made = (StatusCode::CREATED, Some(ResourceContent::Item));
            let create = rule.post(create).of_api();
            routes = routes.route(
                &self.path,
                create.described(Method::POST, describe(body, made)),
            );
        }
        if let Some(rule) = self.change {
            let change = |entry: Arc<Entry>, body: Body| {
                async move |request: ResourceRequest, Path(key): Path<String>, object: Object| {
                    request.change(entry, key, (object, body)).await
                }
            };
            let guarded = rule.put(change(entry.clone(), Body::Whole));
            let guarded = guarded.patch(change(entry.clone(), Body::Patch));
            let changed = (StatusCode::OK, Some(ResourceContent::Item));
            let put = describe(("Replace", Some(ResourceContent::Whole)), changed);
            let patch = describe(("Change", Some(ResourceContent::Patch)), changed);
            let guarded = guarded.of_api().described(Method::PUT, put);
            routes = routes.route(&one, guarded.described(Method::PATCH, patch));
        }
        if let Some(rule) = self.delete {
            let delete = async move |request: ResourceRequest, Path(key): Path<String>| {
                request.delete(entry, key).await
            };
            let gone = describe(("Delete", None), (StatusCode::NO_CONTENT, None));
            let delete = rule.delete(delete).of_api();
            routes = routes.route(&one, delete.described(Method::DELETE, gone));
        }
        let limits = self.limits.iter();
        limits.fold(routes, |routes, limit| routes.limit(limit))
    }
}
