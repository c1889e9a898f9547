//! All that touches the host (Envoy) through proxy-wasm. Compiled for wasm32 only.
//!
//! A [`root::Root`] is one configuration of the plugin, a [`stream::Stream`] one HTTP request. What outlives both is the
//! VM's [`plugin::Plugin`]: the relay with its queue, and the metrics.

mod answering;
mod log;
mod metrics;
mod plugin;
mod root;
mod stream;
mod surroundings;

#[allow(unsafe_code, missing_docs)] // the macro exports `_initialize`, which needs `no_mangle`
mod entry {
    use super::root::Root;
    use proxy_wasm::types::LogLevel;

    proxy_wasm::main! {{
        proxy_wasm::set_log_level(LogLevel::Info);
        proxy_wasm::set_root_context(|context_id| Box::new(Root::new(context_id)));
    }}
}
