//! What a decision about consent is based on, and how it is said in words.

use std::fmt;

use super::category::Category;
use super::statement::OptOut;

/// How a source refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It doesn't grant the category.
    Stated,
    /// It grants the category to other vendors only.
    OfVendor,
    /// Its value can't be read.
    Unreadable,
}

/// What a decision is based on. Its text is for people: it names the source of consent that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis<'s> {
    /// No consent is required.
    NotRequired,
    /// A source grants what is required, and none refuses it.
    Granted {
        /// The first source that grants.
        source: &'s str,
    },
    /// The visitor has opted out.
    OptedOut {
        /// Of what.
        opt_out: OptOut,
        /// Where the opt-out is stated.
        source: &'s str,
    },
    /// A source refuses what is required.
    Refused {
        /// The category that is refused.
        category: Category,
        /// The first source that refuses.
        source: &'s str,
        /// How.
        how: Refusal,
    },
    /// No source grants what is required, although the visitor was asked.
    NotGranted {
        /// A category that is not granted.
        category: Category,
        /// The first source by which the visitor was asked.
        source: &'s str,
    },
    /// Nothing is known of the visitor's consent, so `consent.when_absent` decided.
    Absent,
}

impl fmt::Display for Basis<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Basis::NotRequired => f.write_str("no consent needed"),
            Basis::Granted { source } => write!(f, "granted by {source}"),
            Basis::OptedOut { opt_out: OptOut::Gpc, source } => {
                write!(f, "Global Privacy Control is on, says {source}")
            }
            Basis::OptedOut { opt_out: OptOut::Sale, source } => {
                write!(f, "the visitor has opted out of the sale or sharing of personal data, says {source}")
            }
            Basis::Refused { category, source, how: Refusal::Stated } => {
                write!(f, "{source} refuses {}", category.name())
            }
            Basis::Refused { category, source, how: Refusal::OfVendor } => {
                write!(f, "{source} grants {}, but not to this vendor", category.name())
            }
            Basis::Refused { category, source, how: Refusal::Unreadable } => {
                write!(f, "{source} can't be read, so it refuses {}", category.name())
            }
            Basis::NotGranted { category, source } => {
                write!(f, "nothing grants {}: {source} doesn't mention it", category.name())
            }
            Basis::Absent => {
                f.write_str("nothing is known of the visitor's consent, so consent.when_absent decides")
            }
        }
    }
}
