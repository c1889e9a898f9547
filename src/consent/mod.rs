//! Whether an event may be delivered to a vendor: the visitor's consent, Global Privacy Control, and the event's own
//! `integrations` object.
//!
//! A visitor's consent may be stated in several places, and each is a [`ConsentSource`](source::ConsentSource). They are
//! listed in one table, [`SOURCES`]; a site's own cookies come from the configuration. Each source grants a category, refuses it
//! or is silent, and any refusal denies. The rest of the filter does not depend on any particular source.

mod basis;
mod bits;
pub mod by_source;
pub mod category;
pub mod context_member;
mod cookie_names;
mod cookie_sources;
pub mod cookie_value;
mod custom_cookie;
mod decision;
pub mod gpp;
mod integrations;
mod rules;
mod settings;
pub mod source;
mod sources;
pub mod statement;
pub mod us_privacy;
pub mod vocabulary;
mod when_absent;

pub use basis::Basis;
pub use by_source::BySource;
pub use category::{Categories, Category};
pub use cookie_names::CookieNames;
pub use cookie_sources::CookieSources;
pub use decision::{Decision, EventConsent, RequestConsent};
pub use integrations::EventIntegrations;
pub use rules::{ConsentRules, Require};
pub use settings::ConsentSettings;
pub use sources::SOURCES;
pub use vocabulary::{AliasError, Requirement, UnknownCategory, Vocabulary};
pub use when_absent::WhenAbsent;
