//! Cases from public bug reports, each played through a real Envoy of its own. What a case is, and how to add one:
//! docs/adding-a-case.md.
//!
//! Each is a test of its own, named `KIND::ID`, so that `cargo test --test cases -- NAME` plays those with NAME in it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "cases/case.rs"]
mod case;
#[path = "cases/play.rs"]
mod play;
mod support;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use case::Case;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    match trials() {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(mistake) => {
            eprintln!("error: {mistake}");
            ExitCode::FAILURE
        }
    }
}

/// One test for each case of `tests/cases/*.yaml`.
fn trials() -> Result<Vec<Trial>, String> {
    let mut ids = BTreeSet::new();
    let mut trials = vec![example_of_the_page()?];
    for file in files()? {
        let kind = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        for case in Case::read(&file)? {
            if !ids.insert(case.id.clone()) {
                return Err(format!("{}: there are two cases {}", file.display(), case.id));
            }
            case.steps().map_err(|mistake| format!("{}: {}: {mistake}", file.display(), case.id))?;
            let name = format!("{kind}::{}", case.id);
            trials.push(Trial::test(name, move || play::play(&case).map_err(Failed::from)));
        }
    }
    Ok(trials)
}

/// The example of docs/adding-a-case.md is a case too.
fn example_of_the_page() -> Result<Trial, String> {
    let page = include_str!("../docs/adding-a-case.md");
    let yaml = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    let case = Case::parse(yaml.unwrap_or_default())?.pop().ok_or("docs/adding-a-case.md has no example")?;
    Ok(Trial::test(format!("docs::{}", case.id), move || play::play(&case).map_err(Failed::from)))
}

/// In alphabetical order.
fn files() -> Result<Vec<PathBuf>, String> {
    let folder = support::root().join("tests/cases");
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    Ok(files)
}
