use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, LitStr, Result, Variant};

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(
            input,
            "a choice is an enum without data",
        ));
    };
    if let Some(variant) = data
        .variants
        .iter()
        .find(|variant| !matches!(variant.fields, Fields::Unit))
    {
        return Err(Error::new_spanned(
            variant,
            "a variant of a choice has no data",
        ));
    }
    let name = &input.ident;
    let variants: Vec<_> = data.variants.iter().map(|variant| &variant.ident).collect();
    let codes: Vec<_> = variants
        .iter()
        .map(|variant| snake_case(&variant.to_string()))
        .collect();
    let labels = data
        .variants
        .iter()
        .map(label)
        .collect::<Result<Vec<_>>>()?;
    Ok(quote! {
        impl ::palisade::views::ContextValue for #name {
            /// `code` and `label`.
            fn into_value(self) -> ::palisade::template::Value {
                let (code, label) = (::palisade::forms::Choice::code(&self), ::palisade::forms::Choice::label(&self));
                ::palisade::context! { code, label }
            }
        }

        /// The first variant is no secret.
        impl ::palisade::encrypted_fields::Zeroize for #name {
            fn zeroize(&mut self) {
                *self = [#(Self::#variants),*][0];
            }
        }

        impl ::palisade::forms::Choice for #name {
            const ALL: &'static [Self] = &[#(Self::#variants),*];
            const OPTIONS: &'static [(&'static str, &'static str)] = &[#((#codes, #labels)),*];
            fn code(&self) -> &'static str {
                match self { #(Self::#variants => #codes),* }
            }
        }
    })
}

fn label(variant: &Variant) -> Result<String> {
    let mut label = label_from(&variant.ident.to_string());
    for attribute in variant
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("choice"))
    {
        attribute.parse_nested_meta(|meta| {
            label = meta.value()?.parse::<LitStr>()?.value();
            Ok(())
        })?;
    }
    Ok(label)
}

pub(crate) fn snake_case(name: &str) -> String {
    let mut code = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !code.is_empty() {
            code.push('_');
        }
        code.extend(character.to_lowercase());
    }
    code
}

/// `NeedsReply` becomes `Needs reply`.
pub(crate) fn label_from(name: &str) -> String {
    let words = snake_case(name).replace('_', " ");
    let mut characters = words.chars();
    characters
        .next()
        .map(|first| first.to_uppercase().chain(characters).collect())
        .unwrap_or_default()
}
