//! The root context: one configuration of the plugin.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::SystemTime;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use super::plugin::{self, Current, Plugin};
use super::stream::Stream;
use crate::config::Compiled;
use crate::delivery::{Answer, Facts, Token};

pub struct Root {
    context_id: u32,
    /// None until a configuration was accepted.
    plugin: Option<Rc<RefCell<Plugin>>>,
    /// Callouts sent by this root that have not come back. Envoy answers them to this root only.
    in_flight: usize,
    /// Envoy wants this root to end and waits for `done`.
    ending: bool,
}

impl Root {
    pub fn new(context_id: u32) -> Self {
        Self { context_id, plugin: None, in_flight: 0, ending: false }
    }

    /// Whether nothing needs this root any more. The newest root stays for what is pending, an older one for its answers.
    fn is_finished(&self) -> bool {
        let Some(plugin) = &self.plugin else { return true };
        let plugin = plugin.borrow();
        self.in_flight == 0 && (!plugin.is_newest(self.context_id) || plugin.relay.is_idle())
    }

    fn end_if_finished(&mut self) {
        if self.ending && self.is_finished() {
            self.ending = false;
            self.stop_timer();
            self.done();
        }
    }

    /// A timer that is armed when its root ends fires for ever.
    fn stop_timer(&self) {
        if let Some(plugin) = &self.plugin {
            plugin.borrow_mut().stop_timer_of(self.context_id);
        }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, num_headers: usize, _: usize, _: usize) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let Some(plugin) = &self.plugin else { return };
        // With no headers there is nothing that may be read.
        let header =
            |name| if num_headers > 0 { self.get_http_call_response_header_bytes(name) } else { None };
        let status = header(":status");
        let begins = |digit: &[u8]| status.as_ref().is_some_and(|status| status.starts_with(digit));
        // Most answers are good, and nothing more is asked of them: each header read is a call into Envoy.
        let is_good = begins(b"2");
        let retry_after = if is_good { None } else { header("retry-after") };
        let location = if begins(b"3") { header("location") } else { None };
        let facts = Facts {
            num_headers,
            status: status.as_deref(),
            from_upstream: is_good || header("x-envoy-upstream-service-time").is_some(),
            retry_after: retry_after.as_deref(),
            location: location.as_deref(),
        };
        let answer = Answer::read(&facts, SystemTime::now);
        plugin.borrow_mut().settle(Current::root(self.context_id), Token(token), answer);
        self.end_if_finished();
    }

    fn on_done(&mut self) -> bool {
        if let Some(plugin) = &self.plugin {
            plugin.borrow_mut().released(self.context_id);
        }
        if self.is_finished() {
            self.stop_timer();
            return true;
        }
        self.ending = true;
        false
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let configuration = self.get_plugin_configuration().unwrap_or_default();
        match Compiled::load(&configuration, &|name| std::env::var(name).ok()) {
            Ok(config) => {
                for path in &config.plain_secrets {
                    log::warn!(
                        "{path}: a secret in plain text; anybody who sees Envoy's config_dump sees it. Use ${{NAME}}"
                    );
                }
                let name = hostcalls::get_property(vec!["plugin_name"]).ok().flatten().unwrap_or_default();
                self.plugin = Some(plugin::configure(name, self.context_id, config));
                true
            }
            Err(invalid) => {
                log::error!("configuration refused: {invalid}");
                false
            }
        }
    }

    fn on_tick(&mut self) {
        let Some(plugin) = &self.plugin else { return };
        let sent = plugin.borrow_mut().tick(Current::root(self.context_id));
        self.in_flight = self.in_flight.saturating_add(sent);
        self.end_if_finished();
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        let context = Current { context: context_id, root: self.context_id };
        if let Some(plugin) = &self.plugin {
            plugin.borrow_mut().used(self.context_id);
        }
        Some(Box::new(Stream::new(context, self.plugin.clone())))
    }
}
