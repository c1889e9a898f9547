//! The plugin: what a VM keeps through all configurations of a plugin, and the clockwork around the relay.
//!
//! Envoy makes a root context for each configuration and a stream context for each request, and both come and go. One
//! [`Plugin`] outlives them: the relay with its queue, the metrics, and the timer that always belongs to the newest root.
//!
//! Pure like the stations: it talks to Envoy through the trait [`Envoy`], whose one real implementation is in `src/host`.

mod answering;
mod awaiting_body;
mod envoy;
mod instance;
mod log_limit;
mod messages;
mod metrics;
mod registry;
mod root;
mod surroundings;
#[cfg(test)]
mod tests;
mod timer;

pub use answering::{Answering, send_reply};
pub use awaiting_body::BodySeen;
pub use envoy::{Envoy, MetricKind};
pub use instance::{Current, Plugin};
pub use registry::Registry;
pub use root::Root;
