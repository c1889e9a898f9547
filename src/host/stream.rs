//! The stream context: one HTTP request. With `reply: upstream` it only captures, and never delays or changes the request;
//! with `reply: local` it answers at the end of the request.

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use super::hostcalls::Hostcalls;
use crate::capture::{Capture, CaptureStep, CollectorAnswer, StreamEnd};
use crate::endpoints::{Endpoint, ReplyFrom, is_upgrade};
use crate::plugin::{self, Answering, Current, StreamKey, head_bytes};
use crate::reply::Reply;
use crate::request::Request;

/// Envoy gives the request of a stream that follows a redirect the same one.
const REQUEST_ID: &str = "x-request-id";

type Plugin = plugin::Plugin<Hostcalls>;

pub struct Stream {
    context: Current,
    plugin: Option<Rc<RefCell<Plugin>>>,
    part: Part,
    /// The request's `x-request-id`, if it is captured.
    request_id: Vec<u8>,
}

/// What the filter does for a stream.
enum Part {
    /// Nothing: it carries no tracking request, or that request is already dealt with.
    Bystander,
    Captures(Capture),
    Answers(Answering),
    /// The filter holds it back until its deliveries have ended.
    Waits,
}

impl Stream {
    pub fn new(context: Current, plugin: Option<Rc<RefCell<Plugin>>>) -> Self {
        Self { context, plugin, part: Part::Bystander, request_id: Vec::new() }
    }

    /// Takes the headers of a tracking request. They can only be read now: after this phase they are gone.
    fn begin(&mut self, path: Vec<u8>, endpoint: Endpoint) -> Part {
        let Some(plugin) = &self.plugin else { return Part::Bystander };
        let mut plugin = plugin.borrow_mut();
        let config = Rc::clone(plugin.config());
        let headers = self.get_http_request_headers_bytes();
        #[cfg(feature = "crash-test")]
        super::crash::if_asked(&headers);
        let method = headers.iter().find(|(name, _)| name == ":method").map(|(_, method)| method.as_slice());
        if !endpoint.takes(method.unwrap_or_default()) || is_upgrade(&headers) {
            return Part::Bystander;
        }
        let head_bytes = head_bytes(&headers);
        let request_id = headers.iter().find(|(name, _)| name == REQUEST_ID);
        self.request_id = request_id.map(|(_, id)| id.clone()).unwrap_or_default();
        let request = Request {
            endpoint,
            path,
            source_address: source_address(),
            headers: headers.into_iter().filter(|(name, _)| config.keeps_header(name)).collect(),
            body: Vec::new(),
            lease: plugin.lease(),
        };
        let reply = if endpoint.acknowledged { ReplyFrom::Local } else { config.reply };
        match reply {
            ReplyFrom::Upstream => {
                match Capture::begin(request, config.relay_when, config.sets_cookies(), &config.limits) {
                    Ok(capture) => Part::Captures(capture),
                    Err(reason) => {
                        plugin.ignore(self.context, reason);
                        Part::Bystander
                    }
                }
            }
            ReplyFrom::Local => {
                Part::Answers(Answering::begin(request, head_bytes, config.limits.body_bytes))
            }
        }
    }

    /// The status of the answer that is on its way.
    fn status(&self) -> Option<u16> {
        let status = self.get_http_response_header_bytes(":status")?;
        std::str::from_utf8(&status).ok()?.parse().ok()
    }

    /// Passes a callback of the stream to the capture, if there is one.
    fn advance(&mut self, callback: impl FnOnce(&mut Capture) -> CaptureStep) {
        let Part::Captures(capture) = &mut self.part else { return };
        let step = callback(capture);
        self.settle(step);
    }

    fn settle(&mut self, step: CaptureStep) {
        let Some(plugin) = &self.plugin else { return };
        match step {
            CaptureStep::Nothing => {}
            CaptureStep::HandOver(request, note) => {
                plugin.borrow_mut().hand_over(self.context, request, note)
            }
            CaptureStep::Ignored(reason) => plugin.borrow_mut().ignore(self.context, reason),
            CaptureStep::Redirected(request) => {
                let key = stream_key(std::mem::take(&mut self.request_id));
                plugin.borrow_mut().redirected(self.context, key, request);
            }
        }
        if matches!(&self.part, Part::Captures(capture) if capture.is_over()) {
            self.part = Part::Bystander;
        }
    }

    /// Goes on with the request of a stream that Envoy has redirected to this one.
    fn follow_redirect(&mut self) -> Option<Part> {
        self.get_http_request_header_bytes("x-envoy-original-url")?;
        let key = stream_key(self.get_http_request_header_bytes(REQUEST_ID).unwrap_or_default());
        let mut plugin = self.plugin.as_ref()?.borrow_mut();
        let request = plugin.follow_redirect(&key)?;
        self.request_id = key.request_id;
        Some(Part::Captures(Capture::resume(request, plugin.config().relay_when)))
    }

