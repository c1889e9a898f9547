//! Whether an event may be delivered to a vendor: the visitor's consent, Global Privacy Control, and the event's own
//! `integrations` object.
//!
//! The consent of an event is what the first of these says that says anything: the event's `context.consent` or
//! `context.consentManagement`, OneTrust's cookie, Cookiebot's cookie, the IAB TCF string. A category that this source
//! does not grant is denied, whatever the sources after it say. A cookie that cannot be read says nothing.

mod cookiebot;
mod event;
mod integrations;
mod json;
mod onetrust;
mod tcf;
mod vocabulary;

pub use integrations::EventIntegrations;
pub use vocabulary::{AliasError, Categories, Category, Requirement, UnknownCategory, Vocabulary};

/// No browser keeps a longer cookie (RFC 6265 section 6.1), so none was set by a consent tool.
const MAX_COOKIE_BYTES: usize = 4096;
