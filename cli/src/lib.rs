//! The command line tool, `conversion-relay`: shows what a configuration will do before a gateway runs it. See docs/cli.md.

mod check;
mod document;
mod gateway;
pub mod preview;
mod printing;
pub mod reference;
mod sharing;
mod stats;
pub mod story;
mod tap;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use lexopt::prelude::*;

use conversion_relay::config::{Compiled, schema};
use document::{Found, Passed};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Exit code 1: the configuration or the event is refused, or can't be read.
    #[error("{0}")]
    Refused(String),
    /// Exit code 2: incorrect usage.
    #[error("{0}\n\n{USAGE}")]
    Usage(String),
    /// The output is closed, so nothing can be reported.
    #[error("cannot write: {0}")]
    Output(#[from] std::io::Error),
}

impl Failure {
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Refused(_) | Failure::Output(_) => 1,
            Failure::Usage(_) => 2,
        }
    }
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Failure::Usage(error.to_string())
    }
}

pub const USAGE: &str = "\
usage: conversion-relay check FILE
       conversion-relay preview FILE EVENT.json [-H 'Name: value']... [--client-ip ADDRESS] [--path PATH]
       conversion-relay schema
       conversion-relay tap [OPTION]...      (conversion-relay tap --help lists them)
       conversion-relay --version

FILE is a plugin configuration (YAML or JSON), an envoy.yaml, the file that Envoy loads the filter from, or Istio's WasmPlugin.
EVENT.json is the body of a tracking request: one event, or a batch. - is standard input.";

/// Runs a command. `arguments` come without the program's name.
pub fn run(
    arguments: impl IntoIterator<Item = std::ffi::OsString>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut words: Vec<PathBuf> = Vec::new();
    let mut visit = preview::Visit::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(writeln!(out, "{USAGE}")?),
            Short('V') | Long("version") => {
                return Ok(writeln!(out, "conversion-relay {}", env!("CARGO_PKG_VERSION"))?);
            }
            Short('H') | Long("header") => visit.header(&parser.value()?.string()?)?,
            Long("client-ip") => visit.client_ip(&parser.value()?.string()?)?,
            Long("path") => visit.path = Some(parser.value()?.string()?),
            Value(word) if words.is_empty() && word == "tap" => return tap::run(&mut parser, out),
            Value(word) => words.push(word.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    let words: Vec<&Path> = words.iter().map(PathBuf::as_path).collect();
    match words.split_first() {
        Some((command, [file])) if *command == Path::new("check") => check::run(file, out),
        Some((command, [file, event])) if *command == Path::new("preview") => {
            preview::run(file, event, &visit, out)
        }
        Some((command, [])) if *command == Path::new("schema") => {
            Ok(writeln!(out, "{:#}", schema::of_configuration())?)
        }
        Some((command, _)) if ["check", "preview", "schema"].map(Path::new).contains(command) => {
            Err(Failure::Usage(format!("wrong number of arguments for {}", command.display())))
        }
        Some((command, _)) => Err(Failure::Usage(format!("unknown command {:?}", command.display()))),
        None => Err(Failure::Usage("expected a command".to_owned())),
    }
}

/// A configuration, compiled by the code that the gateway runs, and notes for the user.
struct Loaded {
    config: Compiled,
    notes: Vec<String>,
}

/// The placeholder for a variable that is not set here: digits, so that it is a valid id, and long enough for a secret.
const PLACEHOLDER: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Compiles a configuration. `at` is where it stands, for the error.
fn load(found: &Found, at: &str) -> Result<Loaded, Failure> {
    let refused = |problem: &dyn std::fmt::Display| Failure::Refused(format!("{at}: {problem}"));
    found.check_local_reply().map_err(|problem| refused(&problem))?;
    let unset = RefCell::new(BTreeSet::new());
    let environment = |name: &str| variable(found, name, &unset);
    let text = found.configuration.to_string();
    let config = Compiled::load(text.as_bytes(), &environment).map_err(|invalid| refused(&invalid))?;
    let mut notes: Vec<String> = unset
        .take()
        .iter()
        .map(|name| format!("{name} is not set here; a placeholder stands for it"))
        .collect();
    notes.extend(config.plain_secrets.iter().map(|path| {
        format!(
            "{path} is a secret written out, which Envoy's config_dump shows: write ${{NAME}} and set NAME"
        )
    }));
    Ok(Loaded { config, notes })
}

fn variable(found: &Found, name: &str, unset: &RefCell<BTreeSet<String>>) -> Option<String> {
    match found.environment(name) {
        Passed::Literal(value) => Some(value.to_owned()),
        Passed::No => None,
        Passed::OfHost => Some(std::env::var(name).unwrap_or_else(|_| {
            unset.borrow_mut().insert(name.to_owned());
            PLACEHOLDER.to_owned()
        })),
    }
}
