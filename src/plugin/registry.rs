//! The plugins of one VM.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::envoy::Envoy;
use super::instance::Plugin;
use crate::config::Compiled;

/// The plugins by name: several can share a VM, and each has a name of its own.
pub struct Registry<E>(HashMap<Vec<u8>, Rc<RefCell<Plugin<E>>>>);

impl<E: Envoy> Registry<E> {
    /// Puts a configuration in force in a callback of its `root`: for the plugin of that name, or as its first.
    pub fn configure(
        &mut self,
        name: Vec<u8>,
        root: u32,
        config: Compiled,
        envoy: impl FnOnce() -> E,
    ) -> Rc<RefCell<Plugin<E>>> {
        let config = Rc::new(config);
        if let Some(plugin) = self.0.get(&name) {
            plugin.borrow_mut().configure(root, config);
            return Rc::clone(plugin);
        }
        let plugin = Rc::new(RefCell::new(Plugin::new(envoy(), name.clone(), root, config)));
        self.0.insert(name, Rc::clone(&plugin));
        plugin
    }
}

impl<E> Default for Registry<E> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}
