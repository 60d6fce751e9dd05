//! `#[derive(Form)]`, `#[derive(Choice)]`, `#[derive(Permission)]`, `include_templates!` and
//! `include_static!`. Use them through `palisade::prelude`.

mod admin;
mod choice;
mod columns;
mod debug_handler;
mod encrypted_fields;
mod fields;
mod form;
mod json_body;
mod pattern;
mod permission;
mod resource;
mod schema;
mod static_files;
mod templates;
mod watched;

use proc_macro::TokenStream;
use syn::{DeriveInput, LitStr, parse_macro_input};

/// Reads a struct from a submitted form or a query string, field by field.
///
/// Every field must be of a type that knows its limits (`Line<120>`, `Text<10_000>`, `Email`, a `Choice`, …); a `String` does not compile.
/// On a field, `#[form(label = "…", help = "…")]` sets its texts, `#[form(empty = "Any")]` the label of the empty option of a choice, and
/// `#[form(hidden)]` hides it. On the struct, `#[form(entity = note::Entity)]` fills the form from a row
/// (`FormView::filled`) and adds `changes`, which sets the columns of the same names.
#[proc_macro_derive(Form, attributes(form))]
pub fn derive_form(input: TokenStream) -> TokenStream {
    form::expand(&parse_macro_input!(input as DeriveInput))
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// Declares a resource of the admin: a struct with `#[admin(of = ticket::Entity)]`, whose fields have the names of columns and the types of forms.
///
/// The struct is the allow-list: a column that is not a field is not read. On a field, `#[admin(list, filter, search, fixed)]` shows it in the list,
/// filters by it, searches it and makes it unchangeable; `view = May::…` and `change = May::…` require a permission of their own. On the struct,
/// `order = "-changed_at"`, `children(Comments)`, `actions = path`, `fill = path`, `without(Delete)` and `two_person(Delete)`.
#[proc_macro_derive(Admin, attributes(admin, form))]
pub fn derive_admin(input: TokenStream) -> TokenStream {
    admin::expand(&parse_macro_input!(input as DeriveInput))
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// Declares a resource of the API: a struct with `#[resource(of = ticket::Entity)]`, whose fields have the names of columns and the types of forms.
///
/// The struct is the allow-list: a column that is not a field does not exist for clients. A field can be read with the row that it belongs to, and no
/// more: `#[field(read = staff())]` hides it from others, `write` or `write = can(May::…)` lets clients change it, `create` set it at creation alone,
/// `filter = "eq in has from to"` filter by it, `sort` sort by it, and `expand = Ticket` load the row that it refers to. On the struct,
/// `order = "-changed_at"`, `fill = path`, which completes rows, and `judge = path`, which refuses writes by the rules of the business.
#[proc_macro_derive(Resource, attributes(resource, field, form))]
pub fn derive_resource(input: TokenStream) -> TokenStream {
    resource::expand(&parse_macro_input!(input as DeriveInput))
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// Describes the JSON of a struct that serializes, for the document of the API.
#[proc_macro_derive(Schema)]
pub fn derive_schema(input: TokenStream) -> TokenStream {
    schema::expand(&parse_macro_input!(input as DeriveInput))
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// Checks a handler argument by argument, for an error of the compiler that names the one that is
/// wrong.
///
/// A handler needs no attribute; this one may stay, and costs nothing at run time.
#[proc_macro_attribute]
pub fn debug_handler(_: TokenStream, input: TokenStream) -> TokenStream {
    debug_handler::expand(&parse_macro_input!(input as syn::ItemFn))
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// Lets a type that serde deserializes be read from a JSON body: with `#[derive(Deserialize)]`.
///
/// Every field must be of a type that knows its limits; a `String` does not compile.
#[proc_macro_derive(JsonBody)]
pub fn derive_json_body(input: TokenStream) -> TokenStream {
    json_body::expand(&parse_macro_input!(input as DeriveInput))
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// Lets an enum without data be chosen by name: in a form, in a query string, in a column. `NeedsReply` is `needs_reply`;
/// `#[choice(label = "…")]` on a variant sets its label.
#[proc_macro_derive(Choice, attributes(choice))]
pub fn derive_choice(input: TokenStream) -> TokenStream {
    choice::expand(&parse_macro_input!(input as DeriveInput))
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// Names the columns of an entity that a page or an API may see: a struct with `#[columns(entity = note::Entity)]`, whose fields have the names
/// and types of columns.
///
/// A query reads these columns alone (`Paging::load_as`, `into_partial_model`); `NoteRow::from(&note)` copies them from a row. The struct is a value of
/// `context!` and a body of `Json`; an entity is neither, so that a column that is added later is
/// shown nowhere.
#[proc_macro_derive(Columns, attributes(columns))]
pub fn derive_columns(input: TokenStream) -> TokenStream {
    columns::expand(&parse_macro_input!(input as DeriveInput))
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// Describes the encrypted columns of an entity's `Model`: fields of type `Encrypted<T>` or
/// `Option<Encrypted<T>>`, and `BlindIndex<T>` to find them by.
///
/// `#[encrypted(of = user_id)]` encrypts with the key of the user in this column. An index names
/// its columns: `#[blind_index(email)]`, `#[blind_index(last_name, born)]`,
/// `#[blind_index(email, unique)]`, `#[blind_index(phone, bits = 16)]`. For a field `phone` and an
/// index `phone_index` there are `Model::open_phone`, `Entity::phone_is` and `Entity::phone_is_in`.
#[proc_macro_derive(EncryptedFields, attributes(encrypted, blind_index))]
pub fn derive_encrypted_fields(input: TokenStream) -> TokenStream {
    encrypted_fields::expand(&parse_macro_input!(input as DeriveInput))
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// Declares a field type by a pattern: `pattern!(pub Iban, 34, r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", "Enter an IBAN such as NL91ABNA0417164300.")`.
///
/// The pattern is compiled when the site is built; it matches in linear time, and always the whole
/// value. `\d` and `\w` are of ASCII. The number is the longest value in characters, the sentence
/// that of the form. Control characters are refused, and spaces around the value are removed.
#[proc_macro]
pub fn pattern(input: TokenStream) -> TokenStream {
    pattern::expand(&parse_macro_input!(input as pattern::Pattern))
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// Declares permissions as an enum without data: `#[permission(app = "shop")]` names the app, and
/// `ReadReports` is `shop.read_reports`. On a variant, `#[permission(of = order::Entity)]` attaches
/// it to the entity's content type, and `label = "…"` sets the name that Django's admin shows.
#[proc_macro_derive(Permission, attributes(permission))]
pub fn derive_permission(input: TokenStream) -> TokenStream {
    permission::expand(&parse_macro_input!(input as DeriveInput))
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// Embeds the files of a folder (relative to the crate's `Cargo.toml`) into the program. Hidden
/// files are excluded; symbolic links are refused.
#[proc_macro]
pub fn include_static(input: TokenStream) -> TokenStream {
    static_files::expand(&parse_macro_input!(input as LitStr))
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// Embeds the templates of a folder (relative to the crate's `Cargo.toml`) into the program and
/// checks them at compile time.
#[proc_macro]
pub fn include_templates(input: TokenStream) -> TokenStream {
    templates::expand(&parse_macro_input!(input as LitStr))
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}
