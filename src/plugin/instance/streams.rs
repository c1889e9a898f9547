//! What streams do with the plugin: they hand over their requests, wait, are redirected or end.

use super::super::answering::send;
use super::super::awaiting_body::{BodySeen, Waiting};
use super::super::envoy::Envoy;
use super::super::redirects::StreamKey;
use super::{Current, Plugin};
use crate::accounting::{Ledger, Note, RequestIgnored};
use crate::endpoints::{Carrier, Endpoint};
use crate::request::Request;

impl<E: Envoy> Plugin<E> {
    /// A stream hands its request over.
    pub fn hand_over(&mut self, stream: Current, request: Request, note: Option<Note>) {
        if let Some(note) = note {
            self.metrics.note(note);
        }
        self.step(stream, |relay, host| relay.hand_over(request, host));
    }

    /// A stream hands its request over while the collector's accepting answer passes. Returns the values of the
    /// `set-cookie` lines to add to it.
    pub fn hand_over_answered(&mut self, stream: Current, request: Request) -> Vec<String> {
        self.step(stream, |relay, host| relay.hand_over_answered(request, host))
    }

    /// A stream hands over a request that nobody else answers. Returns whether it was answered at once; otherwise it waits.
    pub fn answer(&mut self, stream: Current, request: Request) -> bool {
        let Endpoint { acknowledged, carrier, .. } = request.endpoint;
        let answered = self.step(stream, |relay, host| match acknowledged {
            true => relay.deliver(request, stream.context, host),
            false => relay.answer(request, stream.context, host),
        });
        if let Some(answered) = &answered {
            send(&self.envoy, answered, carrier == Carrier::Query);
        }
        answered.is_some()
    }

    /// A stream that waits has ended without an answer: its client has left.
    pub fn abandon(&mut self, stream: u32) {
        self.relay.abandon(stream);
    }

    /// A stream waits for its body, and sets `body_seen` when it comes. Its headers take up `head_bytes`.
    pub fn expect_body(&mut self, stream: Current, head_bytes: u64, body_seen: BodySeen) {
        let now = self.envoy.clock();
        self.awaiting_body.add(Waiting { stream: stream.context, head_bytes, body_seen }, now);
        self.arm(stream, now);
    }

    /// A stream has ended because Envoy follows a redirect of the collector's in another one. Its request comes along, unless it
    /// was handed over.
    pub fn redirected(&mut self, stream: Current, key: StreamKey, request: Option<Request>) {
        let now = self.envoy.clock();
        self.redirects.add(key, request, now);
        self.arm(stream, now);
    }

    /// Whether a new stream may follow one that was redirected.
    pub fn expects_redirects(&self) -> bool {
        !self.redirects.is_empty()
    }

    /// Returns the request of the stream that a new one follows, or in its place `None` if it was handed over.
    pub fn follow_redirect(&mut self, key: &StreamKey) -> Option<Option<Request>> {
        self.redirects.take(key)
    }

    /// A stream's request is not relayed.
    pub fn ignore(&mut self, stream: Current, reason: RequestIgnored) {
        self.step(stream, |_, host| host.request_ignored(reason));
    }
}
