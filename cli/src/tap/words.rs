//! What became of a delivery, in few words.

use super::record::{Attempt, Record, What};
use super::summary::Summary;
use crate::terminal::{clean, shortened};

/// The columns of a terminal's line that an explanation may take.
const EXPLANATION_COLUMNS: usize = 100;

/// Why it is so, in few words.
pub fn why(record: &Record) -> String {
    let last = record.attempts.last();
    match Summary::of(record) {
        Summary::Delivered => {
            let attempt = nth_attempt(record).filter(|_| record.attempts.len() > 1);
            join([attempt, last.and_then(duration)])
        }
        Summary::Retry => {
            join([last.map(status), last.and_then(duration), nth_attempt(record), last.and_then(pause)])
        }
        _ => {
            let reason = record.reason.as_deref().map(|reason| shortened(reason, EXPLANATION_COLUMNS));
            let words = record.explanation.as_deref().map(|words| shortened(words, EXPLANATION_COLUMNS));
            let [reason, words] = [reason, words.or_else(|| tries(record))];
            [reason, words].into_iter().flatten().collect::<Vec<_>>().join(": ")
        }
    }
}

fn join<const N: usize>(parts: [Option<String>; N]) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// `3 attempts, the last one: 503`; `None` if there was no attempt.
fn tries(record: &Record) -> Option<String> {
    let last = status(record.attempts.last()?);
    Some(match record.attempts.len() {
        1 => last,
        count => format!("{count} attempts, the last one: {last}"),
    })
}

/// `2nd attempt`: which one the last was. `None` if there was none.
fn nth_attempt(record: &Record) -> Option<String> {
    let count = record.attempts.len();
    if count == 0 {
        return None;
    }
    let suffix = match (count % 10, count % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    Some(format!("{count}{suffix} attempt"))
}

/// `503`, or `timeout`.
pub fn status(attempt: &Attempt) -> String {
    attempt.status.as_ref().map_or("no status".to_owned(), |status| clean(&status.to_string()))
}

/// `12 ms`.
pub fn duration(attempt: &Attempt) -> Option<String> {
    attempt.ms.as_ref().map(|ms| format!("{ms} ms"))
}

/// `Retry-After 2 s`.
pub fn pause(attempt: &Attempt) -> Option<String> {
    attempt.retry_after.as_ref().map(|seconds| format!("Retry-After {seconds} s"))
}

/// `delivered`, or `dropped, rejected`: how it ended, in the metrics' words. `None` if it has not ended.
pub fn end(record: &Record) -> Option<String> {
    if record.what == What::Attempt {
        return None;
    }
    let outcome = record.outcome.as_deref().unwrap_or_else(|| Summary::of(record).name());
    Some(join([Some(clean(outcome)), record.reason.as_deref().map(clean)]))
}
