//! Circles between files: two files that use each other, directly or through others, can be
//! neither read nor changed one at a time.
//!
//! A path leads to the file that defines its item, through re-exports. A `mod.rs` may use its own
//! submodules.

use super::architecture::{root, rust_files};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use syn::visit::{self, Visit};
use syn::{Item, UseTree};

/// Types that are two halves of one: a handle and its owner.
const PAIRS: [&[&str]; 2] = [
    &["db/backend.rs", "db/connection.rs", "db/pool.rs"],
    &["sessions/cookie.rs", "sessions/session.rs"],
];

type ModulePath = Vec<String>;

/// A module: its file, and the names that it re-exports.
#[derive(Default)]
struct Module {
    file: PathBuf,
    exports: BTreeMap<String, ModulePath>,
    globs: Vec<ModulePath>,
}

/// The modules of a crate, and the paths that each of its files mentions.
#[derive(Default)]
struct Crate {
    modules: BTreeMap<ModulePath, Module>,
    mentions: Vec<(PathBuf, ModulePath)>,
}

impl Crate {
    fn read(folder: &Path) -> Self {
        let (mut files, mut all) = (Vec::new(), Self::default());
        rust_files(folder, &mut files);
        for file in files {
            let relative = file.strip_prefix(folder).unwrap().to_path_buf();
            let mut path: ModulePath = relative
                .with_extension("")
                .iter()
                .map(|part| part.to_str().unwrap().to_owned())
                .collect();
            path.pop_if(|last| ["lib", "mod", "main"].contains(&last.as_str()));
            let text = std::fs::read_to_string(&file).unwrap();
            all.add(path, relative, &syn::parse_file(&text).unwrap().items);
        }
        all
    }

    fn add(&mut self, path: ModulePath, file: PathBuf, items: &[Item]) {
        let mut module = Module {
            file: file.clone(),
            ..Module::default()
        };
        for item in items {
            match item {
                Item::Mod(inner) if is_test(&inner.attrs) => {}
                Item::Mod(inner) => {
                    if let Some((_, items)) = &inner.content {
                        let path = [&path[..], &[inner.ident.to_string()]].concat();
                        self.add(path, file.clone(), items);
                    }
                }
                Item::Use(import) => {
                    let mut leaves = Vec::new();
                    flatten(&import.tree, &mut Vec::new(), &mut leaves);
                    for (name, target) in leaves {
                        let Some(target) = absolute(&path, &target) else {
                            continue;
                        };
                        self.mentions.push((file.clone(), target.clone()));
                        match name.as_str() {
                            "*" => module.globs.push(target),
                            _ => drop(module.exports.insert(name, target)),
                        }
                    }
                }
                item => {
                    let mut paths = Paths(Vec::new());
                    paths.visit_item(item);
                    let found = paths.0.iter().filter_map(|found| absolute(&path, found));
                    self.mentions
                        .extend(found.map(|found| (file.clone(), found)));
                }
            }
        }
        self.modules.insert(path, module);
    }

    /// The file that defines an item.
    fn file_of(&self, path: &[String], depth: usize) -> Option<&Path> {
        let (mut at, mut rest) = (Vec::new(), path);
        while let Some((first, after)) = rest.split_first() {
            let deeper = [&at[..], std::slice::from_ref(first)].concat();
            if !self.modules.contains_key(&deeper) {
                break;
            }
            (at, rest) = (deeper, after);
        }
        let module = self.modules.get(&at)?;
        if let Some((name, after)) = rest.split_first().filter(|_| depth < 8) {
            let through = module.exports.get(name).map(|target| vec![target]);
            let globs = || module.globs.iter().collect();
            for target in through.unwrap_or_else(globs) {
                let mut target = target.clone();
                if !module.exports.contains_key(name) {
                    target.push(name.clone());
                }
                target.extend(after.iter().cloned());
                let found = self.file_of(&target, depth + 1);
                if module.exports.contains_key(name) {
                    return found;
                }
            }
        }
        Some(&module.file)
    }

