//! One event through all stages: which integrations want it, whether consent allows it, what the vendor gets.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use super::asked::Asked;
use super::cookies::{denies_marketing, identified as identified_email};
use super::host::Host;
use super::letter::LetterFacts;
use super::line::{Line, cachebuster};
use super::orders::Orders;
use super::origin::Origin;
use super::outbound::Outbound;
use super::parsed_request::seconds;
use super::reading::{Reading, SourcedEvent};
use super::shipment::{Held, Shipment};
use super::story::{self, Story};
use super::wanted::{Wanted, handed_off, judge, retain_permitted, wanted};
use super::whole::{origin, whole};
use crate::accounting::{DropReason, EventIgnored, Note, Outcome};
use crate::config::Integration;
use crate::consent::EventConsent;
use crate::deduplication::{Id, ShardSnapshot, State};
use crate::delivery::{LaneId, Offer};
use crate::event::{Event, EventType};
use crate::identity::client::EventContext;
use crate::identity::{Client, ClientFromContext, EmailHash};
use crate::left_out::LeftOut;
use crate::mapping::Subject;
use crate::mapping::plan::Planned;
use crate::mapping::value::Value;
use crate::sources::SourceIndex;
use crate::vendors::{Attempt, Content, Parcel};
use crate::visitor::{self, RememberedEmail, Visitor};

/// What becomes known about the visitors of a request while its events are run.
#[derive(Default)]
pub struct Known {
    /// The anonymous id that the answer gives to a visitor without one.
    pub issued_id: Option<String>,
    /// The emails of the identify events so far, by anonymous id.
    identified: HashMap<Box<str>, EmailHash>,
}

impl Known {
    /// What the gateway of the client has found out.
    pub fn of(origin: &Origin) -> Self {
        let id = origin.anonymous_id.as_deref().map(Box::from);
        let identified = id.zip(origin.email()).into_iter().collect();
        Self { issued_id: origin.anonymous_id.clone(), identified }
    }
}

/// Counts an event that no integration is offered, the one at index `at` of its request.
pub fn ignore(
    reason: EventIgnored,
    event: Option<&SourcedEvent<'_>>,
    at: usize,
    reading: &Reading<'_>,
    line: &mut Line<'_>,
    host: &mut impl Host,
) {
    host.events_ignored(reason, 1);
    if host.wants_records() {
        let event = event.map(|SourcedEvent { event, source }| (event, reading.config.source_id(*source)));
        story::ignored(reason, event, &reading.config.fields, host);
    }
    if let Some(sender) = &reading.opened.sender {
        line.waiting.ignored(sender.request, at, reason);
    }
}

/// Makes the deliveries of an event, the one at index `at` of its request.
#[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
pub fn relay<'r>(
    sourced @ SourcedEvent { event, source }: &SourcedEvent<'r>,
    at: usize,
    reading: &Reading<'r>,
    known: &mut Known,
    line: &mut Line<'_>,
    host: &mut impl Host,
) {
    let (config, source) = (reading.config, *source);
    let asked = Asked { sender: reading.opened.sender.as_deref(), event: at, source };
    let mut wanted = wanted(&event.name, source, asked.sender, reading);
    // Whoever wants it or not, an identify is for later events too.
    let identifies = config.remember_email.is_some() && event.event_type == EventType::Identify;
    if wanted.is_empty() && !identifies {
        return ignore(EventIgnored::Unmapped, Some(sourced), at, reading, line, host);
    }
    let cookies = reading.cookies();
    let consent = event.consent(reading.consent(), &config.fields);
    let context = reading.event_context(event);
    // A server's answer is no visitor's.
    let issued_id = known.issued_id.as_deref().filter(|_| !context.is_from_server());
    if identifies {
        let id = visitor::anonymous_id(event, &config.fields, cookies, &config.anonymous_id_cookies);
        let id = id.or(issued_id.map(Cow::Borrowed));
        let email = identified_email(event, &consent, &config.fields);
        known.identified.extend(id.map(Box::from).zip(email));
    }
    if wanted.is_empty() {
        return ignore(EventIgnored::Unmapped, Some(sourced), at, reading, line, host);
    }
    let policy = source.and_then(|source| config.sources.as_ref()?.client_from_context(source));
    let policy = policy.unwrap_or(config.client_from_context);
    judge(&mut wanted, event, &consent, &context, policy, (asked, reading), host);
    for refused in wanted.iter_mut().filter(|wanted| wanted.refused.is_some()) {
        note_order(refused, event, &context, policy, reading);
    }
    let hand_off = handed_off(&event.name, &wanted, reading);
    let is_handed_off = hand_off.is_some();
    match hand_off {
        Some(hand_off) => {
            host.delivery(hand_off.integration.reference(), Outcome::Matched);
            wanted = vec![hand_off];
        }
        None => retain_permitted(&mut wanted, asked, line, host),
    }
    if wanted.is_empty() {
        return;
    }
    let message = Message::of(event, source, reading, line, host);
    wanted.retain_mut(|wanted| {
        let known = message.known(wanted.integration);
        if let Some(known) = known {
            note_order(wanted, event, &context, policy, reading);
            let story = wanted.story.take();
            asked.repeated(wanted.integration, known, DropReason::Duplicate, story, line, host);
        }
        known.is_none()
    });
    if wanted.is_empty() {
        return;
    }
    let client = Client::of_event(&context, reading.client(), policy);
    if !is_handed_off {
        note_client(&client, host);
    }
    let visitor = Visitor::of(event, &config.fields, client, cookies, &config.anonymous_id_cookies);
    let visitor = visitor.with_issued_id(issued_id);
    let remembered = remembered(&visitor, &known.identified, &consent, reading);
    let visitor = visitor.with_remembered_email(remembered);
    let subject = Subject { event, request: &reading.opened.request, cookies, visitor: &visitor };
    send(wanted, message, &subject, asked, reading, line, host);
}

