//! The form of functions: at most sixty lines, four parameters, and no bare boolean among them,
//! which says nothing at the place of the call.

use super::architecture::{root, rust_files};
use syn::visit::{self, Visit};
use syn::{FnArg, ImplItemFn, ItemFn, ItemImpl, ItemMod, Signature, TraitItemFn, Type};

/// Flat tables: one entry a line.
const TABLES: [&str; 6] = [
    "app/assemble.rs: assemble",
    "app/endpoints/account.rs: routes",
    "command/cli.rs: user",
    "command/deploy.rs: fill_template",
    "tree.rs: node",
    "views/mod.rs: templates",
];
const MOST_LINES: usize = 60;
const MOST_PARAMETERS: usize = 4;

/// The signatures of a file, without those that a foreign trait prescribes.
#[derive(Default)]
struct Signatures(Vec<Signature>);

impl<'ast> Visit<'ast> for Signatures {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.0.push(function.sig.clone());
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.0.push(function.sig.clone());
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        self.0.push(function.sig.clone());
    }

    fn visit_item_impl(&mut self, block: &'ast ItemImpl) {
        if block.trait_.is_none() {
            visit::visit_item_impl(self, block);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if module.ident != "tests" {
            visit::visit_item_mod(self, module);
        }
    }
}

/// The code of every source file of the crates, without tests: its path below `src`, and its text.
fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    rust_files(&root().join("crates"), &mut files);
    let read = |path: std::path::PathBuf| {
        let name = path.to_string_lossy().into_owned();
        let (_, below) = name.split_once("/src/")?;
        let is_test = below.ends_with("tests.rs") || below.contains("tests/");
        (!is_test).then(|| (below.to_owned(), std::fs::read_to_string(&path).unwrap()))
    };
    files.into_iter().filter_map(read).collect()
}

fn signatures() -> Vec<(String, Signature)> {
    let of_file = |(path, text): (String, String)| {
        let mut all = Signatures::default();
        all.visit_file(&syn::parse_file(&text).unwrap());
        let named = move |signature: Signature| (format!("{path}: {}", signature.ident), signature);
        all.0.into_iter().map(named).collect::<Vec<_>>()
    };
    sources().into_iter().flat_map(of_file).collect()
}

#[test]
fn functions_have_four_parameters_at_most() {
    let is_own = |argument: &&FnArg| matches!(argument, FnArg::Typed(_));
    let found: Vec<String> = signatures()
        .into_iter()
        .filter(|(_, signature)| signature.inputs.iter().filter(is_own).count() > MOST_PARAMETERS)
        .map(|(name, _)| name)
        .collect();
    assert!(found.is_empty(), "too many parameters: {found:#?}");
}

#[test]
fn parameters_are_no_bare_booleans() {
    let is_bool = |argument: &FnArg| match argument {
        FnArg::Typed(typed) => match &*typed.ty {
            Type::Path(path) => path.path.is_ident("bool"),
            _ => false,
        },
        FnArg::Receiver(_) => false,
    };
    let found: Vec<String> = signatures()
        .into_iter()
        .filter(|(_, signature)| signature.inputs.iter().any(is_bool))
        .map(|(name, _)| name)
        .collect();
    assert!(found.is_empty(), "write an enum for: {found:#?}");
}

/// Code lines from `fn` to its closing brace, which rustfmt puts below the first character.
fn lengths(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        if line.trim() == "mod tests {" {
            break;
        }
        let indent = line.len() - line.trim_start().len();
        let words = line.trim_start().split_once("fn ");
        let Some((_, name)) = words.filter(|(before, _)| is_declaration(before)) else {
            continue;
        };
        let end = format!("{}}}", " ".repeat(indent));
        let body = lines[start..].iter().take_while(|line| **line != end);
        let is_code = |line: &&&str| !line.trim().is_empty() && !line.trim().starts_with("//");
        let count = match before_semicolon(&lines[start..]) {
            true => 1,
            false => body.filter(is_code).count() + 1,
        };
        let name = name.split(['(', '<']).next().unwrap_or_default();
        found.push((name.to_owned(), count));
    }
    found
}

fn is_declaration(before: &str) -> bool {
    before.split_whitespace().all(|word| {
        word.starts_with("pub")
            || ["in", "const", "async", "unsafe"].contains(&word)
            || word.ends_with(')')
    })
}

/// Whether a declaration has no body, or one in its own line.
fn before_semicolon(lines: &[&str]) -> bool {
    let end = lines
        .iter()
        .find(|line| line.ends_with(['{', ';', '}']))
        .copied()
        .unwrap_or_default();
    !end.ends_with('{')
}

#[test]
fn functions_are_short() {
    let mut found = Vec::new();
    for (path, text) in sources() {
        let long = lengths(&text)
            .into_iter()
            .filter(|(_, count)| *count > MOST_LINES);
        found.extend(long.map(|(name, _)| format!("{path}: {name}")));
    }
    found.sort();
    assert_eq!(found, TABLES, "functions of more than {MOST_LINES} lines");
}

#[test]
fn the_lines_of_a_function_are_counted() {
    let text = "impl One {\n    fn short(&self) -> bool;\n    pub(crate) async fn two(\n        a: u8,\n    ) {\n        // no code\n\n        call();\n    }\n}\n";
    let counts = lengths(text);
    assert_eq!(counts, [("short".to_owned(), 1), ("two".to_owned(), 5)]);
}
