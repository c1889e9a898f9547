//! What vendors do with callouts.

use std::time::Duration;

use super::super::*;

/// What a vendor, or the way to it, does with a callout.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    Answers(Kind),
    /// Any of the others, each time anew.
    Flaky,
    Refuses(Refusal),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Status(u16),
    RetryAfter(u16, Duration),
    Timeout,
    Unreached,
    Transport,
    Unusable,
    /// An answer long after the deadline.
    Late,
    Never,
}

pub const MODES: [Mode; 16] = [
    Mode::Answers(Kind::Status(200)),
    Mode::Answers(Kind::Status(204)),
    Mode::Answers(Kind::Status(302)),
    Mode::Answers(Kind::Status(404)),
    Mode::Answers(Kind::Status(503)),
    Mode::Answers(Kind::RetryAfter(429, Duration::from_secs(7))),
    Mode::Answers(Kind::RetryAfter(503, Duration::from_secs(100_000))),
    Mode::Answers(Kind::Timeout),
    Mode::Answers(Kind::Unreached),
    Mode::Answers(Kind::Transport),
    Mode::Answers(Kind::Unusable),
    Mode::Answers(Kind::Late),
    Mode::Answers(Kind::Never),
    Mode::Flaky,
    Mode::Refuses(Refusal::NoHost),
    Mode::Refuses(Refusal::UnknownCluster),
];

impl Kind {
    pub fn answer(self) -> Answer<'static> {
        match self {
            Self::Status(code) => Answer::status(code),
            Self::RetryAfter(code, pause) => {
                Answer::Status { code, retry_after: Some(pause), location_host: None }
            }
            Self::Timeout => Answer::Timeout,
            Self::Unreached => Answer::Unreached,
            Self::Transport => Answer::Transport,
            Self::Unusable => Answer::Unusable,
            Self::Late | Self::Never => Answer::status(200),
        }
    }
}
