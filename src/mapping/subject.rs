//! The input of mappings: the event and its request.

use crate::event::Event;
use crate::identity::Cookies;
use crate::request::Request;
use crate::visitor::Visitor;

/// The event and the request that a mapping reads from.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The event, as far as its projection read it.
    pub event: &'a Event<'a>,
    /// The request that carried the event.
    pub request: &'a Request,
    /// The cookies of that request.
    pub cookies: &'a Cookies<'a>,
    /// The visitor that the event is about.
    pub visitor: &'a Visitor<'a>,
}
