//! The event's own `integrations` object (Segment, RudderStack): which destinations the sender wants it to reach.

use std::borrow::Cow;

use crate::json::for_each_member;

/// An event's `integrations` object, parsed once and consulted for each integration.
#[derive(Clone, Debug, Default)]
pub struct EventIntegrations<'j> {
    all: Option<bool>,
    /// Every name but `All`, with its value in the event.
    named: Vec<(Cow<'j, str>, bool)>,
}

impl<'j> EventIntegrations<'j> {
    /// Reads the raw JSON text of the event's `integrations`. False disables; true enables, and so does an object (the
    /// destination's options, in Segment's protocol). Everything else is ignored, as is a value that is not an object.
    pub fn read(integrations: Option<&'j str>) -> Self {
        let mut read = EventIntegrations::default();
        let Some(integrations) = integrations else { return read };
        for_each_member(integrations, &mut |name, value| {
            let enabled = match value.as_str().as_bytes() {
                b"false" => false,
                b"true" | [b'{', ..] => true,
                _ => return,
            };
            if is_same_name(&name, "all") {
                read.all = Some(enabled && read.all != Some(false));
            } else {
                read.named.push((name, enabled));
            }
        });
        read
    }

    /// Whether the event must not reach the integration that has these names: its own, its vendor's and the vendor's others.
    /// Names are compared without case, blanks, `_` and `-`. A name overrides `All`; where names contradict each other, or two
    /// spellings of one, false wins.
    pub fn disables<'n>(&self, names: impl Iterator<Item = &'n str> + Clone) -> bool {
        let is_meant = |name: &str| names.clone().any(|known| is_same_name(name, known));
        let named = self.named.iter().filter(|(name, _)| is_meant(name)).map(|(_, enabled)| *enabled);
        !named.reduce(|one, other| one && other).or(self.all).unwrap_or(true)
    }
}

/// Whether two names are one, as senders spell it: `Spotify Pixel`, `spotify_pixel` and `SPOTIFYPIXEL` are.
fn is_same_name(one: &str, other: &str) -> bool {
    letters(one).eq(letters(other))
}

/// What counts of a name.
fn letters(name: &str) -> impl Iterator<Item = char> {
    let counts = |letter: &char| !letter.is_whitespace() && !matches!(letter, '_' | '-');
    name.chars().filter(counts).flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn disabled(integrations: &str) -> bool {
        let names = ["Podsights Production", "podsights", "Spotify Pixel"];
        EventIntegrations::read(Some(integrations)).disables(names.into_iter())
    }

    #[test]
    fn false_for_all_or_for_a_name_disables() {
        for integrations in [
            r#"{"All":false}"#,
            r#"{"all": false, "Flashtalking": true}"#,
            r#"{"Podsights":false}"#,
            r#"{"PODSIGHTS PRODUCTION":false,"All":true}"#,
            r#"{"podsights":true,"Podsights Production":false}"#,
            r#"{"podsights":true,"podsights":false}"#,
            r#"{"All":false,"Podsights":null}"#,
            r#"{"All":false,"Podsights":"true"}"#,
            r#"{"\ud83d":true,"All":false}"#,
            r#"{"Pod\u0073ights":false}"#,
            r#"{"Pod Sights":false}"#,
            r#"{"SPOTIFY_PIXEL":false}"#,
            r#"{"spotify pixel":false,"All":true}"#,
            r#"{"Spotify\u00a0Pixel":false}"#,
            r#"{"podsights-production":false}"#,
            r#"{"Spotify Pixel":true,"spotify_pixel":false}"#,
            r#"{"Spotify Pixel":false,"spotify_pixel":true}"#,
            r#"{"Spotify Pixel":false,"Podsights":true}"#,
            r#"{"ALL ":false}"#,
        ] {
            assert!(disabled(integrations), "{integrations}");
        }
    }

    #[test]
    fn a_named_true_overrides_all_false() {
        for integrations in [
            r#"{"All":false,"Podsights":true}"#,
            r#"{"podsights production":true,"All":false}"#,
            r#"{"All":false,"Podsights":{"key":"x"}}"#,
            r#"{"All":false,"spotifyPixel":true}"#,
            r#"{"All":false,"POD SIGHTS":{}}"#,
        ] {
            assert!(!disabled(integrations), "{integrations}");
        }
    }

    #[test]
    fn what_says_nothing_disables_nothing() {
        assert!(!EventIntegrations::read(None).disables(["podsights"].into_iter()));
        for integrations in [
            "{}",
            "null",
            "false",
            "[]",
            r#"{"All":true}"#,
            r#"{"All":{}}"#,
            r#"{"Flashtalking":false}"#,
            r#"{"Podsight":false}"#,
            r#"{"":false}"#,
            "{",
        ] {
            assert!(!disabled(integrations), "{integrations}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC*", name in "[a-z]{1,8}") {
            EventIntegrations::read(Some(&text)).disables([name.as_str()].into_iter());
            let one = format!("{{\"{name}\":false}}");
            let upper = name.to_uppercase();
            prop_assert!(EventIntegrations::read(Some(&one)).disables([upper.as_str(), "other"].into_iter()));
        }
    }
}
