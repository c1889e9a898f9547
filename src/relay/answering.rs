//! Requests that nobody else answers: those of clients, with `reply: local`, and those of queues, on the acknowledged route.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;

use super::host::Host;
use super::parsed_request::{ParseFailure, ParsedRequest, Sender};
use super::passed_on::{PassedOn, PostedLetter};
use super::run::Run;
use super::story;
use super::waiting::{Answered, SettledRequest, Waiter};
use super::{Relay, Work};
use crate::accounting::{EventIgnored, Note, RequestIgnored};
use crate::config::Compiled;
use crate::delivery::LaneId;
use crate::endpoints::{Carrier, HandOffLimits};
use crate::reply::{Acknowledgement, Reply};
use crate::request::Request;
use crate::sources::Credentials;

impl Relay {
    /// Takes a request that nobody else answers, and whose stream waits. Returns the answer if there is one already; otherwise
    /// [`Relay::take_settled`] has it later.
    pub fn answer(&mut self, request: Request, stream: u32, host: &mut impl Host) -> Option<Answered> {
        let waits = self.config.hand_off.and_then(|hand_off| hand_off.limits);
        let waits = waits.filter(|_| request.endpoint.carrier != Carrier::Query);
        let is_full = waits.is_some_and(|limits| self.waiting.clients() >= limits.max_open);
        if is_full || self.is_overloaded() {
            host.request_ignored(RequestIgnored::Overloaded);
            return Some(reply(Reply::Overloaded));
        }
        // What was answered a moment ago may come again.
        self.record_concluded(host);
        let lease = waits.map(|limits| self.config.lease(Some(limits.within)));
        let signatures = &self.memories.signatures;
        let opened = ParsedRequest::open(request, &self.config, host.wall_clock(), signatures, lease, host);
        match opened {
            Ok(opened) => self.answer_opened(opened, waits, stream, host),
            Err(unopened) => Some(reply(refuse(unopened, &self.config, host))),
        }
    }

    /// Whether the queue has no room for events of clients: that of any integration which they may go to.
    fn is_overloaded(&self) -> bool {
        match self.config.hand_off {
            Some(hand_off) => self.engine.is_lane_full(LaneId(hand_off.lane)),
            None => (0..self.config.integrations.len())
                .filter(|lane| !self.config.is_for_dead_letters(*lane))
                .any(|lane| self.engine.is_lane_full(LaneId(lane))),
        }
    }

    /// Answers an opened request, or lets it wait until its events are handed off.
    fn answer_opened(
        &mut self,
        mut opened: ParsedRequest,
        waits: Option<HandOffLimits>,
        stream: u32,
        host: &mut impl Host,
    ) -> Option<Answered> {
        if let Some(HandOffLimits { within, .. }) = waits {
            let signature = match opened.credentials {
                Some(Credentials::Signed { signature, .. }) => Some(signature),
                _ => None,
            };
            let until = host.now().saturating_add(within);
            let waiter = Waiter::Client { cookies: Vec::new(), signature };
            let request = self.waiting.begin(waiter, stream, until, 1);
            opened.sender = Some(Rc::new(Sender { request, until, within, only: Vec::new() }));
        }
        let waiting = opened.sender.as_ref().map(|sender| sender.request);
        let mut run = Run::new(opened, &self.config);
        if let Err(unopened) = run.verify() {
            waiting.into_iter().for_each(|request| self.waiting.forget(request));
            return Some(reply(refuse(unopened, &self.config, host)));
        }
        let is_authorized = run.is_authorized();
        let cookies = self.accept(run, host);
        match (waiting, is_authorized) {
            (Some(request), true) => {
                self.waiting.set_cookies(request, cookies);
                None
            }
            (None, true) => Some(Answered::Reply { reply: Reply::Success, cookies }),
            (waiting, false) => {
                waiting.into_iter().for_each(|request| self.waiting.forget(request));
                Some(Answered::Reply { reply: Reply::Unauthorized, cookies })
            }
        }
    }

    /// Takes a request of the acknowledged route, whose stream waits. Returns the answer if there is one already; otherwise
    /// [`Relay::take_settled`] has it later.
    pub fn deliver(&mut self, request: Request, stream: u32, host: &mut impl Host) -> Option<Answered> {
        let Some(deliver) = self.config.deliver else { return Some(reply(Reply::Overloaded)) };
        if self.waiting.queues() >= deliver.max_open {
            host.request_ignored(RequestIgnored::Overloaded);
            return Some(reply(Reply::Overloaded));
        }
        let takes_events = takes_events(&request);
        let only: Vec<String> = request.query_values("integration").map(Cow::into_owned).collect();
        let mut opened = match PassedOn::open(request, &self.config, host.wall_clock()) {
            Ok(opened) => opened,
            Err(unopened) => return Some(reply(refuse(unopened, &self.config, host))),
        };
        if let Some(unknown) = only.iter().find(|name| self.config.integration(name).is_none()) {
            return Some(Answered::Acknowledgement(Acknowledgement::unknown_integration(unknown)));
        }
        // What has just been delivered is no longer on its way.
        self.record_concluded(host);
        let until = host.now().saturating_add(deliver.within);
        let parts = opened.requests.len().saturating_add(opened.letters.len());
        let request = self.waiting.begin(Waiter::Queue { takes_events }, stream, until, parts);
        let sender = Rc::new(Sender { request, until, within: deliver.within, only });
        opened.set_sender(&sender);
        if opened.has_unknown_secret {
            host.note(Note::UnknownSecret);
        }
        for (index, reason) in opened.ignored {
            host.events_ignored(reason, 1);
            self.waiting.ignored(request, index, reason);
            if host.wants_records() {
                story::ignored(reason, None, &self.config.fields, host);
            }
        }
        for opened in opened.requests {
            self.put(Work::Open(Run::new(opened, &self.config)), host.now());
        }
        for letter in opened.letters {
            let sender = Rc::clone(&sender);
            self.put(Work::Letter(PostedLetter { letter, sender }), host.now());
        }
        None
    }

    /// Returns a stream whose request is settled, and its answer.
    pub fn take_settled(&mut self) -> Option<(u32, Answered)> {
        loop {
            let SettledRequest { stream, answered, signature } = self.waiting.take_settled()?;
            if let Some((signature, is_used)) = signature {
                self.concluded.note_signature(signature, is_used);
            }
            if let Some(stream) = stream {
                return Some((stream, answered));
            }
        }
    }
}

/// Whether a queue takes the body of the answer for an event in reply. Knative's brokers say so; any other body is a failure to them:
/// <https://github.com/knative/specs/blob/main/specs/eventing/data-plane.md#derived-reply-events>
fn takes_events(request: &Request) -> bool {
    request.header_lines("prefer").any(|line| line.trim_ascii().eq_ignore_ascii_case(b"reply"))
}

/// An answer without cookies.
fn reply(reply: Reply) -> Answered {
    Answered::Reply { reply, cookies: Vec::new() }
}

/// Counts a request that could not be opened. Returns the answer to it.
fn refuse(unopened: ParseFailure, config: &Compiled, host: &mut impl Host) -> Reply {
    unopened.tell(config, host);
    match unopened {
        ParseFailure::Request(reason) => reason.into(),
        // A server that sends a request again has lost our answer: it is told what it was told then.
        ParseFailure::Events(EventIgnored::Replayed, _) => Reply::Success,
        ParseFailure::StillHeld(_) => Reply::unavailable(Duration::ZERO),
        ParseFailure::Events(..) => Reply::Unauthorized,
    }
}
