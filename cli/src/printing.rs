//! Prints the record of a host that sends nothing, for a preview.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::rc::Rc;

use super::Failure;
use conversion_relay::accounting::{DropReason, EventIgnored, Note, Outcome};
use conversion_relay::config::{Compiled, Integration};
use conversion_relay::delivery::Token;
use conversion_relay::testing::{Recorded, SentCallout};

pub struct Printing {
    config: Rc<Compiled>,
    /// The names of the events, in order.
    names: Vec<String>,
    /// What was written about the event at hand.
    lines: String,
    event: usize,
    /// The callouts that are not settled, as they are written.
    sent: BTreeMap<Token, String>,
    /// What the decisions about consent were based on, by integration.
    decided: BTreeMap<String, String>,
    /// What was left out of the requests of the event at hand, by integration, as it is written.
    left_out: BTreeMap<String, String>,
    text: String,
}

impl Printing {
    pub fn new(config: Rc<Compiled>, names: Vec<String>) -> Self {
        Self {
            config,
            names,
            lines: String::new(),
            event: 0,
            sent: BTreeMap::new(),
            decided: BTreeMap::new(),
            left_out: BTreeMap::new(),
            text: String::new(),
        }
    }

    /// Writes down what the relay did. `settled`: the callout whose answer it did it for.
    pub fn add(&mut self, record: Vec<Recorded>, settled: Option<Token>) {
        for recorded in record {
            self.add_one(recorded, settled);
        }
    }

    /// Puts what was written since the last event under a heading.
    pub fn end_of_event(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        let name = self.names.get(self.event).map_or("?", String::as_str);
        self.event = self.event.saturating_add(1);
        _ = write!(self.text, "event {}: {name}\n{}", self.event, self.lines);
        self.lines.clear();
        self.decided.clear();
        self.left_out.clear();
    }

    pub fn write(&self, out: &mut dyn Write) -> Result<(), Failure> {
        Ok(out.write_all(self.text.as_bytes())?)
    }

    fn add_one(&mut self, recorded: Recorded, settled: Option<Token>) {
        match recorded {
            Recorded::Sent { token, cluster, authority, callout, .. } => {
                let text = Self::written(&cluster, &authority, &callout);
                self.sent.insert(token, text);
            }
            Recorded::DryRun { integration, callout } => {
                let Some(found) = self.config.integration(&integration) else { return };
                let text =
                    Self::written(found.destination.cluster(), found.destination.authority(), &callout);
                let consent = self.consent(found);
                self.line(&format!("{integration}: would be sent, but for dry_run ({consent})"));
                self.add_left_out(&integration);
                self.lines.push_str(&text);
            }
            Recorded::Delivery { integration, outcome } => self.delivery(&integration, outcome, settled),
            Recorded::EventsIgnored { reason, count } => self.events_ignored(reason, count),
            Recorded::RequestIgnored(reason) => {
                self.names = vec!["the whole request".to_owned()];
                self.line(&format!("ignored, {}", reason.label()));
            }
            Recorded::Decided { integration, basis } => _ = self.decided.insert(integration, basis),
            Recorded::LeftOut { integration, explanation } => {
                let lines = self.left_out.entry(integration).or_default();
                _ = writeln!(lines, "    {explanation}");
            }
            // What these count is said below the integration that it is about.
            Recorded::Note(Note::ValueLeftOut | Note::PathCut) => {}
            Recorded::Note(note) => self.line(&format!("note: {}", note.label())),
            Recorded::Callout { .. } | Recorded::Notice { .. } => {}
        }
    }

    fn delivery(&mut self, name: &str, outcome: Outcome, settled: Option<Token>) {
        let Some(integration) = self.config.integration(name) else { return };
        match outcome {
            Outcome::Matched | Outcome::DryRun | Outcome::GivenBack => {}
            Outcome::Delivered => {
                let consent = self.consent(integration);
                self.line(&format!("{name}: sent ({consent})"));
                self.add_left_out(name);
                let callout = settled.and_then(|token| self.sent.remove(&token));
                self.lines.push_str(&callout.unwrap_or_default());
            }
            Outcome::Dropped(reason) => {
                let line = format!("{name}: not sent, {}: {}", reason.label(), self.because(reason, name));
                self.line(&line);
                self.add_left_out(name);
            }
        }
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

    /// Writes below an integration what was left out of its request.
    fn add_left_out(&mut self, integration: &str) {
        self.lines.push_str(&self.left_out.remove(integration).unwrap_or_default());
    }

    fn events_ignored(&mut self, reason: EventIgnored, count: usize) {
        let all = if count > 1 { format!(", with {} more", count.saturating_sub(1)) } else { String::new() };
        let because = match reason {
            EventIgnored::Unauthorized => {
                ": no source has the key that came, if any came, or its origins lack the page; -H 'X-Write-Key: ...' and -H 'Origin: ...' set them"
            }
            EventIgnored::Unmapped => ": no integration has an entry for an event of this name",
            _ => "",
        };
        self.line(&format!("ignored, {}{all}{because}", reason.label()));
    }

    fn line(&mut self, line: &str) {
        _ = writeln!(self.lines, "  {line}");
    }

    fn written(cluster: &str, authority: &str, callout: &SentCallout) -> String {
        let mut text = format!("    {} https://{authority}{}\n", callout.method, callout.path);
        _ = writeln!(text, "    through cluster {cluster}");
        for (name, value) in &callout.headers {
            _ = writeln!(text, "    {name}: {value}");
        }
        if let Some(body) = &callout.body {
            _ = writeln!(text, "    {body}");
        }
        text
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
