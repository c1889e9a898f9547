//! The filter's records of what became of each event, as the filter posts them: `POST /v1/records`, one JSON object on a line.
//! Bounded; the oldest are forgotten first.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::changes::Changes;
use crate::query::{Expected, Query};

/// The version of the format.
const VERSION: u64 = 1;
/// What the format allows in one request.
const MAX_BATCH: usize = 100;
const MAX_BATCH_BYTES: usize = 256 * 1024;
/// Text of the records kept at most, whatever their number.
const MAX_BYTES: usize = 256 << 20;

/// The parameters of [`Records::json`], besides `count` and `within`.
pub const FILTERS: [&str; 9] =
    ["order", "message", "event", "what", "source", "integration", "vendor", "outcome", "reason"];

/// One record: its text as it came, and what it can be asked for by.
#[derive(Debug)]
pub struct Record {
    text: Box<RawValue>,
    about: About,
}

#[derive(Debug, Deserialize)]
struct About {
    version: u64,
    what: String,
    source: Option<String>,
    event: Option<Event>,
    integration: Option<String>,
    vendor: Option<String>,
    outcome: Option<String>,
    reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Event {
    name: Option<String>,
    message_id: Option<String>,
    order_id: Option<String>,
}

impl Record {
    fn has(&self, filter: &str, wanted: &str) -> bool {
        let about = &self.about;
        let event = about.event.as_ref();
        let value = match filter {
            "order" => event.and_then(|event| event.order_id.as_deref()),
            "message" => event.and_then(|event| event.message_id.as_deref()),
            "event" => event.and_then(|event| event.name.as_deref()),
            "what" => Some(about.what.as_str()),
            "source" => about.source.as_deref(),
            "integration" => about.integration.as_deref(),
            "vendor" => about.vendor.as_deref(),
            "outcome" => about.outcome.as_deref(),
            "reason" => about.reason.as_deref(),
            _ => None,
        };
        value == Some(wanted)
    }

    fn in_words(&self) -> String {
        let About { what, event, integration, outcome, reason, .. } = &self.about;
        let order = event.as_ref().and_then(|event| event.order_id.as_deref());
        let words = [Some(what), integration.as_ref(), outcome.as_ref(), reason.as_ref()];
        let words: Vec<_> = words.into_iter().flatten().map(String::as_str).collect();
        format!("{} (order: {})", words.join(" "), order.unwrap_or("none"))
    }

