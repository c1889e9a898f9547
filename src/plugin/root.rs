//! The lifecycle of a root context: one configuration of the plugin, until it is no longer needed.

use std::cell::RefCell;
use std::rc::Rc;

use super::envoy::Envoy;
use super::instance::{Current, Plugin};
use crate::delivery::{Answer, Token};

type Shared<E> = Rc<RefCell<Plugin<E>>>;

/// A root context: one configuration and its callouts in flight.
pub struct Root<E> {
    context: u32,
    /// None until a configuration was accepted.
    plugin: Option<Shared<E>>,
    /// For streams that Envoy creates on this root while another configuration is in force, so that each request goes out by its
    /// own root's. That is so for moments while a configuration changes, as long as an old listener is drained, and always if
    /// two filters share a name.
    own: RefCell<Option<Shared<E>>>,
    /// Callouts sent by this root that have not ended. Envoy reports their answers only to this root.
    in_flight: usize,
    /// Envoy has asked this root to end and waits for its confirmation.
    ending: bool,
}

impl<E: Envoy> Root<E> {
    /// Returns a root without a configuration. `context` is its id.
    pub fn new(context: u32) -> Self {
        Self { context, plugin: None, own: RefCell::default(), in_flight: 0, ending: false }
    }

    /// Returns the id of the root context.
    pub fn context(&self) -> u32 {
        self.context
    }

    /// The root's configuration was accepted by this plugin.
    pub fn configured(&mut self, plugin: Shared<E>) {
        self.plugin = Some(plugin);
    }

    /// Envoy creates a stream of this id on the root. Returns the plugin that the stream belongs to.
    pub fn new_stream(&self, stream: u32) -> Option<Shared<E>> {
        let plugin = self.plugin.as_ref()?;
        let mut in_force = plugin.borrow_mut();
        in_force.used(Current { context: stream, root: self.context });
        if in_force.is_newest(self.context) {
            return Some(Rc::clone(plugin));
        }
        let mut own = self.own.borrow_mut();
        if own.is_none() {
            *own = in_force.beside(self.context);
        }
        Some(Rc::clone(own.as_ref().unwrap_or(plugin)))
    }

    /// Returns the plugin that the root has besides, if another configuration was in force when streams came.
    pub fn own(&self) -> Option<Shared<E>> {
        self.own.borrow().clone()
    }

    /// The timer fired. Returns whether to confirm to Envoy that the root has ended.
    #[must_use]
    pub fn tick(&mut self) -> bool {
        let Some(plugin) = &self.plugin else { return false };
        let mut plugin = plugin.borrow_mut();
        let sent = match (self.own(), plugin.is_newest(self.context)) {
            (None, _) => plugin.tick(self.context),
            (Some(own), false) => own.borrow_mut().tick(self.context),
            (Some(own), true) => {
                let sent = plugin.tick(self.context);
                own.borrow_mut().tick_again(self.context).saturating_add(sent)
            }
        };
        drop(plugin);
        self.in_flight = self.in_flight.saturating_add(sent);
        self.ends_now()
    }

    /// Whether the beginning of each answer's body is wanted, for records.
    pub fn wants_answers(&self) -> bool {
        self.plugin.as_ref().is_some_and(|plugin| plugin.borrow().wants_answers())
    }

    /// A callout has ended, with this beginning of its answer's body if that is wanted. Returns whether to confirm to Envoy that the root has ended.
    #[must_use]
    pub fn settle(&mut self, token: Token, answer: Answer<'_>, body: &[u8]) -> bool {
        self.in_flight = self.in_flight.saturating_sub(1);
        let Some(plugin) = &self.plugin else { return false };
        let own = self.own();
        // Tokens are unique in a VM.
        if !own.is_some_and(|own| own.borrow_mut().settle(self.context, token, answer, body)) {
            plugin.borrow_mut().settle(self.context, token, answer, body);
        }
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
            for plugin in self.plugin.iter().chain(self.own.get_mut().iter()) {
                plugin.borrow_mut().stop_timer_of(self.context);
            }
        }
        ends
    }

    /// Whether this root is no longer needed. The newest root stays for pending deliveries, an older one for its answers and for
    /// what its own plugin holds.
    fn is_finished(&self) -> bool {
        let Some(plugin) = &self.plugin else { return true };
        let plugin = plugin.borrow();
        let own_is_idle = self.own.borrow().as_ref().is_none_or(|own| own.borrow().is_idle());
        self.in_flight == 0 && own_is_idle && (!plugin.is_newest(self.context) || plugin.is_idle())
    }
}
