use super::kind::FileKind;
use super::row::{Column, Entity, Model, State};
use super::service::KEPT;
use super::stored::{StoredFile, owner_of};
use crate::audit_log::{Entry, Event, record_in};
use crate::db::Tx;
use crate::forms::{Field, FileShape, ReceivedFile, Shape};
use crate::permissions::{Key, Scoped};
use crate::views::{Error, Result};
use palisade_crypto::random::stored_hash;
use sea_orm::{ColumnTrait, EntityTrait, ModelTrait, QueryFilter};
use std::fmt::Display;
use std::marker::PhantomData;

/// A file in a form: of a kind, with a limit of bytes.
///
/// The form is multipart then. Name, declared type and content must agree, or the form is shown again
/// with a sentence at the field. The file is held for an hour for this visitor, so that it need not be
/// chosen again when another field was wrong; [`Upload::keep`] makes it belong to a row.
///
/// ```
/// use palisade::prelude::*;
/// use palisade::uploads::{MIB, Paper, Upload};
/// # mod ticket {
/// #     use palisade::entity::*;
/// #     use palisade::prelude::*;
/// #     #[sea_orm::model]
/// #     #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "helpdesk_ticket")]
/// #     pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub subject: String }
/// #     impl ActiveModelBehavior for ActiveModel {}
/// #     impl Scoped for Entity {
/// #         fn rows(actor: &Actor, _: Verb) -> Rows<Self> { Rows::none().or("staff", actor.is_staff()) }
/// #     }
/// # }
/// use palisade::entity::*;
///
/// #[derive(Form)]
/// struct NewTicket {
///     subject: Line<120>,
///     #[form(label = "Contract")]
///     contract: Option<Upload<Paper, { 5 * MIB }>>,
/// }
///
/// async fn open(db: Db, form: Form<NewTicket>) -> Result<Response> {
///     let new = form.valid_or_show("tickets/new.html").await?;
///     db.write(async |tx| {
///         let ticket = ticket::ActiveModel { subject: Set(new.subject.into()), ..Default::default() };
///         let ticket = ticket.insert(tx).await?;
///         if let Some(contract) = new.contract {
///             contract.keep(tx, &ticket).await?; // viewers of the ticket are viewers of its file
///         }
///         Ok::<_, Error>(())
///     }).await?;
///     Ok(redirect_to("/tickets"))
/// }
///
/// let app = App::new()
///     .entity::<ticket::Entity>()
///     .files::<Paper>()
///     .routes(Routes::new().route("/tickets", signed_in().post(open)));
/// ```
#[derive(Debug)]
pub struct Upload<K, const MOST_BYTES: u64> {
    file: ReceivedFile,
    kind: PhantomData<fn() -> K>,
}

impl<K: FileKind, const MOST_BYTES: u64> Field for Upload<K, MOST_BYTES> {
    const SHAPE: Shape = Shape {
        file: Some(FileShape {
            kind: K::KIND.name,
            accept: K::KIND.accept(),
            most_bytes: MOST_BYTES,
        }),
        ..Shape::of_file()
    };

    /// The description of a received file, which only the form's reader writes.
    fn parse(raw: Option<&str>) -> Result<Self, String> {
        let file = raw.and_then(|raw| serde_json::from_str(raw).ok());
        let kind = PhantomData;
        file.map(|file| Self { file, kind })
            .ok_or_else(|| "Choose a file.".into())
    }
}

impl<K, const MOST_BYTES: u64> Upload<K, MOST_BYTES> {
    /// Its name, as the user gave it, with the ending of its format.
    pub fn name(&self) -> &str {
        &self.file.name
    }

    /// Its media type, by its content.
    pub fn media_type(&self) -> &str {
        &self.file.media_type
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        self.file.bytes
    }

    /// Makes the file belong to a row, with the transaction: viewers of the row are viewers of the
    /// file, and it is deleted with the row. A row may have several files.
    ///
    /// # Errors
    /// When the file is not held any more, and when the database does not answer.
    pub async fn keep<M>(self, tx: &Tx, row: &M) -> Result<StoredFile>
    where
        M: ModelTrait<Entity: Scoped>,
        Key<M::Entity>: Display,
    {
        let (table, key) = owner_of(row);
        let held = Entity::find()
            .filter(Column::Token.eq(stored_hash(&self.file.token)))
            .filter(Column::State.is_in(KEPT.map(State::word)))
            .filter(Column::Kind.eq(self.file.kind.as_str()))
            .filter(Column::Field.eq(self.file.field.as_str()))
            .filter(Column::Until.is_not_null())
            .one(tx)
            .await?;
        let held = held.ok_or_else(gone)?;
        let kept = Entity::update_many()
            .col_expr(Column::OwnerTable, table.clone().into())
            .col_expr(Column::OwnerKey, key.clone().into())
            .col_expr(Column::Until, Option::<i64>::None.into())
            .col_expr(Column::Token, "".into())
            .col_expr(Column::Binding, "".into())
            .filter(Column::Id.eq(held.id))
            .filter(Column::Until.is_not_null())
            .filter(Column::State.is_in(KEPT.map(State::word)))
            .exec(tx)
            .await?;
        if kept.rows_affected == 0 {
            return Err(gone());
        }
        let detail = format!("{} {} of {table} {key}", held.kind, held.id);
        record_in(tx, Entry::new(Event::FileStored).detail(detail)).await?;
        Ok(StoredFile::from(Model {
            owner_table: Some(table),
            owner_key: Some(key),
            until: None,
            ..held
        }))
    }
}

fn gone() -> Error {
    Error::conflict("The file was kept for an hour only. Please send the form again.")
}
