//! What a request leads to, event by event: what each integration would be sent, or why it would not.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Serialize;
use serde_json::Value;

use conversion_relay::accounting::{DropReason, EventIgnored, Note, Outcome, RequestIgnored};
use conversion_relay::config::{Compiled, Integration};
use conversion_relay::delivery::Token;
use conversion_relay::testing::{Recorded, SentCallout};

/// One event of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its name, or its type where it has none. `the whole request` where that was not even read.
    pub name: String,
    /// What became of it, in the order in which it did.
    pub facts: Vec<Fact>,
}

/// Something that became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// An integration has an entry for it.
    Delivery(Box<Delivery>),
    /// No integration got it.
    Ignored {
        /// Why not.
        reason: EventIgnored,
        /// The number of events that this is said of.
        count: usize,
    },
    /// The whole request was ignored.
    RequestIgnored(RequestIgnored),
    /// Something that an operator should know.
    Note(Note),
}

/// What an integration makes of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The integration's name.
    pub integration: String,
    /// The consent that it needs, and what grants it, if something does.
    pub consent: String,
    /// Whether it is sent.
    pub outcome: Decision,
    /// The values that are left out of its request, and why, in words.
    pub left_out: Vec<String>,
    /// The request, with `***` for each secret; `None`: it is not sent.
    pub request: Option<BuiltRequest>,
}

/// Whether a delivery is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is.
    Sent,
    /// It would be, but for `dry_run`.
    DryRun,
    /// It is not.
    NotSent {
        /// Why not.
        reason: DropReason,
        /// The same in words, as far as they are known.
        because: String,
    },
}

/// A request as it goes to a vendor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BuiltRequest {
    /// The method.
    pub method: &'static str,
    /// The vendor's host.
    pub authority: String,
    /// The path with its query.
    pub path: String,
    /// The Envoy cluster that it goes through.
    pub cluster: String,
    /// Further headers, as pairs of name and value.
    pub headers: Vec<(String, String)>,
    /// The body; `None`: it has none.
    pub body: Option<String>,
}

impl BuiltRequest {
    fn new(cluster: String, authority: String, callout: SentCallout) -> Self {
        let SentCallout { method, path, headers, body } = callout;
        Self { method, authority, path, cluster, headers, body }
    }
}

/// Makes the story of each event of what the relay does for it.
pub(super) struct Stories {
    config: Rc<Compiled>,
    /// The names of the events, in order.
    names: Vec<String>,
    /// What became of the event at hand.
    facts: Vec<Fact>,
    /// The callouts that are not settled.
    sent: BTreeMap<Token, BuiltRequest>,
    /// What the decisions about consent were based on, by integration.
    decided: BTreeMap<String, String>,
    /// What was left out of the requests of the event at hand, by integration.
    left_out: BTreeMap<String, Vec<String>>,
    events: Vec<Event>,
}

