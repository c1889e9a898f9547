//! Which metrics a gateway's `stats_matcher` hides. Envoy doesn't even make a metric that is hidden.

use std::collections::BTreeSet;

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use conversion_relay::accounting::{CalloutStatus, EventIgnored, Note, Outcome, RequestIgnored, names};
use conversion_relay::config::{Compiled, label};

/// What Envoy puts before the name of a metric of a filter in Wasm.
const OF_FILTERS: &str = "wasmcustom.";

/// The patterns that let through all that the filter, the drain and the alerts need; docs/operations.md has them too.
const FIX: &str =
    "{prefix: wasmcustom.conversion_relay_}, {prefix: wasm.}, {prefix: extension_config_discovery.}";

/// `stats_config.stats_matcher` of an envoy.yaml.
pub enum StatsMatcher {
    RejectAll,
    Only(Vec<Pattern>),
    AllBut(Vec<Pattern>),
}

/// One of Envoy's StringMatchers.
pub struct Pattern {
    /// `None` for an extension, or for something that is no pattern: what it matches can't be told.
    regex: Option<Regex>,
    /// As it is written, for messages.
    written: String,
}

/// What a matcher does to one metric.
#[derive(Debug, PartialEq)]
enum Fate<'p> {
    Shown,
    /// Hidden, by this pattern of an exclusion list or by all of an inclusion list.
    Hidden(Option<&'p str>),
    Unknown,
}

/// Metrics that somebody needs, by what becomes of it where they are hidden.
#[derive(Default)]
pub struct Needed {
    /// Without these `scripts/drain` refuses to start.
    by_the_drain: BTreeSet<String>,
    /// Without these the dashboard and the alerts are incomplete.
    by_the_alerts: BTreeSet<String>,
}

impl StatsMatcher {
    /// Returns the matcher of an envoy.yaml. `None` if there is none, or one that hides nothing.
    pub fn of(file: &Value) -> Option<Self> {
        let matcher = file.pointer("/stats_config/stats_matcher")?;
        let patterns = |key: &str| {
            let list = matcher.get(key)?.get("patterns").and_then(Value::as_array);
            Some(list.into_iter().flatten().map(Pattern::read).collect())
        };
        if matcher.get("reject_all") == Some(&Value::Bool(true)) {
            return Some(Self::RejectAll);
        }
        patterns("inclusion_list").map(Self::Only).or_else(|| patterns("exclusion_list").map(Self::AllBut))
    }

    /// Returns what is wrong with it, as the text of a problem, for the metrics that the drain needs; and of a note for the others.
    pub fn judge(&self, needed: &Needed) -> (Option<String>, Option<String>) {
        let problem = self.hidden(&needed.by_the_drain, "which scripts/drain needs");
        let note = self.hidden(&needed.by_the_alerts, "which the dashboard and the alerts need");
        (problem, note.or_else(|| self.undecided(needed)))
    }

    fn hidden(&self, metrics: &BTreeSet<String>, who: &str) -> Option<String> {
        let hidden = metrics.iter().filter_map(|metric| match self.fate(metric) {
            Fate::Hidden(by) => Some((metric, by)),
            _ => None,
        });
        let hidden: Vec<_> = hidden.collect();
        let (metric, by) = hidden.first()?;
        let fix = match (self, by) {
            (Self::RejectAll, _) => format!("replace reject_all by an inclusion_list with {FIX}"),
            (_, Some(pattern)) => format!("narrow the pattern {pattern} of exclusion_list"),
            _ => format!("add to the patterns of inclusion_list {FIX}"),
        };
        let what = match hidden.len() {
            1 => (*metric).clone(),
            count => format!("{count} metrics, such as {metric}"),
        };
        Some(format!("stats_config.stats_matcher: hides {what}, {who}: {fix}"))
    }

    fn undecided(&self, needed: &Needed) -> Option<String> {
        let mut metrics = needed.by_the_drain.iter().chain(&needed.by_the_alerts);
        let metric = metrics.find(|metric| self.fate(metric) == Fate::Unknown)?;
        Some(format!(
            "stats_config.stats_matcher: has a pattern that is not understood here, so it may hide metrics such as {metric}"
        ))
    }

    fn fate(&self, metric: &str) -> Fate<'_> {
        let (patterns, included) = match self {
            Self::RejectAll => return Fate::Hidden(None),
            Self::Only(patterns) => (patterns, true),
            Self::AllBut(patterns) => (patterns, false),
        };
        let matching = patterns.iter().find(|pattern| pattern.matches(metric) == Some(true));
        let unknown = patterns.iter().any(|pattern| pattern.matches(metric).is_none());
        match (matching, included) {
            (Some(_), true) => Fate::Shown,
            (Some(pattern), false) => Fate::Hidden(Some(&pattern.written)),
            (None, _) if unknown => Fate::Unknown,
            (None, true) => Fate::Hidden(None),
            (None, false) => Fate::Shown,
        }
    }
}

impl Pattern {
    fn read(pattern: &Value) -> Self {
        let text = |key: &str| pattern.get(key).and_then(Value::as_str).map(regex::escape);
        // Envoy's regular expressions have to match the whole name.
        let own = pattern.pointer("/safe_regex/regex").and_then(Value::as_str);
        let anchored = text("exact").or_else(|| own.map(|regex| format!("(?:{regex})")));
        let regex = anchored
            .map(|regex| format!("^{regex}$"))
            .or_else(|| text("prefix").map(|text| format!("^{text}")))
            .or_else(|| text("suffix").map(|text| format!("{text}$")))
            .or_else(|| text("contains"));
        // Envoy doesn't apply ignore_case to regular expressions.
        let any_case = own.is_none() && pattern.get("ignore_case") == Some(&Value::Bool(true));
        let regex = regex.and_then(|regex| RegexBuilder::new(&regex).case_insensitive(any_case).build().ok());
        Self { regex, written: pattern.to_string() }
    }

