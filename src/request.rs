//! A captured tracking request: the data that remains after its stream has ended.

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;

use crate::endpoints::Endpoint;

/// A tracking request, or what of it has arrived so far.
#[derive(Debug)]
pub struct Request {
    /// What the request's path says about its events.
    pub endpoint: Endpoint,
    /// With its query, as the client sent it.
    pub path: Vec<u8>,
    /// Envoy's `source.address`: `ip:port` or `[v6]:port`.
    pub source_address: Vec<u8>,
    /// Names in lowercase; only the headers that are needed later.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body as the client sent it, not decoded.
    pub body: Vec<u8>,
    /// The request's share of the worker's budget; returned when the request is dropped.
    pub lease: Lease,
}

impl Request {
    /// A request of which nothing has arrived.
    pub fn empty(endpoint: Endpoint, lease: Lease) -> Self {
        Self {
            endpoint,
            path: Vec::new(),
            source_address: Vec::new(),
            headers: Vec::new(),
            body: Vec::new(),
            lease,
        }
    }

    /// Leases what the path and the headers take up; false, and nothing leased, where there isn't that much left.
    pub fn lease_head(&mut self) -> bool {
        let headers = self.headers.iter().map(|(name, value)| name.len().saturating_add(value.len()));
        let size = headers.fold(self.path.len(), usize::saturating_add);
        self.lease.grow(size)
    }

    /// The value of the first header of that name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.header_lines(name).next()
    }

    /// Every line of a header: HTTP/2 splits `cookie` into several.
    pub fn header_lines(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_slice())
    }

    /// A parameter of the query, decoded; of several with that name the first.
    pub fn query<'r>(&'r self, name: &'r str) -> Option<Cow<'r, str>> {
        self.query_values(name).next()
    }

    /// The values of a parameter of the query, decoded.
    pub fn query_values<'r>(&'r self, name: &'r str) -> impl Iterator<Item = Cow<'r, str>> {
        self.query_pairs().filter(move |(known, _)| known == name).map(|(_, value)| value)
    }

    /// All parameters of the query by their names, decoded.
    pub fn query_pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        let at = self.path.iter().position(|byte| *byte == b'?');
        let query = at.and_then(|at| self.path.get(at.saturating_add(1)..)).unwrap_or_default();
        form_urlencoded::parse(query)
    }
}

/// The bytes that one worker may hold in captured requests, shared by all of its streams.
#[derive(Clone, Debug, Default)]
pub struct Budget(Rc<Held>);

#[derive(Debug, Default)]
struct Held {
    limit: Cell<usize>,
    used: Cell<usize>,
}

impl Budget {
    /// Changes the limit; what is held stays.
    pub fn set_limit(&self, bytes: usize) {
        self.0.limit.set(bytes);
    }

    /// Bytes held now.
    pub fn used(&self) -> usize {
        self.0.used.get()
    }

    /// A lease on nothing yet.
    pub fn lease(&self) -> Lease {
        Lease { held: Rc::clone(&self.0), bytes: 0 }
    }
}

/// A part of a [`Budget`], given back when it is dropped.
#[derive(Debug)]
pub struct Lease {
    held: Rc<Held>,
    bytes: usize,
}

impl Lease {
    /// A further lease on the same budget, of nothing yet.
    pub fn another(&self) -> Self {
        Self { held: Rc::clone(&self.held), bytes: 0 }
    }

    /// Takes more of the budget; false, and nothing taken, where there isn't that much left.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let used = self.held.used.get().saturating_add(bytes);
        if used > self.held.limit.get() {
            return false;
        }
        self.held.used.set(used);
        self.bytes = self.bytes.saturating_add(bytes);
        true
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.held.used.set(self.held.used.get().saturating_sub(self.bytes));
    }
}

/// Whether a text holds a control character. Such a User-Agent, cookie or id is not passed on.
pub fn has_control(text: &str) -> bool {
    if text.is_ascii() {
        // To the end whatever is found, so that the compiler can look at many bytes at once.
        return text.bytes().fold(false, |found, byte| found | byte.is_ascii_control());
    }
    text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_never_overdrawn_and_gets_back_what_was_leased() {
        let budget = Budget::default();
        budget.set_limit(10);
        let (mut one, mut two) = (budget.lease(), budget.lease());
        assert!(one.grow(6) && two.grow(4) && !two.grow(1));
        assert_eq!(budget.used(), 10);
        drop(one);
        assert!(two.grow(6) && !two.grow(1));
        drop(two);
        assert_eq!(budget.used(), 0);
    }
}
