//! A profile that is a row of one table.

use super::personal_data::PersonalData;
use super::profile::{ProfileForm, Typed, read};
use crate::auth::User;
use crate::db::{Db, Tx};
use crate::forms::{FieldSpec, FieldValues, Fields, FillFrom, Input, RowForm};
use crate::views::Result;
use async_trait::async_trait;
use chrono_tz::Tz;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityName, EntityTrait, QueryFilter};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::marker::PhantomData;

/// A form whose fields are the columns of a row: `#[derive(Form)]` with `#[form(entity = …)]`.
pub trait ProfileRow:
    RowForm<Entity: EntityTrait<ActiveModel: Send>> + Fields + FillFrom<Model<Self>> + Sync + 'static
{
}

impl<P> ProfileRow for P where
    P: RowForm<Entity: EntityTrait<ActiveModel: Send>>
        + Fields
        + FillFrom<Model<P>>
        + Sync
        + 'static
{
}

/// The row of a user in a table of its own, for
/// [`App::profile_table`](crate::app::App::profile_table).
pub(crate) struct ProfileTable<P: RowForm> {
    user: Column<P>,
    form: PhantomData<fn() -> P>,
}

type Model<P> = <<P as RowForm>::Entity as EntityTrait>::Model;
type Column<P> = <<P as RowForm>::Entity as EntityTrait>::Column;

impl<P: RowForm> Clone for ProfileTable<P> {
    fn clone(&self) -> Self {
        Self::new(self.user)
    }
}

impl<P: RowForm> ProfileTable<P> {
    /// `user` is the column with the user's id.
    pub(crate) fn new(user: Column<P>) -> Self {
        Self {
            user,
            form: PhantomData,
        }
    }
}

impl<P: ProfileRow> ProfileTable<P> {
    async fn values(&self, db: &Db, user: &User) -> Result<FieldValues> {
        let row = P::Entity::find().filter(self.user.eq(user.id));
        let row = row.one(db).await?;
        Ok(row.map(|row| P::values(&row)).unwrap_or_default())
    }
}

#[async_trait]
impl<P: ProfileRow> ProfileForm for ProfileTable<P> {
    fn fields(&self) -> &'static [FieldSpec] {
        P::FIELDS
    }

    fn validate(&self, input: &mut Input) -> Option<()> {
        P::read(input).map(drop)
    }

    async fn load(&self, db: &Db, user: &User) -> Result<FieldValues> {
        self.values(db, user).await
    }

    async fn save(&self, typed: (Typed, Tz), tx: &Tx, user: &User) -> Result<()> {
        let mut row = read::<P>(typed)?.changes();
        // also where the form names it
        row.set(self.user, user.id.into());
        let rows = P::Entity::update_many().filter(self.user.eq(user.id));
        if rows.set(row.clone()).exec(tx).await?.rows_affected > 0 {
            return Ok(());
        }
        P::Entity::insert(row).exec_without_returning(tx).await?;
        Ok(())
    }
}

#[async_trait]
impl<P: ProfileRow> PersonalData for ProfileTable<P> {
    fn name(&self) -> &'static str {
        "profile"
    }

    fn tables(&self) -> Vec<&'static str> {
        vec![P::Entity::default().table_name()]
    }

    async fn export(&self, db: &Db, user: &User) -> Result<Value> {
        let values = self.values(db, user).await?;
        let text = |values: Vec<String>| values.into_iter().next();
        let values = values
            .into_iter()
            .map(|(name, values)| (name, text(values)));
        Ok(json!(values.collect::<BTreeMap<_, _>>()))
    }

    async fn erase(&self, tx: &Tx, user: &User) -> Result<()> {
        let row = P::Entity::delete_many().filter(self.user.eq(user.id));
        row.exec(tx).await?;
        Ok(())
    }
}
