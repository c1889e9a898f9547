//! The section `bots`: what happens to the events of bots.

use serde::Deserialize;

use super::action::BotAction;
use super::matching::Bots;
use crate::settings::Invalid;

/// The handling of events of bots.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Bots"))]
#[serde(deny_unknown_fields, default)]
pub struct BotSettings {
    /// What happens to an event whose User-Agent is a bot's, by the list of the isbot project and by `patterns`.
    pub action: BotAction,
    /// What happens to an event without a User-Agent. Events of servers need none.
    pub empty_user_agent: BotAction,
    /// Further bots: a User-Agent that contains one of these texts is a bot's. Letter case does not matter, and no character
    /// has a special meaning.
    pub patterns: Vec<String>,
    /// What is no bot, whatever else says so: a User-Agent that contains one of these texts. Letter case does not matter.
    pub except: Vec<String>,
}

/// The most texts of each list, and the longest of them in bytes: each is looked for in every User-Agent.
const MAX_TEXTS: usize = 100;
const MAX_TEXT_BYTES: usize = 200;

impl BotSettings {
    /// Compiles the section; `None`: it asks for nothing.
    pub fn compile(&self) -> Result<Option<Bots>, Invalid> {
        let patterns = texts("bots.patterns", &self.patterns)?;
        let except = texts("bots.except", &self.except)?;
        let (action, empty_user_agent) = (self.action, self.empty_user_agent);
        let is_on = action != BotAction::Off || empty_user_agent != BotAction::Off;
        Ok(is_on.then_some(Bots { action, empty_user_agent, patterns, except }))
    }
}

fn texts(path: &str, texts: &[String]) -> Result<Vec<Box<[u8]>>, Invalid> {
    if texts.len() > MAX_TEXTS {
        return Err(Invalid::new(path, format!("expected at most {MAX_TEXTS} texts, got {}", texts.len())));
    }
    let compiled = texts.iter().enumerate().map(|(at, text)| {
        // An empty one would be in every User-Agent.
        if text.trim().is_empty() || text.len() > MAX_TEXT_BYTES {
            let problem =
                format!("expected a part of a User-Agent, 1 to {MAX_TEXT_BYTES} bytes, got {text:?}");
            return Err(Invalid::new(format!("{path}[{at}]"), problem));
        }
        Ok(text.to_ascii_lowercase().into_bytes().into())
    });
    compiled.collect()
}
