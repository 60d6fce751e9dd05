//! Object permissions of a Django project that uses django-guardian, read from its two tables.

use crate::permissions::permission::{model_of, split};
use crate::permissions::rows::single_key;
use crate::permissions::{Actor, PermissionName, RowCondition};
use sea_orm::EntityTrait;
use sea_orm::sea_query::{Condition, Expr, ExprTrait, Func, Query, SelectStatement};

/// How Django stores the keys of a model.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// As the text that `object_pk` has.
    AsText,
    /// As 32 hexadecimal digits, while `object_pk` has dashes.
    UuidDigits,
}

impl Actor {
    /// The rows of this entity on which django-guardian's generic tables grant the user a
    /// permission: by own rows, or by a group. As guardian's `has_perm`, a permission for the model
    /// does not count; add it with [`Actor::may`] where it should.
    ///
    /// Keys are compared as text, so that an `object_pk` that is no key matches no row.
    pub fn guardian<E: EntityTrait>(&self, permission: impl Into<PermissionName>) -> RowCondition {
        self.read_guardian::<E>(permission.into(), Keys::AsText)
    }

    /// The same for a model with UUID keys that Django stores as 32 digits, as on SQLite.
    pub fn guardian_uuid<E: EntityTrait>(
        &self,
        permission: impl Into<PermissionName>,
    ) -> RowCondition {
        self.read_guardian::<E>(permission.into(), Keys::UuidDigits)
    }

    fn read_guardian<E: EntityTrait>(
        &self,
        permission: PermissionName,
        keys: Keys,
    ) -> RowCondition {
        self.note_question(permission.as_str());
        let (Some(user), Some(key)) = (self.id(), single_key::<E>()) else {
            return false.into();
        };
        if self.lacks_factor() {
            return false.into();
        }
        let key = Expr::col((E::default(), key)).cast_as("text");
        let own = Expr::col("user_id").eq(user);
        let own = objects::<E>("guardian_userobjectpermission", own, (permission, keys));
        let is_own = key.clone().in_subquery(own);
        let groups: Vec<i32> = self.rights().group_ids().collect();
        if groups.is_empty() {
            return is_own.into();
        }
        let of_groups = Expr::col("group_id").is_in(groups);
        let of_groups = objects::<E>(
            "guardian_groupobjectpermission",
            of_groups,
            (permission, keys),
        );
        is_own.or(key.in_subquery(of_groups)).into()
    }
}

/// The keys of the objects in one of guardian's tables.
fn objects<E: EntityTrait>(
    table: &'static str,
    recipient: Expr,
    (permission, keys): (PermissionName, Keys),
) -> SelectStatement {
    let object = Expr::col("object_pk");
    let object = match keys {
        Keys::AsText => object,
        Keys::UuidDigits => {
            let digits = Func::cust("replace").arg(object).arg("-").arg("");
            digits.into()
        }
    };
    Query::select()
        .expr(object)
        .from(table)
        .and_where(recipient)
        .and_where(Expr::col("permission_id").in_subquery(ids::<E>("auth_permission", permission)))
        .and_where(
            Expr::col("content_type_id").in_subquery(ids::<E>("django_content_type", permission)),
        )
        .to_owned()
}

/// The permission of the entity's own model, or its content type: other models may have a permission
/// of the same codename.
fn ids<E: EntityTrait>(table: &'static str, permission: PermissionName) -> SelectStatement {
    let (app, codename) = split(permission.as_str());
    let content_type = Expr::col(("django_content_type", "id"));
    let of_model = Condition::all()
        .add(Expr::col(("django_content_type", "app_label")).eq(app))
        .add(
            Expr::col(("django_content_type", "model"))
                .eq(model_of(app, E::default().table_name())),
        );
    Query::select()
        .column((table, "id"))
        .from("auth_permission")
        .inner_join(
            "django_content_type",
            content_type.equals(("auth_permission", "content_type_id")),
        )
        .cond_where(of_model)
        .and_where(Expr::col(("auth_permission", "codename")).eq(codename))
        .to_owned()
}
