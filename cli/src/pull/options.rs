//! The options of `pull`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;
use hyper::header::HeaderValue;
use lexopt::prelude::*;
use serde_json::Value as Json;

use crate::Failure;
use conversion_relay::settings::{HOUR, MILLISECOND, Secret, Time};

/// What `pull --help` prints.
pub const HELP: &str = "\
usage: CONSOLE_TOKEN=... conversion-relay pull --console URL --file FILE [OPTION]...

Keeps the file that Envoy loads the filter from as the console has it. A configuration is written only if the filter's own code
accepts it; whatever else happens, the file stays as it is.

  --console URL         of the console: https://console.internal:8084
  --file FILE           the file that Envoy watches, such as /etc/envoy/conversion-relay.yaml
  --gateway NAME        the name that the console knows this gateway by; this machine's name if none is given
  --every DURATION      between two polls: 2s unless set, 100ms to 1h. While the console fails, up to 30 s
  --once                ask once: the exit code is 0 if the file is as the console has it, else 1
  --ca FILE             trust the certificates in this PEM file, instead of those that this machine trusts
  -h, --help

The environment variable CONSOLE_TOKEN has the gateway's token for the console. What FILE holds is kept in mind beside it, in
FILE.etag. It ends with Ctrl-C or SIGTERM.";

/// The path, at the console, of what it has for a gateway.
const PATH: &str = "/v1/gateway/configuration";

/// The endings of files by which Envoy knows that they are YAML or JSON.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// The longest name of a gateway, in bytes.
const MAX_NAME_BYTES: usize = 200;

/// What `pull` is to do.
#[derive(Debug)]
pub struct Options {
    /// Where the configuration is fetched: `http` or `https`, with a host.
    pub url: Uri,
    /// The file that Envoy watches.
    pub file: PathBuf,
    /// The gateway's name: visible ASCII.
    pub gateway: String,
    /// Between two polls.
    pub every: Duration,
    /// Whether to poll only once.
    pub once: bool,
    /// A file with certificates to trust; `None`: those of the system.
    pub ca: Option<PathBuf>,
    /// The gateway's token.
    pub token: Secret,
}

impl Options {
    /// Reads the arguments after `pull`, and the token from the environment. `None` if they ask for help.
    ///
    /// # Errors
    /// Incorrect usage.
    pub fn read(parser: &mut lexopt::Parser) -> Result<Option<Self>, Failure> {
        let (mut url, mut file, mut gateway, mut ca) = (None, None, None, None);
        let (mut every, mut once) = (Duration::from_secs(2), false);
        while let Some(argument) = parser.next()? {
            match argument {
                Short('h') | Long("help") => return Ok(None),
                Long("console") => url = Some(url_of(&parser.value()?.string()?)?),
                Long("file") => file = Some(PathBuf::from(parser.value()?)),
                Long("gateway") => gateway = Some(parser.value()?.string()?),
                Long("every") => every = duration(&parser.value()?.string()?)?,
                Long("once") => once = true,
                Long("ca") => ca = Some(PathBuf::from(parser.value()?)),
                other => return Err(other.unexpected().into()),
            }
        }
        let (Some(url), Some(file)) = (url, file) else {
            return usage("expected pull --console URL --file FILE");
        };
        if !file.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known)) {
            return usage(
                "expected a --file that ends in .yaml, .yml or .json: by that Envoy knows how to read it",
            );
        }
        let gateway = gateway.or_else(host_name).unwrap_or_default();
        let is_visible = gateway.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        if gateway.trim().is_empty() || gateway.len() > MAX_NAME_BYTES || !is_visible {
            return usage("expected a --gateway NAME of visible characters of ASCII");
        }
        Ok(Some(Self { url, file, gateway, every, once, ca, token: token()? }))
    }

    /// Whether whoever is between here and the console can read the token.
    pub fn sends_token_in_clear(&self) -> bool {
        let host = host(&self.url);
        let is_here =
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        self.url.scheme_str() == Some("http") && !is_here
    }
}

/// Returns the host of a URL, an IPv6 address without its brackets.
pub fn host(url: &Uri) -> &str {
    url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

fn usage<T>(text: &str) -> Result<T, Failure> {
    Err(Failure::Usage(text.to_owned()))
}

/// The URL that is fetched, from the console's.
fn url_of(console: &str) -> Result<Uri, Failure> {
    let url = format!("{}{PATH}", console.trim_end_matches('/')).parse::<Uri>();
    let is_usable = |url: &Uri| {
        let is_bare = url.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        matches!(url.scheme_str(), Some("http" | "https")) && is_bare && url.query().is_none()
    };
    match url.ok().filter(is_usable) {
        Some(url) => Ok(url),
        // It may hold a password, so it is not repeated.
        None => usage(
            "expected a --console URL like https://console.internal:8084, without user, password or query",
        ),
    }
}

fn duration(text: &str) -> Result<Duration, Failure> {
    let read = serde_json::from_value::<Time<{ 100 * MILLISECOND }, HOUR>>(Json::from(text));
    read.map(Time::get).map_err(|error| Failure::Usage(format!("--every: {error}")))
}

fn token() -> Result<Secret, Failure> {
    let refused = |problem: &str| Failure::Refused(format!("CONSOLE_TOKEN {problem}"));
    let token = std::env::var("CONSOLE_TOKEN").unwrap_or_default();
    if token.is_empty() {
        return Err(refused("is not set: set it to the token that the console has for gateways"));
    }
    match HeaderValue::from_str(&token) {
        Ok(_) => Ok(Secret::new(token)),
        Err(_) => Err(refused("has a character that no token has, such as a line break at its end")),
    }
}

/// Returns this machine's name, where the system tells it in a file.
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
