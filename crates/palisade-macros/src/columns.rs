use crate::fields::{column_of, entity_of, name_of, named_fields};
use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error, Ident, Path, Result};

/// A struct of some columns of an entity: it is read from a query or a row, and written to a
/// template or an API.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    let missing = "name the entity: #[columns(entity = note::Entity)]";
    let entity = entity_of(&input.attrs, "columns")?;
    let entity = entity.ok_or_else(|| Error::new_spanned(name, missing))?;
    let fields = named_fields(input, "columns are a struct with named fields")?;
    let idents: Vec<Ident> = fields
        .iter()
        .filter_map(|field| field.ident.clone())
        .collect();
    let names: Vec<String> = idents.iter().map(name_of).collect();
    let read = from_query(name, &entity, (&idents, &names));
    let shown = shown(name, &idents, &names);
    Ok(quote! {
        #read
        #shown

        impl ::core::convert::From<&<#entity as ::palisade::sea_orm::EntityTrait>::Model> for #name {
            fn from(row: &<#entity as ::palisade::sea_orm::EntityTrait>::Model) -> Self {
                Self { #(#idents: ::core::clone::Clone::clone(&row.#idents)),* }
            }
        }
    })
}

/// The query of these columns alone, and its result.
fn from_query(name: &Ident, entity: &Path, (idents, names): (&[Ident], &[String])) -> TokenStream {
    let columns: Vec<Ident> = idents.iter().map(column_of).collect();
    quote! {
        impl ::palisade::sea_orm::FromQueryResult for #name {
            fn from_query_result(
                row: &::palisade::sea_orm::QueryResult,
                prefix: &str,
            ) -> ::core::result::Result<Self, ::palisade::sea_orm::DbErr> {
                ::core::result::Result::Ok(Self { #(#idents: row.try_get(prefix, #names)?),* })
            }
        }

        impl ::palisade::sea_orm::PartialModelTrait for #name {
            fn select_cols_nested<S: ::palisade::sea_orm::QuerySelect>(
                select: S,
                prefix: ::core::option::Option<&str>,
                _: ::core::option::Option<&'static str>,
            ) -> S {
                let prefix = prefix.unwrap_or_default();
                #(let select = select.column_as(
                    <#entity as ::palisade::sea_orm::EntityTrait>::Column::#columns,
                    ::std::format!("{prefix}{}", #names),
                );)*
                select
            }
        }
    }
}

/// The same fields for a template and for JSON.
fn shown(name: &Ident, idents: &[Ident], names: &[String]) -> TokenStream {
    let count = idents.len();
    quote! {
        impl ::palisade::views::ContextValue for #name {
            fn into_value(self) -> ::palisade::template::Value {
                ::palisade::views::map_value([#((#names, ::palisade::views::ContextValue::into_value(self.#idents))),*])
            }
        }

        impl ::palisade::views::ContextValue for &#name {
            fn into_value(self) -> ::palisade::template::Value {
                ::palisade::views::map_value([#((#names, ::palisade::views::ContextValue::into_value(::core::clone::Clone::clone(&self.#idents)))),*])
            }
        }

        impl ::palisade::serde::Serialize for #name {
            fn serialize<S: ::palisade::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                use ::palisade::serde::ser::SerializeStruct;
                let mut row = serializer.serialize_struct(stringify!(#name), #count)?;
                #(row.serialize_field(#names, &self.#idents)?;)*
                row.end()
            }
        }
    }
}
