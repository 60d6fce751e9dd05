use crate::admin::refuse_secret;
use crate::fields::{column_of, name_of, named_fields};
use crate::form::spec;
use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::{Attribute, DeriveInput, Error, Expr, Field, LitStr, Path, Result, Token};

/// A resource of the API: the fields of the struct are the columns that clients may name.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    let options = options_of(&input.attrs)?;
    let entity = options.entity.as_ref().ok_or_else(|| {
        Error::new_spanned(name, "name the entity: #[resource(of = ticket::Entity)]")
    })?;
    let fields = named_fields(input, "a resource is a struct with named fields")?;
    let idents: Vec<_> = fields
        .iter()
        .filter_map(|field| field.ident.as_ref())
        .collect();
    let columns: Vec<_> = fields
        .iter()
        .map(|field| column(entity, field))
        .collect::<Result<_>>()?;
    if let Some(order) = &options.order {
        let text = order.value();
        let wanted = text.strip_prefix('-').unwrap_or(&text);
        if !idents.iter().any(|ident| name_of(ident) == wanted) {
            let sentence = "the order is a field of the struct, or - and a field";
            return Err(Error::new_spanned(order, sentence));
        }
    }
    let title = name.to_string();
    let order = options.order.iter();
    let fill = options.fill.iter();
    let judge = options.judge.iter();
    Ok(quote! {
        impl ::palisade::api::Resource for #name {
            type Entity = #entity;
            const NAME: &'static str = #title;

            fn describe() -> ::palisade::api::Description<#entity> {
                // the fields name columns, and have no values
                let _ = |resource: &Self| { #(let _ = &resource.#idents;)* };
                ::palisade::api::Description::new(::std::vec![#(#columns),*])
                    #(.order(#order))*
                    #(.fill(#fill))*
                    #(.judge(#judge))*
            }
        }
    })
}

/// `#[resource(of = ticket::Entity, order = "-changed_at", fill = ticket::touch, judge = ticket::judge)]`.
#[derive(Default)]
struct ResourceOptions {
    entity: Option<Path>,
    order: Option<LitStr>,
    fill: Option<Path>,
    judge: Option<Path>,
}

fn options_of(attributes: &[Attribute]) -> Result<ResourceOptions> {
    let mut options = ResourceOptions::default();
    let own = attributes
        .iter()
        .filter(|one| one.path().is_ident("resource"));
    for attribute in own {
        attribute.parse_nested_meta(|meta| {
            let known = meta.path.get_ident().map(ToString::to_string);
            match known.as_deref() {
                Some("of") => options.entity = Some(meta.value()?.parse()?),
                Some("order") => options.order = Some(meta.value()?.parse()?),
                Some("fill") => options.fill = Some(meta.value()?.parse()?),
                Some("judge") => options.judge = Some(meta.value()?.parse()?),
                _ => return Err(meta.error(RESOURCE_OPTIONS)),
            }
            Ok(())
        })?;
    }
    Ok(options)
}

const RESOURCE_OPTIONS: &str =
    "write of = ticket::Entity, order = \"-changed_at\", fill = path or judge = path";

fn column(entity: &Path, field: &Field) -> Result<TokenStream> {
    let Some(ident) = &field.ident else {
        return Err(Error::new_spanned(field, "a resource has named fields"));
    };
    refuse_secret(ident, "the API")?;
    let (ty, spec, column) = (&field.ty, spec(field)?, column_of(ident));
    let model = quote!(<#entity as ::palisade::sea_orm::EntityTrait>::Model);
    let mut more = TokenStream::new();
    let own = field
        .attrs
        .iter()
        .filter(|one| one.path().is_ident("field"));
    for attribute in own {
        attribute.parse_nested_meta(|meta| {
            more.extend(option(&meta)?);
            Ok(())
        })?;
    }
    Ok(quote! {
        ::palisade::api::Field::of::<#entity, #ty, _>(
            (<#entity as ::palisade::sea_orm::EntityTrait>::Column::#column, #spec),
            |row: &#model| &row.#ident,
        )#more
    })
}

/// An option of a field, as a call.
fn option(meta: &ParseNestedMeta<'_>) -> Result<TokenStream> {
    let known = meta.path.get_ident().map(ToString::to_string);
    let has_value = meta.input.peek(Token![=]);
    Ok(match known.as_deref() {
        Some("read") => {
            let rule: Expr = meta.value()?.parse()?;
            quote!(.read(#rule))
        }
        Some("write") if has_value => {
            let rule: Expr = meta.value()?.parse()?;
            quote!(.write(#rule))
        }
        Some("write") => quote!(.write(::palisade::permissions::public())),
        Some("create") if has_value => {
            let rule: Expr = meta.value()?.parse()?;
            quote!(.create(#rule))
        }
        Some("create") => quote!(.create(::palisade::permissions::public())),
        Some("filter") if has_value => {
            let ways: LitStr = meta.value()?.parse()?;
            let known = ["eq", "in", "has", "from", "to"];
            if !ways.value().split(' ').all(|way| known.contains(&way)) {
                return Err(Error::new_spanned(
                    ways,
                    "write some of \"eq in has from to\"",
                ));
            }
            quote!(.filter(#ways))
        }
        Some("filter") => quote!(.filter("eq")),
        Some("sort") => quote!(.sort()),
        Some("expand") => {
            let target: Path = meta.value()?.parse()?;
            quote!(.expand(<#target as ::palisade::api::Resource>::NAME))
        }
        _ => return Err(meta.error(FIELD_OPTIONS)),
    })
}

const FIELD_OPTIONS: &str = "write read = staff(), write, write = can(May::…), create, create = can(May::…), \
    filter, filter = \"eq in has from to\", sort or expand = Ticket";
