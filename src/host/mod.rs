//! Everything that calls the host (Envoy) through proxy-wasm. Compiled for wasm32 only.
//!
//! A [`root::RootContext`] is one configuration of the plugin, a [`stream::Stream`] one HTTP request: their callbacks read
//! data from Envoy and pass it to the VM's [`Plugin`](crate::plugin::Plugin), which calls Envoy through
//! [`hostcalls::Hostcalls`].

#[cfg(feature = "crash-test")]
mod crash;
mod hostcalls;
mod root;
mod stream;

/// A purchase takes and gives back memory some hundred times. This allocator takes bounded time for each, and less than that of
/// wasi-libc: see docs/performance.md.
#[global_allocator]
static ALLOCATOR: rlsf::GlobalTlsf = rlsf::GlobalTlsf::new();

#[allow(unsafe_code, missing_docs)] // the macro exports `_initialize`, which needs `no_mangle`
mod entry {
    use super::root::RootContext;
    use proxy_wasm::types::LogLevel;

    proxy_wasm::main! {{
        proxy_wasm::set_log_level(LogLevel::Info);
        proxy_wasm::set_root_context(|context_id| Box::new(RootContext::new(context_id)));
    }}
}
