//! What the program is started with: options, and secrets from the environment.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use lexopt::prelude::*;

/// Printed by `--help`.
pub const USAGE: &str = "\
usage: conversion-relay-console [OPTION]...

  --listen ADDRESS       where to listen (127.0.0.1:8084)
  --database FILE        what is kept (conversion-relay-console.db)
  --import FILE          take over the configuration of this conversion-relay.yaml, if the database is new
  --plugin FILE          the filter's file that the gateways load, for its module, VM and environment (built in: the shipped one)
  --file FILE            keep this file up to date with the configuration, for an Envoy on this machine
  --deliver-url URL      the gateway that takes replayed dead letters, such as http://gateway:10000/v1/deliver
  --keep-records N       keep at most N records (100000)
  --keep-for TIME        keep records and dead letters for that long (30d)
  --tls-cert FILE        the certificate for HTTPS, in PEM format; with --tls-key FILE
  --behind-proxy         a proxy in front does HTTPS: listen beyond loopback without a certificate
  --print-sign-in-link   print a link that signs the first admin in once, within 10 minutes
  --help, --version

Environment:
  CONSOLE_TOKENS         name:role:token,... with the role admin, viewer or gateway; each token has 16 bytes or more
  CONSOLE_TOKEN          instead of these: the token of one admin, named admin
  CONSOLE_SECRET         seals what is kept; 32 bytes or more, such as `openssl rand -base64 32` prints
  RELAY_KEY              the gateways' secret of that name: what is written out as a secret is sealed under it";

/// What the program is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The database's file.
    pub database: PathBuf,
    /// The configuration that a new database begins with.
    pub import: Option<PathBuf>,
    /// The filter's file that the served configuration is put into; `None`: the shipped one.
    pub plugin: Option<PathBuf>,
    /// A file that is kept up to date with the configuration.
    pub file: Option<PathBuf>,
    /// Where dead letters are replayed to.
    pub deliver_url: Option<String>,
    /// How many records are kept at most.
    pub keep_records: u64,
    /// How long records and dead letters are kept, in milliseconds.
    pub keep_for: i64,
    /// Certificate and key for HTTPS.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Whether a proxy in front does HTTPS.
    pub behind_proxy: bool,
    /// Whether a link is printed that signs in once.
    pub print_sign_in_link: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8084)),
            database: PathBuf::from("conversion-relay-console.db"),
            import: None,
            plugin: None,
            file: None,
            deliver_url: None,
            keep_records: 100_000,
            keep_for: 30 * 24 * 3_600_000,
            tls: None,
            behind_proxy: false,
            print_sign_in_link: false,
        }
    }
}

/// What the command line asks for.
pub enum Command {
    /// Run with these options.
    Run(Box<Options>),
    /// Print this text.
    Print(String),
}

impl Options {
    /// Whether browsers reach the console by HTTPS.
    pub fn is_https(&self) -> bool {
        self.tls.is_some() || self.behind_proxy
    }

    /// Reads the command line, without the program's name.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<Command> {
        let mut parser = lexopt::Parser::from_args(arguments);
        let mut options = Self::default();
        let (mut certificate, mut key) = (None, None);
        while let Some(argument) = parser.next()? {
            match argument {
                Short('h') | Long("help") => return Ok(Command::Print(USAGE.to_owned())),
                Short('V') | Long("version") => {
                    let version = concat!("conversion-relay-console ", env!("CARGO_PKG_VERSION"));
                    return Ok(Command::Print(version.to_owned()));
                }
                Long("listen") => options.listen = parser.value()?.parse()?,
                Long("database") => options.database = parser.value()?.into(),
                Long("import") => options.import = Some(parser.value()?.into()),
                Long("plugin") => options.plugin = Some(parser.value()?.into()),
                Long("file") => options.file = Some(parser.value()?.into()),
                Long("deliver-url") => options.deliver_url = Some(parser.value()?.string()?),
                Long("keep-records") => options.keep_records = parser.value()?.parse()?,
                Long("keep-for") => options.keep_for = milliseconds(&parser.value()?.string()?)?,
                Long("tls-cert") => certificate = Some(parser.value()?.into()),
                Long("tls-key") => key = Some(parser.value()?.into()),
                Long("behind-proxy") => options.behind_proxy = true,
                Long("print-sign-in-link") => options.print_sign_in_link = true,
                other => return Err(other.unexpected().into()),
            }
        }
        options.tls = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => anyhow::bail!("--tls-cert and --tls-key go together"),
        };
        if !options.listen.ip().is_loopback() && options.tls.is_none() && !options.behind_proxy {
            anyhow::bail!(
                "--listen {}: beyond loopback tokens would travel in the clear: expected --tls-cert and --tls-key, or --behind-proxy",
                options.listen
            );
        }
        Ok(Command::Run(Box::new(options)))
    }
}

/// Reads a time such as `12h`, written as in the filter's configuration.
fn milliseconds(text: &str) -> anyhow::Result<i64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit: i64 = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => anyhow::bail!("expected a time like 12h or 30d, got {text:?}"),
    };
    number.parse::<i64>()?.checked_mul(unit).ok_or_else(|| anyhow::anyhow!("too long a time: {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        let parsed = Options::parse(line.split_whitespace().map(OsString::from));
        match parsed.map_err(|error| error.to_string())? {
            Command::Run(options) => Ok(*options),
            Command::Print(text) => Err(text),
        }
    }

    #[test]
    fn it_listens_on_loopback_unless_something_keeps_tokens_out_of_sight() {
        assert!(parse("").unwrap().listen.ip().is_loopback());
        assert!(parse("--listen 0.0.0.0:8084").unwrap_err().contains("--behind-proxy"));
        assert!(parse("--listen 0.0.0.0:8084 --behind-proxy").is_ok());
        assert!(parse("--listen 0.0.0.0:8084 --tls-cert c.pem --tls-key k.pem").is_ok());
        assert!(parse("--tls-cert c.pem").unwrap_err().contains("go together"));
    }

    #[test]
    fn times_are_written_as_in_the_configuration() {
        assert_eq!(parse("--keep-for 12h").unwrap().keep_for, 43_200_000);
        for wrong in ["12", "h", "1w", "99999999999999999999d", "9999999999999999d"] {
            assert!(parse(&format!("--keep-for {wrong}")).is_err(), "{wrong}");
        }
    }
}
