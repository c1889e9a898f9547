//! Reads the request's cookies. A client may send anything, so their values are bytes.

/// The maximum number of cookies that are read; later ones are ignored. Browsers keep fewer for a site.
const MOST: usize = 1024;

/// The cookies of a request, over its `cookie` header lines in their order. HTTP/2 may split them over several lines.
///
/// Collect it once for all lookups: that reads the lines and copies nothing.
#[derive(Debug, Clone, Default)]
pub struct Cookies<'a>(Vec<(&'a [u8], &'a [u8])>);

impl<'a> FromIterator<&'a [u8]> for Cookies<'a> {
    fn from_iter<T: IntoIterator<Item = &'a [u8]>>(lines: T) -> Self {
        let parts = lines.into_iter().flat_map(|line| line.split(|byte| *byte == b';'));
        Self(parts.filter_map(cookie).take(MOST).collect())
    }
}

/// The name and value of a cookie; None without `=`.
fn cookie(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = part.iter().position(|byte| *byte == b'=')?;
    let (name, value) = part.split_at_checked(equals)?;
    Some((name.trim_ascii(), value.get(1..)?.trim_ascii()))
}

impl<'a> Cookies<'a> {
    /// The value of the first cookie of that name, as it was sent: white space around it removed, nothing decoded. Names
    /// are compared exactly. A cookie without `=` has no name and is never found.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.iter().find_map(|(key, value)| (key == name.as_bytes()).then_some(value))
    }

    /// The values of all cookies of that name: one may be set for the host and one for its domain.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        self.iter().filter(move |(key, _)| *key == name.as_bytes()).map(|(_, value)| value)
    }

    /// All cookies as (name, value), in the order in which they were sent.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cookies<'a>(lines: &[&'a str]) -> Cookies<'a> {
        lines.iter().map(|line| line.as_bytes()).collect()
    }

    #[test]
    fn a_cookie_is_found_on_any_line() {
        let cookies = cookies(&["a=1; b=2", "c=3;d=4"]);
        for (name, value) in [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")] {
            assert_eq!(cookies.get(name), Some(value.as_bytes()), "{name}");
        }
    }

    #[test]
    fn all_cookies_of_a_name_are_found_on_any_line() {
        let cookies = cookies(&["a=1; b=2; a=3", "a=4"]);
        assert_eq!(cookies.all("a").collect::<Vec<_>>(), [b"1", b"3", b"4"]);
        assert_eq!(cookies.all("c").count(), 0);
    }

    #[test]
    fn the_first_cookie_of_a_name_wins() {
        assert_eq!(cookies(&["a=1; a=2", "a=3"]).get("a"), Some(&b"1"[..]));
    }

    #[test]
    fn a_request_of_nothing_but_cookies_has_no_more_than_a_browser_could_send() {
        let line = "a=;".repeat(100_000) + "z=1";
        assert_eq!(cookies(&[&line]).iter().count(), MOST);
        assert_eq!(cookies(&[&line]).get("z"), None);
    }

    #[test]
    fn the_bound_holds_whichever_lines_the_cookies_are_on() {
        for on_first in [MOST - 1, MOST, MOST + 1] {
            let first = vec!["a=1"; on_first].join(";");
            assert_eq!(cookies(&[&first, "b=2; c=3; d=4"]).iter().count(), MOST, "{on_first}");
        }
    }

    #[test]
    fn a_name_is_compared_exactly() {
        let cookies = cookies(&["_dfid2=x; x_dfid=y; _DFID=z; _dfid"]);
        assert_eq!(cookies.get("_dfid"), None);
        assert_eq!(cookies.get(""), None);
    }

    #[test]
    fn a_value_keeps_its_equals_signs_and_quotes() {
        let cookies = cookies(&["a=x=y==; b = \"q\" ;c=;;  ; =d"]);
        assert_eq!(cookies.get("a"), Some(&b"x=y=="[..]));
        assert_eq!(cookies.get("b"), Some(&b"\"q\""[..]));
        assert_eq!(cookies.get("c"), Some(&b""[..]));
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_searched(lines: Vec<Vec<u8>>, name: String) {
            let cookies: Cookies = lines.iter().map(Vec::as_slice).collect();
            if let Some(value) = cookies.get(&name) {
                prop_assert!(!value.contains(&b';'));
            }
        }

        #[test]
        fn a_cookie_is_found_between_any_others(
            before in "([a-z]{1,3}=[^;]{0,5}; ?){0,4}", value in "[!-:<-~]{0,20}", after in "(;[^;]{0,8}){0,4}",
        ) {
            let line = format!("{before}_dfid={value}{after}");
            prop_assert_eq!(cookies(&[&line]).get("_dfid"), Some(value.as_bytes()));
        }
    }
}
