use crate::fields::{name_of, named_fields};
use proc_macro2::TokenStream;
use quote::quote;
use syn::punctuated::Punctuated;
use syn::token::Comma;
use syn::{Attribute, DeriveInput, Field, Ident, LitStr, Path, Result};

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let fields = named_fields(input, "a form is a struct with named fields")?;
    let name = &input.ident;
    let idents: Vec<&Ident> = fields
        .iter()
        .filter_map(|field| field.ident.as_ref())
        .collect();
    let specs = fields.iter().map(spec).collect::<Result<Vec<_>>>()?;
    let reads = fields.iter().map(|field| {
        let (ident, ty) = (&field.ident, &field.ty);
        let name = ident.as_ref().map(name_of);
        quote!(let #ident = <#ty as ::palisade::forms::Field>::read(input, #name);)
    });
    let options = options_of(&input.attrs)?;
    let rule = options.rule.map(|rule| {
        quote! {
            if let ::core::result::Result::Err(error) = #rule(&form) {
                input.refuse_by_rule(error);
                return None;
            }
        }
    });
    let columns = options.entity.map(|entity| columns(name, &entity, fields));
    Ok(quote! {
        #columns
        impl ::palisade::forms::Fields for #name {
            const FIELDS: &'static [::palisade::forms::FieldSpec] = &[#(#specs),*];
            fn read(input: &mut ::palisade::forms::Input) -> Option<Self> {
                #(#reads)*
                let form = Self { #(#idents: #idents?),* };
                #rule
                Some(form)
            }
        }
    })
}

/// The options of a form: `#[form(entity = note::Entity, rule = Self::check)]`.
#[derive(Default)]
struct FormOptions {
    entity: Option<Path>,
    rule: Option<Path>,
}

fn options_of(attributes: &[Attribute]) -> Result<FormOptions> {
    let mut options = FormOptions::default();
    let named = attributes.iter().filter(|one| one.path().is_ident("form"));
    for attribute in named {
        attribute.parse_nested_meta(|meta| {
            let known = match meta.path.get_ident().map(ToString::to_string).as_deref() {
                Some("entity") => &mut options.entity,
                Some("rule") => &mut options.rule,
                _ => return Err(meta.error("write entity = note::Entity or rule = Self::check")),
            };
            *known = Some(meta.value()?.parse()?);
            Ok(())
        })?;
    }
    Ok(options)
}

/// Conversions between the fields and the columns of the same names.
///
/// The key of a `Ref` is shown, but not assigned: it is resolved by the policy of its row first.
/// Lists and files are neither.
fn columns(name: &Ident, entity: &Path, fields: &Punctuated<Field, Comma>) -> TokenStream {
    let of_kind = |is_column: fn(&str) -> bool| {
        fields.iter().filter(move |field| {
            let ty = &field.ty;
            is_column(&quote!(#ty).to_string())
        })
    };
    let names = |field: &'_ Field| field.ident.clone();
    let is_shown = |ty: &str| !is_list(ty) && !is_seen(ty);
    let shown: Vec<Ident> = of_kind(is_shown).filter_map(names).collect();
    let shown_names = shown.iter().map(name_of);
    let shown_types = of_kind(is_shown).map(|field| &field.ty);
    let seen = of_kind(is_seen).filter_map(names).next().map(seen);
    let (seen_field, seen_value) = seen.map(|seen| seen(name)).unwrap_or_default();
    let assigned: Vec<Ident> = of_kind(|ty| !is_list(ty) && !is_key(ty) && !is_seen(ty))
        .filter_map(names)
        .collect();
    let model = quote!(<#entity as ::palisade::sea_orm::EntityTrait>::Model);
    let active = quote!(<#entity as ::palisade::sea_orm::EntityTrait>::ActiveModel);
    quote! {
        #seen_field

        impl ::palisade::forms::FillFrom<#model> for #name {
            fn values(row: &#model) -> Vec<(&'static str, Vec<String>)> {
                #[allow(unused_mut)]
                let mut values = vec![#((#shown_names, <#shown_types as ::palisade::forms::ShowColumn<_>>::show(&row.#shown))),*];
                #seen_value
                values
            }
        }

        impl ::palisade::forms::RowForm for #name {
            type Entity = #entity;

            fn changes(&self) -> #active {
                let mut row = <#active as ::core::default::Default>::default();
                #(row.#assigned = ::palisade::sea_orm::Set(
                    ::palisade::forms::IntoColumn::into_column(self.#assigned.clone()),
                );)*
                row
            }
        }
    }
}

/// The field that holds what the user saw, and its value.
fn seen(field: Ident) -> impl FnOnce(&Ident) -> (TokenStream, TokenStream) {
    move |name| {
        let of_form = quote! {
            impl ::palisade::forms::SeenForm for #name {
                fn seen(&self) -> &::palisade::forms::Seen {
                    &self.#field
                }
            }
        };
        let value = quote! {
            let seen = ::palisade::forms::Seen::of(&values);
            values.push(("seen", ::std::vec![seen]));
        };
        (of_form, value)
    }
}

fn is_seen(ty: &str) -> bool {
    ty == "Seen" || ty.ends_with(":: Seen")
}

/// Lists and files are no columns.
fn is_list(ty: &str) -> bool {
    ["Many <", "Group <", "Repeated <", "Upload <"]
        .iter()
        .any(|list| ty.contains(list))
}

fn is_key(ty: &str) -> bool {
    ty.contains("Ref <")
}

pub(crate) fn spec(field: &Field) -> Result<TokenStream> {
    let ty = &field.ty;
    let name = field.ident.as_ref().map(name_of).unwrap_or_default();
    let mut label = label_from(&name);
    let mut help = String::new();
    let mut empty = String::new();
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
                Some("empty") => empty = text.value(),
                _ => {
                    return Err(
                        meta.error("write label = \"…\", help = \"…\", empty = \"…\" or hidden")
                    );
                }
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
        ::palisade::forms::FieldSpec { name: #name, label: #label, help: #help, empty: #empty, shape: #shape }
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
