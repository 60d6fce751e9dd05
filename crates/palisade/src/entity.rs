//! `use palisade::entity::*;` imports everything that an entity needs: SeaORM's prelude, without the
//! names that clash with [`prelude`](crate::prelude).
//!
//! ```
//! use palisade::entity::*;
//! use palisade::prelude::*;
//!
//! #[sea_orm::model]
//! #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
//! #[sea_orm(table_name = "note")]
//! pub struct Model {
//!     #[sea_orm(primary_key)]
//!     pub id: i32,
//!     pub title: String,
//! }
//!
//! impl ActiveModelBehavior for ActiveModel {}
//!
//! async fn show(db: Db, Path(id): Path<i32>) -> Result<Json<String>> {
//!     Ok(Json(Entity::find_by_id(id).one(&db).await?.or_404()?.title))
//! }
//! ```

pub use crate::forms::Json;
pub use palisade_template::Value;
pub use sea_orm::entity::prelude::*;
pub use sea_orm::{Condition, ExprTrait, QueryOrder, QuerySelect, Set};
