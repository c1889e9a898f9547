//! The answer on the acknowledged route: what became of each delivery, and whether the sender is to send the request again.

use std::fmt::Write;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;

use crate::accounting::{DropReason, EventIgnored, Outcome};

/// An answer on the acknowledged route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// 200: the sender can forget the request. 503: it has to send it again. 422 and 400: it would be refused again.
    pub status: u32,
    /// Seconds, with 503.
    pub retry_after: Option<u64>,
    /// JSON; empty where the sender takes a body for something else.
    pub body: String,
}

/// What became of a delivery, or of an event that no integration was offered.
#[derive(Clone, Debug)]
pub struct SettledDelivery {
    /// The event's index in the request.
    pub event: usize,
    /// The integration's name; `None`: the event was ignored.
    pub integration: Option<Rc<str>>,
    /// How it ended.
    pub settled: Settled,
    /// How often it was sent so that the vendor may have received it.
    pub attempts: u32,
}

/// How a delivery or an event ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// A delivery, as it was counted.
    Delivery(Outcome),
    /// An event that was ignored for this reason.
    Ignored(EventIgnored),
}

/// An end as the sender is told, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rating {
    Done,
    Refused,
    GivenBack,
}

#[derive(Serialize)]
struct Body<'b> {
    deliveries: Vec<Line<'b>>,
}

#[derive(Serialize)]
struct Line<'b> {
    event: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    integration: Option<&'b str>,
    outcome: &'static str,
    attempts: u32,
}

impl Settled {
    fn label(self) -> &'static str {
        match self {
            Self::Delivery(outcome) => outcome.label(),
            Self::Ignored(reason) => reason.label(),
        }
    }

    /// Whether a delivery is neither with its receiver nor somebody's wish not to have it: a client that waits for it has to send its
    /// event again.
    pub fn is_not_accepted(self) -> bool {
        matches!(self, Self::Delivery(Outcome::GivenBack | Outcome::Dropped(DropReason::Rejected)))
    }

    fn rating(self) -> Rating {
        match self {
            Self::Delivery(Outcome::Dropped(DropReason::Rejected)) => Rating::Refused,
            // An event is unauthorized here only if its source was removed while it waited.
            Self::Delivery(Outcome::GivenBack) | Self::Ignored(EventIgnored::Unauthorized) => {
                Rating::GivenBack
            }
            Self::Delivery(_) | Self::Ignored(_) => Rating::Done,
        }
    }
}

impl Acknowledgement {
    /// Makes the answer to a request whose deliveries have ended so. The worst of them decides. `pause`: how long the sender should wait
    /// before it sends again what is given back; it is told at least a second.
    pub fn of(mut settled: Vec<SettledDelivery>, pause: Duration) -> Self {
        settled.sort_by_key(|one| one.event);
        let worst = settled.iter().map(|one| one.settled.rating()).max().unwrap_or(Rating::Done);
        let is_malformed = |one: &SettledDelivery| one.settled == Settled::Ignored(EventIgnored::Malformed);
        let status = match worst {
            Rating::GivenBack => 503,
            Rating::Refused => 422,
            Rating::Done if !settled.is_empty() && settled.iter().all(is_malformed) => 400,
            Rating::Done => 200,
        };
        let line = |one: &'_ SettledDelivery| Line {
            event: one.event,
            integration: None,
            outcome: one.settled.label(),
            attempts: one.attempts,
        };
        let deliveries =
            settled.iter().map(|one| Line { integration: one.integration.as_deref(), ..line(one) }).collect();
        Self {
            status,
            retry_after: (worst == Rating::GivenBack).then(|| retry_after(pause)),
            body: serde_json::to_string(&Body { deliveries }).unwrap_or_default(),
        }
    }

    /// Makes the answer to a request that names an integration that is not configured here. It is kept by its sender: another configuration
    /// may be on its way.
    pub fn unknown_integration(name: &str) -> Self {
        let mut message = String::from("there is no enabled integration ");
        let _ = write!(message, "{name:?}");
        let error = serde_json::json!({"error": {"code": "UNKNOWN_INTEGRATION", "message": message}});
        Self { status: 503, retry_after: Some(30), body: error.to_string() }
    }
}

