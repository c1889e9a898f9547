//! Bots: recognizes those that say so in their User-Agent, as link previews, monitors and crawlers with a browser do.
//!
//! The list is that of the [isbot](https://github.com/omrilotan/isbot) project, some two hundred regular expressions.
//! `scripts/update-bots` compiles them: most are a few literal texts that begin the User-Agent or stand in it, with a condition
//! on what is before and behind ([`list`]); the few others are functions written by hand ([`shapes`]).
//! [Why](../../docs/decisions/0020-bots-without-regular-expressions.md).

mod action;
#[cfg(test)]
mod compile;
#[rustfmt::skip] // one line for each two bytes
mod list;
mod matching;
mod part;
mod settings;
mod shapes;
#[cfg(test)]
mod tests;

pub use action::BotAction;
pub use matching::Bots;
pub use settings::BotSettings;