/// Notes for the records of a delivery that ends before it is mapped which order it is about. Does nothing without records.
#[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
fn note_order(
    Wanted { integration, planned, story, .. }: &mut Wanted<'_>,
    event: &Event<'_>,
    context: &EventContext<'_>,
    policy: ClientFromContext,
    reading: &Reading<'_>,
) {
    let Some(story) = story else { return };
    let (config, cookies) = (reading.config, reading.cookies());
    let client = Client::of_event(context, reading.client(), policy);
    let visitor = Visitor::of(event, &config.fields, client, cookies, &config.anonymous_id_cookies);
    let subject = Subject { event, request: &reading.opened.request, cookies, visitor: &visitor };
    story.set_order_of(integration, planned, &subject);
}

/// Makes the deliveries to the integrations that are left, and offers them to the engine.
#[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
fn send(
    wanted: Vec<Wanted<'_>>,
    mut message: Message,
    subject: &Subject<'_>,
    asked: Asked<'_>,
    reading: &Reading<'_>,
    line: &mut Line<'_>,
    host: &mut impl Host,
) {
    let sources = reading.config.sources.as_ref();
    let source_is_dry_run =
        asked.source.zip(sources).is_some_and(|(source, sources)| sources.is_dry_run(source));
    let mut orders = Orders::of(line.orders, asked.source, reading);
    for Wanted { at, integration, planned, mut story, .. } in wanted {
        let values = map(integration, &planned, subject, story.as_deref_mut(), host);
        let order = orders.find(integration, &planned, &values, host);
        if let Some(story) = &mut story {
            story.set_order(integration, &planned, &values);
        }
        if let Some(known) = order.and_then(|order| Some((order.id, orders.state(order)?))) {
            asked.repeated(integration, known, DropReason::DuplicateOrder, story, line, host);
            continue;
        }
        let whole = integration.sends_whole_events.then(|| {
            let origin = origin(subject, integration, asked, reading, host);
            whole(subject, origin, reading, line.plugin, line.cachebusters.u128(..))
        });
        let facts = reading
            .config
            .dead_letters
            .as_ref()
            .map(|_| Box::new(LetterFacts::of(&subject.event.name, integration, &planned, &values)));
        let content = Content {
            event: &planned.vendor_event,
            values,
            visitor: subject.visitor,
            cookies: subject.cookies,
            whole,
        };
        let parcel = pack(integration, content, story.as_deref_mut(), host);
        if let Some(story) = &mut story {
            story.set_identity(subject.visitor, &parcel);
        }
        if integration.dry_run || source_is_dry_run {
            let attempt = Attempt::shown(cachebuster(line.cachebusters));
            host.dry_run(&integration.name, &integration.destination.callout(&parcel, &attempt));
            asked.ended(integration, Outcome::DryRun, None, line.waiting, host);
            if let Some(story) = story {
                story.ended(Outcome::DryRun, Some((&parcel, reading.config)), host);
            }
            continue;
        }
        let held = Held { message: message.id(integration), order: order.map(|order| order.id) };
        let place = asked.place(integration);
        if let Some(place) = &place {
            line.waiting.started(place);
        }
        let within = asked.sender.map(|sender| sender.within);
        let waits_until = asked.sender.map(|sender| sender.until);
        let shipment = Shipment { parcel, held, place, letter: facts, story };
        let offer = Offer { parcel: shipment, rank: planned.rank, waits_until };
        let mut outbound = Outbound {
            config: reading.config,
            cachebusters: line.cachebusters,
            host,
            ended: line.ended,
            answer: &[],
        };
        // What the engine doesn't take, it has counted; and it is no duplicate when it comes again.
        if line.engine.offer(LaneId(at), offer, line.now, &mut outbound).is_ok() {
            let lease = reading.config.lease(within);
            message.hold(integration, lease);
            if let Some(order) = order {
                orders.hold(order, lease);
            }
        }
    }
    message.keep(host);
    orders.keep(host);
}

