//! What mappings read from.

use crate::event::Event;
use crate::identity::Cookies;
use crate::request::Request;
use crate::visitor::Visitor;

/// What a mapping reads from.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub event: &'a Event<'a>,
    pub request: &'a Request,
    pub cookies: &'a Cookies<'a>,
    pub visitor: &'a Visitor<'a>,
}
