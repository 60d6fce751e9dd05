use proc_macro2::TokenStream;
use quote::quote;
use std::path::{Path, PathBuf};
use syn::{Error, LitStr, Result};

pub(crate) fn expand(folder: &LitStr) -> Result<TokenStream> {
    let fail = |message: String| Error::new(folder.span(), message);
    let root = std::env::var("CARGO_MANIFEST_DIR").map_err(|_| fail("cargo says where the crate is".into()))?;
    let root = Path::new(&root).join(folder.value());
    let mut files = Vec::new();
    collect(&root, &mut files).map_err(|error| fail(format!("cannot read the templates in {}: {error}", root.display())))?;
    let (mut entries, mut problems) = (Vec::new(), Vec::new());
    for path in files {
        let source = std::fs::read_to_string(&path).map_err(|error| fail(format!("cannot read {}: {error}", path.display())))?;
        let name = path.strip_prefix(&root).unwrap_or(&path).display().to_string();
        problems.extend(palisade_template::check(&name, &source).iter().map(ToString::to_string));
        let path = path.display().to_string();
        entries.push(quote!((#name, include_str!(#path))));
    }
    if !problems.is_empty() {
        return Err(fail(problems.join("\n\n")));
    }
    let root = root.display().to_string();
    Ok(quote!(::palisade::template::Layer::embedded(&[#(#entries),*]).watching(#root)))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut paths = std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "html") {
            files.push(path);
        }
    }
    Ok(())
}
