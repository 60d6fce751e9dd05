use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Field, Fields, Ident, LitStr, Result};

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(
            input,
            "a form is a struct with named fields",
        ));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new_spanned(
            input,
            "a form is a struct with named fields",
        ));
    };
    let name = &input.ident;
    let idents: Vec<&Ident> = fields
        .named
        .iter()
        .filter_map(|field| field.ident.as_ref())
        .collect();
    let specs = fields.named.iter().map(spec).collect::<Result<Vec<_>>>()?;
    let reads = fields.named.iter().map(|field| {
        let (ident, ty) = (&field.ident, &field.ty);
        quote!(let #ident = input.field::<#ty>(stringify!(#ident));)
    });
    Ok(quote! {
        impl ::palisade::forms::Fields for #name {
            const FIELDS: &'static [::palisade::forms::FieldSpec] = &[#(#specs),*];
            fn read(input: &mut ::palisade::forms::Input) -> Option<Self> {
                #(#reads)*
                Some(Self { #(#idents: #idents?),* })
            }
        }
    })
}

fn spec(field: &Field) -> Result<TokenStream> {
    let (ident, ty) = (&field.ident, &field.ty);
    let mut label = label_from(
        &field
            .ident
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
    );
    let mut help = String::new();
    let mut is_hidden = false;
    for attribute in field
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("form"))
    {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("hidden") {
                is_hidden = true;
                return Ok(());
            }
            let text: LitStr = meta.value()?.parse()?;
            match meta.path.get_ident().map(ToString::to_string).as_deref() {
                Some("label") => label = text.value(),
                Some("help") => help = text.value(),
                _ => return Err(meta.error("write label = \"…\", help = \"…\" or hidden")),
            }
            Ok(())
        })?;
    }
    let shape = quote!(<#ty as ::palisade::forms::Field>::SHAPE);
    let shape = if is_hidden {
        quote!(::palisade::forms::Shape { kind: "hidden", ..#shape })
    } else {
        shape
    };
    Ok(quote! {
        ::palisade::forms::FieldSpec { name: stringify!(#ident), label: #label, help: #help, shape: #shape }
    })
}

/// `password_again` becomes `Password again`.
fn label_from(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut characters = words.chars();
    characters
        .next()
        .map(|first| first.to_uppercase().chain(characters).collect())
        .unwrap_or_default()
}
