//! The root context's callbacks.

use std::cell::RefCell;
use std::time::SystemTime;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{self, Context, HttpContext};
use proxy_wasm::types::ContextType;

use super::hostcalls::Hostcalls;
use super::stream::Stream;
use crate::config::Compiled;
use crate::delivery::{Answer, CalloutResponse, Token};
use crate::plugin::{Current, Registry, Root};

thread_local! {
    static PLUGINS: RefCell<Registry<Hostcalls>> = RefCell::default();
}

/// How much is read of an answer's body, in bytes.
const MOST_OF_BODY: usize = 256;

pub struct RootContext(Root<Hostcalls>);

impl RootContext {
    pub fn new(context_id: u32) -> Self {
        Self(Root::new(context_id))
    }
}

impl Context for RootContext {
    fn on_http_call_response(&mut self, token: u32, num_headers: usize, body_size: usize, _: usize) {
        // With no headers there is nothing that may be read.
        let header =
            |name| if num_headers > 0 { self.get_http_call_response_header_bytes(name) } else { None };
        let status = header(":status");
        let begins = |digit: &[u8]| status.as_ref().is_some_and(|status| status.starts_with(digit));
        // Most answers are good, and nothing more is asked of them: each header read is a call into Envoy.
        let is_good = begins(b"2");
        let retry_after = if is_good { None } else { header("retry-after") };
        let location = if begins(b"3") { header("location") } else { None };
        let from_upstream = is_good || header("x-envoy-upstream-service-time").is_some();
        // Envoy says in the body of an answer of its own what happened to the request.
        let wants_body = (!from_upstream || self.0.wants_answers()) && body_size > 0 && num_headers > 0;
        let body = if wants_body {
            self.get_http_call_response_body(0, body_size.min(MOST_OF_BODY)).unwrap_or_default()
        } else {
            Vec::new()
        };
        let facts = CalloutResponse {
            num_headers,
            status: status.as_deref(),
            from_upstream,
            envoys_body: Some(body.as_slice()).filter(|body| !from_upstream && !body.is_empty()),
            retry_after: retry_after.as_deref(),
            location: location.as_deref(),
        };
        let answer = Answer::read(&facts, SystemTime::now);
        if self.0.settle(Token(token), answer, &body) {
            self.done();
        }
    }

    fn on_done(&mut self) -> bool {
        self.0.end()
    }
}

impl traits::RootContext for RootContext {
    fn on_configure(&mut self, _: usize) -> bool {
        let configuration = self.get_plugin_configuration().unwrap_or_default();
        match Compiled::load(&configuration, &|name| std::env::var(name).ok()) {
            Ok(config) => {
                for path in &config.plain_secrets {
                    log::warn!(
                        "{path}: a secret in plain text; anybody who sees Envoy's config_dump sees it. Use ${{NAME}}, or seal it"
                    );
                }
                let name = hostcalls::get_property(vec!["plugin_name"]).ok().flatten().unwrap_or_default();
                let root = self.0.context();
                let configure =
                    |plugins: &mut Registry<_>| plugins.configure(name, root, config, Hostcalls::start);
                self.0.configured(PLUGINS.with_borrow_mut(configure));
                true
            }
            Err(invalid) => {
                log::error!("configuration refused: {invalid}");
                false
            }
        }
    }

    fn on_tick(&mut self) {
        if self.0.tick() {
            self.done();
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        let context = Current { context: context_id, root: self.0.context() };
        Some(Box::new(Stream::new(context, self.0.new_stream(context_id))))
    }
}
