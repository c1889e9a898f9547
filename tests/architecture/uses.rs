//! Which file of a crate uses what of which other.

use proc_macro2::{Spacing, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, Visibility};

use crate::circles::Graph;
use crate::modules::{Modules, Named, belongs_to_tests, is_for_tests, leaves};

/// The graph of the files. Paths count wherever they stand: in imports, code, macros and attributes. A path through a
/// re-export leads to where the thing is defined; `mod x;` and the re-export of a module's own child lead nowhere.
pub fn uses(modules: &Modules) -> Graph {
    let mut graph = Graph::default();
    for (module, found) in modules.0.iter().enumerate() {
        let mut paths = Paths { modules, module, graph: &mut graph };
        found.items.iter().for_each(|item| paths.visit_item(item));
    }
    graph
}

struct Paths<'m> {
    modules: &'m Modules,
    module: usize,
    graph: &'m mut Graph,
}

impl Paths<'_> {
    fn used(&mut self, path: &[String]) {
        if let Some(Named::Item(at, name)) = self.modules.named(self.module, path) {
            self.graph.add(&self.modules.0[self.module].file, &self.modules.0[at].file, &name);
        }
    }

    /// The paths among tokens that nobody has parsed.
    fn tokens(&mut self, tokens: TokenStream) {
        let (mut path, mut before) = (Vec::new(), Before::Other);
        for token in tokens {
            let next = match &token {
                TokenTree::Ident(name) => {
                    if before != Before::DoubleColon {
                        self.used(&std::mem::take(&mut path));
                    }
                    // The name of a field or method is nobody's path.
                    if before != Before::Dot {
                        path.push(name.to_string());
                    }
                    Before::Other
                }
                TokenTree::Punct(punct) if punct.as_char() == '.' => Before::Dot,
                TokenTree::Punct(punct) if punct.as_char() == ':' && punct.spacing() == Spacing::Joint => {
                    Before::Colon
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && before == Before::Colon => {
                    Before::DoubleColon
                }
                TokenTree::Group(group) => {
                    self.tokens(group.stream());
                    Before::Other
                }
                _ => Before::Other,
            };
            if next != Before::Colon && next != Before::DoubleColon && !matches!(token, TokenTree::Ident(_)) {
                self.used(&std::mem::take(&mut path));
            }
            before = next;
        }
        self.used(&path);
    }

    /// The paths in the strings of an attribute: `with = "crate::a::b"`.
    fn strings(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.strings(group.stream()),
                TokenTree::Literal(literal) => {
                    let text = syn::parse_str::<syn::LitStr>(&literal.to_string());
                    if let Ok(kind) = text.and_then(|text| text.parse::<syn::Type>()) {
                        self.visit_type(&kind);
                    }
                }
                _ => {}
            }
        }
    }
}

/// What stood before a token.
#[derive(PartialEq)]
enum Before {
    Dot,
    Colon,
    DoubleColon,
    Other,
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(item) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if !belongs_to_tests(item) {
            visit::visit_impl_item(self, item);
        }
    }

    /// Each module is visited for itself.
    fn visit_item_mod(&mut self, _: &'ast syn::ItemMod) {}

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let exports = !matches!(item.vis, Visibility::Inherited);
        for leaf in leaves(&item.tree) {
            match self.modules.named(self.module, &leaf.path) {
                Some(Named::Item(at, _)) if exports && self.modules.is_inside(at, self.module) => {}
                Some(Named::Module(all)) if leaf.name.is_none() && !exports => {
                    self.graph.add(&self.modules.0[self.module].file, &self.modules.0[all].file, "*");
                }
                _ => self.used(&leaf.path),
            }
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let path: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.used(&path);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, found: &'ast syn::Macro) {
        self.visit_path(&found.path);
        self.tokens(found.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
            self.strings(list.tokens.clone());
        }
    }
}
