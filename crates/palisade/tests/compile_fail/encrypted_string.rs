mod person {
    use palisade::entity::*;
    use palisade::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, EncryptedFields)]
    #[sea_orm(table_name = "person")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: Encrypted<String>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}
