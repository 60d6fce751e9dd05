//! Structs with named fields, and the entity that they belong to.

use quote::format_ident;
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::token::Comma;
use syn::{Attribute, Data, DeriveInput, Error, Field, Fields, Ident, Path, Result};

/// The fields of a struct; an error with this sentence for any other type.
pub(crate) fn named_fields<'a>(
    input: &'a DeriveInput,
    sentence: &str,
) -> Result<&'a Punctuated<Field, Comma>> {
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Ok(&fields.named),
            _ => Err(Error::new_spanned(input, sentence)),
        },
        _ => Err(Error::new_spanned(input, sentence)),
    }
}

/// The entity of `#[form(entity = note::Entity)]` or `#[columns(entity = note::Entity)]`.
pub(crate) fn entity_of(attributes: &[Attribute], name: &str) -> Result<Option<Path>> {
    let mut entity = None;
    let named = attributes.iter().filter(|one| one.path().is_ident(name));
    for attribute in named {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("entity") {
                return Err(meta.error("write entity = note::Entity"));
            }
            entity = Some(meta.value()?.parse()?);
            Ok(())
        })?;
    }
    Ok(entity)
}

/// The name without the mark of a keyword (`r#type`).
pub(crate) fn name_of(ident: &Ident) -> String {
    ident.unraw().to_string()
}

/// `due_at` is the column `DueAt`.
pub(crate) fn column_of(ident: &Ident) -> Ident {
    let name = name_of(ident);
    let words = name.split('_');
    let name: String = words
        .map(|word| {
            let mut characters = word.chars();
            let first = characters.next().map(|first| first.to_ascii_uppercase());
            first.into_iter().chain(characters).collect::<String>()
        })
        .collect();
    format_ident!("{name}", span = ident.span())
}
