//! Tables of the admin: the history of changes, the bin, proposals, saved views.

/// A change of a row.
pub(crate) mod changes {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_change")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        /// Microseconds since 1970.
        pub at: i64,
        pub user_id: Option<i32>,
        pub resource: String,
        pub object_id: String,
        pub label: String,
        /// `add`, `change`, `delete`, `purge`, `restore`, or the name of an action.
        pub verb: String,
        /// A list of columns, each with its values before and after; a name alone is a column whose
        /// values are not kept.
        #[sea_orm(column_type = "Text")]
        pub diff: String,
        pub address: String,
        pub request: String,
        pub why: String,
        /// Changes that were made together.
        pub batch: String,
        /// The change that this one has undone.
        pub undoes: Option<i64>,
        /// Keys of users in the row, such as `,3,17,`: with one of their accounts, the values are erased.
        pub people: String,
        /// Of the hash in the audit log.
        pub salt: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A deleted row.
pub(crate) mod bin {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_bin")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        /// Microseconds since 1970.
        pub at: i64,
        pub until: i64,
        pub user_id: Option<i32>,
        pub resource: String,
        pub object_id: String,
        pub label: String,
        /// All columns, encrypted.
        #[sea_orm(column_type = "Text")]
        pub sealed: String,
        pub people: String,
        pub batch: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// An operation that waits for a second person.
pub(crate) mod proposals {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_proposal")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        /// Microseconds since 1970.
        pub at: i64,
        pub until: i64,
        pub by_id: i32,
        pub resource: String,
        pub verb: String,
        pub label: String,
        /// The operation with its rows as they were, encrypted.
        #[sea_orm(column_type = "Text")]
        pub sealed: String,
        pub decided_by: Option<i32>,
        /// `approved`, `refused`, `withdrawn`; empty while it waits. Of an action on many rows: `running`,
        /// `done`, or the refused rows.
        pub decision: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A saved view of a list.
pub(crate) mod views {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_view")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        pub user_id: i32,
        pub resource: String,
        pub name: String,
        pub query: String,
        pub is_shared: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
