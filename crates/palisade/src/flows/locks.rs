//! Optimistic locking of the columns that a form shows.

use crate::db::{Db, Tx};
use crate::forms::{Fields, FillFrom, Form, RowForm, SeenForm};
use crate::permissions::{RowAccess, Scoped, Verb};
use crate::views::{Error, Result};
use http::StatusCode;
use palisade_template::{Value, context};
use sea_orm::EntityTrait;

impl<E: Scoped> RowAccess<'_, E> {
    /// Changes the row by a form with a field [`Seen`](crate::forms::Seen): the set columns, if
    /// they are still as they were when the form was shown. An invalid form, and one that another
    /// change has overtaken, is shown again with its input; the latter (409) with the value that was
    /// seen and the present one at each field that differs, to be sent once more.
    ///
    /// ```
    /// # mod note {
    /// #     use palisade::entity::*;
    /// #     use palisade::prelude::*;
    /// #     #[sea_orm::model]
    /// #     #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    /// #     #[sea_orm(table_name = "note")]
    /// #     pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub owner_id: i32, pub title: String }
    /// #     impl ActiveModelBehavior for ActiveModel {}
    /// #     impl Scoped for Entity {
    /// #         fn rows(actor: &Actor, _: Verb) -> Rows<Self> { Rows::none().or("own", actor.owns(Column::OwnerId)) }
    /// #     }
    /// # }
    /// use palisade::forms::Seen;
    /// use palisade::prelude::*;
    ///
    /// #[derive(Form)]
    /// #[form(entity = note::Entity)]
    /// struct EditNote {
    ///     title: Line<120>,
    ///     seen: Seen,
    /// }
    ///
    /// async fn edit(page: Page, note: Allowed<note::Entity, Change>, form: FormView<EditNote>) -> Result<Response> {
    ///     page.render("notes/edit.html", context! { form => form.filled(&*note) }).await
    /// }
    ///
    /// async fn save(db: Db, note: Allowed<note::Entity, Change>, form: Form<EditNote>) -> Result<Response> {
    ///     note.access().change_by(&db, form, "notes/edit.html").await?;
    ///     Ok(redirect_to("/notes"))
    /// }
    /// ```
    ///
    /// # Errors
    /// The page, as an error, so that `?` shows it; as [`RowAccess::change`].
    pub async fn change_by<T>(self, db: &Db, form: Form<T>, template: &str) -> Result<()>
    where
        T: RowForm<Entity = E> + Fields + SeenForm + FillFrom<<E as EntityTrait>::Model>,
    {
        let (typed, invalid) = form.into_parts();
        let Some(typed) = typed else {
            return Err(invalid.show(template).await);
        };
        let mut there = None;
        let change = async |tx: &Tx| {
            let row = self.lock(tx).await?;
            let now = T::values(&row);
            if !typed.seen().is_of(&now) {
                there = Some(now);
                return Err(Error::conflict(OVERTAKEN));
            }
            self.change(tx, typed.changes()).await
        };
        let changed = db.write(change).await;
        match (changed, there) {
            (Err(_), Some(now)) => {
                let invalid = invalid.general_error(OVERTAKEN);
                let invalid = invalid.with_conflicts(typed.seen(), now);
                Err(invalid
                    .show_as(StatusCode::CONFLICT, template, none())
                    .await)
            }
            (changed, _) => changed,
        }
    }

    /// Reads the row and locks it until the end of the transaction.
    async fn lock(&self, tx: &Tx) -> Result<E::Model> {
        self.read_locked(Verb::Change, tx).await
    }
}

fn none() -> Value {
    context! {}
}

const OVERTAKEN: &str = "Another user has changed this since you opened it. Your input is below, \
    beside what is there now: check it, and send it again.";
