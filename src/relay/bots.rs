//! Whether an event is a bot's, by the User-Agent that would be sent for it.

use super::host::Host;
use super::reading::Reading;
use crate::accounting::Note;
use crate::bots::BotAction;
use crate::identity::client::EventContext;
use crate::identity::{Client, ClientFromContext};

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It is no bot's, or bots are only noted.
    Passed,
    /// It is a bot's, and nobody gets it.
    Dropped,
}

/// Judges an event that somebody would get. Costs nothing where `bots` is off: the client is determined here only because it
/// has to be known before deduplication, which is cheaper without it.
#[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
pub fn judge(
    context: &EventContext<'_>,
    reading: &Reading<'_>,
    policy: ClientFromContext,
    host: &mut impl Host,
) -> Judged {
    let Some(bots) = &reading.config.bots else { return Judged::Passed };
    let action = match Client::of_event(context, reading.client(), policy).user_agent {
        Some(user_agent) => bots.judge(user_agent),
        // A server need not say what its visitor uses.
        None if context.is_from_server() => return Judged::Passed,
        None => bots.without_user_agent(),
    };
    match action {
        BotAction::Off => Judged::Passed,
        BotAction::Note => {
            host.note(Note::Bot);
            Judged::Passed
        }
        BotAction::Drop => Judged::Dropped,
    }
}
