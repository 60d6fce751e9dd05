use crate::watched::require_watched;
use proc_macro2::TokenStream;
use quote::quote;
use std::path::{Path, PathBuf};
use syn::{Error, LitStr, Result};

pub(crate) fn expand(folder: &LitStr) -> Result<TokenStream> {
    let fail = |message: String| Error::new(folder.span(), message);
    let root = std::env::var("CARGO_MANIFEST_DIR")
        .map_err(|_| fail("cargo says where the crate is".into()))?;
    let name = folder.value();
    let root = Path::new(&root).join(&name);
    let mut files = Vec::new();
    collect(&root, "", &mut files).map_err(fail)?;
    files.sort();
    let entries = files.iter().map(|(name, path)| {
        let path = path.display().to_string();
        quote!((#name, include_bytes!(#path)))
    });
    let root = root.display().to_string();
    let required = require_watched(&name);
    Ok(quote!({
        #required
        ::palisade::static_files::StaticFiles::embedded(&[#(#entries),*]).watching(#root)
    }))
}

/// Every file below a folder, by its name in the URL.
fn collect(
    folder: &Path,
    prefix: &str,
    files: &mut Vec<(String, PathBuf)>,
) -> std::result::Result<(), String> {
    let unreadable = |error: std::io::Error| {
        format!(
            "cannot read the static files in {}: {error}",
            folder.display()
        )
    };
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(unreadable)?);
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let is_plain = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
        if !is_plain {
            return Err(format!(
                "the static file {} needs a name of letters, digits, . - and _",
                path.display()
            ));
        }
        let name = format!("{prefix}{name}");
        if kind.is_symlink() {
            return Err(format!(
                "the static file {} is a symbolic link, whose target can change what is served; \
                    copy the file",
                path.display()
            ));
        } else if kind.is_dir() {
            collect(&path, &format!("{name}/"), files)?;
        } else {
            files.push((name, path));
        }
    }
    Ok(())
}
