//! The `set-cookie` headers for the filter's own cookies. Names and domains are checked when the configuration is loaded, so
//! that nothing can be injected later.

use std::time::Duration;

use serde::{Deserialize, Serialize};

const MAX_NAME: usize = 128;
/// RFC 1035, section 2.3.4.
const MAX_DOMAIN: usize = 253;
const MAX_LABEL: usize = 63;

/// A cookie's name: a token (RFC 6265, section 4.1.1) of at most 128 characters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(inline, extend("minLength" = 1, "maxLength" = MAX_NAME)))]
#[serde(try_from = "String")]
pub struct CookieName(String);

/// A cookie's `Domain`: host labels, with or without the leading dot that browsers ignore.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(inline))]
#[serde(try_from = "String")]
pub struct CookieDomain(String);

/// Why a cookie's settings are invalid. The texts say what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCookie {
    /// The name is no token, or it is longer than 128 characters.
    #[error("expected a cookie name: 1 to 128 letters, digits and !#$%&'*+-.^_`|~")]
    Name,
    /// The domain has an empty or invalid label, a label of more than 63 characters, or more than 253 characters.
    #[error("expected a domain like .example.com")]
    Domain,
    /// A cookie named `__Host-...` has a domain (RFC 6265bis, section 4.1.3.2).
    #[error("expected no domain: browsers refuse one on a cookie named __Host-...")]
    HostPrefix,
}

impl CookieName {
    /// Returns a name of our own, which has to be a token.
    pub(super) fn literal(name: &'static str) -> Self {
        debug_assert!(Self::parse(name).is_ok(), "{name:?}");
        Self(name.to_owned())
    }

    /// Accepts a token (RFC 6265, section 4.1.1) of 1 to 128 characters.
    pub fn parse(name: &str) -> Result<Self, InvalidCookie> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let valid = (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_token);
        valid.then(|| Self(name.to_owned())).ok_or(InvalidCookie::Name)
    }

    /// Returns the name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CookieName {
    type Error = InvalidCookie;

    fn try_from(name: String) -> Result<Self, InvalidCookie> {
        Self::parse(&name)
    }
}

impl TryFrom<String> for CookieDomain {
    type Error = InvalidCookie;

    fn try_from(domain: String) -> Result<Self, InvalidCookie> {
        Self::parse(&domain)
    }
}

impl CookieDomain {
    /// Accepts labels of letters, digits and hyphens, joined by dots, with or without a dot in front.
    pub fn parse(domain: &str) -> Result<Self, InvalidCookie> {
        let host = domain.strip_prefix('.').unwrap_or(domain);
        let is_label = |label: &str| {
            (1..=MAX_LABEL).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let valid = host.len() <= MAX_DOMAIN && host.split('.').all(is_label);
        valid.then(|| Self(domain.to_owned())).ok_or(InvalidCookie::Domain)
    }

    /// Returns the domain as it was written, maybe with a dot in front.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A cookie that we set: `Path=/`, `HttpOnly`, `Secure`, `SameSite=Lax`; no script reads it and no plain HTTP carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetCookie {
    name: CookieName,
    domain: Option<CookieDomain>,
    max_age: Duration,
}

impl SetCookie {
    /// Without a domain the cookie belongs to the host that sets it alone. `max_age` counts in whole seconds.
    pub fn new(
        name: CookieName,
        domain: Option<CookieDomain>,
        max_age: Duration,
    ) -> Result<Self, InvalidCookie> {
        // RFC 6265bis, section 4.1.3.2.
        let host_only = name.as_str().get(..7).is_some_and(|prefix| prefix.eq_ignore_ascii_case("__host-"));
        if host_only && domain.is_some() {
            return Err(InvalidCookie::HostPrefix);
        }
        Ok(Self { name, domain, max_age })
    }

    /// Returns the cookie's name.
    pub fn name(&self) -> &CookieName {
        &self.name
    }

    /// Returns how long the browser keeps the cookie.
    pub fn max_age(&self) -> Duration {
        self.max_age
    }