    /// Whether it matches. `None` if that can't be told.
    fn matches(&self, metric: &str) -> Option<bool> {
        self.regex.as_ref().map(|regex| regex.is_match(metric))
    }
}

impl Needed {
    /// Adds what is needed of a filter with this configuration. `plugin` is its name in Envoy's PluginConfig, `entry` the name of
    /// its entry in `http_filters`, if Envoy loads it from a file.
    pub fn add(&mut self, config: &Compiled, plugin: Option<&str>, entry: Option<&str>) {
        let of_filter = |name: String| format!("{OF_FILTERS}{name}");
        let (drain, alerts) = (&mut self.by_the_drain, &mut self.by_the_alerts);
        for integration in &config.integrations {
            let (name, vendor) = (label(&integration.name), integration.vendor.name());
            for outcome in Outcome::all() {
                // The drain adds up the others.
                let needed = if outcome == Outcome::DeadLettered { &mut *alerts } else { &mut *drain };
                needed.insert(of_filter(names::delivery(&name, vendor, outcome)));
            }
            drain.insert(of_filter(names::pending_seconds(&name, vendor)));
            let callouts = CalloutStatus::ALL.iter().map(|status| names::callout(&name, vendor, *status));
            alerts.extend(callouts.map(of_filter));
            alerts.insert(of_filter(names::callout_duration(&name, vendor)));
        }
        let events = EventIgnored::ALL.iter().map(|reason| names::event_ignored(*reason));
        let requests = RequestIgnored::ALL.iter().map(|reason| names::request_ignored(*reason));
        let notes = Note::ALL.iter().map(|note| names::note(*note));
        alerts.extend(events.chain(requests).chain(notes).map(of_filter));
        alerts.extend(plugin.map(|plugin| format!("wasm.{plugin}.vm_reload_success")));
        for result in ["update_success", "update_rejected", "update_failure"] {
            let entry = entry.map(|entry| format!("extension_config_discovery.http_filter.{entry}.{result}"));
            alerts.extend(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn matcher(matcher: Value) -> Option<StatsMatcher> {
        StatsMatcher::of(&json!({"stats_config": {"stats_matcher": matcher}}))
    }

    fn only(pattern: Value) -> StatsMatcher {
        matcher(json!({"inclusion_list": {"patterns": [pattern]}})).unwrap()
    }

    #[test]
    fn a_pattern_is_read_as_envoy_reads_it() {
        let cases = [
            (json!({"exact": "wasm.a"}), "wasm.a", true),
            (json!({"exact": "wasm"}), "wasm.a", false),
            (json!({"prefix": "wasm."}), "wasm.a", true),
            (json!({"prefix": "wasm."}), "wasmcustom.a", false),
            (json!({"suffix": ".a"}), "wasm.a", true),
            (json!({"contains": "sm."}), "wasm.a", true),
            (json!({"contains": "SM."}), "wasm.a", false),
            (json!({"contains": "SM.", "ignore_case": true}), "wasm.a", true),
            (json!({"prefix": "WASM.", "ignore_case": true}), "wasm.a", true),
            (json!({"prefix": "ASM.", "ignore_case": true}), "wasm.a", false),
            (json!({"exact": "WASM", "ignore_case": true}), "wasm.a", false),
            (json!({"suffix": "M.", "ignore_case": true}), "wasm.a", false),
            (json!({"safe_regex": {"regex": "wasm.*"}}), "wasm.a", true),
            (json!({"safe_regex": {"regex": "asm|wasm"}}), "wasm.a", false),
        ];
        for (pattern, metric, shown) in cases {
            let fate = if shown { Fate::Shown } else { Fate::Hidden(None) };
            assert_eq!(only(pattern.clone()).fate(metric), fate, "{pattern} {metric}");
        }
    }

    #[test]
    fn an_exclusion_list_hides_what_a_pattern_matches_and_reject_all_hides_everything() {
        let all_but = matcher(json!({"exclusion_list": {"patterns": [{"prefix": "wasm."}]}})).unwrap();
        assert_eq!(all_but.fate("wasm.a"), Fate::Hidden(Some("{\"prefix\":\"wasm.\"}")));
        assert_eq!(all_but.fate("cluster.a"), Fate::Shown);
        assert_eq!(matcher(json!({"reject_all": true})).unwrap().fate("a"), Fate::Hidden(None));
        assert!(matcher(json!({"reject_all": false})).is_none());
        assert!(StatsMatcher::of(&json!({"stats_config": {"stats_tags": []}})).is_none());
    }

    #[test]
    fn what_a_pattern_of_an_unknown_kind_matches_is_left_open() {
        for pattern in [json!({"custom": {}}), json!({"safe_regex": {"regex": "("}}), json!({})] {
            assert_eq!(only(pattern.clone()).fate("a"), Fate::Unknown, "{pattern}");
        }
        let patterns = json!({"patterns": [{"custom": {}}, {"prefix": "a"}]});
        assert_eq!(matcher(json!({"inclusion_list": patterns})).unwrap().fate("a"), Fate::Shown);
    }
}