    /// There is an answer to the request of a capture. An accepting one that hands the request over may carry cookies of ours.
    fn answered(&mut self, status: Option<u16>) {
        let (Part::Captures(capture), Some(plugin)) = (&mut self.part, &self.plugin) else { return };
        let by_route = CollectorAnswer::is_redirect(status) && CollectorAnswer::is_by_route(&code_details());
        let answer = CollectorAnswer { status, by_route };
        match capture.answer(answer) {
            CaptureStep::HandOver(request, None) if answer.accepts() => {
                let cookies = plugin.borrow_mut().hand_over_answered(self.context, request);
                for cookie in cookies {
                    // Added, not set: the collector's own cookies stay.
                    self.add_http_response_header_bytes("set-cookie", cookie.as_bytes());
                }
                self.part = Part::Bystander;
            }
            step => self.settle(step),
        }
    }

    /// The end of the request: a capture is informed, a request of ours is answered.
    fn end_of_request(&mut self) -> Action {
        self.advance(Capture::end_of_request);
        let (Part::Answers(_), Some(plugin)) = (&self.part, &self.plugin) else { return Action::Continue };
        let Part::Answers(answering) = std::mem::replace(&mut self.part, Part::Bystander) else {
            return Action::Continue;
        };
        let is_pixel = answering.is_pixel();
        let complete = answering.complete(|size| self.get_http_request_body(0, size).unwrap_or_default());
        match complete {
            Ok(request) => {
                if !plugin.borrow_mut().answer(self.context, request) {
                    self.part = Part::Waits;
                }
            }
            Err(reason) => {
                plugin.borrow_mut().ignore(self.context, reason);
                let envoy = *plugin.borrow().envoy();
                plugin::send_reply(&envoy, Reply::from(reason), is_pixel, &[]);
            }
        }
        Action::Pause
    }
}

impl Context for Stream {
    /// The stream has ended, whichever way. (`on_log` would be one more call for each request.)
    fn on_done(&mut self) -> bool {
        match (&self.part, &self.plugin) {
            (Part::Captures(_), _) => {
                let end = StreamEnd::from_details(&code_details());
                self.advance(|capture| capture.stream_ended(end));
            }
            (Part::Answers(_), Some(plugin)) => {
                let reason = StreamEnd::from_details(&code_details()).of_incomplete(None);
                plugin.borrow_mut().ignore(self.context, reason);
            }
            (Part::Waits, Some(plugin)) => plugin.borrow_mut().abandon(self.context.context),
            _ => {}
        }
        true
    }
}

// Another callback than these is only called once it is taken off the list of UNUSED_EXPORTS in scripts/lib.sh.
impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        let Some(path) = self.get_http_request_header_bytes(":path") else { return Action::Continue };
        let expects_redirects =
            self.plugin.as_ref().is_some_and(|plugin| plugin.borrow().expects_redirects());
        if expects_redirects && let Some(part) = self.follow_redirect() {
            self.part = part;
            return Action::Continue;
        }
        let found = self.plugin.as_ref().and_then(|plugin| plugin.borrow().config().endpoints.find(&path));
        let Some(endpoint) = found else { return Action::Continue };
        self.part = self.begin(path, endpoint);
        if end_of_stream {
            return self.end_of_request();
        }
        let (Part::Answers(answering), Some(plugin)) = (&self.part, &self.plugin) else {
            return Action::Continue;
        };
        plugin.borrow_mut().expect_body(self.context, answering.head_bytes(), answering.body_seen());
        Action::Pause
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        match &mut self.part {
            Part::Bystander | Part::Waits => return Action::Continue,
            Part::Captures(capture) if size > 0 && !capture.is_settled() => {
                let chunk = self.get_http_request_body(0, size).unwrap_or_default();
                self.advance(|capture| capture.body(chunk));
            }
            Part::Captures(_) => {}
            Part::Answers(answering) => answering.body(size),
        }
        if end_of_stream {
            return self.end_of_request();
        }
        if matches!(self.part, Part::Answers(_)) { Action::Pause } else { Action::Continue }
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.end_of_request()
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        match (&self.part, &self.plugin) {
            // Of a stream that waits, `on_done` tells.
            (Part::Bystander | Part::Waits, _) | (_, None) => {}
            // Handed over before: whatever the answer is, there is one.
            (Part::Captures(capture), _) if capture.is_settled() => self.part = Part::Bystander,
            (Part::Captures(_), _) => self.answered(self.status()),
            // Not our answer: Envoy or another filter has lost patience.
            (Part::Answers(_), Some(plugin)) => {
                let reason = StreamEnd::CutOff.of_incomplete(self.status());
                plugin.borrow_mut().ignore(self.context, reason);
                self.part = Part::Bystander;
            }
        }
        Action::Continue
    }
}

/// How Envoy says that the stream was answered or has ended. Read only where that matters: it is a call into Envoy.
fn code_details() -> Vec<u8> {
    hostcalls::get_property(vec!["response", "code_details"]).ok().flatten().unwrap_or_default()
}

fn stream_key(request_id: Vec<u8>) -> StreamKey {
    StreamKey { source_address: source_address(), request_id }
}

/// The client's address. It can be read as long as the stream lasts.
fn source_address() -> Vec<u8> {
    hostcalls::get_property(vec!["source", "address"]).ok().flatten().unwrap_or_default()
}
