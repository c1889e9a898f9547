//! The age of an event, by the clock of the client that sent it.

use std::borrow::Cow;
use std::time::Duration;

/// The times of an event, as its client wrote them.
#[derive(Clone, Debug, Default)]
pub struct Times<'a> {
    /// `timestamp`: when the event happened.
    pub timestamp: Option<Cow<'a, str>>,
    /// `originalTimestamp`: when the event happened, as RudderStack's SDKs write it.
    pub original_timestamp: Option<Cow<'a, str>>,
    /// `sentAt`, the event's own or else its batch's: when the client sent it.
    pub sent_at: Option<Cow<'a, str>>,
}

impl Times<'_> {
    /// Returns the event's age when it was received, at least zero; `None` if it has no timestamp.
    ///
    /// A client's clock may be wrong by years, but equally for both of its times: if the event has a `sentAt`, its age is
    /// `sentAt` minus the time at which it happened. That is how Segment corrects timestamps (its documentation of the common
    /// fields). `received` is Unix time in milliseconds, to which `parse` converts a text.
    ///
    /// An event has `timestamp` from its client, `originalTimestamp` from RudderStack's SDKs, and both if a server has
    /// forwarded it. Then the larger age counts, because historical data may use either.
    pub fn age(&self, received: i64, parse: impl Fn(&str) -> Option<i64>) -> Option<Duration> {
        let parse = |text: &Option<Cow<'_, str>>| text.as_deref().and_then(&parse);
        let (timestamp, original) = (parse(&self.timestamp), parse(&self.original_timestamp));
        let milliseconds = match parse(&self.sent_at) {
            Some(sent) => sent.saturating_sub(timestamp.into_iter().chain(original).min()?),
            // Received on our clock: `timestamp` is nearer to it, where a server has corrected it already.
            None => received.saturating_sub(timestamp.or(original)?),
        };
        Some(Duration::from_millis(u64::try_from(milliseconds).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RECEIVED: i64 = 1_000_000;

    fn age(timestamp: &'static str, original: &'static str, sent: &'static str) -> Option<u64> {
        let time = |text: &'static str| (!text.is_empty()).then_some(Cow::Borrowed(text));
        let times =
            Times { timestamp: time(timestamp), original_timestamp: time(original), sent_at: time(sent) };
        times.age(RECEIVED, |text| text.parse().ok()).map(|age| age.as_millis() as u64)
    }

    #[test]
    fn a_clients_wrong_clock_does_not_make_its_events_old() {
        assert_eq!(age("100", "", "130"), Some(30));
        assert_eq!(age("", "100", "130"), Some(30));
        assert_eq!(age("100", "", ""), Some(999_900));
    }

    #[test]
    fn an_event_from_the_future_or_sent_before_it_happened_is_new() {
        assert_eq!(age("2000000", "", ""), Some(0));
        assert_eq!(age("130", "", "100"), Some(0));
    }

    #[test]
    fn an_event_that_was_handed_on_has_the_age_that_its_client_gave_it() {
        // The server corrected `timestamp`, the other two are by the client's clock.
        assert_eq!(age("999990", "100", "130"), Some(30));
        assert_eq!(age("999990", "100", ""), Some(10));
        // Historical data: the caller set `timestamp`, the library the rest.
        assert_eq!(age("100", "999990", "999999"), Some(999_899));
    }

    #[test]
    fn an_event_without_a_time_has_no_age() {
        assert_eq!(age("", "", "100"), None);
        assert_eq!(age("yesterday", "", ""), None);
        assert_eq!(age("100", "", "now"), Some(999_900));
    }

    proptest! {
        #[test]
        fn no_times_overflow(timestamp: i64, original: i64, sent: i64, received: i64) {
            let text = |time: i64| Some(Cow::Owned(time.to_string()));
            let times = Times { timestamp: text(timestamp), original_timestamp: text(original), sent_at: text(sent) };
            prop_assert!(times.age(received, |text| text.parse().ok()).is_some());
        }
    }
}
