//! The order of the sources: no file of a package uses a file that uses it, directly or through others. And the module is made
//! of nothing that only the packages beside the filter asked for. ARCHITECTURE.md draws the modules as they are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "architecture/circles.rs"]
mod circles;
#[path = "architecture/modules.rs"]
mod modules;
#[path = "architecture/uses.rs"]
mod uses;

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use circles::Graph;
use modules::Modules;

/// A package of the workspace.
struct Package {
    /// The folder of its sources.
    sources: &'static str,
    /// The modules at the top.
    modules: Vec<String>,
    /// Which file uses which.
    files: Graph,
    /// How ARCHITECTURE.md marks the picture of its layers, if it has one.
    picture: Option<&'static str>,
}

impl Package {
    fn read(sources: &'static str, picture: Option<&'static str>) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(sources);
        let all = Modules::read(&|file| std::fs::read_to_string(folder.join(file)).ok());
        let modules = all.at_the_top().map(str::to_owned).collect();
        Self { sources, modules, files: uses::uses(&all), picture }
    }

    /// The layers that ARCHITECTURE.md draws, the highest first, each with the modules in it.
    fn drawn_layers(&self) -> Option<Vec<Vec<&'static str>>> {
        let (mark, page) = (self.picture?, include_str!("../ARCHITECTURE.md"));
        let (_, picture) = page.split_once(&format!("<!-- {mark}: begin -->")).unwrap();
        let (picture, _) = picture.split_once(&format!("<!-- {mark}: end -->")).unwrap();
        let name = |module: &'static str| module.split([' ', ':']).find(|word| !word.is_empty()).unwrap();
        let layers = picture.lines().filter(|line| !line.is_empty() && !line.starts_with("```"));
        Some(layers.map(|line| line.split('|').map(name).collect()).collect())
    }
}

static PACKAGES: LazyLock<[Package; 4]> = LazyLock::new(|| {
    [
        Package::read("src", Some("layers")),
        Package::read("console/src", Some("console layers")),
        Package::read("cli/src", None),
        Package::read("stand-in/src", None),
    ]
});

/// The module at the top that a file belongs to: `config` for `config/load.rs`.
fn top(file: &str) -> String {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs").to_owned()
}

/// Fails where there is a circle, and says what ties it.
#[track_caller]
fn check(sources: &str, graph: &Graph) {
    let mut complaints = String::new();
    for circle in graph.circles() {
        complaints += &format!("\nin a circle in {sources}: {circle:?}\n{}", graph.explained(&circle));
    }
    assert!(complaints.is_empty(), "{complaints}");
}

#[test]
fn no_file_is_in_a_circle() {
    for package in &*PACKAGES {
        check(package.sources, &package.files);
    }
}

#[test]
fn no_module_at_the_top_is_in_a_circle() {
    for package in &*PACKAGES {
        check(package.sources, &package.files.grouped(top));
    }
}

#[test]
fn every_module_uses_only_modules_that_architecture_md_draws_below_it() {
    for (package, layers) in PACKAGES.iter().filter_map(|package| Some((package, package.drawn_layers()?))) {
        let at = |module: &str| layers.iter().position(|layer| layer.contains(&module));
        for module in &package.modules {
            let times = layers.iter().flatten().filter(|drawn| *drawn == module).count();
            assert_eq!(times, 1, "{module} of {} is not drawn once in ARCHITECTURE.md", package.sources);
        }
        assert_eq!(
            layers.iter().flatten().count(),
            package.modules.len(),
            "ARCHITECTURE.md draws something that is no module"
        );
        for (from, to) in package.files.grouped(top).uses().filter(|(from, _)| *from != "lib") {
            assert!(at(from) < at(to), "{from} uses {to}, which ARCHITECTURE.md draws beside or above it");
        }
    }
}

/// A crate of two files, of which `a.rs` uses `B` of the folder `b`.
fn graph_with(b: &str) -> Graph {
    let sources = |file: &str| match file {
        "lib.rs" => Some("mod a; mod b;".to_owned()),
        "a.rs" => Some("use crate::b::B; pub struct A(B); pub fn f() {}".to_owned()),
        "b/mod.rs" => Some(b.to_owned()),
        "b/inner.rs" => Some("pub struct B; pub struct C;".to_owned()),
        _ => None,
    };
    uses::uses(&Modules::read(&sources))
}

#[test]
fn a_circle_is_found_wherever_the_path_that_closes_it_stands() {
    for closing in [
        "use crate::a::A;",
        "use super::a::{self, A as Other};",
        "use super::a; fn g() { a::f() }",
        "pub use crate::a::A;",
        "fn g() { crate::a::f() }",
        "fn g() { use crate::a; let _ = a::f; }",
        "fn g(_: &dyn Fn(crate::a::A)) {}",
        "fn g() { assert!(true, \"{:?}\", crate::a::f()); }",
        "#[serde(with = \"crate::a::f\")] struct S;",
        "#[derive(crate::a::f)] struct S;",
        "mod within { use crate::a::A; }",
        "use crate::a::*;",
    ] {
        let graph = graph_with(&format!("pub struct B; {closing}"));
        assert_eq!(graph.circles(), [["a.rs", "b/mod.rs"]], "{closing}");
        let text = graph.explained(&["a.rs", "b/mod.rs"]);
        assert!(text.contains("a.rs uses b/mod.rs (B)") && text.contains("b/mod.rs uses a.rs ("), "{text}");
    }
}

#[test]
fn tests_declarations_and_re_exports_close_no_circle() {
    for harmless in [
        "pub struct B; #[cfg(test)] mod tests { use crate::a::A; }",
        "pub struct B; impl B { #[cfg(test)] fn g() { crate::a::f() } }",
        "pub struct B; fn g() { std::a::f(); x.a.f(); }",
        "mod inner; pub use inner::B; use crate::a::A;",
    ] {
        assert!(graph_with(harmless).circles().is_empty(), "{harmless}");
    }
}

#[test]
fn a_module_that_uses_what_it_re_exports_uses_its_file() {
    let graph = graph_with("mod inner; pub use inner::{B, C}; pub struct D(C); impl crate::b::inner::B { }");
    assert_eq!(graph.ties("b/mod.rs", "b/inner.rs"), ["B", "C"]);
    assert_eq!(graph.ties("a.rs", "b/inner.rs"), ["B"], "a path through a re-export leads to the definition");
    assert!(graph.ties("a.rs", "b/mod.rs").is_empty());
}

/// What the module is built from, each with its version and features.
fn dependencies() -> Vec<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut tree = Command::new(cargo);
    tree.args(["tree", "--locked", "--package", "conversion-relay", "--target", "wasm32-wasip1"]);
    tree.args(["--edges", "normal", "--prefix", "none", "--format", "{p} {f}"]);
    let output = tree.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn the_module_is_made_of_what_the_filter_asks_for_alone() {
    let dependencies = dependencies();
    let is = |line: &str, name: &str| line.split(' ').next() == Some(name);
    assert!(dependencies.iter().any(|line| is(line, "proxy-wasm")), "{dependencies:#?}");
    for line in &dependencies {
        for alien in ["clap", "lexopt", "schemars", "serde-saphyr", "tokio"] {
            assert!(!is(line, alien), "the module has {line}");
        }
        // Each changes what a number or an object is, for all that share the crate.
        for feature in ["arbitrary_precision", "preserve_order"] {
            let asked_for = is(line, "serde_json") && line.split([' ', ',']).any(|word| word == feature);
            assert!(!asked_for, "the module has {line}");
        }
    }
}
