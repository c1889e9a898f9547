//! Which records are shown.

use conversion_relay::accounting::{DropReason, EventIgnored, Outcome, RequestIgnored};
use conversion_relay::config::label;
use conversion_relay::event::names::{Dialects, canonical_name};
use conversion_relay::mapping::suggest;

use super::record::Record;
use super::summary::Summary;

/// What was asked for. Of each option at least one value has to fit, and an option without values lets everything through.
#[derive(Debug, Default)]
pub struct Filter {
    /// Names of integrations, as written or as the metrics' label has them.
    pub integrations: Vec<String>,
    /// Outcomes or reasons; see [`Filter::outcome`].
    outcomes: Vec<String>,
    /// Names of events in any spelling.
    pub events: Vec<String>,
    /// Order ids.
    pub orders: Vec<String>,
}

impl Filter {
    /// Adds an outcome or a reason.
    ///
    /// # Errors
    /// The text says that it is unknown, and what is known.
    pub fn outcome(&mut self, name: &str) -> Result<(), String> {
        let name = name.replace([' ', '-'], "_");
        let known = known();
        if !known.contains(&name.as_str()) {
            return Err(suggest::unknown("outcome", &name, &known));
        }
        self.outcomes.push(name);
        Ok(())
    }

    /// Whether a record is to be shown.
    pub fn shows(&self, record: &Record) -> bool {
        let integration = record.integration.as_deref();
        let event = record.event.name.as_deref().or(record.event.kind.as_deref());
        one_of(&self.integrations, integration, |asked, name| asked == name || *asked == label(name))
            && one_of(&self.events, event, |asked, name| asked == name || is_same_name(asked, name))
            && one_of(&self.orders, record.event.order_id.as_deref(), |asked, order| asked == order)
            && self.shows_outcome(record)
    }

    fn shows_outcome(&self, record: &Record) -> bool {
        let summary = Summary::of(record);
        let names = [Some(summary.name()), record.outcome.as_deref(), record.reason.as_deref()];
        self.outcomes.is_empty() || self.outcomes.iter().any(|asked| names.contains(&Some(asked)))
    }
}

fn one_of(asked: &[String], actual: Option<&str>, fits: impl Fn(&str, &str) -> bool) -> bool {
    asked.is_empty() || actual.is_some_and(|actual| asked.iter().any(|asked| fits(asked, actual)))
}

/// Event names are compared as the filter compares them with its mappings.
fn is_same_name(asked: &str, name: &str) -> bool {
    Dialects::of(name).include(&canonical_name(asked))
}

/// All that `--outcome` takes: the summaries, the outcomes and the reasons.
fn known() -> Vec<&'static str> {
    let summaries = Summary::ALL.iter().map(|summary| summary.name());
    let outcomes = [Outcome::DryRun.label(), Outcome::GivenBack.label(), "dropped"].into_iter();
    let dropped = DropReason::ALL.iter().map(|reason| reason.label());
    let events = EventIgnored::ALL.iter().map(|reason| reason.label());
    let requests = RequestIgnored::ALL.iter().map(|reason| reason.label());
    let mut known = Vec::new();
    for name in summaries.chain(outcomes).chain(dropped).chain(events).chain(requests) {
        if !known.contains(&name) {
            known.push(name);
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(members: &str) -> Record {
        let event = r#"{"type":"track","name":"Order Completed","order_id":"ORD-1"}"#;
        let text =
            format!(r#"{{"version":1,"integration":"Podsights Production","event":{event},{members}}}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn names_are_compared_as_written_and_as_the_metrics_and_mappings_have_them() {
        let delivered = record(r#""what":"ended","outcome":"delivered""#);
        let shows = |change: &dyn Fn(&mut Filter)| {
            let mut filter = Filter::default();
            change(&mut filter);
            filter.shows(&delivered)
        };
        assert!(shows(&|_| {}));
        for (name, shown) in
            [("Podsights Production", true), ("Podsights_Production", true), ("Podsights", false)]
        {
            assert_eq!(shows(&|filter| filter.integrations.push(name.into())), shown, "{name}");
        }
        for (name, shown) in [
            ("Order Completed", true),
            ("order_completed", true),
            ("orderCompleted", true),
            ("purchase", true),
            ("order", false),
            ("", false),
        ] {
            assert_eq!(shows(&|filter| filter.events.push(name.into())), shown, "{name}");
        }
        for (order, shown) in [("ORD-1", true), ("ord-1", false), ("ORD-", false)] {
            assert_eq!(shows(&|filter| filter.orders.push(order.into())), shown, "{order}");
        }
        assert!(shows(&|filter| filter.orders = vec!["ORD-0".into(), "ORD-1".into()]), "one of two");
        assert!(!shows(&|filter| {
            filter.orders.push("ORD-1".into());
            filter.events.push("Signed Up".into());
        }));
    }

    #[test]
    fn an_outcome_is_asked_for_by_what_the_tap_shows_by_the_metrics_label_or_by_the_reason() {
        let cases = [
            (r#""what":"ended","outcome":"delivered""#, &["delivered"][..]),
            (r#""what":"ended","outcome":"given_back""#, &["given_back", "given back"]),
            (r#""what":"ended","outcome":"dry_run""#, &["dry_run", "dry-run"]),
            (r#""what":"attempt""#, &["retry"]),
            (r#""what":"ended","outcome":"dropped","reason":"rejected""#, &["lost", "dropped", "rejected"]),
            (
                r#""what":"ended","outcome":"dropped","reason":"gpc""#,
                &["not wanted", "not_wanted", "dropped", "gpc"],
            ),
            (r#""what":"ignored","reason":"unmapped""#, &["ignored", "unmapped"]),
        ];
        for (members, asked) in cases {
            for name in asked {
                let mut filter = Filter::default();
                filter.outcome(name).unwrap();
                for (other, _) in cases {
                    let shown = filter.shows(&record(other));
                    assert_eq!(
                        shown,
                        other == members || (*name == "dropped" && other.contains(name)),
                        "{name} {other}"
                    );
                }
            }
        }
    }

    #[test]
    fn an_unknown_outcome_is_refused_with_what_was_probably_meant() {
        let error = Filter::default().outcome("deliverd").unwrap_err();
        assert_eq!(error, "unknown outcome \"deliverd\", did you mean \"delivered\"?");
    }
}
