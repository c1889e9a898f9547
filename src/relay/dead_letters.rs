//! Dead letters on their ways: a lost delivery is offered to the integration that sends letters, and a letter that somebody posts is
//! offered to the integration that the delivery was for.

use std::rc::Rc;
use std::time::Duration;

use super::Relay;
use super::asked::Asked;
use super::host::Host;
use super::letter::{Letter, LetterFacts, RANDOM};
use super::line::{Line, cachebuster};
use super::outbound::Outbound;
use super::parsed_request::{Sender, seconds};
use super::passed_on::{PostedLetter, SealedLetter};
use super::shipment::{Held, Shipment};
use crate::accounting::{DropReason, EventIgnored, Note, Outcome};
use crate::config::{Compiled, DeadLetters, Integration};
use crate::deduplication::Id;
use crate::delivery::{End, Instant, LaneId, Offer};
use crate::seal::Unopened;
use crate::vendors::{Attempt, Parcel};

/// How long the sender of a letter waits whose integration is not here: another configuration may be on its way.
const NOT_HERE: Duration = Duration::from_secs(30);

impl Relay {
    /// Offers the letter about a lost delivery to the integration that sends letters, and counts it where that takes it. What this
    /// drops from that integration's queue has no letter of its own, so there is an end to it.
    #[cold]
    pub(super) fn offer_letter(
        &mut self,
        parcel: &Parcel,
        facts: &LetterFacts,
        reason: DropReason,
        end: End,
        now: Instant,
        host: &mut impl Host,
    ) {
        let config = Rc::clone(&self.config);
        let Some(DeadLetters { lane, keys }) = &config.dead_letters else { return };
        let Some(integration) = config.integrations.get(*lane) else { return };
        if integration.reference() == facts.reference() {
            // It was another system's integration when this was queued, and sends the letters now.
            return;
        }
        let mut random = [0; RANDOM];
        if !host.fill_random(&mut random) {
            return;
        }
        let Some(parcel) = facts.written(parcel, end, reason, &self.name, keys, random) else { return };
        host.delivery(integration.reference(), Outcome::Matched);
        if integration.dry_run {
            let attempt = Attempt::shown(cachebuster(&mut self.cachebusters));
            host.dry_run(&integration.name, &integration.destination.callout(&parcel, &attempt));
            return host.delivery(integration.reference(), Outcome::DryRun);
        }
        let shipment = Shipment { parcel, held: Held::default(), place: None, letter: None, story: None };
        let offer = Offer { parcel: shipment, rank: facts.rank(), waits_until: None };
        let mut outbound = Outbound {
            config: &config,
            cachebusters: &mut self.cachebusters,
            host,
            ended: &mut self.ended,
            answer: &[],
        };
        if self.engine.offer(LaneId(*lane), offer, now, &mut outbound).is_ok() {
            host.delivery(facts.reference(), Outcome::DeadLettered);
        }
    }

    /// Opens a letter that was posted, and offers the delivery in it.
    #[cold]
    pub(super) fn replay(&mut self, posted: PostedLetter, host: &mut impl Host) {
        let PostedLetter { letter: SealedLetter { at, sealed, .. }, sender } = posted;
        let config = Rc::clone(&self.config);
        let keys = config.dead_letters.as_ref().map(|letters| &letters.keys);
        let mut ignore = |reason| {
            host.events_ignored(reason, 1);
            self.waiting.ignored(sender.request, at, reason);
        };
        match Letter::open(&sealed, keys) {
            Err(Unopened::Altered) => ignore(EventIgnored::Malformed),
            Err(Unopened::UnknownSecret) => {
                ignore(EventIgnored::Unauthorized);
                host.note(Note::UnknownSecret);
            }
            Ok(letter) => {
                let mut line = Line {
                    plugin: &self.name,
                    messages: &self.memories.messages,
                    orders: &self.memories.orders,
                    engine: &mut self.engine,
                    ended: &mut self.ended,
                    waiting: &mut self.waiting,
                    cachebusters: &mut self.cachebusters,
                    now: host.now(),
                };
                deliver(letter, at, &sender, &config, &mut line, host);
            }
        }
        self.waiting.was_read(sender.request);
        self.conclude(host.now(), host);
    }
}

/// Offers the delivery of a letter, the one at index `at` of its request, to the integration that it is for.
fn deliver(
    letter: Letter,
    at: usize,
    sender: &Sender,
    config: &Compiled,
    line: &mut Line<'_>,
    host: &mut impl Host,
) {
    let found = config.integrations.iter().position(|integration| letter.is_for(integration));
    let found = found.and_then(|lane| Some((lane, config.integrations.get(lane)?)));
    let name = found.map_or(&*letter.integration, |(_, integration)| integration.name.as_str());
    if !sender.wants(name) {
        host.events_ignored(EventIgnored::Unmapped, 1);
        return line.waiting.ignored(sender.request, at, EventIgnored::Unmapped);
    }
    let Some((lane, integration)) = found else {
        return line.waiting.given_back(sender.request, at, name, NOT_HERE);
    };
    let asked = Asked { sender: Some(sender), event: at, source: None };
    host.delivery(integration.reference(), Outcome::Matched);
    let id = Id::of(&[b"", letter.id.as_bytes()]);
    let mut known = line.messages.recall(id, seconds(host.wall_clock()), host);
    let id = id.for_integration(&integration.identity);
    if let Some(state) = known.state(id) {
        return asked.repeated(integration, (id, state), DropReason::Duplicate, None, line, host);
    }
    if integration.dry_run {
        return show(&letter, integration, asked, line, host);
    }
    let place = asked.place(integration);
    place.iter().for_each(|place| line.waiting.started(place));
    // A delivery of a letter that is lost has a letter already.
    let held = Held { message: Some(id), order: None };
    let shipment = Shipment { parcel: letter.parcel, held, place, letter: None, story: None };
    let offer = Offer { parcel: shipment, rank: letter.rank, waits_until: Some(sender.until) };
    let mut outbound =
        Outbound { config, cachebusters: line.cachebusters, host, ended: line.ended, answer: &[] };
    if line.engine.offer(LaneId(lane), offer, line.now, &mut outbound).is_ok() {
        known.hold(id, config.lease(Some(sender.within)));
        known.keep(host);
    }
}

/// Shows what a dry run does not send.
fn show(
    letter: &Letter,
    integration: &Integration,
    asked: Asked<'_>,
    line: &mut Line<'_>,
    host: &mut impl Host,
) {
    let attempt = Attempt::shown(cachebuster(line.cachebusters));
    host.dry_run(&integration.name, &integration.destination.callout(&letter.parcel, &attempt));
    asked.ended(integration, Outcome::DryRun, None, line.waiting, host);
}