impl Stories {
    /// Begins with the first event of a request's body.
    pub fn new(config: Rc<Compiled>, body: &str) -> Self {
        Self {
            config,
            names: names(body),
            facts: Vec::new(),
            sent: BTreeMap::new(),
            decided: BTreeMap::new(),
            left_out: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    /// Takes what the relay did. `settled`: the callout whose answer it did it for.
    pub fn add(&mut self, record: Vec<Recorded>, settled: Option<Token>) {
        for recorded in record {
            self.add_one(recorded, settled);
        }
    }

    /// Ends the event at hand.
    pub fn end_of_event(&mut self) {
        let facts = std::mem::take(&mut self.facts);
        if facts.is_empty() {
            return;
        }
        let name = self.names.get(self.events.len()).map_or("?", String::as_str).to_owned();
        self.events.push(Event { name, facts });
        self.decided.clear();
        self.left_out.clear();
    }

    /// Returns all events.
    pub fn into_events(self) -> Vec<Event> {
        self.events
    }

    fn add_one(&mut self, recorded: Recorded, settled: Option<Token>) {
        match recorded {
            Recorded::Sent { token, cluster, authority, callout, .. } => {
                _ = self.sent.insert(token, BuiltRequest::new(cluster, authority, callout));
            }
            Recorded::DryRun { integration, callout } => {
                let config = Rc::clone(&self.config);
                let Some(found) = config.integration(&integration) else { return };
                let destination = &found.destination;
                let (cluster, authority) =
                    (destination.cluster().to_owned(), destination.authority().to_owned());
                self.delivery(found, Decision::DryRun, Some(BuiltRequest::new(cluster, authority, callout)));
            }
            Recorded::Delivery { integration, outcome } => self.outcome(&integration, outcome, settled),
            Recorded::EventsIgnored { reason, count } => self.facts.push(Fact::Ignored { reason, count }),
            Recorded::RequestIgnored(reason) => {
                self.names = vec!["the whole request".to_owned()];
                self.facts.push(Fact::RequestIgnored(reason));
            }
            Recorded::Decided { integration, basis } => _ = self.decided.insert(integration, basis),
            Recorded::LeftOut { integration, explanation } => {
                self.left_out.entry(integration).or_default().push(explanation);
            }
            // What these count is said of the delivery that it is about.
            Recorded::Note(Note::ValueLeftOut | Note::PathCut) => {}
            Recorded::Note(note) => self.facts.push(Fact::Note(note)),
            Recorded::Callout { .. } | Recorded::Notice { .. } => {}
        }
    }

    fn outcome(&mut self, name: &str, outcome: Outcome, settled: Option<Token>) {
        let config = Rc::clone(&self.config);
        let Some(integration) = config.integration(name) else { return };
        match outcome {
            Outcome::Matched | Outcome::DryRun | Outcome::GivenBack | Outcome::DeadLettered => {}
            Outcome::Delivered => {
                let request = settled.and_then(|token| self.sent.remove(&token));
                self.delivery(integration, Decision::Sent, request);
            }
            Outcome::Dropped(reason) => {
                let because = self.because(reason, name).to_owned();
                self.delivery(integration, Decision::NotSent { reason, because }, None);
            }
        }
    }

    fn delivery(&mut self, integration: &Integration, outcome: Decision, request: Option<BuiltRequest>) {
        let left_out = self.left_out.remove(&integration.name).unwrap_or_default();
        let consent = self.consent(integration);
        let integration = integration.name.clone();
        let delivery = Delivery { integration, consent, outcome, left_out, request };
        self.facts.push(Fact::Delivery(Box::new(delivery)));
    }

    /// The consent that a delivery needs, and what grants it.
    fn consent(&self, integration: &Integration) -> String {
        let needs = needs(integration);
        match self.decided.get(&integration.name) {
            Some(basis) if *basis != needs => format!("{needs}: {basis}"),
            _ => needs,
        }
    }

    /// Why a delivery is dropped.
    fn because(&self, reason: DropReason, integration: &str) -> &str {
        match reason {
            DropReason::DisabledByEvent => "the event's own integrations object says so",
            DropReason::Gpc
            | DropReason::SaleOptOut
            | DropReason::ConsentDenied
            | DropReason::ConsentAbsent => self.decided.get(integration).map_or("", String::as_str),
            DropReason::OptedOut => "the visitor has opted out at the vendor",
            DropReason::Bot => "its User-Agent is a bot's",
            DropReason::Duplicate => "its messageId was there before",
            DropReason::DuplicateOrder => "its order was there before",
            DropReason::Stale => "it is older than max_event_age",
            _ => "the delivery engine gave it up",
        }
    }
}

/// What the consent that an integration needs is called, e.g. "marketing".
pub(super) fn needs(integration: &Integration) -> String {
    let categories = integration.requirement.categories();
    let names: Vec<_> = conversion_relay::consent::Category::ALL
        .into_iter()
        .filter(|category| categories.contains(*category))
        .map(|category| category.name())
        .collect();
    if names.is_empty() {
        "no consent needed".to_owned()
    } else {
        format!("consent for {}", names.join(", "))
    }
}

/// The names of the events in a body.
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