    fn edges(&self) -> BTreeMap<&Path, BTreeSet<&Path>> {
        let mut edges = BTreeMap::<&Path, BTreeSet<&Path>>::new();
        for (from, path) in &self.mentions {
            let Some(to) = self.file_of(path, 0) else {
                continue;
            };
            let folder = from.parent().unwrap();
            let is_parent = ["mod.rs", "lib.rs"].iter().any(|name| from.ends_with(name));
            if to != from && !(is_parent && to.starts_with(folder)) {
                edges.entry(from).or_default().insert(to);
            }
        }
        edges
    }

    /// Groups of files that reach each other.
    fn circles(&self) -> BTreeSet<Vec<String>> {
        let edges = self.edges();
        let reached = |start: &Path| {
            let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
            while let Some(file) = open.pop() {
                for next in edges.get(file).into_iter().flatten() {
                    if seen.insert(*next) {
                        open.push(next);
                    }
                }
            }
            seen
        };
        let all: BTreeMap<&Path, BTreeSet<&Path>> =
            edges.keys().map(|file| (*file, reached(file))).collect();
        let group = |file: &Path| -> Vec<String> {
            all[file]
                .iter()
                .filter(|other| all.get(*other).is_some_and(|back| back.contains(file)))
                .map(|other| other.display().to_string())
                .collect()
        };
        all.keys()
            .map(|file| group(file))
            .filter(|group| group.len() > 1)
            .collect()
    }
}

/// Paths in code, apart from `use`.
struct Paths(Vec<ModulePath>);

impl<'ast> Visit<'ast> for Paths {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path.segments.iter().map(|part| part.ident.to_string());
        self.0.push(names.collect());
        visit::visit_path(self, path);
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    let is_cfg = |attribute: &&syn::Attribute| attribute.path().is_ident("cfg");
    attributes.iter().filter(is_cfg).any(|attribute| {
        attribute
            .parse_args::<syn::Ident>()
            .is_ok_and(|word| word == "test")
    })
}

/// The leaves of a `use`: the name that each brings in, and its path.
fn flatten(tree: &UseTree, above: &mut ModulePath, leaves: &mut Vec<(String, ModulePath)>) {
    let with = |above: &ModulePath, name: &syn::Ident| match name.to_string().as_str() {
        "self" if !above.is_empty() => above.clone(),
        name => [&above[..], &[name.to_owned()]].concat(),
    };
    match tree {
        UseTree::Path(path) => {
            above.push(path.ident.to_string());
            flatten(&path.tree, above, leaves);
            above.pop();
        }
        UseTree::Name(name) => {
            let target = with(above, &name.ident);
            leaves.push((target.last().unwrap().clone(), target));
        }
        UseTree::Rename(rename) => {
            leaves.push((rename.rename.to_string(), with(above, &rename.ident)));
        }
        UseTree::Glob(_) => leaves.push(("*".into(), above.clone())),
        UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, above, leaves);
            }
        }
    }
}

/// A path from the root of the crate; `None` if it leads out of it, or is relative.
fn absolute(module: &[String], path: &[String]) -> Option<ModulePath> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some([module, rest].concat()),
        "super" => {
            let above = &module[..module.len().checked_sub(1)?];
            match rest.first().map(String::as_str) {
                Some("super") => absolute(above, rest),
                _ => Some([above, rest].concat()),
            }
        }
        _ => Some([module, path].concat()),
    }
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let mut found = Vec::new();
    for name in [
        "palisade",
        "palisade-crypto",
        "palisade-macros",
        "palisade-password",
        "palisade-template",
    ] {
        let folder = root().join("crates").join(name).join("src");
        found.extend(Crate::read(&folder).circles());
    }
    assert_eq!(
        found, PAIRS,
        "the circles between files are the pairs above"
    );
}

/// The finder, on a crate of two files that know each other through a re-export.
#[test]
fn a_circle_through_a_reexport_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("lib.rs", "mod one; mod two; pub use one::One;");
    write("one.rs", "pub struct One(crate::two::Two);");
    write(
        "two.rs",
        "pub struct Two; impl Two { fn one(self) -> Option<crate::One> { None } }",
    );
    let circles = Crate::read(folder.path()).circles();
    assert_eq!(
        circles.into_iter().collect::<Vec<_>>(),
        [["one.rs", "two.rs"]]
    );
    write("two.rs", "pub struct Two;");
    assert!(Crate::read(folder.path()).circles().is_empty());
}
