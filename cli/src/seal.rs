//! `seal`: makes a sealed value for a place in a configuration.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{IsTerminal, Read, Write, stdin};
use std::path::PathBuf;

use lexopt::prelude::*;
use serde_json::json;

use super::Failure;
use super::document::{self, Document, Found};
use super::loading::variable;
use super::terminal::notice;
use conversion_relay::sealed::{NONCE, SealingKeys, is_sealed, place};
use conversion_relay::settings::Document as Configuration;

/// What `seal --help` prints.
const HELP: &str = "\
usage: conversion-relay seal --config FILE PATH < SECRET

Seals a secret for its place in a configuration, and prints the text that stands for it there: sealed:v1:...

  --config FILE         the configuration that the text will stand in: any file that conversion-relay check takes
  PATH                  where, as messages about a configuration write it: integrations[1].config.key
                        An item of a list may also be named: 'integrations[name=\"Podsights Production\"].config.key'
  -h, --help

The secret is read from standard input, without the line break at its end. It is sealed under the first of the configuration's
secrets, so the variables that those name, such as RELAY_KEY, have to be set here as they are in the gateway. The text is valid at that
place alone, in every gateway that has the secret.";

/// The longest secret, in bytes.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// Runs the command with the arguments that the parser has left.
///
/// # Errors
/// Incorrect usage; a file, place or secret that can't be used.
pub fn run(parser: &mut lexopt::Parser, out: &mut dyn Write) -> Result<(), Failure> {
    let (mut file, mut path) = (None, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(writeln!(out, "{HELP}")?),
            Long("config") => file = Some(PathBuf::from(parser.value()?)),
            Value(word) if path.is_none() => path = Some(word.string()?),
            Value(_) => {
                let text = "expected one PATH. The secret itself is read from standard input, where no list of processes shows it";
                return Err(Failure::Usage(text.to_owned()));
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let (Some(file), Some(path)) = (file, path) else {
        return Err(Failure::Usage("expected seal --config FILE PATH".to_owned()));
    };
    let sealed = seal(&document::find(&file)?, &path)?;
    Ok(writeln!(out, "{sealed}")?)
}

fn seal(document: &Document, path: &str) -> Result<String, Failure> {
    let refused = |problem: String| Failure::Refused(format!("{}: {problem}", document.path.display()));
    let placed = |found: &'_ Found| place(&found.configuration, path);
    let Some((found, place)) = document.filters.iter().find_map(|found| Some((found, placed(found)?))) else {
        return Err(refused(format!(
            "there is no {path}: expected a path like integrations[0].config.key, of a key whose object is there"
        )));
    };
    if place == "secrets" || place.starts_with("secrets[") {
        return Err(refused(format!("{path} can't be sealed: nothing would open it. Write ${{NAME}}")));
    }
    let keys = keys(found).map_err(refused)?;
    let secret = read_secret().map_err(Failure::Refused)?;
    let mut nonce = [0; NONCE];
    getrandom::fill(&mut nonce).map_err(|error| Failure::Refused(format!("no random bytes: {error}")))?;
    let sealed = keys.seal(&secret, &place, nonce);
    notice("seal", &format!("for {place} in {}", found.path.display()));
    sealed.ok_or_else(|| Failure::Refused("the secret is too long".to_owned()))
}

/// Derives the keys from the configuration's secrets, as the gateway would.
fn keys(found: &Found) -> Result<SealingKeys, String> {
    let secrets = found.configuration.get("secrets").cloned().unwrap_or_else(|| json!([]));
    let unset = RefCell::new(BTreeSet::new());
    let configuration = json!({"secrets": secrets}).to_string();
    let secrets = Configuration::parse(configuration.as_bytes())
        .and_then(|mut configuration| {
            configuration.expand(&|name| variable(found, name, &unset))?;
            Ok(configuration.secrets("secrets"))
        })
        .map_err(|invalid| invalid.to_string())?;
    if let Some(name) = unset.take().first() {
        return Err(format!(
            "{name} is not set here: set it to the secret that the gateway has, and export it"
        ));
    }
    if secrets.is_empty() {
        let fix = "add secrets: [\"${RELAY_KEY}\"], with a RELAY_KEY that openssl rand -base64 32 has made";
        return Err(format!("there are no secrets to seal with: {fix}"));
    }
    if secrets.iter().any(|secret| is_sealed(secret.expose())) {
        return Err("expected secrets as ${NAME}, got a sealed value: nothing would open it".to_owned());
    }
    SealingKeys::new(&secrets).map_err(|error| format!("secrets: {error}"))
}

/// Reads the secret from standard input.
fn read_secret() -> Result<String, String> {
    if stdin().is_terminal() {
        notice("seal", "type the secret, then Enter and Ctrl-D");
    }
    let mut bytes = Vec::new();
    let read = stdin().lock().take(MAX_SECRET_BYTES.saturating_add(1)).read_to_end(&mut bytes);
    let length = read.map_err(|error| format!("cannot read standard input: {error}"))?;
    if u64::try_from(length).is_ok_and(|length| length > MAX_SECRET_BYTES) {
        return Err(format!("expected a secret of at most {MAX_SECRET_BYTES} bytes on standard input"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "expected text in UTF-8 on standard input".to_owned())?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let secret = line.strip_suffix('\r').unwrap_or(line);
    if secret.is_empty() {
        return Err("expected the secret on standard input, got nothing".to_owned());
    }
    Ok(secret.to_owned())
}
