use crate::fields::{column_of, name_of, named_fields};
use crate::form::spec;
use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{
    Attribute, DeriveInput, Error, Expr, Field, Ident, LitStr, Path, Result, Token, parenthesized,
};

/// A resource of the admin: the fields of the struct are the columns that it reads and writes.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    let options = options_of(&input.attrs)?;
    let entity = options.entity.as_ref().ok_or_else(|| {
        Error::new_spanned(name, "name the entity: #[admin(of = ticket::Entity)]")
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
    if !columns.iter().any(|column| column.is_listed) {
        let sentence = "the list has no column: write #[admin(list)] above a field";
        return Err(Error::new_spanned(name, sentence));
    }
    let columns = columns.iter().map(|column| &column.tokens);
    let order = order(&options, fields)?;
    let slug = kebab(&name.to_string());
    let title = options.label.unwrap_or_else(|| words(&name.to_string()));
    let children = options.children.iter();
    let actions = options.actions.map(|path| quote!(.actions(#path())));
    let fill = options.fill.map(|path| quote!(.fill(#path)));
    let guard = options.guard.map(|path| quote!(.guard(#path)));
    let (without, two) = (options.without.iter(), options.two_person.iter());
    Ok(quote! {
        impl ::palisade::admin::Resource for #name {
            type Entity = #entity;
            const NAME: &'static str = #slug;
            const TITLE: &'static str = #title;

            fn describe() -> ::palisade::admin::Description<#entity> {
                // the fields name columns, and have no values
                let _ = |resource: &Self| { #(let _ = &resource.#idents;)* };
                ::palisade::admin::Description::new(::std::vec![#(#columns),*])
                    #order
                    #(.child(<#children as ::palisade::admin::Resource>::NAME))*
                    #actions
                    #fill
                    #guard
                    #(.without(::palisade::admin::Operation::#without))*
                    #(.two_person(::palisade::admin::Operation::#two))*
            }
        }
    })
}

/// `#[admin(of = ticket::Entity, order = "-changed_at", children(Comments), actions = actions)]`.
#[derive(Default)]
struct ResourceOptions {
    entity: Option<Path>,
    order: Option<LitStr>,
    label: Option<String>,
    actions: Option<Path>,
    fill: Option<Path>,
    guard: Option<Path>,
    children: Vec<Path>,
    without: Vec<Ident>,
    two_person: Vec<Ident>,
}

fn options_of(attributes: &[Attribute]) -> Result<ResourceOptions> {
    let mut options = ResourceOptions::default();
    for attribute in attributes.iter().filter(|one| one.path().is_ident("admin")) {
        attribute.parse_nested_meta(|meta| {
            let known = meta.path.get_ident().map(ToString::to_string);
            match known.as_deref() {
                Some("of") => options.entity = Some(meta.value()?.parse()?),
                Some("order") => options.order = Some(meta.value()?.parse()?),
                Some("label") => options.label = Some(meta.value()?.parse::<LitStr>()?.value()),
                Some("actions") => options.actions = Some(meta.value()?.parse()?),
                Some("fill") => options.fill = Some(meta.value()?.parse()?),
                Some("guard") => options.guard = Some(meta.value()?.parse()?),
                Some("children") => options.children = listed(meta.input)?,
                Some("without") => options.without = listed(meta.input)?,
                Some("two_person") => {
                    options.two_person = listed(meta.input)?;
                    let is_known = |name: &Ident| name == "Change" || name == "Delete";
                    if !options.two_person.iter().all(is_known) {
                        return Err(meta.error("two persons approve Change, Delete, and actions"));
                    }
                }
                _ => return Err(meta.error(RESOURCE_OPTIONS)),
            }
            Ok(())
        })?;
    }
    Ok(options)
}

const RESOURCE_OPTIONS: &str = "write of = ticket::Entity, order = \"-changed_at\", label = \"…\", \
    children(Comments), actions = path, fill = path, guard = path, without(Delete) or two_person(Delete)";

/// `(A, B)`.
fn listed<T: syn::parse::Parse>(input: ParseStream<'_>) -> Result<Vec<T>> {
    let inner;
    parenthesized!(inner in input);
    let all = Punctuated::<T, Token![,]>::parse_terminated(&inner)?;
    Ok(all.into_iter().collect())
}

struct Declared {
    tokens: TokenStream,
    is_listed: bool,
}

fn column(entity: &Path, field: &Field) -> Result<Declared> {
    let Some(ident) = &field.ident else {
        return Err(Error::new_spanned(field, "a resource has named fields"));
    };
    refuse_secret(ident, "the admin")?;
    let (ty, spec, column) = (&field.ty, spec(field)?, column_of(ident));
    let model = quote!(<#entity as ::palisade::sea_orm::EntityTrait>::Model);
    let (mut more, mut is_listed) = (TokenStream::new(), false);
    for attribute in field
        .attrs
        .iter()
        .filter(|one| one.path().is_ident("admin"))
    {
        attribute.parse_nested_meta(|meta| {
            let known = meta.path.get_ident().map(ToString::to_string);
            more.extend(match known.as_deref() {
                Some("list") => {
                    is_listed = true;
                    quote!(.list())
                }
                Some("filter") => quote!(.filter()),
                Some("fixed") => quote!(.fixed()),
                Some("search") if meta.input.peek(Token![=]) => {
                    let way: Ident = meta.value()?.parse()?;
                    match way.to_string().as_str() {
                        "start" => quote!(.search_start()),
                        _ => return Err(meta.error("write search or search = start")),
                    }
                }
                Some("search") => quote!(.search()),
                Some("view") => {
                    let permission: Expr = meta.value()?.parse()?;
                    quote!(.view(#permission))
                }
                Some("change") => {
                    let permission: Expr = meta.value()?.parse()?;
                    quote!(.change(#permission))
                }
                _ => return Err(meta.error(FIELD_OPTIONS)),
            });
            Ok(())
        })?;
    }
    let tokens = quote! {
        ::palisade::admin::Column::of::<#entity, #ty, _>(
            (<#entity as ::palisade::sea_orm::EntityTrait>::Column::#column, #spec),
            |row: &#model| &row.#ident,
        )#more
    };
    Ok(Declared { tokens, is_listed })
}

const FIELD_OPTIONS: &str = "write list, filter, search, search = start, fixed, view = May::… or \
    change = May::…";

/// Values that let their reader act as another user are no page's.
pub(crate) fn refuse_secret(ident: &Ident, place: &str) -> Result<()> {
    const SECRETS: [&str; 6] = [
        "password",
        "secret",
        "token",
        "api_key",
        "private_key",
        "otp",
    ];
    let name = name_of(ident);
    let is_secret = |word: &&&str| {
        let parts = format!("_{name}_");
        parts.contains(&format!("_{word}_"))
    };
    match SECRETS.iter().find(is_secret) {
        None => Ok(()),
        Some(word) => Err(Error::new_spanned(
            ident,
            format!("a column with a {word} is no field of {place}: leave it out"),
        )),
    }
}

/// The order of the list: a field, with `-` for descending.
fn order<'a>(
    options: &ResourceOptions,
    fields: impl IntoIterator<Item = &'a Field>,
) -> Result<Option<TokenStream>> {
    let Some(order) = &options.order else {
        return Ok(None);
    };
    let text = order.value();
    let name = text.strip_prefix('-').unwrap_or(&text);
    let is_field = |field: &Field| {
        field
            .ident
            .as_ref()
            .is_some_and(|ident| name_of(ident) == name)
    };
    match fields.into_iter().any(is_field) {
        true => Ok(Some(quote!(.order(#text)))),
        false => Err(Error::new_spanned(
            order,
            "the order is a field of the struct, or - and a field",
        )),
    }
}

/// `OpenTickets` is `open-tickets`.
fn kebab(name: &str) -> String {
    words(name).to_lowercase().replace(' ', "-")
}

/// `OpenTickets` is `Open tickets`.
fn words(name: &str) -> String {
    let mut text = String::new();
    for character in name.chars() {
        match character.is_uppercase() && !text.is_empty() {
            true => {
                text.push(' ');
                text.extend(character.to_lowercase());
            }
            false => text.push(character),
        }
    }
    text
}
