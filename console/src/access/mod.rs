//! Who may do what: tokens with names and roles, and how many requests a minute each may make.

mod limits;
mod sessions;
mod tokens;

pub use limits::Limits;
pub use sessions::{LINK_TIME, SESSION_TIME, Session, Sessions};
pub use tokens::{Caller, InvalidTokens, Role, Tokens};
