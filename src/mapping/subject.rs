//! The input of mappings: the event and its request.

use crate::event::Event;
use crate::identity::Cookies;
use crate::request::Request;
use crate::visitor::Visitor;

/// The event and the request that a mapping reads from.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub event: &'a Event<'a>,
    pub request: &'a Request,
    pub cookies: &'a Cookies<'a>,
    pub visitor: &'a Visitor<'a>,
}
