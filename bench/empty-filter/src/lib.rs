//! A filter with a context for each stream that lets everything pass. With the feature `callouts` it sends two requests for
//! each that was answered, of about the size of the filter's for a purchase, and takes no notice of what comes back.

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream))
    }

    #[cfg(feature = "callouts")]
    fn on_tick(&mut self) {
        callouts::send(self);
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream;

impl Context for Stream {}

// Its other methods continue by themselves.
impl HttpContext for Stream {
    #[cfg(feature = "callouts")]
    fn on_http_response_headers(&mut self, _: usize, _: bool) -> proxy_wasm::types::Action {
        callouts::owe();
        proxy_wasm::types::Action::Continue
    }
}

#[cfg(feature = "callouts")]
mod callouts {
    use std::cell::Cell;
    use std::time::Duration;

    use proxy_wasm::hostcalls;
    use proxy_wasm::traits::RootContext;

    thread_local! {
        static OWED: Cell<u32> = const { Cell::new(0) };
    }

    /// As long as the filter lets requests gather.
    const COLLECT_INTERVAL: Duration = Duration::from_millis(5);
    const TIMEOUT: Duration = Duration::from_secs(5);
    const USER_AGENT: (&str, &str) =
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0");
    const PATH: &str = "/container/1234567;987654;5;num/?cachebuster=123456789012345&ftXRef=ORD-00000001&ftXValue=129.99\
                        &ftXCurrency=USD&ftXType=purchase&ftXNumItems=3&U1=SPRING";

    pub fn owe() {
        if OWED.get() == 0 {
            _ = hostcalls::set_tick_period(COLLECT_INTERVAL);
        }
        OWED.set(OWED.get() + 1);
    }

    pub fn send(root: &impl RootContext) {
        root.set_tick_period(Duration::ZERO);
        for _ in 0..OWED.replace(0) {
            let to = |method, path, authority| {
                vec![(":method", method), (":scheme", "https"), (":path", path), (":authority", authority)]
            };
            let mut get = to("GET", PATH, "servedby.flashtalking.com");
            get.extend([("x-forwarded-for", "203.0.113.7"), USER_AGENT]);
            _ = root.dispatch_http_call("flashtalking", get, None, vec![], TIMEOUT);
            let mut post = to("POST", "/", "tracking.podsights.com");
            post.extend([("content-type", "application/json"), USER_AGENT]);
            _ = root.dispatch_http_call("podsights", post, Some(&[b'x'; 480]), vec![], TIMEOUT);
        }
    }
}
