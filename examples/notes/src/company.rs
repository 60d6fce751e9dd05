//! The company of a user: a field of sign-up and of the account page.

use palisade::entity::*;
use palisade::prelude::*;

/// A row of `company`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "company")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: i32,
    pub company: String,
}

impl ActiveModelBehavior for ActiveModel {}

/// The fields of sign-up.
#[derive(Form)]
#[form(entity = Entity)]
pub struct Company {
    company: Line<100>,
}
