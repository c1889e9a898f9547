//! What the filter sends is held to an oracle over many generated events: no delivery against a refusal, no raw email, and every
//! delivery that is allowed.
//!
//!     make privacy                    a million events
//!     make privacy EVENTS=50000       fewer
//!     make privacy SEED=7             those of an earlier run: each run prints its seed
//!
//! `cargo test` tries 20,000 events, always the same. The run fails if anything in the lower half of the summary is not 0.
//!
//! The requests go through the filter's own relay and not through Envoy, so that a million of them take minutes. The generator
//! first describes what each source of consent states, and then writes the source's text. The oracle (`privacy/oracle.rs`) decides
//! from the description by the rules of docs/consent.md; it parses nothing and uses nothing of the filter. What it covers:
//!
//! * every path, form and encoding of tracking requests; the event's `integrations`; contexts of events and of batches;
//! * all sources of consent, in their shapes and encodings, unreadable, over-long, twice, and contradicting each other; the opt-outs;
//! * `when_absent`, `require`, `respect_gpc`, `aliases`, `custom` and `consent_categories` (essential, analytics and marketing);
//! * whole events to webhooks as CloudEvents, one of `purpose: advertising` and one of `purpose: own`;
//! * addresses that are unique to their event, in every place that a mapping or a vendor reads: ids, orders, texts, URLs, headers,
//!   cookies; as they are, percent-encoded once and twice, and in URLs in base64; and the digest that is sent instead.
//!
//! Not covered: sources and signatures, deduplication, the cookies that the filter sets, retries, and the real Envoy, which
//! have tests of their own.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "privacy/bodies.rs"]
mod bodies;
#[path = "privacy/codes.rs"]
mod codes;
#[path = "privacy/cookies.rs"]
mod cookies;
#[path = "privacy/dice.rs"]
mod dice;
#[path = "privacy/emails.rs"]
mod emails;
#[path = "privacy/events.rs"]
mod events;
#[path = "privacy/iab.rs"]
mod iab;
#[path = "privacy/oracle.rs"]
mod oracle;
#[path = "privacy/requests.rs"]
mod requests;
#[path = "privacy/run.rs"]
mod run;
#[path = "privacy/site.rs"]
mod site;

use run::Violation;

/// Of a run that says nothing else.
const EVENTS: u64 = 20_000;
const SEED: u64 = 1;

#[test]
fn nothing_is_sent_against_a_refusal_or_with_a_raw_email_and_nothing_that_is_allowed_is_missing() {
    let number = |name: &str, otherwise: u64| {
        let text = std::env::var(name).unwrap_or_default();
        if text.is_empty() {
            otherwise
        } else {
            text.parse().unwrap_or_else(|_| panic!("{name}: expected a number, got {text:?}"))
        }
    };
    let (events, seed) = (number("EVENTS", EVENTS), number("SEED", SEED));
    println!("SEED={seed} EVENTS={events}");
    let summary = run::run(seed, events);
    let line = |name: &str, count: u64| println!("{name:<34}{count:>10}");
    println!();
    line("requests", summary.requests);
    line("events", summary.events);
    line("deliveries", summary.deliveries);
    summary.dropped.iter().for_each(|(reason, count)| line(&format!("dropped, {reason}"), *count));
    for (violation, name) in Violation::ALL {
        line(name, summary.violations.get(&violation).copied().unwrap_or_default());
    }
    assert!(summary.violations.is_empty(), "SEED={seed}: {:?}", summary.violations);
    // A generator that made only refusals would prove nothing.
    assert!(summary.deliveries > events / 4, "only {} deliveries", summary.deliveries);
    for reason in
        ["disabled_by_event", "gpc", "sale_opt_out", "consent_denied", "consent_absent", "opted_out"]
    {
        assert!(summary.dropped.get(reason).is_some_and(|count| *count > events / 2000), "{reason}: too few");
    }
}
