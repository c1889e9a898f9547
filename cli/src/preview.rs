//! `preview`: shows the requests that an event would cause, built by the gateway's own relay with a host that prints.

use std::io::{Read, Write};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::printing::Printing;
use super::{Failure, Loaded, document, load};
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
        self.headers.push((name.trim().to_ascii_lowercase(), value.trim().as_bytes().to_vec()));
        Ok(())
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
    let request = Request {
        endpoint,
        path: visit.path.clone().unwrap_or_default().into_bytes(),
        source_address: visit.client_ip.clone().unwrap_or_default().into_bytes(),
        headers: visit.headers.clone(),
        body: body.clone().into_bytes(),
        lease: budget.lease(),
    };
    let config = Rc::new(config);
    let mut printing = Printing::new(Rc::clone(&config), names(&body));
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
        printing.add(host.take_record(), None);
        while let Some(token) = host.next_unanswered() {
            relay.settle(token, Answer::status(200), &mut host);
            printing.add(host.take_record(), Some(token));
        }
        printing.end_of_event();
        host.now = host.now.saturating_add(host.step);
    }
    printing.write(out)
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

/// The names of the events in a body, for the headings.
fn names(body: &str) -> Vec<String> {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let list =
        [body.get("batch"), body.get("events"), Some(&body)].into_iter().flatten().find_map(Value::as_array);
    let name = |event: &Value| {
        let text = |key: &str| event.get(key).and_then(Value::as_str).map(str::to_owned);
        text("event").or_else(|| text("type")).unwrap_or_else(|| "?".to_owned())
    };
    list.map_or_else(|| vec![name(&body)], |events| events.iter().map(name).collect())
}