/// What is known of the visitor's email beside what the event itself says. Nothing, if this event denies marketing.
#[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
fn remembered<'r>(
    visitor: &Visitor<'_>,
    identified: &HashMap<Box<str>, EmailHash>,
    consent: &EventConsent<'_, '_>,
    reading: &Reading<'r>,
) -> RememberedEmail<'r> {
    let Some(settings) = &reading.config.remember_email else { return RememberedEmail::None };
    if denies_marketing(consent) {
        return RememberedEmail::None;
    }
    if let Some(email) = visitor.anonymous_id.as_deref().and_then(|id| identified.get(id)) {
        return RememberedEmail::Identified(*email);
    }
    match reading.cookies().get(settings.cookie.name().as_str()) {
        Some(value) => {
            RememberedEmail::Sealed { keys: &settings.keys, value, now: seconds(reading.opened.received_at) }
        }
        None => RememberedEmail::None,
    }
}

/// What is known of an event's messageId. None without one: nothing tells the event from another one like it.
struct Message(Option<(Id, ShardSnapshot)>);

impl Message {
    fn of(
        event: &Event<'_>,
        source: Option<SourceIndex>,
        reading: &Reading<'_>,
        line: &Line<'_>,
        host: &impl Host,
    ) -> Self {
        let Some(message_id) = event.text_or_number(reading.config.fields.message_id) else {
            return Self(None);
        };
        let id = Id::of(&[reading.config.source_id(source).as_bytes(), message_id.as_bytes()]);
        Self(Some((id, line.messages.recall(id, seconds(reading.opened.arrived_at), host))))
    }

    /// Returns the id under which the event is held and remembered for the integration.
    fn id(&self, integration: &Integration) -> Option<Id> {
        self.0.as_ref().map(|(id, _)| id.for_integration(&integration.identity))
    }

    /// Returns what is known of the event for the integration, and the id under which it is.
    fn known(&self, integration: &Integration) -> Option<(Id, State)> {
        let (id, known) = self.0.as_ref()?;
        let id = id.for_integration(&integration.identity);
        Some((id, known.state(id)?))
    }

    /// The event is queued for the integration now.
    fn hold(&mut self, integration: &Integration, lease: Duration) {
        if let Some((id, known)) = &mut self.0 {
            known.hold(id.for_integration(&integration.identity), lease);
        }
    }

    fn keep(self, host: &impl Host) {
        if let Some((_, known)) = self.0 {
            known.keep(host);
        }
    }
}

fn note_client(client: &Client<'_>, host: &mut impl Host) {
    if client.untrusted {
        host.note(Note::ClientUntrusted);
    }
    if client.private_ip {
        host.note(Note::PrivateClientIp);
    }
}

/// Maps the event to the values of the vendor's targets.
#[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
fn map<'a>(
    integration: &Integration,
    planned: &'a Planned<'_>,
    subject: &'a Subject<'_>,
    mut story: Option<&mut Story>,
    host: &mut impl Host,
) -> Vec<(&'a str, Value<'a>)> {
    planned.fields.map(subject, &mut |left_out| {
        note_left_out(&left_out, integration, story.as_deref_mut(), host);
    })
}

/// Makes the vendor's parcel of what an event was mapped to.
#[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
fn pack(
    integration: &Integration,
    content: Content<'_>,
    mut story: Option<&mut Story>,
    host: &mut impl Host,
) -> Parcel {
    integration.destination.parcel(content, &mut |left_out| {
        note_left_out(&left_out, integration, story.as_deref_mut(), host);
    })
}

fn note_left_out(
    left_out: &LeftOut<'_>,
    integration: &Integration,
    story: Option<&mut Story>,
    host: &mut impl Host,
) {
    if let Some(note) = left_out.note() {
        host.note(note);
    }
    if !host.explains() && story.is_none() {
        return;
    }
    let targets = integration.vendor.targets();
    let explanation = left_out.explained(|target| targets.may_be_quoted(target));
    if host.explains() {
        host.left_out(&integration.name, &explanation);
    }
    if let Some(story) = story {
        story.leave_out(explanation);
    }
}
