//! The story of one delivery, for its records: what was known of it before it was queued, and the attempts since. Made only where
//! somebody wants records.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::host::Host;
use crate::accounting::{DropReason, EventIgnored, IntegrationRef, Outcome};
use crate::config::{Compiled, Integration};
use crate::delivery::Answer;
use crate::event::{Event, Fields};
use crate::mapping::Subject;
use crate::mapping::plan::Planned;
use crate::mapping::value::Value;
use crate::privacy::{Scrubbed, scrub};
use crate::records::{
    AttemptFacts, EventFacts, IdentityFacts, MaskedRequest, Record, Status, What, mask, mask_answer,
};
use crate::vendors::{Attempt, Parcel};
use crate::visitor::Visitor;

/// The most attempts that are told, the latest ones. A delivery can have more of them than a record has room for.
const MOST_ATTEMPTS: usize = 10;

/// The end of an attempt.
pub struct Attempted<'a> {
    pub answer: &'a Answer<'a>,
    pub took: Duration,
    /// The beginning of the answer's body.
    pub body: &'a [u8],
    /// Whether it failed and there is to be another one.
    pub is_repeated: bool,
}

/// What is known of a delivery.
#[derive(Debug, Default)]
pub struct Story {
    source: String,
    event: EventFacts,
    integration: String,
    vendor: String,
    consent: Option<String>,
    identity: Option<IdentityFacts>,
    left_out: Vec<String>,
    attempts: RefCell<Vec<AttemptFacts>>,
    /// The random number of the last attempt.
    random: Cell<u64>,
    /// The request of the last attempt: the record of the end, which comes next, has the same.
    last: RefCell<Option<MaskedRequest>>,
}

impl Story {
    /// The story of an event of a source, for an integration.
    pub fn of(event: &Event<'_>, source: &str, integration: &Integration, fields: &Fields) -> Box<Self> {
        Box::new(Self {
            source: source.to_owned(),
            event: event_facts(event, fields),
            integration: integration.name.clone(),
            vendor: integration.vendor.name().to_owned(),
            ..Self::default()
        })
    }

    /// The story of a delivery of which nothing was noted when it was queued.
    #[cold]
    pub fn untold(integration: IntegrationRef<'_>) -> Box<Self> {
        let left_out = vec![
            "nothing was noted when it was queued: it is of a dead letter, or from before records were made"
                .to_owned(),
        ];
        Box::new(Self {
            integration: integration.name.to_owned(),
            vendor: integration.vendor.to_owned(),
            left_out,
            ..Self::default()
        })
    }

    /// The story of the same event, for the integration that hands it off.
    pub fn for_hand_off(&self, integration: &Integration) -> Box<Self> {
        Box::new(Self {
            source: self.source.clone(),
            event: self.event.clone(),
            integration: integration.name.clone(),
            vendor: integration.vendor.name().to_owned(),
            ..Self::default()
        })
    }

    /// Sets what the decision about consent is based on.
    pub fn set_consent(&mut self, basis: String) {
        self.consent = Some(basis);
    }

    /// Sets which identity fields there are.
    pub fn set_identity(&mut self, visitor: &Visitor<'_>, parcel: &Parcel) {
        self.identity = Some(IdentityFacts {
            anonymous_id: visitor.anonymous_id.is_some(),
            email: visitor.email().is_some(),
            ip: visitor.client.ip.is_some(),
            user_agent: visitor.client.user_agent.is_some(),
            vendor_cookie: parcel.cookie.is_some(),
        });
    }

