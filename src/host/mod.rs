//! All that touches the host (Envoy) through proxy-wasm. Compiled for wasm32 only.

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel};

#[allow(unsafe_code)] // the macro exports `_initialize`, which needs `no_mangle`
mod entry {
    proxy_wasm::main! {{
        proxy_wasm::set_log_level(super::LogLevel::Trace);
        proxy_wasm::set_root_context(|_| Box::new(super::Root));
    }}
}

struct Root;
impl Context for Root {}
impl RootContext for Root {
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream))
    }
}
struct Stream;
impl Context for Stream {}
impl HttpContext for Stream {}
