//! What every source of consent is to the rest of the filter: a name, a location, and a way to read what stands there.

use super::statement::Statement;
use super::vocabulary::Vocabulary;

/// A source of consent: a place where a visitor's consent may be stated.
///
/// A new one is a file in `src/consent/sources/` and a line in the table there; docs/adding-a-consent-source.md shows one.
pub trait ConsentSource: Sync {
    /// Names the source where a decision is explained, for example "OneTrust's cookie".
    fn name(&self) -> &'static str;

    /// Says where a visitor's statement is found.
    fn location(&self) -> Location;

    /// Reads what stands at the location: the raw JSON text of a member of the event's `context`, or the value of a cookie
    /// as it was sent. A client sends any bytes. What cannot be read is for each source to judge: it is silent, or it
    /// refuses.
    ///
    /// It is called at most once for an event or a request, and only when a decision needs it. It never gets a cookie
    /// longer than [`MAX_COOKIE_BYTES`](super::cookie_value::MAX_COOKIE_BYTES).
    fn read<'a>(&self, value: &'a [u8], vocabulary: &Vocabulary) -> Statement<'a>;

    /// Returns `false` if no statement of this source ever records Global Privacy Control. Then the source need not be
    /// read where an earlier one decides.
    fn may_record_gpc(&self) -> bool {
        true
    }
}

/// Where a source of consent is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// A member of the event's `context`: the spellings of its key, the name first.
    Context(&'static [&'static str]),
    /// A cookie of the request.
    Cookie(CookieSetting),
}

/// The setting in `consent.cookies` that names a source's cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieSetting {
    /// The setting's key.
    pub key: &'static str,
    /// The cookie's name where the configuration does not set one.
    pub default: &'static str,
    /// What the JSON Schema says of the setting, as a whole sentence.
    pub documentation: &'static str,
}

impl Location {
    /// Returns the spellings of the key in the event's `context`, or `None` for a cookie.
    pub fn context(self) -> Option<&'static [&'static str]> {
        match self {
            Location::Context(spellings) => Some(spellings),
            Location::Cookie(_) => None,
        }
    }

    /// Returns the setting that names the cookie, or `None` for a member of `context`.
    pub fn cookie(self) -> Option<CookieSetting> {
        match self {
            Location::Context(_) => None,
            Location::Cookie(setting) => Some(setting),
        }
    }
}
