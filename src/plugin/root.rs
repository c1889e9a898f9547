//! The lifecycle of a root context: one configuration of the plugin, until it is no longer needed.

use std::cell::RefCell;
use std::rc::Rc;

use super::envoy::Envoy;
use super::instance::Plugin;
use crate::delivery::{Answer, Token};

/// A root context: one configuration and its callouts in flight.
pub struct Root<E> {
    context: u32,
    /// None until a configuration was accepted.
    plugin: Option<Rc<RefCell<Plugin<E>>>>,
    /// Callouts sent by this root that have not ended. Envoy reports their answers only to this root.
    in_flight: usize,
    /// Envoy has asked this root to end and waits for its confirmation.
    ending: bool,
}

impl<E: Envoy> Root<E> {
    /// Returns a root without a configuration. `context` is its id.
    pub fn new(context: u32) -> Self {
        Self { context, plugin: None, in_flight: 0, ending: false }
    }

    /// Returns the id of the root context.
    pub fn context(&self) -> u32 {
        self.context
    }

    /// The root's configuration was accepted by this plugin.
    pub fn configured(&mut self, plugin: Rc<RefCell<Plugin<E>>>) {
        self.plugin = Some(plugin);
    }

    /// Envoy creates a stream on the root. Returns the plugin that the stream belongs to.
    pub fn new_stream(&self) -> Option<Rc<RefCell<Plugin<E>>>> {
        if let Some(plugin) = &self.plugin {
            plugin.borrow_mut().used(self.context);
        }
        self.plugin.clone()
    }

    /// The timer fired. Returns whether to confirm to Envoy that the root has ended.
    #[must_use]
    pub fn tick(&mut self) -> bool {
        let Some(plugin) = &self.plugin else { return false };
        let sent = plugin.borrow_mut().tick(self.context);
        self.in_flight = self.in_flight.saturating_add(sent);
        self.ends_now()
    }

    /// A callout has ended. Returns whether to confirm to Envoy that the root has ended.
    #[must_use]
    pub fn settle(&mut self, token: Token, answer: Answer<'_>) -> bool {
        self.in_flight = self.in_flight.saturating_sub(1);
        let Some(plugin) = &self.plugin else { return false };
        plugin.borrow_mut().settle(self.context, token, answer);
        self.ends_now()
    }

    /// Envoy asks the root to end. Returns whether it ends immediately; otherwise [`Root::tick`] or [`Root::settle`] returns
    /// `true` when it does.
    #[must_use]
    pub fn end(&mut self) -> bool {
        if let Some(plugin) = &self.plugin {
            plugin.borrow_mut().released(self.context);
        }
        self.ending = true;
        self.ends_now()
    }

    fn ends_now(&mut self) -> bool {
        let ends = self.ending && self.is_finished();
        if ends {
            self.ending = false;
            // A timer that is armed when its root ends fires for ever.
            if let Some(plugin) = &self.plugin {
                plugin.borrow_mut().stop_timer_of(self.context);
            }
        }
        ends
    }

    /// Whether this root is no longer needed. The newest root stays for pending deliveries, an older one for its answers.
    fn is_finished(&self) -> bool {
        let Some(plugin) = &self.plugin else { return true };
        let plugin = plugin.borrow();
        self.in_flight == 0 && (!plugin.is_newest(self.context) || plugin.is_idle())
    }
}
