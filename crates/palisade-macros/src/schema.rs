use crate::fields::{name_of, named_fields};
use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Result};

/// The JSON schema of a struct that serializes with the names of its fields.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    let fields = named_fields(input, "a described type is a struct with named fields")?;
    let (generics, types, clause) = input.generics.split_for_impl();
    let members = fields.iter().filter_map(|field| {
        let (ident, ty) = (name_of(field.ident.as_ref()?), &field.ty);
        Some(quote!((#ident, <#ty as ::palisade::api::Schema>::schema())))
    });
    Ok(quote! {
        impl #generics ::palisade::api::Schema for #name #types #clause {
            fn schema() -> ::palisade::serde_json::Value {
                ::palisade::api::object_schema(::std::vec![#(#members),*])
            }
        }
    })
}
