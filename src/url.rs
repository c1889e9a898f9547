//! A URL taken apart into its parts (RFC 3986, section 3), each a slice of the text.
//!
//! Nothing is judged, decoded or normalized: clients send all kinds of URLs, and what they sent has to be there again byte
//! for byte. Why this is not the `url` crate: docs/decisions/0016-url-splitter.md.

/// The parts of a text that may be a URL. Put together in this order, with the delimiters, they are the text again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Url<'a> {
    /// `https://` or `//`; empty where no host is named, as in `/path` and `mailto:...`.
    pub scheme: &'a str,
    /// `user:secret@` or empty.
    pub user_info: &'a str,
    /// The host and its port, `example.com:8443`; or empty.
    pub host: &'a str,
    /// Behind a host empty or with a slash at its beginning; without a scheme anything.
    pub path: &'a str,
    /// Without the question mark.
    pub query: Option<&'a str>,
    /// Without the `#`.
    pub fragment: Option<&'a str>,
}

impl<'a> Url<'a> {
    /// Takes any text apart. One that is no URL is a path, as far as its first question mark or `#`.
    pub fn split(text: &'a str) -> Self {
        let (scheme, rest) = text.split_at(scheme_length(text));
        let (rest, fragment) = cut_at(rest, '#');
        let (rest, query) = cut_at(rest, '?');
        let end_of_authority = if scheme.is_empty() { 0 } else { rest.find('/').unwrap_or(rest.len()) };
        let (authority, path) = rest.split_at(end_of_authority);
        let (user_info, host) = authority.split_at(authority.rfind('@').map_or(0, |at| at.saturating_add(1)));
        Self { scheme, user_info, host, path, query, fragment }
    }

    /// Returns the host without its port: `example.com`, or `[::1]` with its brackets. Empty where none is named.
    pub fn host_name(&self) -> &'a str {
        let end = match self.host.find(']') {
            Some(bracket) => bracket.saturating_add(1),
            None => self.host.find(':').unwrap_or(self.host.len()),
        };
        self.host.get(..end).unwrap_or_default()
    }
}

/// Returns the length of `scheme://` or `//` at the beginning of the text, 0 where there is neither.
fn scheme_length(text: &str) -> usize {
    if text.starts_with("//") {
        return 2;
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    match text.split_once("://") {
        Some((scheme, _)) if !scheme.is_empty() && scheme.bytes().all(legal) => {
            scheme.len().saturating_add(3)
        }
        _ => 0,
    }
}

/// Returns what stands before the delimiter, and what stands behind it if it is there.
fn cut_at(text: &str, delimiter: char) -> (&str, Option<&str>) {
    text.split_once(delimiter).map_or((text, None), |(before, after)| (before, Some(after)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_part_of_a_url_is_found() {
        assert_eq!(
            Url::split("https://user:secret@shop.example:8443/a/b?x=1?2#y#z"),
            Url {
                scheme: "https://",
                user_info: "user:secret@",
                host: "shop.example:8443",
                path: "/a/b",
                query: Some("x=1?2"),
                fragment: Some("y#z"),
            }
        );
    }

    #[test]
    fn a_host_ends_at_a_path_a_query_or_a_fragment() {
        for url in [
            "//shop.example",
            "a+b://shop.example/p",
            "http://shop.example?a@b/c",
            "http://shop.example#a@b/c",
        ] {
            assert_eq!(Url::split(url).host, "shop.example", "{url}");
        }
        for url in [
            "/a//b",
            "thanks",
            "mailto:jane@example.com",
            "/login?next=https://shop.example/",
            "://x",
            "a b://x",
            "",
        ] {
            assert_eq!(Url::split(url).scheme, "", "{url}");
            assert_eq!(Url::split(url).host, "", "{url}");
        }
    }

    #[test]
    fn the_name_of_a_host_has_no_port() {
        for (url, name) in [
            ("//shop.example:80", "shop.example"),
            ("//[::1]:80/", "[::1]"),
            ("//[::1]", "[::1]"),
            ("//:80", ""),
            ("//a@b@c:1", "c"),
        ] {
            assert_eq!(Url::split(url).host_name(), name, "{url}");
        }
    }

    proptest! {
        #[test]
        fn the_parts_of_any_text_are_the_text_again(text in "([a-z]{1,3}(://)?|//)?[a-z0-9/?#@:.\\[\\]é-]{0,30}|\\PC*") {
            let url = Url::split(&text);
            let mut joined = [url.scheme, url.user_info, url.host, url.path].concat();
            for (delimiter, part) in [('?', url.query), ('#', url.fragment)] {
                if let Some(part) = part {
                    joined.push(delimiter);
                    joined.push_str(part);
                }
            }
            prop_assert_eq!(joined, text);
        }
    }
}
