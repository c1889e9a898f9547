//! The visitor's identity: anonymous id, email digest, client IP and User-Agent, and the two cookies that the filter may set.
//!
//! Everything here is a pure function: the clock and random bytes are passed in.

pub mod address;
pub mod anonymous_id;
pub mod client;
pub mod cookies;
pub mod email;
pub mod remember;
pub mod rudderstack;
pub mod set_cookie;
pub mod settings;

pub use client::{Client, ClientFromContext};
pub use cookies::Cookies;
pub use email::EmailHash;
pub use set_cookie::{CookieDomain, CookieName, SetCookie};
pub use settings::{IssueAnonymousId, RememberEmail};
