//! Building blocks for the sections of the configuration. Each section is defined in the module that it configures.
//!
//! A section is a struct that derives `Deserialize` and, for the command line, `JsonSchema`. A key is written once, as a field:
//! its name, its documentation, its default and, by its type ([`Whole`], [`Time`], [`Secret`], an enum), what it accepts.
//! Parsing, errors, the JSON Schema and the tables of docs/configuration.md derive from that. Two attributes set defaults:
//! `#[default(...)]` of `SmartDefault` in a section that may be left out as a whole, `#[serde_inline_default(...)]` in an
//! object with required keys.

mod document;
mod headers;
mod invalid;
mod node;
mod one_or_more;
mod path;
mod place;
mod problem;
#[cfg(feature = "schema")]
pub mod schema;
mod secret;
mod table;
#[cfg(test)]
mod tests;
mod time;
mod whole;

pub use document::{Document, SealedAt, Settings, of_text};
pub use headers::Headers;
pub use invalid::Invalid;
pub use one_or_more::OneOrMore;
pub use place::{SEALED, place};
pub use secret::{MASK, Secret};
pub use table::members_of_table;
pub use time::{DAY, HOUR, MILLISECOND, MINUTE, SECOND, Time, YEAR};
pub use whole::Whole;
