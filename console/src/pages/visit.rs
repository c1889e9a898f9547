//! Who looks at a page.

use crate::access::{Role, Session};

/// The field of each form that holds the session's form token.
pub const FORM_TOKEN: &str = "csrf";

/// Somebody who has signed in, as a page's handler gets it.
#[derive(Clone, Debug)]
pub struct Visit {
    pub session: Session,
}

impl Visit {
    /// Whether the visitor may change things.
    pub fn is_admin(&self) -> bool {
        self.session.caller.role == Role::Admin
    }
}
