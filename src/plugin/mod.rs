//! The plugin: the state that a VM keeps across all configurations of a plugin, and what drives the relay.
//!
//! Envoy creates a root context for each configuration and a stream context for each request. One [`Plugin`] outlives them: the
//! relay with its queue, the metrics, and the timer, which always belongs to the newest root.
//!
//! Pure like the pipeline: it calls Envoy through the trait [`Envoy`], whose only real implementation is in `src/host`.

mod answering;
mod awaiting_body;
mod envoy;
mod heartbeat;
mod instance;
mod log_limit;
mod messages;
mod metrics;
mod outbox;
mod recorder;
mod redirects;
mod registry;
mod root;
mod roots;
mod surroundings;
#[cfg(test)]
mod tests;
mod timer;
mod turns;

pub use answering::{Answering, head_bytes, send_reply};
pub use awaiting_body::BodySeen;
pub use envoy::{Envoy, MetricKind};
pub use instance::{Current, Plugin};
pub use redirects::StreamKey;
pub use registry::Registry;
pub use root::Root;
