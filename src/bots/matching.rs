//! Whether a User-Agent is a bot's, by the list and by what a user adds to it and takes off it.

use memchr::memmem;

use super::action::BotAction;
use super::{list, shapes};

/// What happens to the events of bots.
#[derive(Clone, Debug)]
pub struct Bots {
    pub(super) action: BotAction,
    pub(super) empty_user_agent: BotAction,
    /// In lowercase, as `except`.
    pub(super) patterns: Vec<Box<[u8]>>,
    pub(super) except: Vec<Box<[u8]>>,
}

impl Bots {
    /// Returns what happens to an event with this User-Agent, at most
    /// [`MAX_USER_AGENT`](crate::identity::client::MAX_USER_AGENT) bytes of it. Takes time in proportion to its length.
    pub fn judge(&self, user_agent: &str) -> BotAction {
        if self.action != BotAction::Off && self.is_bot(user_agent) { self.action } else { BotAction::Off }
    }

    /// Returns what happens to an event without a User-Agent.
    pub fn without_user_agent(&self) -> BotAction {
        self.empty_user_agent
    }

    fn is_bot(&self, user_agent: &str) -> bool {
        let text = user_agent.to_ascii_lowercase().into_bytes();
        let has_one_of = |texts: &[Box<[u8]>]| texts.iter().any(|part| memmem::find(&text, part).is_some());
        (is_listed(&text) || has_one_of(&self.patterns)) && !has_one_of(&self.except)
    }
}

/// Whether isbot's list knows a User-Agent, given in lowercase.
pub(super) fn is_listed(text: &[u8]) -> bool {
    // Some clients write the header's name twice. What follows is a browser's.
    let text = text.strip_prefix(b"user-agent:").unwrap_or(text);
    let begins =
        text.first_chunk().is_some_and(|two| list::starts(*two).iter().any(|part| part.is_at(text, 0)));
    let contains = || {
        text.windows(2).enumerate().any(|(at, two)| match two {
            [first, second] => list::parts([*first, *second]).iter().any(|part| part.is_at(text, at)),
            _ => false,
        })
    };
    begins || contains() || shapes::ALL.iter().any(|(_, is_shaped)| is_shaped(text))
}
