use crate::watched::require_watched;
use palisade_template::{check_all, html_files};
use proc_macro2::TokenStream;
use quote::quote;
use std::path::Path;
use syn::{Error, LitStr, Result};

pub(crate) fn expand(folder: &LitStr) -> Result<TokenStream> {
    let fail = |message: String| Error::new(folder.span(), message);
    let root = std::env::var("CARGO_MANIFEST_DIR")
        .map_err(|_| fail("cargo says where the crate is".into()))?;
    let root = Path::new(&root).join(folder.value());
    if let Err(error) = std::fs::read_dir(&root) {
        return Err(fail(format!(
            "cannot read the templates in {}: {error}",
            root.display()
        )));
    }
    let (mut entries, mut sources) = (Vec::new(), Vec::new());
    for (name, path) in html_files(&root) {
        let source = std::fs::read_to_string(&path)
            .map_err(|error| fail(format!("cannot read {}: {error}", path.display())))?;
        let path = path.display().to_string();
        entries.push(quote!((#name, include_str!(#path))));
        sources.push((name, source));
    }
    let templates: Vec<(&str, &str)> = sources
        .iter()
        .map(|(name, source)| (name.as_str(), source.as_str()))
        .collect();
    let mut problems = check_all(&templates);
    for problem in &mut problems {
        problem.template = format!("{}/{}", folder.value(), problem.template);
    }
    if !problems.is_empty() {
        return Err(fail(
            problems
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n\n"),
        ));
    }
    let root = root.display().to_string();
    let required = require_watched(&folder.value());
    Ok(quote!({
        #required
        ::palisade::template::Layer::embedded(&[#(#entries),*]).watching(#root)
    }))
}
