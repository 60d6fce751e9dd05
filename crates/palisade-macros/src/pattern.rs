use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Error, Ident, LitInt, LitStr, Result, Token, Visibility};

/// `/// docs pub Iban, 34, r"[A-Z]{2}…", "Enter an IBAN such as …"`
pub(crate) struct Pattern {
    attributes: Vec<Attribute>,
    visibility: Visibility,
    name: Ident,
    max: LitInt,
    pattern: LitStr,
    message: LitStr,
}

/// Largest compiled automaton, in bytes.
const SIZE_LIMIT: usize = 1024 * 1024;

impl Parse for Pattern {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let name = input.parse()?;
        input.parse::<Token![,]>()?;
        let max = input.parse()?;
        input.parse::<Token![,]>()?;
        let pattern = input.parse()?;
        input.parse::<Token![,]>()?;
        let message = input.parse()?;
        input.parse::<Option<Token![,]>>()?;
        Ok(Self {
            attributes,
            visibility,
            name,
            max,
            pattern,
            message,
        })
    }
}

pub(crate) fn expand(input: &Pattern) -> Result<TokenStream> {
    let Pattern {
        attributes,
        visibility,
        name,
        max,
        pattern,
        message,
    } = input;
    let anchored = format!(r"\A(?:{})\z", in_ascii(&pattern.value()));
    regex::RegexBuilder::new(&anchored)
        .size_limit(SIZE_LIMIT)
        .build()
        .map_err(|error| Error::new_spanned(pattern, error.to_string()))?;
    let max_value: usize = max.base10_parse()?;
    if max_value == 0 {
        return Err(Error::new_spanned(
            max,
            "the longest value has at least one character",
        ));
    }
    Ok(quote! {
        #(#attributes)*
        #[derive(Debug, Clone, PartialEq, Eq)]
        #visibility struct #name(::std::string::String);

        impl ::palisade::forms::PatternType for #name {
            const MAX: usize = #max;
            const MESSAGE: &'static str = #message;

            fn matches(text: &str) -> bool {
                static PATTERN: ::std::sync::LazyLock<::palisade::forms::Regex> =
                    ::std::sync::LazyLock::new(|| ::palisade::forms::compiled(#anchored));
                PATTERN.is_match(text)
            }

            fn new(text: ::std::string::String) -> Self {
                Self(text)
            }
        }

        ::palisade::pattern_type!(#name);
    })
}

/// `\d` and `\w` mean ASCII: digits of other scripts are no digits for most readers of a value.
fn in_ascii(pattern: &str) -> String {
    let mut text = String::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('d') => text.push_str("[0-9]"),
            Some('D') => text.push_str("[^0-9]"),
            Some('w') => text.push_str("[0-9A-Za-z_]"),
            Some('W') => text.push_str("[^0-9A-Za-z_]"),
            Some(other) => text.extend([character, other]),
            None => text.push(character),
        }
    }
    text
}
