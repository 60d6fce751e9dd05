mod person {
    use palisade::entity::*;
    use palisade::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, EncryptedFields)]
    #[sea_orm(table_name = "person")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub born: Encrypted<Day>,
        #[blind_index(born)]
        pub born_index: BlindIndex<Day>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}
