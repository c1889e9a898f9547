//! A bounded list of received requests; the oldest are forgotten first.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::value::RawValue;

use crate::changes::Changes;
use crate::destination::{Destination, PerDestination};
use crate::orders;
use crate::query::{Expected, Query};
use crate::received::{Ending, Received};

/// Bodies and heads kept at most, whatever the number of requests.
const MAX_BYTES: usize = 1 << 30;

/// The parameters of [`Wanted`], besides `count` and `within`.
pub const FILTERS: [&str; 3] = ["order", "path", "method"];

/// A request with what a test asks for most, read from it.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    request: &'a Received,
    /// See [`orders::of_request`].
    orders: Vec<String>,
    /// The parameters of the path, decoded; of several with one name the first.
    query: BTreeMap<String, String>,
    /// The body, digit for digit, where it is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    json: Option<&'a RawValue>,
}

impl<'a> From<&'a Received> for Shown<'a> {
    fn from(request: &'a Received) -> Self {
        let text = request.path.splitn(2, |byte| *byte == b'?').nth(1).unwrap_or_default();
        let mut query = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text).into_owned() {
            query.entry(name).or_insert(value);
        }
        let json = readable_json(&request.body);
        Self { request, orders: orders::of_request(request), query, json }
    }
}

/// The request line in short, for messages.
fn in_words(request: &Received) -> String {
    let path = String::from_utf8_lossy(&request.path);
    let orders = orders::of_request(request).join(", ");
    format!(
        "{} {} {path} (order: {})",
        request.to.name(),
        request.method,
        if orders.is_empty() { "none" } else { &orders }
    )
}

/// Which requests are asked for.
pub struct Wanted<'a> {
    /// All destinations where there is none.
    pub to: Option<Destination>,
    pub query: &'a Query,
}

impl Wanted<'_> {
    fn is_for(&self, to: Destination) -> bool {
        self.to.is_none_or(|wanted| wanted == to)
    }

    fn has_filters(&self) -> bool {
        FILTERS.iter().any(|filter| self.query.get(filter).is_some())
    }

    fn takes(&self, request: &Received) -> bool {
        let Self { query, .. } = self;
        self.is_for(request.to)
            && query.get("method").is_none_or(|method| request.method.eq_ignore_ascii_case(method))
            && query.get("path").is_none_or(|start| request.path.starts_with(start.as_bytes()))
            && query.get("order").is_none_or(|order| orders::of_request(request).iter().any(|id| id == order))
    }
}

/// Everything received since the start or the last [`Journal::forget`].
pub struct Journal {
    max_requests: usize,
    kept: Mutex<Kept>,
    changes: Changes,
}

struct Kept {
    requests: VecDeque<Received>,
    bytes: usize,
    /// How many requests each destination received; the bound forgets none of these.
    counts: PerDestination<usize>,
}

impl Default for Kept {
    fn default() -> Self {
        Self { requests: VecDeque::new(), bytes: 0, counts: PerDestination::new(|_| 0) }
    }
}

