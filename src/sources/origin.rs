//! The hosts from whose pages a source's events may come.
//!
//! A write key is in every page that uses it, so it can be copied to another site. A browser says where a request comes from,
//! in headers that no page can change. A program can send what it likes: signatures are for that.

use serde::{Deserialize, Serialize};

use crate::request::Request;
use crate::url::Url;

/// The longest host name (RFC 1035, section 2.3.4).
const MAX_HOST: usize = 253;
const MAX_LABEL: usize = 63;

/// A host, or `*.` and a host for all of its subdomains. In lowercase, because browsers write it so.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(inline))]
#[serde(try_from = "String")]
pub struct OriginHost(String);

/// Not a host that an `Origin` can name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a host like shop.example.com, or *.example.com for its subdomains, without scheme, port and path, got {0:?}"
)]
pub struct InvalidOrigin(String);

impl TryFrom<String> for OriginHost {
    type Error = InvalidOrigin;

    fn try_from(host: String) -> Result<Self, InvalidOrigin> {
        let is_label = |label: &str| {
            (1..=MAX_LABEL).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        let labels = host.strip_prefix("*.").unwrap_or(&host);
        let valid = labels.len() <= MAX_HOST && labels.split('.').all(is_label);
        if valid { Ok(Self(host.to_ascii_lowercase())) } else { Err(InvalidOrigin(host)) }
    }
}

impl OriginHost {
    /// Whether this is the host, or the host is below it.
    pub fn matches(&self, host: &str) -> bool {
        let ends_with = |suffix: &str| {
            let start = host.len().checked_sub(suffix.len());
            start.and_then(|start| host.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
        };
        match self.0.strip_prefix('*') {
            // `suffix` begins with the dot, so something has to stand before it.
            Some(suffix) => host.len() > suffix.len() && ends_with(suffix),
            None => host.eq_ignore_ascii_case(&self.0),
        }
    }
}

/// Returns the host of the page that a request comes from, without its port: that of its `Origin`, else that of its
/// `Referer`. `None` where neither names one.
pub fn host_of(request: &Request) -> Option<&str> {
    let header = |name| request.header(name).map(<[u8]>::trim_ascii).filter(|value| !value.is_empty());
    let page = std::str::from_utf8(header("origin").or_else(|| header("referer"))?).ok()?;
    let host = Url::split(page).host_name();
    // A name may end with the root's dot.
    Some(host.strip_suffix('.').unwrap_or(host)).filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::endpoints::Endpoints;
    use crate::request::Budget;

    fn host(text: &str) -> OriginHost {
        OriginHost::try_from(text.to_owned()).unwrap()
    }

    fn request(headers: &[(&str, &[u8])]) -> Request {
        Request {
            endpoint: Endpoints::new("").unwrap().find(b"/v1/t").unwrap(),
            path: b"/v1/t".to_vec(),
            source_address: Vec::new(),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect(),
            body: Vec::new(),
            lease: Budget::default().lease(),
        }
    }

    #[test]
    fn a_host_is_itself_in_any_case_and_nothing_else() {
        let shop = host("Shop.Example.com");
        assert!(shop.matches("shop.example.com") && shop.matches("SHOP.example.COM"));
        for other in
            ["example.com", "www.shop.example.com", "shop.example.com.evil.example", "xshop.example.com", ""]
        {
            assert!(!shop.matches(other), "{other}");
        }
    }

    #[test]
    fn an_asterisk_stands_for_subdomains_of_any_depth_and_not_for_the_host_itself() {
        let shops = host("*.example.com");
        for below in ["shop.example.com", "a.b.EXAMPLE.com"] {
            assert!(shops.matches(below), "{below}");
        }
        for other in
            ["example.com", ".example.com", "badexample.com", "shop.example.com.evil.example", "é", ""]
        {
            assert!(!shops.matches(other), "{other}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            "*",
            "*.",
            "https://shop.example.com",
            "shop.example.com:443",
            "shop.example.com/",
            "shop..example",
            "*shop.example",
            "a.*.example",
            ".example.com",
            "bücher.example",
            &"a".repeat(64),
            &"a.".repeat(127).repeat(2),
        ] {
            assert!(OriginHost::try_from(text.to_owned()).is_err(), "{text}");
        }
        for text in ["localhost", "192.0.2.1", "xn--bcher-kva.example", "*.com", "a_b.example"] {
            assert!(OriginHost::try_from(text.to_owned()).is_ok(), "{text}");
        }
    }

    #[test]
    fn the_host_of_a_page_is_that_of_its_origin_else_of_its_referer() {
        let of = |headers: &[(&str, &str)]| {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
            host_of(&request(&headers)).map(str::to_owned)
        };
        let page = ("referer", "https://referer.example/a?b=https://other.example");
        assert_eq!(of(&[("origin", "https://shop.example:8443"), page]).as_deref(), Some("shop.example"));
        assert_eq!(of(&[("origin", ""), page]).as_deref(), Some("referer.example"));
        assert_eq!(of(&[page]).as_deref(), Some("referer.example"));
        assert_eq!(of(&[("origin", "https://shop.example.")]).as_deref(), Some("shop.example"));
        // What sandboxed pages send: they say that they are nobody's.
        assert_eq!(of(&[("origin", "null"), page]), None);
        assert_eq!(of(&[("origin", "https://user@evil.example")]).as_deref(), Some("evil.example"));
        assert_eq!(of(&[]), None);
        assert_eq!(host_of(&request(&[("origin", b"https://\xff")])), None);
    }

    proptest! {
        #[test]
        fn any_header_names_a_host_or_none(origin: Vec<u8>, name in "origin|referer", pattern in "(\\*\\.)?[a-z]{1,3}(\\.[a-z]{1,3}){0,2}") {
            if let Some(found) = host_of(&request(&[(&name, &origin)])) {
                prop_assert!(!found.is_empty());
                host(&pattern).matches(found);
            }
        }
    }
}
