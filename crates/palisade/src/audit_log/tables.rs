//! Rows of the audit log.

/// An entry of the chain.
pub(super) mod entries {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_audit")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub seq: i64,
        /// Microseconds since 1970.
        pub at: i64,
        pub event: String,
        pub severity: String,
        pub outcome: String,
        pub actor: String,
        pub subject: String,
        pub request: String,
        pub route: String,
        pub detail: String,
        /// Commitment to the personal part.
        pub who: String,
        /// Hash of this entry and of the link before it.
        pub link: String,
        /// MAC of the content, wherever it is.
        pub seal: String,
        /// MAC of the link.
        pub mac: String,
        /// Id of the key of both.
        pub key: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The personal part of an entry.
pub(super) mod people {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_audit_who")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub seq: i64,
        pub salt: String,
        pub name: String,
        pub address: String,
        pub agent: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Records of effects, before they are moved into the chain.
pub(super) mod inbox {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_audit_inbox")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        /// Microseconds since 1970.
        pub at: i64,
        /// The record as JSON.
        #[sea_orm(column_type = "Text")]
        pub record: String,
        pub seal: String,
        pub key: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The end of the chain, and the last pruned entry: one row.
pub(super) mod head {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_audit_head")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        /// Number of the last entry.
        pub seq: i64,
        pub link: String,
        /// Number of the last pruned entry.
        pub pruned_seq: i64,
        pub pruned_link: String,
        /// Personal parts that were erased.
        pub erased: i64,
        pub mac: String,
        pub key: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
