//! Event names in their common spellings.
//!
//! `Order Completed`, `order_completed`, `orderCompleted` and GA4's `purchase` are the same event. The names are those of
//! Segment's ecommerce specification and of GA4's recommended events.

/// GA4's names and the names they stand for. `generate_lead` is both leads, because a site on GA4 has only one.
const GA4: &[(&str, &[&str])] = &[
    ("purchase", &["order_completed"]),
    ("add_to_cart", &["product_added"]),
    ("sign_up", &["signed_up"]),
    ("generate_lead", &["lead_generated", "lead_submitted"]),
];

/// The longest name that is compared in other spellings, in bytes; a longer one only matches exactly.
const LONGEST: usize = 200;

/// The class of a character, as far as it matters for word boundaries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Lowercase, or a digit.
    Lower,
    /// Uppercase; Roman numerals that have a character of their own, too.
    Upper,
    /// A letter that is neither.
    Letter,
    Separator,
}

impl Kind {
    fn of(character: char) -> Self {
        match character {
            'a'..='z' | '0'..='9' => Kind::Lower,
            'A'..='Z' => Kind::Upper,
            _ if character.is_ascii() || !character.is_alphanumeric() => Kind::Separator,
            _ if character.is_uppercase() => Kind::Upper,
            _ if character.is_lowercase() || character.is_numeric() => Kind::Lower,
            _ => Kind::Letter,
        }
    }
}

/// A name in snake_case: `Order Completed`, `order-completed` and `orderCompleted` all become `order_completed`.
pub fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len().saturating_add(4));
    let mut previous = Kind::Separator;
    let mut characters = name.trim().chars();
    while let Some(character) = characters.next() {
        let kind = Kind::of(character);
        let ends_acronym = || characters.clone().next().is_some_and(char::is_lowercase);
        // Some letters are uppercase and have no lowercase: those begin no word, or a second pass would split them off.
        let has_lowercase = || character.is_ascii() || character.to_lowercase().ne([character]);
        let separates = match (previous, kind) {
            (_, Kind::Separator) => !snake.is_empty(),
            (Kind::Lower, Kind::Upper) => has_lowercase(),
            (Kind::Upper, Kind::Upper) => ends_acronym() && has_lowercase(),
            _ => false,
        };
        if separates && !snake.ends_with('_') {
            snake.push('_');
        }
        match kind {
            Kind::Separator => {}
            _ if character.is_ascii() => snake.push(character.to_ascii_lowercase()),
            _ => snake.extend(character.to_lowercase().filter(|lower| lower.is_alphanumeric())),
        }
        previous = kind;
    }
    snake.truncate(snake.trim_end_matches('_').len());
    snake
}

/// The names of an event under which a mapping may know it, in snake_case: its own, then those a GA4 name stands for.
#[derive(Debug)]
pub struct Dialects {
    own: String,
    others: &'static [&'static str],
}

impl Dialects {
    /// Returns the names of an event, from the name that its client wrote in any spelling.
    pub fn of(name: &str) -> Self {
        let own = if name.len() > LONGEST { String::new() } else { snake_case(name) };
        let others = GA4.iter().find(|(ga4, _)| *ga4 == own).map_or(&[][..], |(_, names)| names);
        Self { own, others }
    }

    /// The name itself in snake_case; empty for one without a letter, and for one longer than any name.
    pub fn own(&self) -> &str {
        &self.own
    }

    /// Whether a name that is already in snake_case is this event's own.
    pub fn is_own(&self, snake: &str) -> bool {
        !snake.is_empty() && self.own == snake
    }

    /// Whether a name that is already in snake_case is one of this event's.
    pub fn include(&self, snake: &str) -> bool {
        !snake.is_empty() && (self.own == snake || self.others.contains(&snake))
    }
}

/// The name under which a mapping is stored: the Segment name of a GA4 name that stands for exactly one event, else the name
/// itself in snake_case. So a mapping written for `purchase` also applies to `Order Completed`.
pub fn canonical_name(name: &str) -> String {
    let snake = snake_case(name);
    match GA4.iter().find(|(ga4, _)| *ga4 == snake) {
        Some((_, [one])) => (*one).to_owned(),
        _ => snake,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_dialect_of_a_purchase_is_an_order_completed() {
        for name in [
            "Order Completed",
            "order_completed",
            "orderCompleted",
            "OrderCompleted",
            "ORDER COMPLETED",
            "purchase",
        ] {
            assert!(Dialects::of(name).include("order_completed"), "{name}");
        }
        assert!(!Dialects::of("Order Updated").include("order_completed"));
    }

    #[test]
    fn the_two_leads_stay_two_events_and_generate_lead_is_both() {
        assert!(!Dialects::of("Lead Generated").include("lead_submitted"));
        assert!(!Dialects::of("Lead Submitted").include("lead_generated"));
        let ga4 = Dialects::of("generate_lead");
        assert!(ga4.include("lead_generated") && ga4.include("lead_submitted"));
    }

    #[test]
    fn a_mapping_written_for_a_ga4_name_sees_the_event_it_stands_for() {
        assert_eq!(canonical_name("add_to_cart"), "product_added");
        assert_eq!(canonical_name("generate_lead"), "generate_lead");
        assert_eq!(canonical_name("Signed Up"), "signed_up");
    }

    #[test]
    fn a_name_without_a_letter_or_longer_than_any_name_matches_nothing() {
        assert!(!Dialects::of("").include(""));
        assert!(!Dialects::of("!!").include(""));
        assert!(!Dialects::of(&"a".repeat(100_000)).include(&"a".repeat(100_000)));
    }

    #[test]
    fn letters_whose_lowercase_is_themselves_or_two_characters_are_settled_too() {
        for name in ["A\u{1D400}", "\u{1D400}b", "a\u{130}B", "\u{130}"] {
            assert_eq!(snake_case(&snake_case(name)), snake_case(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn snake_case_is_settled_after_once(name in ".{0,40}") {
            let once = snake_case(&name);
            prop_assert_eq!(snake_case(&once), once.clone());
        }
    }
}