    /// Sets the order id, as the vendor gets it.
    pub fn set_order(
        &mut self,
        integration: &Integration,
        planned: &Planned<'_>,
        values: &[(&str, Value<'_>)],
    ) {
        let target = integration.vendor.order_target(&planned.vendor_event);
        let value = values.iter().find(|(name, _)| Some(*name) == target);
        self.event.order_id = value.and_then(|(_, value)| value.scalar()).and_then(|order| clean(&order));
    }

    /// Sets the order id, as the vendor would get it, of a delivery that ends before it is mapped.
    pub fn set_order_of(&mut self, integration: &Integration, planned: &Planned<'_>, subject: &Subject<'_>) {
        let target = integration.vendor.order_target(&planned.vendor_event);
        let value = target.and_then(|target| planned.fields.map_one(target, subject));
        self.event.order_id = value.and_then(|value| value.scalar().and_then(|order| clean(&order)));
    }

    /// Adds a value that is left out, in words.
    pub fn leave_out(&mut self, explanation: String) {
        self.left_out.push(explanation);
    }

    /// An attempt begins, with this random number.
    pub fn attempt_begins(&self, random: u64) {
        self.random.set(random);
    }

    /// An attempt has ended. One that is to be repeated has a record of its own.
    pub fn attempted(
        &self,
        Attempted { answer, took, body, is_repeated }: &Attempted<'_>,
        parcel: &Parcel,
        config: &Compiled,
        host: &mut impl Host,
    ) {
        let request = self.request(parcel, config);
        let told = request.as_ref().filter(|_| !body.is_empty()).map(|request| mask_answer(body, request));
        let facts = AttemptFacts {
            status: status(answer),
            ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            retry_after: answer.retry_after().map(|pause| pause.as_secs()),
            answer: told,
        };
        let mut attempts = self.attempts.borrow_mut();
        if attempts.len() >= MOST_ATTEMPTS {
            attempts.remove(0);
        }
        attempts.push(facts);
        if *is_repeated {
            let mut record = self.record(What::Attempt, &attempts);
            record.request = request;
            record.explanation = Some(Cow::Borrowed("the attempt failed, and is to be repeated"));
            host.record(record);
        } else {
            self.last.replace(request);
        }
    }

    /// The delivery has ended. `built`: what was built of it, if that was done, and the newest configuration.
    pub fn ended(&self, outcome: Outcome, built: Option<(&Parcel, &Compiled)>, host: &mut impl Host) {
        let attempts = self.attempts.borrow();
        let mut record = self.record(What::Ended, &attempts);
        let request = self.last.take();
        record.request = request.or_else(|| built.and_then(|(parcel, config)| self.request(parcel, config)));
        record.set_outcome(outcome);
        if let Some(basis) = self.consent.as_deref().filter(|_| is_decided_by_consent(outcome)) {
            record.explanation = Some(Cow::Borrowed(basis));
        }
        host.record(record);
    }

    /// What its record takes up in memory, in bytes, roughly.
    pub fn bytes(&self) -> usize {
        let texts = [self.source.len(), self.event.name.len(), self.integration.len()];
        let left_out = self.left_out.iter().map(String::len);
        let texts = texts.into_iter().chain(left_out).fold(0_usize, usize::saturating_add);
        size_of::<Self>().saturating_add(texts).saturating_add(ATTEMPTS_BYTES)
    }

    fn record<'s>(&'s self, what: What, attempts: &'s [AttemptFacts]) -> Record<'s> {
        let mut record = Record::new(what);
        record.source = Cow::Borrowed(&self.source);
        record.event = Some(&self.event).filter(|event| !event.name.is_empty());
        record.integration = Some(Cow::Borrowed(&self.integration));
        record.vendor = Some(Cow::Borrowed(&self.vendor));
        record.consent = self.consent.as_deref().map(Cow::Borrowed);
        record.identity = self.identity;
        record.left_out = &self.left_out;
        record.attempts = attempts;
        record
    }

    /// The request as the newest configuration builds it.
    fn request(&self, parcel: &Parcel, config: &Compiled) -> Option<MaskedRequest> {
        let integration = config.integration(&self.integration)?;
        let destination = &integration.destination;
        let sent = destination.callout(parcel, &Attempt::sent(self.random.get()));
        let shown = destination.callout(parcel, &Attempt::shown(self.random.get()));
        Some(mask(integration.vendor, destination.authority(), &sent, &shown))
    }
}

/// Whether the decision about consent ended the delivery, so that its basis says why.
fn is_decided_by_consent(outcome: Outcome) -> bool {
    use DropReason::{ConsentAbsent, ConsentDenied, Gpc, SaleOptOut};
    matches!(outcome, Outcome::Dropped(Gpc | SaleOptOut | ConsentDenied | ConsentAbsent))
}

/// What the attempts of a story may take up, in bytes.
const ATTEMPTS_BYTES: usize = 1024;

/// Records an event, or a whole request, that no integration is offered. `event`: with the id of its source, if it could be read.
pub fn ignored(
    reason: EventIgnored,
    event: Option<(&Event<'_>, &str)>,
    fields: &Fields,
    host: &mut impl Host,
) {
    let facts = event.map(|(event, _)| event_facts(event, fields));
    let mut record = Record::new(What::Ignored);
    record.source = Cow::Borrowed(event.map_or("", |(_, source)| source));
    record.event = facts.as_ref();
    record.reason = Some(reason.label());
    record.explanation = Some(Cow::Borrowed(match reason {
        EventIgnored::Malformed => "it is not a valid event, or was changed after it was sealed",
        EventIgnored::Unauthorized => "it has no write key or signature of a configured source",
        EventIgnored::Replayed => "its request's signature was seen before",
        EventIgnored::Unmapped => "no integration sends such an event of this source",
    }));
    host.record(record);
}

fn event_facts(event: &Event<'_>, fields: &Fields) -> EventFacts {
    EventFacts {
        event_type: event.event_type.name(),
        name: clean(&event.name).unwrap_or_else(|| "<an email address>".to_owned()),
        message_id: event.text_or_number(fields.message_id).and_then(|id| clean(&id)),
        order_id: None,
    }
}

/// The longest id or name that a record shows, in bytes.
const MOST_BYTES: usize = 200;

/// Returns a text without an email address in it, cut to a length that fits a line.
fn clean(text: &str) -> Option<String> {
    match scrub(text) {
        Scrubbed::Clean => Some(text.chars().take(MOST_BYTES).collect()),
        Scrubbed::Cut(_) | Scrubbed::Dropped => None,
    }
}

fn status(answer: &Answer<'_>) -> Status {
    match answer {
        Answer::Status { code, .. } => Status::Code(*code),
        other => Status::None(other.callout_status().label()),
    }
}
