//! Whether an event may be delivered to a vendor: the visitor's consent, Global Privacy Control, and the event's own
//! `integrations` object.
//!
//! A visitor's consent may be stated in several places, and each is a [`ConsentSource`](source::ConsentSource). They are
//! listed in one table, [`SOURCES`], in order of precedence. The first that states a choice decides: a category that it does
//! not grant is denied, whatever later sources state. The rest of the filter does not depend on any particular source.

mod bits;
pub mod by_source;
pub mod context_member;
mod cookie_names;
pub mod cookie_value;
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

pub use by_source::BySource;
pub use cookie_names::CookieNames;
pub use decision::{Decision, EventConsent, RequestConsent};
pub use integrations::EventIntegrations;
pub use rules::{ConsentRules, Require, WhenAbsent};
pub use settings::ConsentSettings;
pub use sources::SOURCES;
pub use vocabulary::{AliasError, Categories, Category, Requirement, UnknownCategory, Vocabulary};
