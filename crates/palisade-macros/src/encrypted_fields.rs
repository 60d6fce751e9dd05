use crate::fields::{column_of, name_of, named_fields};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    DeriveInput, Error, Field, GenericArgument, Ident, LitInt, PathArguments, Result, Token, Type,
};

/// The encrypted columns of a model, with methods that decrypt them and conditions of their
/// indexes.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    // SeaORM repeats the derives of `Model` on the struct with its relations
    if input.ident != "Model" {
        return Ok(TokenStream::new());
    }
    let fields = named_fields(input, "a model is a struct with named fields")?;
    let encrypted = fields.iter().filter_map(Encrypted::of);
    let encrypted = encrypted.collect::<Result<Vec<_>>>()?;
    let indexes = fields.iter().filter_map(Index::of);
    let indexes = indexes.collect::<Result<Vec<_>>>()?;
    if encrypted.is_empty() {
        let missing = "no field is an Encrypted<…>";
        return Err(Error::new_spanned(&input.ident, missing));
    }
    let table = table(&encrypted, &indexes)?;
    let opens = encrypted.iter().map(Encrypted::open);
    let queries = indexes.iter().map(|index| index.queries(&encrypted));
    let queries = queries.collect::<Result<Vec<_>>>()?;
    Ok(quote! {
        #table
        impl Model { #(#opens)* }
        impl Entity { #(#queries)* }
    })
}

fn table(encrypted: &[Encrypted], indexes: &[Index]) -> Result<TokenStream> {
    let columns = encrypted.iter().map(Encrypted::describe);
    let described = indexes.iter().map(|index| index.describe(encrypted));
    let described = described.collect::<Result<Vec<_>>>()?;
    let idents = encrypted.iter().map(|field| field.ident);
    let names = encrypted.iter().map(|field| &field.column);
    Ok(quote! {
        impl ::palisade::encrypted_fields::EncryptedRow for ActiveModel {
            fn table() -> ::palisade::db::EncryptedTable {
                use ::palisade::sea_orm::IdenStatic as _;
                ::palisade::db::EncryptedTable {
                    columns: ::std::vec![#(#columns),*],
                    indexes: ::std::vec![#(#described),*],
                    ..::palisade::encrypted_fields::describe_table::<ActiveModel>(|row, column| {
                        let row = row.downcast_ref::<ActiveModel>()?;
                        #(if column == Column::#names.as_str() {
                            return ::palisade::encrypted_fields::ToEncrypt::to_encrypt(&row.#idents);
                        })*
                        ::core::option::Option::None
                    })
                }
            }
        }
    })
}

/// A field `Encrypted<T>` or `Option<Encrypted<T>>`.
struct Encrypted<'a> {
    ident: &'a Ident,
    column: Ident,
    ty: &'a Type,
    is_nullable: bool,
    /// `#[encrypted(of = user_id)]`
    owner: Option<Ident>,
}

impl<'a> Encrypted<'a> {
    fn of(field: &'a Field) -> Option<Result<Self>> {
        let ident = field.ident.as_ref()?;
        let inner = argument_of(&field.ty, "Option");
        let ty = argument_of(inner.unwrap_or(&field.ty), "Encrypted")?;
        let owner = owner_of(field);
        Some(owner.map(|owner| Self {
            ident,
            column: column_of(ident),
            ty,
            is_nullable: inner.is_some(),
            owner,
        }))
    }

    fn describe(&self) -> TokenStream {
        let (column, ty) = (&self.column, self.ty);
        let owner = match self.owner.as_ref().map(column_of) {
            Some(owner) => quote!(::core::option::Option::Some(Column::#owner.as_str())),
            None => quote!(::core::option::Option::None),
        };
        quote!(::palisade::encrypted_fields::describe_column::<#ty>(Column::#column.as_str(), #owner))
    }

    /// `open_phone(db)`
    fn open(&self) -> TokenStream {
        let (ident, column, ty) = (self.ident, &self.column, self.ty);
        let name = format_ident!("open_{}", name_of(ident));
        let doc = format!(
            " Decrypts `{}`. Errors: see `FieldErrorKind`.",
            name_of(ident)
        );
        let secret = quote!(::palisade::crypto::Secret<#ty>);
        let result = |value| quote!(::core::result::Result<#value, ::palisade::encrypted_fields::FieldError>);
        let (asynchronous, call) = match &self.owner {
            Some(user) => {
                let call = quote!(::palisade::encrypted_fields::open_of_user(db, (place, self.#user), value).await);
                (quote!(async), call)
            }
            None => (
                TokenStream::new(),
                quote!(::palisade::encrypted_fields::open(db, place, value)),
            ),
        };
        let place = quote! {
            use ::palisade::sea_orm::{EntityName as _, IdenStatic as _};
            let key = ::palisade::encrypted_fields::key_of(self);
            let place = ::palisade::crypto::field::Place {
                table: Entity.table_name(),
                column: Column::#column.as_str(),
                key: &key,
            };
        };
        let (result, body) = match self.is_nullable {
            true => (
                result(quote!(::core::option::Option<#secret>)),
                quote! {
                    let ::core::option::Option::Some(value) = &self.#ident else {
                        return ::core::result::Result::Ok(::core::option::Option::None);
                    };
                    #call.map(::core::option::Option::Some)
                },
            ),
            false => (result(secret), quote!(let value = &self.#ident; #call)),
        };
        quote! {
            #[doc = #doc]
            pub #asynchronous fn #name(&self, db: &impl ::palisade::db::DataHandle) -> #result {
                #place
                #body
            }
        }
    }
}

/// The user column of `#[encrypted(of = user_id)]`.
fn owner_of(field: &Field) -> Result<Option<Ident>> {
    let mut owner = None;
    let named = field
        .attrs
        .iter()
        .filter(|one| one.path().is_ident("encrypted"));
    for attribute in named {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("of") {
                return Err(meta.error("write of = user_id, the column with the user"));
            }
            owner = Some(meta.value()?.parse()?);
            Ok(())
        })?;
    }
    Ok(owner)
}

/// `#[blind_index(last_name, born, bits = 16, unique)]`
struct Index<'a> {
    ident: &'a Ident,
    column: Ident,
    is_nullable: bool,
    of: IndexOptions,
}

struct IndexOptions {
    parts: Vec<Ident>,
    bits: u8,
    is_unique: bool,
}

impl Parse for IndexOptions {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Self {
            parts: Vec::new(),
            bits: 128,
            is_unique: false,
        };
        while !input.is_empty() {
            let word: Ident = input.parse()?;
            if word == "unique" {
                options.is_unique = true;
            } else if word == "bits" {
                input.parse::<Token![=]>()?;
                let bits: LitInt = input.parse()?;
                options.bits = bits.base10_parse()?;
                if !(1..=128).contains(&options.bits) {
                    return Err(Error::new_spanned(bits, "an index has 1 to 128 bits"));
                }
            } else {
                options.parts.push(word);
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        if options.parts.is_empty() {
            return Err(input.error("name the encrypted columns: #[blind_index(email)]"));
        }
        if options.is_unique && options.bits < 128 {
            return Err(
                input.error("different values share a truncated index: it cannot be unique")
            );
        }
        Ok(options)
    }
}

impl<'a> Index<'a> {
    fn of(field: &'a Field) -> Option<Result<Self>> {
        let ident = field.ident.as_ref()?;
        let option = argument_of(&field.ty, "Option");
        let inner = option.unwrap_or(&field.ty);
        argument_of(inner, "BlindIndex")?;
        let mut named = field.attrs.iter();
        let Some(attribute) = named.find(|one| one.path().is_ident("blind_index")) else {
            let missing = "name the encrypted columns: #[blind_index(email)]";
            return Some(Err(Error::new(field.span(), missing)));
        };
        Some(attribute.parse_args().map(|of| Self {
            ident,
            column: column_of(ident),
            is_nullable: option.is_some(),
            of,
        }))
    }

    /// The encrypted fields that it finds.
    fn parts<'b>(&self, encrypted: &'b [Encrypted<'b>]) -> Result<Vec<&'b Encrypted<'b>>> {
        let find = |name: &Ident| {
            let mut fields = encrypted.iter();
            let found = fields.find(|field| field.ident == name);
            let found = found.filter(|field| field.owner.is_none());
            let missing = "this is no field of a type Encrypted<…> with the keys of the site";
            found.ok_or_else(|| Error::new_spanned(name, missing))
        };
        self.of.parts.iter().map(find).collect()
    }

    fn describe(&self, encrypted: &[Encrypted]) -> Result<TokenStream> {
        let parts = self.parts(encrypted)?;
        if !self.is_nullable && parts.iter().any(|part| part.is_nullable) {
            let wrong = "a column of this index can be null: write Option<BlindIndex<…>>";
            return Err(Error::new_spanned(self.ident, wrong));
        }
        let (column, bits, is_unique) = (&self.column, self.of.bits, self.of.is_unique);
        let columns = parts.iter().map(|part| &part.column);
        let types = parts.iter().map(|part| part.ty);
        Ok(quote! {
            ::palisade::db::IndexColumn {
                name: Column::#column.as_str(),
                parts: ::std::vec![#(
                    ::palisade::encrypted_fields::describe_index::<#types>(Column::#columns.as_str())
                ),*],
                bits: #bits,
                is_unique: #is_unique,
            }
        })
    }

    /// `phone_is(db, &phone)` and `phone_is_in(db, &[phone])`
    fn queries(&self, encrypted: &[Encrypted]) -> Result<TokenStream> {
        let parts = self.parts(encrypted)?;
        let (column, bits) = (&self.column, self.of.bits);
        let name = name_of(self.ident);
        let name = name.strip_suffix("_index").unwrap_or(&name);
        let (is, is_in) = (format_ident!("{name}_is"), format_ident!("{name}_is_in"));
        let types: Vec<&Type> = parts.iter().map(|part| part.ty).collect();
        let names: Vec<&Ident> = parts.iter().map(|part| part.ident).collect();
        let tuple = match types.as_slice() {
            [one] => quote!(#one),
            several => quote!((#(#several),*)),
        };
        let pattern = match names.as_slice() {
            [one] => quote!(#one),
            several => quote!((#(#several),*)),
        };
        let result = quote!(::core::result::Result<::palisade::sea_orm::sea_query::Expr, ::palisade::sea_orm::DbErr>);
        Ok(quote! {
            #[doc = " Rows with this value. Error: without keys."]
            pub fn #is(db: &impl ::palisade::db::DataHandle, value: &#tuple) -> #result {
                Self::#is_in(db, ::core::slice::from_ref(value))
            }

            #[doc = " Rows with one of these values. Error: without keys."]
            pub fn #is_in(db: &impl ::palisade::db::DataHandle, values: &[#tuple]) -> #result {
                const _: () = ::core::assert!(
                    0 #(+ <#types as ::palisade::encrypted_fields::Encryptable>::DOMAIN_BITS)* >= 20,
                    "the values of this index could be counted: they are fewer than 2^20, so \
                     add another column to it, or search without an index"
                );
                let query = ::palisade::encrypted_fields::IndexQuery { column: Column::#column, bits: #bits };
                query.any_of(db, values.iter().map(|#pattern| ::std::vec![
                    #(::palisade::encrypted_fields::Encryptable::normal(#names)),*
                ]))
            }
        })
    }
}

/// `T` of `Name<T>`.
fn argument_of<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let last = path
        .path
        .segments
        .last()
        .filter(|last| last.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    let first: &Punctuated<GenericArgument, Token![,]> = &arguments.args;
    match first.first()? {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    }
}
