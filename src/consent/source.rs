//! The interface of a source of consent: a name, a location, and a way to read the value found there.

use std::fmt;

use super::statement::Statement;
use super::vocabulary::Vocabulary;

/// A source of consent: a place where a visitor's consent may be stated.
///
/// A new one is a file in `src/consent/sources/` and a line in the table there; docs/adding-a-consent-source.md shows one.
pub trait ConsentSource: Sync {
    /// Returns the name of the source for explanations of a decision, for example "OneTrust's cookie".
    fn name(&self) -> &str;

    /// Returns where a visitor's statement is found.
    fn location(&self) -> Location;

    /// Reads the value at the location: the raw JSON text of a member of the event's `context`, or the undecoded value of a
    /// cookie. A client may send any bytes. A value that can't be read refuses: return [`Statement::unreadable`].
    ///
    /// It is called at most once for each value of an event or a request, and only when a decision needs it. It never gets a
    /// cookie longer than [`MAX_COOKIE_BYTES`](super::cookie_value::MAX_COOKIE_BYTES).
    fn read<'a>(&self, value: &'a [u8], vocabulary: &Vocabulary) -> Statement<'a>;

    /// Returns `false` if no statement of this source ever records an opt-out. Then it isn't read for an integration that
    /// requires no consent.
    fn may_record_opt_out(&self) -> bool {
        true
    }
}

impl fmt::Debug for dyn ConsentSource + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a source of consent is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// A member of the event's `context`: the spellings of its key, the name first.
    Context(&'static [&'static str]),
    /// A cookie of the request, whose name is a setting.
    Cookie(CookieSetting),
    /// A cookie of the request that the configuration itself describes.
    CustomCookie,
}

/// The setting in `consent.cookies` that names a source's cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieSetting {
    /// The setting's key.
    pub key: &'static str,
    /// The names of the cookie if the configuration sets none.
    pub defaults: &'static [&'static str],
    /// The description of the setting in the JSON Schema, as a whole sentence.
    pub documentation: &'static str,
}

impl Location {
    /// Returns the spellings of the key in the event's `context`, or `None` for a cookie.
    pub fn context(self) -> Option<&'static [&'static str]> {
        match self {
            Location::Context(spellings) => Some(spellings),
            Location::Cookie(_) | Location::CustomCookie => None,
        }
    }

    /// Returns the setting that names the cookie, or `None` where there is none.
    pub fn cookie(self) -> Option<CookieSetting> {
        match self {
            Location::Context(_) | Location::CustomCookie => None,
            Location::Cookie(setting) => Some(setting),
        }
    }
}
