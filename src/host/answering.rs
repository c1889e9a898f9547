//! `reply: local`: the filter stands in for a collector, and answers at the end of the request.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::hostcalls;

use crate::accounting::RequestIgnored;
use crate::delivery::Instant;
use crate::endpoints::Carrier;
use crate::reply::Rendered;
use crate::request::Request;

/// How long the body callback of a request may take. It never comes where Envoy holds it back for want of
/// allow_on_headers_stop_iteration.
const PATIENCE: Duration = Duration::from_secs(5);

/// A request on its way to an answer of ours.
pub struct Answering {
    /// None once it was let go; then `refusal` says why.
    request: Option<Request>,
    refusal: Option<RequestIgnored>,
    is_pixel: bool,
    /// Set with the first body callback.
    heard: Rc<Cell<bool>>,
    /// Bytes of the body that Envoy has buffered.
    buffered: usize,
    most_bytes: usize,
}

impl Answering {
    /// `most_bytes`: the largest body that is read.
    pub fn begin(mut request: Request, most_bytes: usize) -> Self {
        let is_pixel = request.endpoint.carrier == Carrier::Query;
        let (request, refusal) = match request.lease_head() {
            true => (Some(request), None),
            false => (None, Some(RequestIgnored::Overloaded)),
        };
        Self { request, refusal, is_pixel, heard: Rc::default(), buffered: 0, most_bytes }
    }

    pub fn is_pixel(&self) -> bool {
        self.is_pixel
    }

    /// Set once the body is heard of.
    pub fn heard(&self) -> Rc<Cell<bool>> {
        Rc::clone(&self.heard)
    }

    /// Envoy has buffered so much of the body so far.
    pub fn body(&mut self, buffered: usize) {
        self.heard.set(true);
        self.buffered = buffered;
    }

    /// The whole request is there. `read` gets that many bytes of its body.
    pub fn complete(mut self, read: impl FnOnce(usize) -> Vec<u8>) -> Result<Request, RequestIgnored> {
        let mut request = self.request.take().ok_or(self.refusal.unwrap_or(RequestIgnored::Overloaded))?;
        if self.buffered > self.most_bytes {
            return Err(RequestIgnored::TooLarge);
        }
        if !request.lease.grow(self.buffered) {
            return Err(RequestIgnored::Overloaded);
        }
        if self.buffered > 0 {
            request.body = read(self.buffered);
        }
        Ok(request)
    }
}

/// Streams whose body was not heard of yet, the oldest first.
#[derive(Default)]
pub struct Unheard(VecDeque<(Instant, u32, Rc<Cell<bool>>)>);

impl Unheard {
    pub fn add(&mut self, stream: u32, heard: Rc<Cell<bool>>, now: Instant) {
        self.forget_heard();
        self.0.push_back((now.saturating_add(PATIENCE), stream, heard));
    }

    /// When the first of them runs out of patience.
    pub fn next_due(&self) -> Option<Instant> {
        self.0.front().map(|(due, _, _)| *due)
    }

    /// Answers 500 to those that ran out of patience, from a callback of the context `current`.
    pub fn give_up(&mut self, now: Instant, current: u32) {
        self.forget_heard();
        while self.next_due().is_some_and(|due| due <= now) {
            let Some((_, stream, _)) = self.0.pop_front() else { return };
            log::error!(
                "a POST's body was held back for 5 s: set allow_on_headers_stop_iteration: true in this plugin's \
                 configuration in Envoy, or `endpoints.reply: local` can't work"
            );
            if hostcalls::set_effective_context(stream).is_ok() {
                _ = hostcalls::send_http_response(
                    500,
                    vec![("content-type", "application/json")],
                    Some(MISCONFIGURED),
                );
                _ = hostcalls::set_effective_context(current);
            }
            self.forget_heard();
        }
    }

    /// A stream that is gone counts as heard of: nobody else holds its cell.
    fn forget_heard(&mut self) {
        let over = |(_, _, heard): &(_, _, Rc<Cell<bool>>)| heard.get() || Rc::strong_count(heard) == 1;
        while self.0.front().is_some_and(over) {
            self.0.pop_front();
        }
    }
}

const MISCONFIGURED: &[u8] =
    br#"{"error":{"code":"GATEWAY_MISCONFIGURED","message":"the gateway cannot read request bodies"}}"#;

/// Sends an answer, with these values of `set-cookie` lines; the stream ends with it.
pub fn send(rendered: Rendered, cookies: &[String]) {
    let cookies = cookies.iter().map(|cookie| ("set-cookie", cookie.as_str()));
    let headers = rendered.headers.into_iter().chain(cookies).collect();
    _ = hostcalls::send_http_response(rendered.status, headers, Some(rendered.body));
}
