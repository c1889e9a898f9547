//! `reply: local`: the filter takes the place of a collector, and answers at the end of the request.

use super::awaiting_body::BodySeen;
use super::envoy::Envoy;
use crate::accounting::RequestIgnored;
use crate::endpoints::Carrier;
use crate::relay::Answered;
use crate::reply::{Acknowledgement, Reply};
use crate::request::Request;

/// A request that the filter will answer.
pub struct Answering {
    /// `None` once it was discarded; then `refusal` has the reason.
    request: Option<Request>,
    refusal: Option<RequestIgnored>,
    is_pixel: bool,
    body_seen: BodySeen,
    head_bytes: u64,
    /// Bytes of the body that Envoy has buffered.
    buffered: usize,
    most_bytes: usize,
}

impl Answering {
    /// Begins with the request's headers, which take up `head_bytes`. `most_bytes`: the largest body that is read.
    pub fn begin(mut request: Request, head_bytes: u64, most_bytes: usize) -> Self {
        let is_pixel = request.endpoint.carrier == Carrier::Query;
        let (request, refusal) = match request.lease_head() {
            true => (Some(request), None),
            false => (None, Some(RequestIgnored::Overloaded)),
        };
        let body_seen = BodySeen::default();
        Self { request, refusal, is_pixel, body_seen, head_bytes, buffered: 0, most_bytes }
    }

    /// Whether the request is a pixel, which is answered with an image.
    pub fn is_pixel(&self) -> bool {
        self.is_pixel
    }

    /// Returns what the names and values of the request's headers take up.
    pub fn head_bytes(&self) -> u64 {
        self.head_bytes
    }

    /// Returns the flag that is set when the body's first callback comes.
    pub fn body_seen(&self) -> BodySeen {
        self.body_seen.clone()
    }

    /// Envoy has buffered so much of the body so far.
    pub fn body(&mut self, buffered: usize) {
        self.body_seen.set();
        self.buffered = buffered;
    }

    /// Returns the whole request. `read` reads that many bytes of its body.
    pub fn complete(mut self, read: impl FnOnce(usize) -> Vec<u8>) -> Result<Request, RequestIgnored> {
        let mut request = self.request.take().ok_or(self.refusal.unwrap_or(RequestIgnored::Overloaded))?;
        if self.buffered > self.most_bytes {
            return Err(RequestIgnored::TooLarge);
        }
        if !request.lease.grow(self.buffered) {
            return Err(RequestIgnored::Overloaded);
        }
        if self.buffered > 0 {
            request.body = read(self.buffered);
        }
        Ok(request)
    }
}

/// Returns what these headers, all of a request's, take up: their names and values, as Envoy counts them.
pub fn head_bytes(headers: &[(String, Vec<u8>)]) -> u64 {
    let sizes = headers.iter().map(|(name, value)| name.len().saturating_add(value.len()));
    u64::try_from(sizes.fold(0, usize::saturating_add)).unwrap_or(u64::MAX)
}

/// Sends an answer, which ends the stream.
pub fn send(envoy: &impl Envoy, answered: &Answered, is_pixel: bool) {
    match answered {
        Answered::Reply { reply, cookies } => send_reply(envoy, *reply, is_pixel, cookies),
        Answered::Acknowledgement(answer) => send_acknowledgement(envoy, answer),
    }
}

/// Sends an answer with these values of `set-cookie` headers, which ends the stream.
pub fn send_reply(envoy: &impl Envoy, reply: Reply, is_pixel: bool, cookies: &[String]) {
    let rendered = reply.render(is_pixel);
    let cookies = cookies.iter().map(|cookie| ("set-cookie", cookie.as_str()));
    let headers = rendered.headers.iter().map(|(name, value)| (*name, &**value)).chain(cookies).collect();
    envoy.send_local_reply(rendered.status, headers, rendered.body);
}

fn send_acknowledgement(envoy: &impl Envoy, answer: &Acknowledgement) {
    let retry_after = answer.retry_after.map(|seconds| seconds.to_string());
    let content_type = Some(("content-type", "application/json")).filter(|_| !answer.body.is_empty());
    let headers = content_type.into_iter();
    let headers =
        headers.chain(retry_after.iter().map(|seconds| ("retry-after", seconds.as_str()))).collect();
    envoy.send_local_reply(answer.status, headers, answer.body.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoints::Endpoints;
    use crate::request::Budget;

    fn begin(budget: &Budget, path: &str) -> Answering {
        let request = Request {
            endpoint: Endpoints::new("").unwrap().find(path.as_bytes()).unwrap(),
            path: path.as_bytes().to_vec(),
            source_address: Vec::new(),
            headers: Vec::new(),
            body: Vec::new(),
            lease: budget.lease(),
        };
        Answering::begin(request, 0, 10)
    }

    fn budget(bytes: usize) -> Budget {
        let budget = Budget::default();
        budget.set_limit(bytes);
        budget
    }

    #[test]
    fn a_body_is_read_once_all_of_it_is_buffered() {
        let mut answering = begin(&budget(100), "/v1/t");
        answering.body(4);
        answering.body(10);
        let request = answering.complete(|size| vec![b'x'; size]).unwrap();
        assert_eq!(request.body, b"xxxxxxxxxx");
        assert_eq!(begin(&budget(100), "/v1/t").complete(|_| panic!("there is none")).unwrap().body, b"");
    }

    #[test]
    fn a_body_over_the_limit_or_the_budget_is_refused_unread() {
        let mut answering = begin(&budget(100), "/v1/t");
        answering.body(11);
        let unread = |_| panic!("it is read");
        assert_eq!(answering.complete(unread).unwrap_err(), RequestIgnored::TooLarge);
        let mut answering = begin(&budget(10), "/v1/t");
        answering.body(6);
        assert_eq!(answering.complete(unread).unwrap_err(), RequestIgnored::Overloaded);
        assert_eq!(begin(&budget(1), "/v1/t").complete(unread).unwrap_err(), RequestIgnored::Overloaded);
    }
}
