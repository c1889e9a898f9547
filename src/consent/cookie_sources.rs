//! The sources of consent that read a cookie, by the names of their cookies: those of the table, and a site's own.

use super::cookie_names::CookieNames;
use super::custom_cookie::CustomCookie;
use super::source::ConsentSource;

/// Every cookie that states consent, with the source that reads it. The order is that of the table, and then of
/// `consent.custom`.
#[derive(Debug, Default)]
pub struct CookieSources(Vec<NamedSource>);

#[derive(Debug)]
struct NamedSource {
    cookie: Box<str>,
    source: CookieSource,
}

enum CookieSource {
    /// One of the table.
    Known(&'static dyn ConsentSource),
    /// A cookie of the site's own.
    Custom(CustomCookie),
}

impl std::fmt::Debug for CookieSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.get().name())
    }
}

impl CookieSource {
    fn get(&self) -> &dyn ConsentSource {
        match self {
            CookieSource::Known(source) => *source,
            CookieSource::Custom(cookie) => cookie,
        }
    }
}

impl CookieSources {
    /// The sources of the table under these names, and these cookies of the site's own.
    pub fn new(names: &CookieNames, custom: Vec<CustomCookie>) -> Self {
        let known = names.iter().map(|(source, cookie)| NamedSource {
            cookie: cookie.into(),
            source: CookieSource::Known(source),
        });
        let custom = custom.into_iter().map(|cookie| NamedSource {
            cookie: cookie.cookie().into(),
            source: CookieSource::Custom(cookie),
        });
        Self(known.chain(custom).collect())
    }

    /// The name of each cookie, with its source.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &dyn ConsentSource)> {
        self.0.iter().map(|named| (&*named.cookie, named.source.get()))
    }
}