    /// The value of a `set-cookie` header that sets the cookie. Characters that no cookie value may have (RFC 6265's
    /// `cookie-octet`) are left out of the value; a UUID and a sealed email have none.
    pub fn set(&self, value: &str) -> String {
        let value: String = value.chars().filter(|c| is_cookie_octet(*c)).collect();
        self.line(&value, self.max_age)
    }

    /// The value of a `set-cookie` header that deletes the cookie.
    pub fn delete(&self) -> String {
        self.line("", Duration::ZERO)
    }

    fn line(&self, value: &str, max_age: Duration) -> String {
        let domain = self.domain.as_ref().map_or_else(String::new, |domain| format!("; Domain={}", domain.0));
        let (name, max_age) = (&self.name.0, max_age.as_secs());
        format!("{name}={value}; Path=/{domain}; Max-Age={max_age}; HttpOnly; Secure; SameSite=Lax")
    }
}

fn is_cookie_octet(c: char) -> bool {
    matches!(c, '!' | '#'..='+' | '-'..=':' | '<'..='[' | ']'..='~')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cookie(name: &str, domain: Option<&str>) -> SetCookie {
        let domain = domain.map(|domain| CookieDomain::parse(domain).unwrap());
        SetCookie::new(CookieName::parse(name).unwrap(), domain, Duration::from_secs(60)).unwrap()
    }

    #[test]
    fn a_cookie_is_set_for_the_host_alone_unless_a_domain_is_configured() {
        assert_eq!(
            cookie("_cr_em", None).set("abc"),
            "_cr_em=abc; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Lax"
        );
        assert_eq!(
            cookie("_dfid", Some(".example.com")).set("abc"),
            "_dfid=abc; Path=/; Domain=.example.com; Max-Age=60; HttpOnly; Secure; SameSite=Lax"
        );
    }

    #[test]
    fn a_cookie_is_deleted_with_the_path_and_domain_that_it_was_set_with() {
        assert_eq!(
            cookie("_cr_em", Some("example.com")).delete(),
            "_cr_em=; Path=/; Domain=example.com; Max-Age=0; HttpOnly; Secure; SameSite=Lax"
        );
    }

    #[test]
    fn a_name_that_could_inject_something_is_refused() {
        for name in ["", "a b", "a=b", "a;b", "a\r\nb", "a,b", "\"a\"", "ä", &"a".repeat(129)] {
            assert_eq!(CookieName::parse(name), Err(InvalidCookie::Name), "{name:?}");
        }
        for name in ["_dfid", "__Host-id", "a.b-c|d", &"a".repeat(128)] {
            assert!(CookieName::parse(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn a_domain_that_could_inject_something_is_refused() {
        for domain in [
            "",
            ".",
            "..example.com",
            "example.com.",
            "a b.com",
            "a.com; Path=/x",
            "a.com\r\n",
            "-a.com",
            "a-.com",
            "https://a.com",
            "a.com:80",
            "bücher.example",
            "[::1]",
            &"a".repeat(64),
        ] {
            assert_eq!(CookieDomain::parse(domain), Err(InvalidCookie::Domain), "{domain:?}");
        }
        for domain in ["example.com", ".example.com", "localhost", "xn--bcher-kva.example"] {
            assert!(CookieDomain::parse(domain).is_ok(), "{domain:?}");
        }
    }

    #[test]
    fn a_host_prefixed_cookie_takes_no_domain() {
        let name = CookieName::parse("__Host-id").unwrap();
        let domain = CookieDomain::parse("example.com").unwrap();
        assert_eq!(SetCookie::new(name, Some(domain), Duration::ZERO), Err(InvalidCookie::HostPrefix));
    }

    proptest! {
        #[test]
        fn no_value_injects_an_attribute_or_a_header(value: String) {
            let line = cookie("a", None).set(&value);
            prop_assert_eq!(line.matches(';').count(), 5);
            prop_assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }

        #[test]
        fn no_name_or_domain_that_is_taken_breaks_the_line(name: String, domain: String) {
            if let Ok(name) = CookieName::parse(&name) {
                prop_assert!(!name.as_str().contains([';', '=', ' ', ',', '\r', '\n']));
            }
            if let Ok(domain) = CookieDomain::parse(&domain) {
                prop_assert!(!domain.as_str().contains([';', '=', ' ', ',', '\r', '\n']));
            }
        }
    }
}
