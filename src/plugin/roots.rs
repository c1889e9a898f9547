//! The roots of a plugin: one for each configuration that Envoy still uses.

use std::cell::RefCell;
use std::rc::Rc;

use super::timer::Timer;
use crate::config::Compiled;

/// The timer of one root. Two plugins share it where a root has one of its own besides.
pub type RootTimer = Rc<RefCell<Timer>>;

/// A root that Envoy has not ended.
#[derive(Clone)]
pub struct KnownRoot {
    /// The id of its context.
    pub id: u32,
    pub config: Rc<Compiled>,
    pub timer: RootTimer,
}

impl KnownRoot {
    /// Returns a root of this configuration whose timer is off.
    pub fn new(id: u32, config: Rc<Compiled>) -> Self {
        Self { id, config, timer: RootTimer::default() }
    }
}

/// The roots that Envoy has not ended, the most recently used last.
pub struct Roots(Vec<KnownRoot>);

impl Roots {
    /// Returns the roots of a new plugin, its first.
    pub fn of(first: KnownRoot) -> Self {
        Self(vec![first])
    }

    pub fn add(&mut self, root: KnownRoot) {
        self.0.push(root);
    }

    /// Envoy creates a stream on the root of this id.
    pub fn used(&mut self, id: u32) {
        if self.0.last().is_some_and(|last| last.id == id) {
            return;
        }
        if let Some(at) = self.0.iter().position(|known| known.id == id) {
            let used = self.0.remove(at);
            self.0.push(used);
        }
    }

    pub fn remove(&mut self, id: u32) {
        self.0.retain(|known| known.id != id);
    }

    pub fn find(&self, id: u32) -> Option<&KnownRoot> {
        self.0.iter().find(|known| known.id == id)
    }

    /// Returns the root that was used last.
    pub fn last(&self) -> Option<&KnownRoot> {
        self.0.last()
    }

    /// Whether Envoy uses more than one.
    pub fn are_several(&self) -> bool {
        self.0.len() > 1
    }
}
