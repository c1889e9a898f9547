//! `preview`: shows the requests that an event would cause, built by the gateway's own relay with a host that prints.

use std::io::{Read, Write};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use super::loading::{Loaded, load};
use super::story::{Event, Stories};
use super::{Failure, document, printing};
use conversion_relay::config::Compiled;
use conversion_relay::delivery::Answer;
use conversion_relay::endpoints::{Carrier, Endpoint};
use conversion_relay::event::envelope::Form;
use conversion_relay::relay::Relay;
use conversion_relay::request::{Budget, Request};
use conversion_relay::testing::FakeHost;

/// The request that carries the event: what a browser would send in addition to the body.
#[derive(Default)]
pub struct Visit {
    headers: Vec<(String, Vec<u8>)>,
    client_ip: Option<String>,
    /// With the query; none: whatever takes the body.
    pub path: Option<String>,
}

impl Visit {
    /// Adds a header line, `Name: value`.
    pub fn header(&mut self, line: &str) -> Result<(), Failure> {
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| Failure::Usage(format!("expected a header like 'Cookie: a=b', got {line:?}")))?;
        self.add_header(name, value);
        Ok(())
    }

    /// Adds a header.
    pub fn add_header(&mut self, name: &str, value: &str) {
        self.headers.push((name.trim().to_ascii_lowercase(), value.trim().as_bytes().to_vec()));
    }

    /// Sets the visitor's address.
    pub fn client_ip(&mut self, address: &str) -> Result<(), Failure> {
        let parsed: Result<std::net::IpAddr, _> = address.parse();
        let parsed =
            parsed.map_err(|_| Failure::Usage(format!("expected an IP address, got {address:?}")))?;
        self.client_ip = Some(std::net::SocketAddr::new(parsed, 1).to_string());
        Ok(())
    }
}

pub fn run(file: &Path, event: &Path, visit: &Visit, out: &mut dyn Write) -> Result<(), Failure> {
    let document = document::find(file)?;
    let [found, others @ ..] = &document.filters[..] else { return Ok(()) };
    let Loaded { config, notes } = load(found, &found.path.display().to_string())?;
    for note in document.notes.iter().chain(&notes) {
        writeln!(out, "note: {note}")?;
    }
    if !others.is_empty() {
        let name = found.name.as_deref().unwrap_or_default();
        writeln!(out, "note: of {} filters this is {name}", document.filters.len())?;
    }
    let body = read(event)?;
    Ok(printing::print(&stories(config, &body, visit)?, out)?)
}

/// Returns what becomes of each event of a body that comes with a visit. Every secret in the requests reads `***`.
pub fn stories(config: Compiled, body: &str, visit: &Visit) -> Result<Vec<Event>, Failure> {
    let request = request(&config, body, visit)?;
    let config = Rc::new(config);
    let mut stories = Stories::new(Rc::clone(&config), body);
    let mut host = FakeHost::new(now());
    // More than the relay works at once, so that it takes a pause behind each event.
    host.step = Duration::from_millis(1);
    host.only_shows = true;
    host.explains = true;
    // Always the same cachebusters: two previews can be compared.
    let mut relay = Relay::new("preview".to_owned(), config, 0, &mut host);
    relay.hand_over(request, &host);
    while !relay.is_idle() {
        relay.work(&mut host);
        stories.add(host.take_record(), None);
        while let Some(token) = host.next_unanswered() {
            relay.settle(token, Answer::status(200), &mut host);
            stories.add(host.take_record(), Some(token));
        }
        stories.end_of_event();
        host.now = host.now.saturating_add(host.step);
    }
    Ok(stories.into_events())
}

/// Returns the request that carries a body.
fn request(config: &Compiled, body: &str, visit: &Visit) -> Result<Request, Failure> {
    let endpoint = match &visit.path {
        Some(path) => config
            .endpoints
            .find(path.as_bytes())
            .ok_or_else(|| Failure::Refused(format!("{path} is no tracking request")))?,
        None => Endpoint {
            form: Form::Either,
            event_type: None,
            carrier: Carrier::Body,
            server: false,
            acknowledged: false,
        },
    };
    let budget = Budget::default();
    budget.set_limit(config.limits.captured_bytes);
    Ok(Request {
        endpoint,
        path: visit.path.clone().unwrap_or_default().into_bytes(),
        source_address: visit.client_ip.clone().unwrap_or_default().into_bytes(),
        headers: visit.headers.clone(),
        body: body.as_bytes().to_vec(),
        lease: budget.lease(),
    })
}

/// Returns Unix time in milliseconds.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn read(event: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if event == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).map(drop)
    } else {
        std::fs::File::open(event).and_then(|mut file| file.read_to_string(&mut text)).map(drop)
    };
    read.map_err(|error| Failure::Refused(format!("cannot read {}: {error}", event.display())))?;
    Ok(text)
}