    fn matches(&self, query: &Query) -> bool {
        FILTERS.iter().all(|filter| query.get(filter).is_none_or(|wanted| self.has(filter, wanted)))
    }
}

/// Reads the body of a `POST /v1/records`. Empty lines are passed over.
///
/// # Errors
/// Names the line that is no record of version 1, and what is wrong with it; or says that there are more than a request may have.
pub fn parse(body: &[u8]) -> Result<Vec<Record>> {
    ensure!(body.len() <= MAX_BATCH_BYTES, "{} bytes: a request has at most {MAX_BATCH_BYTES}", body.len());
    let lines = body.split(|byte| *byte == b'\n').zip(1..).filter(|(line, _)| !line.trim_ascii().is_empty());
    let records: Vec<_> = lines
        .map(|(line, number)| record(line).with_context(|| format!("line {number}")))
        .collect::<Result<_>>()?;
    ensure!(!records.is_empty(), "there is no record in it");
    ensure!(records.len() <= MAX_BATCH, "{} records: a request has at most {MAX_BATCH}", records.len());
    Ok(records)
}

fn record(line: &[u8]) -> Result<Record> {
    let text: Box<RawValue> = serde_json::from_slice(line).context("no JSON")?;
    let about: About = serde_json::from_str(text.get()).context("no record")?;
    ensure!(about.version == VERSION, "version: expected {VERSION}, got {}", about.version);
    Ok(Record { text, about })
}

/// The records since the start or the last [`Records::forget`].
pub struct Records {
    max_records: usize,
    kept: Mutex<Kept>,
    changes: Changes,
}

#[derive(Default)]
struct Kept {
    records: VecDeque<Record>,
    bytes: usize,
    forgotten: u64,
}

impl Records {
    pub fn new(max_records: usize) -> Self {
        Self { max_records, kept: Mutex::default(), changes: Changes::new() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn keep(&self, records: Vec<Record>) {
        {
            let mut kept = self.kept();
            for record in records {
                kept.bytes += record.text.get().len();
                kept.records.push_back(record);
            }
            while kept.records.len() > self.max_records || kept.bytes > MAX_BYTES {
                let Some(oldest) = kept.records.pop_front() else { break };
                kept.bytes -= oldest.text.get().len();
                kept.forgotten += 1;
            }
        }
        self.changes.notify();
    }

    /// Waits until there are as many that match `query` as expected. False if there aren't in time.
    pub async fn wait(&self, query: &Query, expected: Expected) -> bool {
        let enough =
            || self.kept().records.iter().filter(|record| record.matches(query)).count() >= expected.count;
        self.changes.until(expected.within, enough).await
    }

    /// Those that match `query`, in the order in which they came, as they came.
    pub fn matching(&self, query: &Query) -> Vec<Box<RawValue>> {
        let kept = self.kept();
        kept.records.iter().filter(|record| record.matches(query)).map(|record| record.text.clone()).collect()
    }

    /// The last `limit` of those that `query` leaves out, in words.
    pub fn others(&self, query: &Query, limit: usize) -> Vec<String> {
        let kept = self.kept();
        let others = kept.records.iter().rev().filter(|record| !record.matches(query));
        let mut last: Vec<_> = others.take(limit).map(Record::in_words).collect();
        last.reverse();
        last
    }

    /// How many are kept, and how many the bound has made it forget since the start.
    pub fn counts(&self) -> (usize, u64) {
        let kept = self.kept();
        (kept.records.len(), kept.forgotten)
    }

    pub fn forget(&self) {
        let mut kept = self.kept();
        *kept = Kept { forgotten: kept.forgotten, ..Kept::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(order: &str, outcome: &str) -> String {
        format!(
            r#"{{"version":1,"what":"ended","event":{{"order_id":"{order}"}},"vendor":"podsights","outcome":"{outcome}","attempts":[{{"ms":1.50}}]}}"#
        )
    }

    fn query(text: &str) -> Query {
        Query::parse(text, &FILTERS).unwrap()
    }

    fn matching(records: &Records, text: &str) -> Vec<String> {
        records.matching(&query(text)).iter().map(|record| record.get().to_owned()).collect()
    }

    #[test]
    fn a_record_is_given_as_it_came_to_those_who_ask_for_all_that_it_has() {
        let records = Records::new(10);
        let (delivered, dropped) = (line("A", "delivered"), line("B", "dropped"));
        records.keep(parse(format!("{delivered}\n\n{dropped}\n").as_bytes()).unwrap());
        assert_eq!(matching(&records, ""), [delivered.clone(), dropped.clone()]);
        assert_eq!(matching(&records, "order=B&vendor=podsights"), [dropped]);
        assert!(matching(&records, "order=B&outcome=delivered").is_empty());
        assert!(
            matching(&records, "integration=Podsights").is_empty(),
            "what a record lacks matches nothing"
        );
    }

    #[test]
    fn the_oldest_are_forgotten_and_counted() {
        let records = Records::new(2);
        for order in ["A", "B", "C"] {
            records.keep(parse(line(order, "delivered").as_bytes()).unwrap());
        }
        assert_eq!((matching(&records, "order=A").len(), matching(&records, "order=C").len()), (0, 1));
        assert_eq!(records.counts(), (2, 1));
    }

    #[test]
    fn what_is_no_record_is_refused_with_its_line() {
        let good = line("A", "delivered");
        for (body, complaint) in [
            (format!("{good}\n{{"), "line 2: no JSON"),
            ("[]".into(), "line 1: no record"),
            (r#"{"what":"ended"}"#.into(), "missing field `version`"),
            (r#"{"version":2,"what":"ended"}"#.into(), "line 1: version: expected 1, got 2"),
            ("\n \n".into(), "there is no record in it"),
            (format!("{good}\n").repeat(101), "101 records: a request has at most 100"),
            (" ".repeat(256 * 1024 + 1), "a request has at most 262144"),
        ] {
            let error = format!("{:#}", parse(body.as_bytes()).unwrap_err());
            assert!(error.contains(complaint), "{error}");
        }
    }

    #[tokio::test]
    async fn one_who_waits_is_answered_when_the_last_of_them_comes() {
        let records = Records::new(10);
        let expected = Expected { count: 2, within: std::time::Duration::from_secs(60) };
        let wanted = query("order=A");
        let arrive = async {
            for order in ["A", "B", "A"] {
                tokio::task::yield_now().await;
                records.keep(parse(line(order, "delivered").as_bytes()).unwrap());
            }
        };
        let (came, ()) = tokio::join!(records.wait(&wanted, expected), arrive);
        assert!(came && matching(&records, "order=A").len() == 2);
    }
}
