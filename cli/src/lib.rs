//! The command line tool, `conversion-relay`: shows what a configuration will do before a gateway runs it. See docs/cli.md.

mod check;
mod document;
mod failure;
mod gateway;
mod loading;
pub mod preview;
mod printing;
mod pull;
pub mod reference;
mod seal;
mod sharing;
mod stats;
mod stop;
pub mod story;
mod tap;
mod terminal;

use std::io::Write;
use std::path::{Path, PathBuf};

use lexopt::prelude::*;

use conversion_relay::config::schema;

pub use failure::{Failure, USAGE};

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
            Value(word) if words.is_empty() && word == "pull" => return pull::run(&mut parser, out),
            Value(word) if words.is_empty() && word == "seal" => return seal::run(&mut parser, out),
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

/// Reads the plugin configuration in a file, as [`run`] takes one, with `${NAME}` as it is written. Of several filters it is the first.
pub fn configuration_in(file: &Path) -> Result<serde_json::Value, Failure> {
    let found = document::find(file)?.filters.into_iter().next();
    let found =
        found.ok_or_else(|| Failure::Refused(format!("{}: no filter is configured", file.display())))?;
    Ok(found.configuration)
}
