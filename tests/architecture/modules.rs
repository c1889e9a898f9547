//! The modules of a crate as its sources declare them, without those for tests, and what a path in one of them names.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, UseTree};

pub type Path = Vec<String>;

/// A module: a file, or a block in one.
pub struct Module {
    /// The file that it stands in, e.g. `config/load.rs`.
    pub file: String,
    pub items: Vec<Item>,
    parent: Option<usize>,
    /// Where the files of its own modules lie.
    folder: String,
    modules: BTreeMap<String, usize>,
    /// What it defines itself, by name.
    defined: BTreeSet<String>,
    /// What it imports, under which name; those of its functions too.
    imports: BTreeMap<String, Path>,
    /// The modules that it imports everything of.
    globs: Vec<Path>,
}

/// What a path names.
#[derive(Clone, PartialEq)]
pub enum Named {
    Module(usize),
    /// What a module defines, and its name there.
    Item(usize, String),
}

pub struct Modules(pub Vec<Module>);

/// Imports that import imports: more than this is a path that leads back to itself.
const LONGEST_DETOUR: usize = 16;

impl Modules {
    /// Reads a crate. `source` gives a file by its path from the folder of `lib.rs`, or of `main.rs` where there is no library.
    pub fn read(source: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut modules = Self(Vec::new());
        let root = ["lib.rs", "main.rs"].into_iter().find_map(|file| Some((file, source(file)?)));
        let (file, text) = root.expect("a crate has a lib.rs or a main.rs");
        let items = parsed(file, &text);
        modules.add(None, file, "", items, source);
        modules
    }

    fn add(
        &mut self,
        parent: Option<usize>,
        file: &str,
        folder: &str,
        mut items: Vec<Item>,
        source: &dyn Fn(&str) -> Option<String>,
    ) -> usize {
        let at = self.0.len();
        let mut names = Names::default();
        items.iter().for_each(|item| names.visit_item(item));
        self.0.push(Module {
            file: file.to_owned(),
            items: Vec::new(),
            parent,
            folder: folder.to_owned(),
            modules: BTreeMap::new(),
            defined: items.iter().filter_map(name).collect(),
            imports: names.imports,
            globs: names.globs,
        });
        for item in &mut items {
            if let Item::Mod(module) = item {
                let name = module.ident.to_string();
                let inside = format!("{}{name}/", self.0[at].folder);
                let child = match module.content.take() {
                    Some((_, items)) => self.add(Some(at), file, &inside, for_the_gateway(items), source),
                    None => {
                        let places = [format!("{}{name}.rs", self.0[at].folder), format!("{inside}mod.rs")];
                        let found = places.iter().find_map(|place| Some((place, source(place)?)));
                        let (place, text) =
                            found.unwrap_or_else(|| panic!("{file}: no file for `mod {name}`"));
                        self.add(Some(at), place, &inside, parsed(place, &text), source)
                    }
                };
                self.0[at].modules.insert(name, child);
            }
        }
        self.0[at].items = items;
        at
    }

    /// The names of the modules at the top.
    pub fn at_the_top(&self) -> impl Iterator<Item = &str> {
        self.0[0].modules.keys().map(String::as_str)
    }

    /// What `path` names in a module. None for what is not of this crate, or has no name outside a function.
    pub fn named(&self, module: usize, path: &[String]) -> Option<Named> {
        self.follow(module, path, LONGEST_DETOUR)
    }

    /// Whether `module` is `of`, or inside of it.
    pub fn is_inside(&self, module: usize, of: usize) -> bool {
        module == of || self.0[module].parent.is_some_and(|parent| self.is_inside(parent, of))
    }

    fn follow(&self, module: usize, path: &[String], detour: usize) -> Option<Named> {
        let (first, rest) = path.split_first()?;
        let mut named = match first.as_str() {
            "crate" => Named::Module(0),
            "self" => Named::Module(module),
            "super" => Named::Module(self.0[module].parent?),
            name => self.member(module, name, detour)?,
        };
        for name in rest {
            named = match (&named, name.as_str()) {
                (Named::Item(..), _) => break, // a variant, or what belongs to a type
                (Named::Module(_), "self") => named,
                (Named::Module(at), "super") => Named::Module(self.0[*at].parent?),
                // What no item defines, a macro may have.
                (Named::Module(at), name) => {
                    self.member(*at, name, detour).unwrap_or_else(|| Named::Item(*at, name.to_owned()))
                }
            };
        }
        Some(named)
    }

