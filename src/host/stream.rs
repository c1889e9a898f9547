//! The stream context: one HTTP request. It only captures; it never delays or changes anything.

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use super::plugin::{Current, Plugin};
use crate::accounting::RequestIgnored;
use crate::capture::{Capture, Moment};
use crate::endpoints::Endpoint;
use crate::request::Request;

pub struct Stream {
    context: Current,
    plugin: Option<Rc<RefCell<Plugin>>>,
    /// Some while the stream carries a tracking request that may still be relayed.
    capture: Option<Capture>,
}

impl Stream {
    pub fn new(context: Current, plugin: Option<Rc<RefCell<Plugin>>>) -> Self {
        Self { context, plugin, capture: None }
    }

    /// Captures the headers of a tracking request. They can only be read now: after this phase they are gone.
    fn begin(&self, path: Vec<u8>, endpoint: Endpoint) -> Option<Result<Capture, RequestIgnored>> {
        let plugin = self.plugin.as_ref()?.borrow();
        let config = plugin.relay.config();
        let headers = self.get_http_request_headers_bytes();
        let method = headers.iter().find(|(name, _)| name == ":method").map(|(_, method)| method.as_slice());
        if !config.endpoints.takes(method.unwrap_or_default()) {
            return None;
        }
        let source_address = hostcalls::get_property(vec!["source", "address"]).ok().flatten();
        let request = Request {
            endpoint,
            path,
            source_address: source_address.unwrap_or_default(),
            headers: headers.into_iter().filter(|(name, _)| config.keeps_header(name)).collect(),
            body: Vec::new(),
            lease: plugin.relay.budget().lease(),
        };
        Some(Capture::begin(request, config.relay_when, &config.limits))
    }

    fn act(&mut self, moment: Moment) {
        let Some(plugin) = &self.plugin else { return };
        match moment {
            Moment::Nothing => return,
            Moment::HandOver(request, note) => plugin.borrow_mut().hand_over(self.context, request, note),
            Moment::Ignored(reason) => plugin.borrow().ignore(reason),
        }
        self.capture = None;
    }

    fn moment(&mut self, happen: impl FnOnce(&mut Capture) -> Moment) {
        if let Some(capture) = &mut self.capture {
            let moment = happen(capture);
            self.act(moment);
        }
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        let Some(path) = self.get_http_request_header_bytes(":path") else { return Action::Continue };
        let endpoint =
            self.plugin.as_ref().and_then(|plugin| plugin.borrow().relay.config().endpoints.find(&path));
        match endpoint.and_then(|endpoint| self.begin(path, endpoint)) {
            Some(Ok(capture)) => self.capture = Some(capture),
            Some(Err(reason)) => self.act(Moment::Ignored(reason)),
            None => {}
        }
        if end_of_stream {
            self.moment(Capture::end_of_request);
        }
        Action::Continue
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if self.capture.is_some() && size > 0 {
            let chunk = self.get_http_request_body(0, size).unwrap_or_default();
            self.moment(|capture| capture.body(chunk));
        }
        if end_of_stream {
            self.moment(Capture::end_of_request);
        }
        Action::Continue
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.moment(Capture::end_of_request);
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        if self.capture.is_some() {
            let status = self.get_http_response_header_bytes(":status");
            let status = status.and_then(|status| std::str::from_utf8(&status).ok()?.parse().ok());
            self.moment(|capture| capture.answer(status));
        }
        Action::Continue
    }

    fn on_log(&mut self) {
        self.moment(Capture::gone);
    }
}
