use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, FnArg, ItemFn, Result, ReturnType, Type};

/// The function, and an assertion for each argument, the result and the future.
pub(crate) fn expand(function: &ItemFn) -> Result<TokenStream> {
    let signature = &function.sig;
    if signature.asyncness.is_none() || !signature.generics.params.is_empty() {
        return Err(Error::new_spanned(
            signature,
            "a handler is an async function without type parameters",
        ));
    }
    let types: Vec<&Type> = signature
        .inputs
        .iter()
        .map(argument)
        .collect::<Result<_>>()?;
    let checks = types.iter().enumerate().map(|(at, ty)| {
        let span = ty.span();
        match at + 1 == types.len() {
            true => quote_spanned!(span=> ::palisade::app::handler::is_last_argument::<#ty, _>();),
            false => quote_spanned!(span=> ::palisade::app::handler::is_argument::<#ty>();),
        }
    });
    let result = match &signature.output {
        ReturnType::Default => quote!(),
        ReturnType::Type(_, ty) => {
            quote_spanned!(ty.span()=> ::palisade::app::handler::is_result::<#ty>();)
        }
    };
    let (name, names) = (&signature.ident, names(types.len()));
    let future = quote_spanned! {name.span()=>
        fn is_sent(#(#names: #types),*) {
            ::palisade::app::handler::is_sent(#name(#(#names),*));
        }
    };
    Ok(quote! {
        #function

        const _: () = {
            #[allow(dead_code, reason = "only its types are checked")]
            fn is_handler() {
                #(#checks)*
                #result
                #future
            }
        };
    })
}

fn argument(argument: &FnArg) -> Result<&Type> {
    match argument {
        FnArg::Typed(typed) => Ok(&typed.ty),
        FnArg::Receiver(receiver) => Err(Error::new_spanned(receiver, "a handler has no self")),
    }
}

fn names(count: usize) -> Vec<proc_macro2::Ident> {
    (0..count)
        .map(|at| format_ident!("argument_{at}"))
        .collect()
}
