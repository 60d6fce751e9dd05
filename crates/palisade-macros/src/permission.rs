use crate::choice::{label_from, snake_case};
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Data, DeriveInput, Error, Fields, LitStr, Path, Result, Variant};

/// A variant with its codename, label and entity.
struct Declared {
    name: String,
    label: String,
    entity: Option<Path>,
}

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(
            input,
            "permissions are an enum without data",
        ));
    };
    let app = app(input)?;
    let mut declared = Vec::new();
    for variant in &data.variants {
        declared.push(declare(variant, &app)?);
    }
    let enum_name = &input.ident;
    let variants: Vec<_> = data.variants.iter().map(|variant| &variant.ident).collect();
    let names: Vec<_> = declared.iter().map(|declared| &declared.name).collect();
    let labels: Vec<_> = declared.iter().map(|declared| &declared.label).collect();
    let tables = declared.iter().map(|declared| match &declared.entity {
        Some(entity) => quote!(Some(::palisade::permissions::table_of(&#entity))),
        None => quote!(None),
    });
    Ok(quote! {
        impl ::palisade::permissions::Permission for #enum_name {
            const ALL: &'static [Self] = &[#(Self::#variants),*];
            fn name(self) -> &'static str {
                match self { #(Self::#variants => #names),* }
            }
            fn label(self) -> &'static str {
                match self { #(Self::#variants => #labels),* }
            }
            fn table(self) -> Option<&'static str> {
                match self { #(Self::#variants => #tables),* }
            }
        }
        impl From<#enum_name> for ::palisade::permissions::PermissionName {
            fn from(permission: #enum_name) -> Self {
                Self::from(::palisade::permissions::Permission::name(permission))
            }
        }
    })
}

fn app(input: &DeriveInput) -> Result<String> {
    let mut app = None;
    for attribute in own(&input.attrs) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("app") {
                return Err(meta.error("write app = \"…\""));
            }
            let text: LitStr = meta.value()?.parse()?;
            if !is_name(&text.value()) {
                return Err(Error::new_spanned(
                    &text,
                    "an app is lower case letters, digits and _",
                ));
            }
            app = Some(text.value());
            Ok(())
        })?;
    }
    app.ok_or_else(|| {
        Error::new_spanned(
            &input.ident,
            "write #[permission(app = \"…\")] above the enum",
        )
    })
}

fn declare(variant: &Variant, app: &str) -> Result<Declared> {
    if !matches!(variant.fields, Fields::Unit) {
        return Err(Error::new_spanned(variant, "a permission has no data"));
    }
    let ident = variant.ident.to_string();
    let (mut codename, mut label) = (
        snake_case(&ident),
        format!("Can {}", label_from(&ident).to_lowercase()),
    );
    let mut entity = None;
    for attribute in own(&variant.attrs) {
        attribute.parse_nested_meta(|meta| {
            let value = meta.value()?;
            match meta.path.get_ident().map(ToString::to_string).as_deref() {
                Some("of") => entity = Some(value.parse()?),
                Some("label") => label = value.parse::<LitStr>()?.value(),
                Some("codename") => codename = value.parse::<LitStr>()?.value(),
                _ => return Err(meta.error("write of = entity, label = \"…\" or codename = \"…\"")),
            }
            Ok(())
        })?;
    }
    if !is_name(&codename) || codename.len() > MOST_CODENAME || label.len() > MOST_LABEL {
        let said = "a codename is at most 100 lower case letters, digits and _; a label has at most 255 bytes";
        return Err(Error::new_spanned(variant, said));
    }
    Ok(Declared {
        name: format!("{app}.{codename}"),
        label,
        entity,
    })
}

/// Widths of Django's columns.
const MOST_CODENAME: usize = 100;
const MOST_LABEL: usize = 255;

fn own(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("permission"))
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
