//! The tables.

use crate::tag;
use palisade::db::Migration;
use palisade::sea_orm_migration::schema::*;

/// All migrations, in order.
pub fn migrations() -> Vec<Migration> {
    let note = [string_len("title", 120), text("body"), date_null("due")];
    let tag = [string_len("name", 50)];
    let company = [string_len("company", 100)];
    vec![
        Migration::new("notes_0001_note").create_owned("note", "owner_id", note),
        Migration::new("notes_0002_tag")
            .create_owned("tag", "owner_id", tag)
            .create_links(tag::OF_NOTES),
        Migration::new("notes_0003_company").create_profile("company", "user_id", company),
    ]
}
