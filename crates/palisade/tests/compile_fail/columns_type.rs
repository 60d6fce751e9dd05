use palisade::entity::*;
use palisade::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "note")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    pub title: String,
}

impl ActiveModelBehavior for ActiveModel {}

#[derive(Columns)]
#[columns(entity = Entity)]
pub struct Row {
    pub titel: String,
}
