//! A host for the relay that sends nothing: it writes down what the relay asks of it.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::io::Write;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use super::Failure;
use crate::accounting::{
    CalloutStatus, DeliveryLedger, DropReason, EventIgnored, IntegrationRef, Ledger, Note, Notice, Outcome,
    Refusal, RequestIgnored,
};
use crate::config::{Compiled, Integration};
use crate::deduplication::Store;
use crate::delivery::{Instant, Token};
use crate::relay::Host;
use crate::vendors::Callout;

pub struct Printing {
    config: Rc<Compiled>,
    /// What the events call themselves, in their order.
    names: Vec<String>,
    secrets: Vec<String>,
    /// Stands still but for a step with everything counted, so that the relay takes a pause behind each event.
    clock: Duration,
    /// What was written about the event at hand.
    lines: String,
    event: usize,
    sent: VecDeque<(Token, String)>,
    /// The callout that is being settled.
    settling: String,
    tokens: u32,
    stored: RefCell<HashMap<String, Vec<u8>>>,
    text: String,
}

/// More than the relay works at once.
const STEP: Duration = Duration::from_millis(1);

impl Printing {
    pub fn new(config: Rc<Compiled>, names: Vec<String>, secrets: Vec<String>) -> Self {
        Self {
            config,
            names,
            secrets,
            clock: Duration::ZERO,
            lines: String::new(),
            event: 0,
            sent: VecDeque::new(),
            settling: String::new(),
            tokens: 0,
            stored: RefCell::default(),
            text: String::new(),
        }
    }

    /// The next callout to settle.
    pub fn next_sent(&mut self) -> Option<Token> {
        let (token, callout) = self.sent.pop_front()?;
        self.settling = callout;
        Some(token)
    }

    /// Puts what was written since the last event under a heading.
    pub fn end_of_event(&mut self) {
        self.clock = self.clock.saturating_add(STEP);
        if self.lines.is_empty() {
            return;
        }
        let name = self.names.get(self.event).map_or("?", String::as_str);
        self.event = self.event.saturating_add(1);
        _ = write!(self.text, "event {}: {name}\n{}", self.event, self.lines);
        self.lines.clear();
    }

    pub fn write(&self, out: &mut dyn Write) -> Result<(), Failure> {
        Ok(out.write_all(self.text.as_bytes())?)
    }

    fn line(&mut self, line: &str) {
        self.clock = self.clock.saturating_add(STEP);
        _ = writeln!(self.lines, "  {line}");
    }

    fn integration(&self, name: &str) -> Option<&Integration> {
        self.config.integrations.iter().find(|integration| integration.name == name)
    }

    fn written(&self, cluster: &str, authority: &str, callout: &Callout) -> String {
        let mut text = format!("    {} https://{authority}{}\n", callout.method, callout.path);
        _ = writeln!(text, "    through cluster {cluster}");
        for (name, value) in &callout.headers {
            _ = writeln!(text, "    {name}: {value}");
        }
        if let Some(body) = &callout.body {
            _ = writeln!(text, "    {}", self.masked(body));
        }
        text
    }

    /// A body without the pixel key.
    fn masked(&self, body: &str) -> String {
        let member =
            |secret: &String| serde_json::to_string(secret.trim()).map(|text| format!("\"key\":{text}"));
        let members = self.secrets.iter().filter_map(|secret| member(secret).ok());
        members.fold(body.to_owned(), |body, member| body.replacen(&member, "\"key\":\"***\"", 1))
    }
}

/// What the consent that an integration needs is called, e.g. "marketing".
pub(super) fn needs(integration: &Integration) -> String {
    let categories = integration.requirement.categories();
    let names: Vec<_> = crate::consent::Category::ALL
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

fn because(reason: DropReason, integration: &Integration) -> String {
    match reason {
        DropReason::DisabledByEvent => "the event's own integrations object says so".to_owned(),
        DropReason::Gpc => "Global Privacy Control is on".to_owned(),
        DropReason::ConsentDenied => format!("{} is not given", needs(integration)),
        DropReason::ConsentAbsent => format!("nothing says anything about {}", needs(integration)),
        DropReason::OptedOut => "the visitor has opted out at the vendor".to_owned(),
        DropReason::Duplicate => "its messageId was there before".to_owned(),
        DropReason::Stale => "it is older than max_event_age".to_owned(),
        _ => "the delivery engine gave it up".to_owned(),
    }
}

impl Host for Printing {
    fn now(&self) -> Instant {
        self.clock
    }

    fn wall_clock(&self) -> i64 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
    }

    /// None: a preview sets no cookie, so that it prints the same each time.
    fn fill_random(&mut self, _: &mut [u8]) -> bool {
        false
    }

    fn send(
        &mut self,
        cluster: &str,
        authority: &str,
        callout: &Callout,
        _: Duration,
    ) -> Result<Token, Refusal> {
        self.tokens = self.tokens.saturating_add(1);
        let token = Token(self.tokens);
        let text = self.written(cluster, authority, callout);
        self.sent.push_back((token, text));
        Ok(token)
    }

    fn dry_run(&mut self, integration: &str, callout: &Callout) {
        let Some(found) = self.integration(integration) else { return };
        let text = self.written(found.destination.cluster(), found.destination.authority(), callout);
        let consent = needs(found);
        self.line(&format!("{integration}: would be sent, but for dry_run ({consent})"));
        self.lines.push_str(&text);
    }
}

/// Nothing was there before: a preview knows no other request. What one of its own events adds is kept.
impl Store for Printing {
    fn get(&self, key: &str) -> (Option<Vec<u8>>, Option<u32>) {
        (self.stored.borrow().get(key).cloned(), None)
    }

    fn set(&self, key: &str, value: &[u8], _: Option<u32>) -> bool {
        self.stored.borrow_mut().insert(key.to_owned(), value.to_vec());
        true
    }
}

impl DeliveryLedger for Printing {
    fn delivery(&mut self, integration: IntegrationRef<'_>, outcome: Outcome) {
        self.clock = self.clock.saturating_add(STEP);
        let Some(integration) = self.integration(integration.name) else { return };
        match outcome {
            Outcome::Matched | Outcome::DryRun => {}
            Outcome::Delivered => {
                let line = format!("{}: sent ({})", integration.name, needs(integration));
                self.line(&line);
                let callout = std::mem::take(&mut self.settling);
                self.lines.push_str(&callout);
            }
            Outcome::Dropped(reason) => {
                let because = because(reason, integration);
                let line = format!("{}: not sent, {}: {because}", integration.name, reason.label());
                self.line(&line);
            }
        }
    }

    fn callout(&mut self, _: IntegrationRef<'_>, _: CalloutStatus, _: Duration) {}

    fn notice(&mut self, _: IntegrationRef<'_>, _: Notice<'_>) {}
}

impl Ledger for Printing {
    fn events_ignored(&mut self, reason: EventIgnored, count: usize) {
        let all = if count > 1 { format!(", with {} more", count.saturating_sub(1)) } else { String::new() };
        let because = match reason {
            EventIgnored::Unauthorized => {
                ": no source has the key that came, if any came; -H 'X-Write-Key: ...' gives one"
            }
            EventIgnored::Unmapped => ": no integration has an entry for an event of this name",
            _ => "",
        };
        self.line(&format!("ignored, {}{all}{because}", reason.label()));
    }

    fn request_ignored(&mut self, reason: RequestIgnored) {
        self.names = vec!["the whole request".to_owned()];
        self.line(&format!("ignored, {}", reason.label()));
    }

    fn note(&mut self, note: Note) {
        self.line(&format!("note: {}", note.label()));
    }
}
