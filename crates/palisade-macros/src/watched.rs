use proc_macro2::TokenStream;
use quote::quote;

/// Variable of the build script with the folders that it watches.
const VARIABLE: &str = "WATCHED_FOLDERS";

/// Cargo does not notice a file that is new in a folder, unless a build script says so: a release
/// could lack it. A debug build reads the folder itself.
pub(crate) fn require_watched(folder: &str) -> TokenStream {
    let watched = std::env::var(VARIABLE).unwrap_or_default();
    if watched.split_whitespace().any(|known| known == folder) {
        return quote!();
    }
    let message = format!(
        "a release could lack new files of the folder {folder}, because cargo does not notice them. \
         Write build.rs beside Cargo.toml:\n\n\
         fn main() {{\n    \
             println!(\"cargo::rerun-if-changed={folder}\");\n    \
             println!(\"cargo::rustc-env={VARIABLE}={folder}\");\n\
         }}\n\n\
         With several folders: one line of the first kind for each, and all names in the second, \
         separated by spaces."
    );
    quote! {
        #[cfg(not(debug_assertions))]
        ::core::compile_error!(#message);
    }
}
