use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Fields, Result, Type};

/// Asserts that every field has a limit.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    let types = field_types(&input.data)?;
    Ok(quote! {
        const _: () = {
            fn is_bounded<T: ::palisade::forms::Bounded>() {}
            #[allow(dead_code, reason = "only its types are checked")]
            fn fields_are_bounded() {
                #(is_bounded::<#types>();)*
            }
        };

        impl ::palisade::forms::Bounded for #name {}

        impl ::palisade::forms::JsonBody for #name {
            async fn read_json(
                body: &[u8],
                _: &::palisade::axum::http::Extensions,
            ) -> ::palisade::views::Result<Self> {
                ::palisade::forms::read_bounded(body)
            }
        }
    })
}

fn field_types(data: &Data) -> Result<Vec<&Type>> {
    match data {
        Data::Struct(data) => Ok(types(&data.fields).collect()),
        Data::Enum(data) => Ok(data
            .variants
            .iter()
            .flat_map(|variant| types(&variant.fields))
            .collect()),
        Data::Union(data) => Err(syn::Error::new_spanned(
            data.union_token,
            "a JSON body is a struct or an enum",
        )),
    }
}

fn types(fields: &Fields) -> impl Iterator<Item = &Type> {
    fields.iter().map(|field| &field.ty)
}