/// Returns a pause in whole seconds, at least one.
pub fn retry_after(pause: Duration) -> u64 {
    pause.as_secs().saturating_add(u64::from(pause.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(event: usize, integration: &str, outcome: Outcome, attempts: u32) -> SettledDelivery {
        let integration = Some(integration.into());
        SettledDelivery { event, integration, settled: Settled::Delivery(outcome), attempts }
    }

    fn ignored(event: usize, reason: EventIgnored) -> SettledDelivery {
        SettledDelivery { event, integration: None, settled: Settled::Ignored(reason), attempts: 0 }
    }

    fn status(settled: Vec<SettledDelivery>) -> u32 {
        Acknowledgement::of(settled, Duration::ZERO).status
    }

    const REJECTED: Outcome = Outcome::Dropped(DropReason::Rejected);

    #[test]
    fn the_body_says_what_became_of_each_delivery_in_the_order_of_the_events() {
        let settled = vec![
            delivery(1, "PS", REJECTED, 1),
            delivery(0, "FT", Outcome::Delivered, 2),
            ignored(2, EventIgnored::Unmapped),
        ];
        let answer = Acknowledgement::of(settled, Duration::ZERO);
        assert_eq!((answer.status, answer.retry_after), (422, None));
        let expected = concat!(
            r#"{"deliveries":[{"event":0,"integration":"FT","outcome":"delivered","attempts":2},"#,
            r#"{"event":1,"integration":"PS","outcome":"rejected","attempts":1},"#,
            r#"{"event":2,"outcome":"unmapped","attempts":0}]}"#
        );
        assert_eq!(answer.body, expected);
    }

    #[test]
    fn what_is_done_with_is_200_whoever_did_not_want_it() {
        for reason in DropReason::ALL.iter().filter(|reason| **reason != DropReason::Rejected) {
            assert_eq!(status(vec![delivery(0, "FT", Outcome::Dropped(*reason), 0)]), 200, "{reason:?}");
        }
        assert_eq!(status(vec![delivery(0, "FT", Outcome::DryRun, 0)]), 200);
        assert_eq!(status(Vec::new()), 200, "an empty batch");
    }

    #[test]
    fn the_worst_decides_and_what_is_given_back_is_worst() {
        let given_back = || delivery(0, "FT", Outcome::GivenBack, 3);
        assert_eq!(status(vec![delivery(0, "PS", REJECTED, 1), given_back()]), 503);
        assert_eq!(
            status(vec![delivery(0, "PS", REJECTED, 1), delivery(0, "FT", Outcome::Delivered, 1)]),
            422
        );
        for (pause, seconds) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (300_000, 300)] {
            let answer = Acknowledgement::of(vec![given_back()], Duration::from_millis(pause));
            assert_eq!(answer.retry_after, Some(seconds), "{pause} ms");
        }
    }

    #[test]
    fn a_request_is_malformed_only_if_every_event_is() {
        let malformed = |event| ignored(event, EventIgnored::Malformed);
        assert_eq!(status(vec![malformed(0), malformed(1)]), 400);
        assert_eq!(status(vec![malformed(0), ignored(1, EventIgnored::Unmapped)]), 200);
    }

    #[test]
    fn an_event_whose_source_was_removed_meanwhile_stays_with_its_sender() {
        assert_eq!(status(vec![ignored(0, EventIgnored::Unauthorized)]), 503);
    }

    #[test]
    fn a_name_is_written_as_json_whatever_it_is() {
        let answer = Acknowledgement::unknown_integration("a\"\n\u{1}");
        assert!(serde_json::from_str::<serde_json::Value>(&answer.body).is_ok(), "{}", answer.body);
    }
}
