//! What can happen to an event of a bot.

use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// What happens to an event of a bot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum BotAction {
    /// It is treated as any other.
    #[default]
    Off,
    /// It is treated as any other, and counted in `conversion_relay_notes_total` as `bot`.
    Note,
    /// Its deliveries are dropped as `bot`.
    Drop,
}

impl<'de> Deserialize<'de> for BotAction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ActionVisitor;

        impl Visitor<'_> for ActionVisitor {
            type Value = BotAction;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("off, note or drop")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<BotAction, E> {
                match text {
                    "off" => Ok(BotAction::Off),
                    "note" => Ok(BotAction::Note),
                    "drop" => Ok(BotAction::Drop),
                    other => Err(E::unknown_variant(other, &["off", "note", "drop"])),
                }
            }

            /// Envoy reads `off` without quotes as a boolean, as YAML 1.1 does.
            fn visit_bool<E: Error>(self, value: bool) -> Result<BotAction, E> {
                if value { Err(E::invalid_type(Unexpected::Bool(true), &self)) } else { Ok(BotAction::Off) }
            }
        }
        deserializer.deserialize_any(ActionVisitor)
    }
}
