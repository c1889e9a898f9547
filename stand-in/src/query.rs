//! The query of a request to the control interface.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// The longest time that a request may wait, so that a test that asks for too much says so and doesn't hang.
const MAX_WITHIN: Duration = Duration::from_secs(600);

/// The parameters of a query, each a name and a value, decoded.
pub struct Query(Vec<(String, String)>);

/// How much is expected, and how long to wait for it: `count` and `within`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// At least so many, 1 or more.
    pub count: usize,
    /// From now on. Zero: it must be there already.
    pub within: Duration,
}

impl Query {
    /// # Errors
    /// Where a parameter is none of `known`, or is there twice: both would make a test pass that should not.
    pub fn parse(text: &str, known: &[&str]) -> Result<Self> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()).into_owned() {
            ensure!(
                known.contains(&name.as_str()),
                "unknown parameter {name:?}: expected {}",
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            );
            ensure!(!parameters.iter().any(|(other, _)| *other == name), "parameter {name:?} is given twice");
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// What `count` and `within` ask for; `None` where there is neither, and whatever is there is the answer.
    ///
    /// # Errors
    /// For a count that is no whole number from 1 on, and a time that isn't one or is longer than ten minutes.
    pub fn expected(&self) -> Result<Option<Expected>> {
        let (count, within) = (self.get("count"), self.get("within"));
        if count.is_none() && within.is_none() {
            return Ok(None);
        }
        let count = count.map_or(Ok(1), str::parse).context("count: expected a whole number")?;
        ensure!(count > 0, "count: expected at least 1; leave it out to see whether there is nothing");
        let within = within.map_or(Ok(Duration::ZERO), duration).context("within")?;
        Ok(Some(Expected { count, within }))
    }

    /// The query in words, for messages: ` with order ORD-1, outcome dropped`. Empty without a filter.
    pub fn in_words(&self) -> String {
        let filters = self.0.iter().filter(|(name, _)| !matches!(name.as_str(), "count" | "within"));
        let words: Vec<_> = filters.map(|(name, value)| format!("{name} {value}")).collect();
        if words.is_empty() { String::new() } else { format!(" with {}", words.join(", ")) }
    }
}

/// A time such as `500ms`, `5s` or `1m`.
fn duration(text: &str) -> Result<Duration> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => bail!("expected a time such as 500ms, 5s or 1m, got {text:?}"),
    };
    let number: u64 = number.parse().with_context(|| format!("expected a time such as 5s, got {text:?}"))?;
    let time = Duration::from_millis(number.saturating_mul(milliseconds));
    ensure!(time <= MAX_WITHIN, "expected at most 10m, got {text}");
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(text: &str) -> Result<Option<Expected>> {
        Query::parse(text, &["count", "within"])?.expected()
    }

    #[test]
    fn without_count_and_within_nothing_is_expected() {
        assert_eq!(expected("").unwrap(), None);
    }

    #[test]
    fn either_of_count_and_within_makes_an_expectation() {
        let once = |count, within| Some(Expected { count, within });
        assert_eq!(expected("within=500ms").unwrap(), once(1, Duration::from_millis(500)));
        assert_eq!(expected("count=2").unwrap(), once(2, Duration::ZERO));
        assert_eq!(expected("count=2&within=1m").unwrap(), once(2, Duration::from_secs(60)));
    }

    #[test]
    fn a_mistake_is_refused_and_named() {
        for (text, complaint) in [
            ("cuont=1", "unknown parameter \"cuont\": expected count, within"),
            ("count=1&count=2", "is given twice"),
            ("count=0", "at least 1"),
            ("count=-1", "count: expected a whole number"),
            ("within=5", "expected a time such as 500ms, 5s or 1m, got \"5\""),
            ("within=s", "expected a time such as 5s, got \"s\""),
            ("within=11m", "at most 10m"),
            ("within=99999999999999999999s", "expected a time"),
        ] {
            let error = format!("{:#}", expected(text).unwrap_err());
            assert!(error.contains(complaint), "{text}: {error}");
        }
    }

    #[test]
    fn the_filters_are_named_in_words_but_not_what_is_expected() {
        let query = Query::parse("order=A%20B&within=1s&path=/v1", &["order", "within", "path"]).unwrap();
        assert_eq!(query.in_words(), " with order A B, path /v1");
    }
}
