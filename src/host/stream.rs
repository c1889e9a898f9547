//! The stream context: one HTTP request. With `reply: upstream` it only captures, and never delays or changes the request;
//! with `reply: local` it answers at the end of the request.

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use super::hostcalls::Hostcalls;
use crate::accounting::RequestIgnored;
use crate::capture::{Capture, CaptureStep};
use crate::endpoints::{Endpoint, ReplyFrom};
use crate::plugin::{self, Answering, Current};
use crate::reply::Reply;
use crate::request::Request;

type Plugin = plugin::Plugin<Hostcalls>;

pub struct Stream {
    context: Current,
    plugin: Option<Rc<RefCell<Plugin>>>,
    part: Part,
}

/// What the filter does for a stream.
enum Part {
    /// Nothing: it carries no tracking request, or that request is already dealt with.
    Bystander,
    Captures(Capture),
    Answers(Answering),
}

impl Stream {
    pub fn new(context: Current, plugin: Option<Rc<RefCell<Plugin>>>) -> Self {
        Self { context, plugin, part: Part::Bystander }
    }

    /// Takes the headers of a tracking request. They can only be read now: after this phase they are gone.
    fn begin(&self, path: Vec<u8>, endpoint: Endpoint) -> Part {
        let Some(plugin) = &self.plugin else { return Part::Bystander };
        let mut plugin = plugin.borrow_mut();
        let config = Rc::clone(plugin.config());
        let headers = self.get_http_request_headers_bytes();
        #[cfg(feature = "crash-test")]
        super::crash::if_asked(&headers);
        let method = headers.iter().find(|(name, _)| name == ":method").map(|(_, method)| method.as_slice());
        if !endpoint.takes(method.unwrap_or_default()) {
            return Part::Bystander;
        }
        let source_address = hostcalls::get_property(vec!["source", "address"]).ok().flatten();
        let request = Request {
            endpoint,
            path,
            source_address: source_address.unwrap_or_default(),
            headers: headers.into_iter().filter(|(name, _)| config.keeps_header(name)).collect(),
            body: Vec::new(),
            lease: plugin.lease(),
        };
        match config.reply {
            ReplyFrom::Upstream => {
                match Capture::begin(request, config.relay_when, config.sets_cookies(), &config.limits) {
                    Ok(capture) => Part::Captures(capture),
                    Err(reason) => {
                        plugin.ignore(self.context, reason);
                        Part::Bystander
                    }
                }
            }
            ReplyFrom::Local => Part::Answers(Answering::begin(request, config.limits.body_bytes)),
        }
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
            CaptureStep::Nothing => return,
            CaptureStep::HandOver(request, note) => {
                plugin.borrow_mut().hand_over(self.context, request, note)
            }
            CaptureStep::Ignored(reason) => plugin.borrow_mut().ignore(self.context, reason),
        }
        self.part = Part::Bystander;
    }

    /// The collector has answered. An accepting answer that hands the request over may carry cookies of ours.
    fn answered(&mut self, status: Option<u16>) {
        let (Part::Captures(capture), Some(plugin)) = (&mut self.part, &self.plugin) else { return };
        match capture.answer(status) {
            CaptureStep::HandOver(request, None) if status.is_some_and(|status| status < 400) => {
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
        let (reply, cookies) = match complete {
            Ok(request) => plugin.borrow_mut().answer(self.context, request),
            Err(reason) => {
                plugin.borrow_mut().ignore(self.context, reason);
                (Reply::from(reason), Vec::new())
            }
        };
        let envoy = *plugin.borrow().envoy();
        plugin::send_reply(&envoy, reply.render(is_pixel), &cookies);
        Action::Pause
    }
}

impl Context for Stream {
    /// The stream has ended, whichever way. (`on_log` would be one more call for each request.)
    fn on_done(&mut self) -> bool {
        self.advance(Capture::stream_ended);
        if let (Part::Answers(_), Some(plugin)) = (&self.part, &self.plugin) {
            plugin.borrow_mut().ignore(self.context, RequestIgnored::Aborted);
        }
        true
    }
}

// Another callback than these is only called once it is taken off the list of UNUSED_EXPORTS in scripts/lib.sh.
impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        let Some(path) = self.get_http_request_header_bytes(":path") else { return Action::Continue };
        let found = self.plugin.as_ref().and_then(|plugin| plugin.borrow().config().endpoints.find(&path));
        let Some(endpoint) = found else { return Action::Continue };
        self.part = self.begin(path, endpoint);
        if end_of_stream {
            return self.end_of_request();
        }
        let (Part::Answers(answering), Some(plugin)) = (&self.part, &self.plugin) else {
            return Action::Continue;
        };
        plugin.borrow_mut().expect_body(self.context, answering.body_seen());
        Action::Pause
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        match &mut self.part {
            Part::Bystander => return Action::Continue,
            Part::Captures(_) if size > 0 => {
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
        if matches!(self.part, Part::Captures(_)) {
            let status = self.get_http_response_header_bytes(":status");
            self.answered(status.and_then(|status| std::str::from_utf8(&status).ok()?.parse().ok()));
        }
        Action::Continue
    }
}