    /// What a module knows by a name, wherever it is defined.
    fn member(&self, module: usize, name: &str, detour: usize) -> Option<Named> {
        let detour = detour.checked_sub(1)?;
        let known = &self.0[module];
        if let Some(child) = known.modules.get(name) {
            return Some(Named::Module(*child));
        }
        if known.defined.contains(name) {
            return Some(Named::Item(module, name.to_owned()));
        }
        if let Some(path) = known.imports.get(name) {
            return self.follow(module, path, detour);
        }
        known.globs.iter().find_map(|glob| match self.follow(module, glob, detour)? {
            Named::Module(all) if all != module => self.member(all, name, detour),
            _ => None,
        })
    }
}

fn parsed(file: &str, text: &str) -> Vec<Item> {
    for_the_gateway(syn::parse_file(text).unwrap_or_else(|error| panic!("{file}: {error}")).items)
}

/// All but what is there for tests only.
fn for_the_gateway(items: Vec<Item>) -> Vec<Item> {
    items.into_iter().filter(|item| !is_for_tests(item)).collect()
}

pub fn is_for_tests(item: &Item) -> bool {
    match item {
        Item::Const(syn::ItemConst { attrs, .. })
        | Item::Enum(syn::ItemEnum { attrs, .. })
        | Item::Fn(syn::ItemFn { attrs, .. })
        | Item::Impl(syn::ItemImpl { attrs, .. })
        | Item::Macro(syn::ItemMacro { attrs, .. })
        | Item::Mod(syn::ItemMod { attrs, .. })
        | Item::Static(syn::ItemStatic { attrs, .. })
        | Item::Struct(syn::ItemStruct { attrs, .. })
        | Item::Trait(syn::ItemTrait { attrs, .. })
        | Item::Type(syn::ItemType { attrs, .. })
        | Item::Use(syn::ItemUse { attrs, .. }) => attrs.iter().any(asks_for_test),
        _ => false,
    }
}

pub fn belongs_to_tests(item: &ImplItem) -> bool {
    match item {
        ImplItem::Const(syn::ImplItemConst { attrs, .. })
        | ImplItem::Fn(syn::ImplItemFn { attrs, .. })
        | ImplItem::Type(syn::ImplItemType { attrs, .. }) => attrs.iter().any(asks_for_test),
        _ => false,
    }
}

fn asks_for_test(attribute: &Attribute) -> bool {
    let test = |condition: syn::Path| condition.is_ident("test");
    attribute.path().is_ident("cfg") && attribute.parse_args().is_ok_and(test)
}

/// The name of what an item defines, modules aside.
fn name(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

/// Collects the imports of a module, without those of the modules in it.
#[derive(Default)]
struct Names {
    imports: BTreeMap<String, Path>,
    globs: Vec<Path>,
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(item) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, _: &'ast syn::ItemMod) {}

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        for leaf in leaves(&item.tree) {
            match leaf.name {
                Some(name) => drop(self.imports.insert(name, leaf.path)),
                None => self.globs.push(leaf.path),
            }
        }
    }
}

/// One of the things that a `use` imports.
pub struct Leaf {
    pub path: Path,
    /// The name that it gets; none for `*`.
    pub name: Option<String>,
}

pub fn leaves(tree: &UseTree) -> Vec<Leaf> {
    match tree {
        UseTree::Path(path) => {
            let mut leaves = leaves(&path.tree);
            leaves.iter_mut().for_each(|leaf| leaf.path.insert(0, path.ident.to_string()));
            // `a::{self}` imports `a`.
            for leaf in leaves.iter_mut().filter(|leaf| leaf.name.as_deref() == Some("self")) {
                leaf.name = Some(path.ident.to_string());
            }
            leaves
        }
        UseTree::Name(name) => {
            vec![Leaf { path: vec![name.ident.to_string()], name: Some(name.ident.to_string()) }]
        }
        UseTree::Rename(both) => {
            vec![Leaf { path: vec![both.ident.to_string()], name: Some(both.rename.to_string()) }]
        }
        UseTree::Glob(_) => vec![Leaf { path: Vec::new(), name: None }],
        UseTree::Group(group) => group.items.iter().flat_map(leaves).collect(),
    }
}
