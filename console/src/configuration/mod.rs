//! The configuration that the console keeps: the filter's plugin configuration, judged by the filter's own code, and without the
//! text of any secret.

mod candidate;
mod document;
mod refusal;
mod texts;

pub use candidate::{Environment, Judged, SecretsByPlace, for_gateways, judge};
pub use document::{Collection, Document};
pub use refusal::Refusal;
pub use texts::{below, for_each_text};
