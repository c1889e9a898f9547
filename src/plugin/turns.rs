//! Tells two filters of one name from two configurations of one filter.
//!
//! Both are several roots that get streams. The roots of one filter take turns only as its configuration changes: a new one gets
//! all new connections, and the old one keeps at most the connections that it has, until its listener is drained. Roots of two
//! filters take turns for ever, with connections that are accepted after those of the other.

use std::time::Duration;

use crate::delivery::Instant;

/// Turns closer together than this count once. While a listener is replaced, connections that were accepted at the same moment
/// may still come to both roots.
const INTERVAL: Duration = Duration::from_secs(1);

/// So many turns are no change of configuration. One that is taken back while a stream keeps the old root takes two.
const MOST: u32 = 3;

/// The turns of the roots of one plugin since its last change of configuration.
#[derive(Debug, Default)]
pub struct Turns {
    /// The root of the newest connection, that connection, and when the turn was counted.
    last: Option<(u32, u64, Option<Instant>)>,
    count: u32,
}

impl Turns {
    /// A stream is created on `root`. Envoy numbers connections as it accepts them. Returns whether it shows that `root` belongs to
    /// another filter than the stream before.
    pub fn stream(&mut self, root: u32, connection: u64, now: Instant) -> bool {
        let Some((last, newest, counted)) = self.last else {
            self.last = Some((root, connection, None));
            return false;
        };
        if connection < newest {
            return false;
        }
        let is_turn = root != last && counted.is_none_or(|counted| now.saturating_sub(counted) >= INTERVAL);
        self.last = Some((root, connection, if is_turn { Some(now) } else { counted }));
        self.count = self.count.saturating_add(u32::from(is_turn));
        is_turn && self.count > MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn roots_that_take_turns_with_new_connections_belong_to_two_filters() {
        let mut turns = Turns::default();
        let shown: Vec<_> = (0..8_u32).map(|at| turns.stream(at % 2, u64::from(at), SECOND * at)).collect();
        assert_eq!(shown, [false, false, false, false, true, true, true, true]);
    }

    #[test]
    fn routes_of_one_connection_that_lead_to_two_filters_show_it_too() {
        let mut turns = Turns::default();
        assert!((0..8_u32).any(|at| turns.stream(at % 2, 7, SECOND * at)));
    }

    #[test]
    fn the_connections_that_an_old_listener_keeps_while_it_is_drained_show_nothing() {
        let mut turns = Turns::default();
        for at in 0..600_u32 {
            assert!(!turns.stream(1, 5, SECOND * at), "the old one's");
            assert!(!turns.stream(2, 10 + u64::from(at), SECOND * at));
        }
    }

    #[test]
    fn connections_of_the_moment_in_which_a_listener_is_replaced_and_a_change_that_is_taken_back_show_nothing()
     {
        let mut turns = Turns::default();
        for at in 0..100_u32 {
            assert!(!turns.stream(at % 2, u64::from(at), Duration::from_millis(5) * at));
        }
        assert!(!turns.stream(0, 100, SECOND * 10));
        assert!(!turns.stream(1, 101, SECOND * 20));
    }
}
