//! What is said of the categories, as their names and codes with a choice for each.

use crate::dice::{Rng, any_case, chance, pick};
use crate::oracle::Says;
use crate::site::Site;

/// The words that a source has for the categories.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// Names and codes, as events have them.
    All,
    /// OneTrust's groups.
    Groups,
    /// OneTrust's groups of old installations.
    Numbers,
}

/// Returns words with choices that together say this of marketing and analytics, in any order. A word may be there twice. Of a
/// category about which nothing is to be said there is none.
pub fn write(
    rng: &mut Rng,
    site: &Site,
    words: Words,
    marketing: Says,
    analytics: Says,
) -> Vec<(String, bool)> {
    let (mut decide, of_marketing, names, mut of_analytics): (Vec<&str>, &[&str], &[&str], Vec<&str>) =
        match words {
            Words::All => (
                vec!["marketing", "advertising", "targeting", "C0004"],
                &["C0005"],
                &["analytics", "statistics"],
                vec!["C0002"],
            ),
            Words::Groups => (vec!["C0004"], &["C0005"], &[], vec!["C0002"]),
            Words::Numbers => (vec!["4"], &[], &[], vec!["2"]),
        };
    if site.aliases {
        decide.push("BG_ADS");
        of_analytics.push("BG_STATS");
    }
    let mut written = category(rng, &decide, of_marketing, marketing);
    written.extend(category(rng, names, &of_analytics, analytics));
    let others: &[&str] = match words {
        Words::All => {
            &["essential", "necessary", "C0001", "functional", "preferences", "personalization", "site_own"]
        }
        Words::Groups => &["C0001", "C0003", "BG77", "V2STACK42"],
        Words::Numbers => &["1", "3"],
    };
    for other in others {
        if chance(rng, 25) {
            written.push(((*other).to_owned(), rng.bool()));
        }
    }
    for (word, _) in &mut written {
        *word = any_case(rng, word);
    }
    rng.shuffle(&mut written);
    written
}

/// `decide` are the words that name the category itself, `belong` those that are only part of it.
fn category(rng: &mut Rng, decide: &[&str], belong: &[&str], says: Says) -> Vec<(String, bool)> {
    if says == Says::Silent {
        return Vec::new();
    }
    let grants = says == Says::Grants;
    let by_name = belong.is_empty() || (!decide.is_empty() && chance(rng, 75));
    let mut written = Vec::new();
    if by_name {
        // All of those that name it grant, or at least one refuses, whatever the others say.
        written.push((pick(rng, decide).to_owned(), grants));
        for word in decide {
            if chance(rng, 25) {
                written.push(((*word).to_owned(), grants || rng.bool()));
            }
        }
        for word in belong {
            if chance(rng, 40) {
                written.push(((*word).to_owned(), rng.bool()));
            }
        }
    } else if grants {
        // One is enough.
        let granted = rng.usize(..belong.len());
        for (nth, word) in belong.iter().enumerate() {
            if nth == granted || chance(rng, 40) {
                written.push(((*word).to_owned(), nth == granted || rng.bool()));
            }
        }
    } else {
        let word = pick(rng, belong);
        written.push((word.to_owned(), false));
        if chance(rng, 20) {
            written.push((word.to_owned(), true));
        }
    }
    written
}
