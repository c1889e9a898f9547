//! What a tick gives up waiting for: bodies that Envoy holds back, and redirects that end where this filter doesn't run.

use log::Level;

use super::super::envoy::Envoy;
use super::super::messages::BODY_HELD_BACK;
use super::Plugin;
use crate::accounting::Note;
use crate::delivery::Instant;

/// How many streams of a kind one tick deals with, so that it never takes long. The next one follows at once.
const STREAMS_PER_TICK: usize = 32;

const MISCONFIGURED: &[u8] =
    br#"{"error":{"code":"GATEWAY_MISCONFIGURED","message":"the gateway cannot read request bodies"}}"#;

impl<E: Envoy> Plugin<E> {
    /// Answers 500 to the streams whose body Envoy has and does not show, in a tick of `root`. A client that has sent nothing of
    /// its body yet is only slow: it may take as long as Envoy's own timeouts allow.
    pub(super) fn give_up_on_bodies(&mut self, now: Instant, root: u32) {
        for _ in 0..STREAMS_PER_TICK {
            let Some(waiting) = self.awaiting_body.pop_timed_out(now) else { return };
            if !self.envoy.set_effective_context(waiting.stream) {
                continue;
            }
            if self.envoy.request_bytes().is_some_and(|arrived| arrived > waiting.head_bytes) {
                self.envoy.log(Level::Error, format_args!("{BODY_HELD_BACK}"));
                let headers = vec![("content-type", "application/json")];
                self.envoy.send_local_reply(500, headers, MISCONFIGURED);
            } else {
                self.awaiting_body.add(waiting, now);
            }
            self.envoy.set_effective_context(root);
        }
    }

    /// Hands over the requests that were redirected to where this filter doesn't run. All that it has seen of the collector is an
    /// answer below 400.
    pub(super) fn give_up_on_redirects(&mut self, now: Instant) {
        for _ in 0..STREAMS_PER_TICK {
            let Some(request) = self.redirects.pop_overdue(now) else { return };
            self.metrics.note(Note::RedirectLost);
            self.with_host(now, |relay, host| relay.hand_over(request, host));
        }
    }
}
