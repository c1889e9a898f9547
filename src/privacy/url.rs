//! What is left of a URL without the parts that hold an address: the rest stays a valid URL.

use super::address::email_in;
use super::encoded::hides_address;
use super::scrubbed::Scrubbed;
use crate::url::Url;

/// Takes a value apart if it is a URL: it names a scheme, as in `scheme://...`, or begins with a slash.
pub(super) fn of(value: &str) -> Option<Url<'_>> {
    if !value.starts_with('/') && !names_scheme(value) {
        return None; // the fast path: most values are neither
    }
    let url = Url::split(value);
    let named = !url.scheme.is_empty() && value.starts_with(|first: char| first.is_ascii_alphabetic());
    (named || value.starts_with('/')).then_some(url)
}

/// Whether a value holds `://`. Each colon is looked at by itself: most values have none, and a search for a text takes longer to
/// begin.
fn names_scheme(value: &str) -> bool {
    let bytes = value.as_bytes();
    memchr::memchr_iter(b':', bytes).any(|at| bytes.get(at..).is_some_and(|rest| rest.starts_with(b"://")))
}

/// Whether a URL has user information, or an address in base64. Others in it are not looked for.
pub(super) fn is_private(url: &Url) -> bool {
    let query = url.query.into_iter().flat_map(|query| query.split('&'));
    let mut parts = url.path.split('/').chain(query).chain(url.fragment);
    !url.user_info.is_empty() || parts.any(|part| hides_address(part.as_bytes()))
}

/// Returns the URL without its user information and without the parts that hold an address; dropped if the host does.
pub(super) fn without_email(parts: &Url) -> Scrubbed {
    let mut url = format!("{}{}", parts.scheme, parts.host);
    push_path(parts, &mut url);
    if let Some(query) = parts.query {
        push_clean(&mut url, query.split('&'), ['?', '&']);
    }
    push_clean(&mut url, parts.fragment.into_iter(), ['#', '#']);
    // Only the host can still hold an address: no other part borders on its neighbours in a way that makes an address
    // of the two. Should that ever turn out wrong, a lost value is better than a leaked address.
    if email_in(url.as_bytes()) { Scrubbed::Dropped } else { Scrubbed::Cut(url) }
}

fn push_path(parts: &Url, url: &mut String) {
    let Some(path) = parts.path.strip_prefix('/') else { return };
    let before = url.len();
    push_clean(url, path.split('/'), ['/', '/']);
    // The path itself stays, and without a host it must not come to begin with two slashes: that would name one.
    let kept = url.split_off(before);
    let kept = if parts.scheme.is_empty() {
        kept.trim_start_matches('/')
    } else {
        kept.get(1..).unwrap_or_default()
    };
    url.push('/');
    url.push_str(kept);
}

/// Appends the parts that hold no address, `delimiters[0]` before the first and `delimiters[1]` before the others.
fn push_clean<'a>(url: &mut String, parts: impl Iterator<Item = &'a str>, [first, other]: [char; 2]) {
    let mut delimiter = first;
    for part in parts.filter(|part| !email_in(part.as_bytes()) && !hides_address(part.as_bytes())) {
        url.push(delimiter);
        url.push_str(part);
        delimiter = other;
    }
}
