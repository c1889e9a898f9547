//! A URL taken apart, so that only what holds an address is dropped and the rest stays a valid URL.

use super::address::email_in;
use super::scrubbed::Scrubbed;

/// The parts of a URL. Put together in this order, they are the URL again, byte for byte.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    /// `https://` or `//`; empty for a path alone.
    scheme: &'a str,
    /// `user:secret@` or empty.
    user_info: &'a str,
    /// `example.com:8443` or empty.
    host: &'a str,
    /// Empty, or begins with a slash.
    path: &'a str,
    /// Without the question mark.
    query: Option<&'a str>,
    /// Without the `#`.
    fragment: Option<&'a str>,
}

impl<'a> Parts<'a> {
    /// None if the value is not a URL: neither `scheme://...` nor something that begins with a slash.
    pub(super) fn of(value: &'a str) -> Option<Self> {
        let (scheme, rest) = value.split_at_checked(scheme_length(value)?)?;
        let (rest, fragment) = cut_at(rest, '#');
        let (rest, query) = cut_at(rest, '?');
        let authority_ends = if scheme.is_empty() { 0 } else { rest.find('/').unwrap_or(rest.len()) };
        let (authority, path) = rest.split_at_checked(authority_ends)?;
        let user_info_ends = authority.rfind('@').map_or(0, |at| at.saturating_add(1));
        let (user_info, host) = authority.split_at_checked(user_info_ends)?;
        Some(Self { scheme, user_info, host, path, query, fragment })
    }

    pub(super) fn has_user_info(&self) -> bool {
        !self.user_info.is_empty()
    }

    /// The URL without its user information and without the parts that hold an address; dropped if the host does.
    pub(super) fn without_email(&self) -> Scrubbed {
        let mut url = format!("{}{}", self.scheme, self.host);
        self.push_path(&mut url);
        if let Some(query) = self.query {
            push_clean(&mut url, query.split('&'), ['?', '&']);
        }
        push_clean(&mut url, self.fragment.into_iter(), ['#', '#']);
        // Only the host can still hold an address: no other part borders on its neighbours in a way that makes an address
        // of the two. Should that ever turn out wrong, a lost value is better than a leaked address.
        if email_in(url.as_bytes()) { Scrubbed::Dropped } else { Scrubbed::Cut(url) }
    }

    fn push_path(&self, url: &mut String) {
        let Some(path) = self.path.strip_prefix('/') else { return };
        let before = url.len();
        push_clean(url, path.split('/'), ['/', '/']);
        // The path itself stays, and without a host it must not come to begin with two slashes: that would name one.
        let kept = url.split_off(before);
        let kept = if self.scheme.is_empty() {
            kept.trim_start_matches('/')
        } else {
            kept.get(1..).unwrap_or_default()
        };
        url.push('/');
        url.push_str(kept);
    }
}

/// Appends the parts that hold no address, `delimiters[0]` before the first and `delimiters[1]` before the others.
fn push_clean<'a>(url: &mut String, parts: impl Iterator<Item = &'a str>, [first, other]: [char; 2]) {
    let mut delimiter = first;
    for part in parts.filter(|part| !email_in(part.as_bytes())) {
        url.push(delimiter);
        url.push_str(part);
        delimiter = other;
    }
}

/// The length of `scheme://` or `//` at the start; 0 for a path; None for what is no URL.
fn scheme_length(value: &str) -> Option<usize> {
    if value.starts_with("//") {
        return Some(2);
    }
    if value.starts_with('/') {
        return Some(0);
    }
    let (scheme, _) = value.split_once("://")?;
    let well_formed = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    well_formed.then_some(scheme.len().saturating_add(3))
}

/// What is before the delimiter, and what is after it if there is one.
fn cut_at(text: &str, delimiter: char) -> (&str, Option<&str>) {
    text.split_once(delimiter).map_or((text, None), |(before, after)| (before, Some(after)))
}