impl Journal {
    pub fn new(max_requests: usize) -> Self {
        Self { max_requests, kept: Mutex::default(), changes: Changes::new() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn record(&self, request: Received) {
        {
            let mut kept = self.kept();
            *kept.counts.of_mut(request.to) += 1;
            kept.bytes += request.size();
            kept.requests.push_back(request);
            while kept.requests.len() > self.max_requests || kept.bytes > MAX_BYTES {
                let Some(oldest) = kept.requests.pop_front() else { break };
                kept.bytes -= oldest.size();
            }
        }
        self.changes.notify();
    }

    /// Notes how the request with this number was answered, if it is still kept.
    pub fn answer(&self, seq: u64, ending: Ending) {
        let mut kept = self.kept();
        if let Ok(at) = kept.requests.binary_search_by_key(&seq, |request| request.seq) {
            kept.requests[at].answered = Some(ending);
        }
    }

    /// What is wanted and kept: a JSON array, oldest first.
    pub fn json(&self, wanted: &Wanted<'_>) -> serde_json::Result<Box<RawValue>> {
        let kept = self.kept();
        let requests = kept.requests.iter().filter(|request| wanted.takes(request));
        serde_json::value::to_raw_value(&requests.map(Shown::from).collect::<Vec<_>>())
    }

    /// The last `limit` requests to the wanted destination that the filters leave out, in words.
    pub fn others(&self, wanted: &Wanted<'_>, limit: usize) -> Vec<String> {
        let kept = self.kept();
        let others =
            kept.requests.iter().rev().filter(|request| wanted.is_for(request.to) && !wanted.takes(request));
        let mut last: Vec<_> = others.take(limit).map(in_words).collect();
        last.reverse();
        last
    }

    /// Waits until as many have come as expected. False if they haven't in time. Without filters those count, too, that were
    /// forgotten by the bound.
    pub async fn wait(&self, wanted: &Wanted<'_>, expected: Expected) -> bool {
        self.changes.until(expected.within, || self.count(wanted) >= expected.count).await
    }

    fn count(&self, wanted: &Wanted<'_>) -> usize {
        let kept = self.kept();
        if wanted.has_filters() {
            return kept.requests.iter().filter(|request| wanted.takes(request)).count();
        }
        Destination::ALL.iter().filter(|to| wanted.is_for(**to)).map(|to| kept.counts.of(*to)).sum()
    }

    /// How many requests are kept.
    pub fn len(&self) -> usize {
        self.kept().requests.len()
    }

    pub fn forget(&self) {
        *self.kept() = Kept::default();
    }
}

/// Returns a body as JSON, digit for digit, if whoever reads the list of requests can read it within that list: half of a surrogate pair,
/// a number out of range or nesting without an end would cost the whole list.
fn readable_json(body: &[u8]) -> Option<&RawValue> {
    let text = std::str::from_utf8(body).ok()?;
    serde_json::from_str::<serde_json::Value>(&format!("[[[[{text}]]]]")).ok()?;
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::received::tests::received;

    fn shown(journal: &Journal, to: Option<Destination>, query: &str) -> serde_json::Value {
        let query = Query::parse(query, &FILTERS).unwrap();
        serde_json::from_str(journal.json(&Wanted { to, query: &query }).unwrap().get()).unwrap()
    }

    fn journal(requests: Vec<Received>) -> Journal {
        let journal = Journal::new(100);
        for (seq, request) in (0..).zip(requests) {
            journal.record(Received { seq, ..request });
        }
        journal
    }

    #[test]
    fn a_body_that_not_every_reader_of_json_takes_is_shown_as_text_alone() {
        for body in
            [r#"{"name":"\ud83d"}"#.to_owned(), "[".repeat(127) + &"]".repeat(127), "1e999999999".to_owned()]
        {
            assert!(readable_json(body.as_bytes()).is_none(), "{body}");
        }
        assert_eq!(readable_json(br#"{"value":129.90}"#).unwrap().get(), r#"{"value":129.90}"#);
    }

    #[test]
    fn requests_are_found_by_destination_order_path_and_method() {
        let journal = journal(vec![
            received(Destination::Flashtalking, "/container/1;2;3;num/?ftXRef=A", ""),
            received(Destination::Podsights, "/v1/server", r#"{"order_id":"A"}"#),
            received(Destination::Podsights, "/v1/server", r#"{"order_id":"B"}"#),
        ]);
        let found = |to, query| shown(&journal, to, query).as_array().unwrap().len();
        assert_eq!(found(None, ""), 3);
        assert_eq!(found(Some(Destination::Podsights), ""), 2);
        assert_eq!(found(None, "order=A"), 2);
        assert_eq!(found(Some(Destination::Podsights), "order=A&path=/v1/&method=get"), 1);
        assert_eq!(found(None, "path=/v1/server&order=C"), 0);
    }

    #[test]
    fn a_request_is_shown_with_its_parameters_and_with_its_body_digit_for_digit() {
        let journal =
            journal(vec![received(Destination::Podsights, "/a?x=1%202&x=3", r#"{"value":129.90}"#)]);
        let query = Query::parse("", &[]).unwrap();
        let text = journal.json(&Wanted { to: None, query: &query }).unwrap();
        assert!(text.get().contains(r#""json":{"value":129.90}"#), "{text}");
        assert!(text.get().contains(r#""query":{"x":"1 2"}"#), "{text}");
        assert!(!text.get().contains("answered"), "{text}");
    }

    #[test]
    fn each_request_is_shown_with_its_own_answer() {
        let requests = vec![received(Destination::Collector, "/", ""); 4];
        let journal = journal(requests);
        journal.answer(0, Ending::Answered(503));
        journal.answer(1, Ending::Reset);
        journal.answer(2, Ending::Unanswered);
        let shown = shown(&journal, None, "");
        let answers: Vec<_> = shown.as_array().unwrap().iter().map(|request| &request["answered"]).collect();
        assert_eq!(serde_json::json!(answers), serde_json::json!([503, "reset", "client left", null]));
    }

    #[test]
    fn the_oldest_requests_are_forgotten_but_counted() {
        let journal = Journal::new(2);
        for seq in 0..3 {
            journal.record(Received { seq, ..received(Destination::Webhook, "/", "") });
        }
        journal.answer(0, Ending::Reset); // no longer kept
        let query = Query::parse("", &[]).unwrap();
        assert_eq!((journal.len(), journal.count(&Wanted { to: None, query: &query })), (2, 3));
    }
}
