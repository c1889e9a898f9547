//! The visitor's anonymous id: from the event, else from the first configured cookie that has one, else issued by the filter.

use super::rudderstack::{MAX_WRAPPED, unquoted, unwrap_id};
use super::{CookieName, Cookies};
use crate::request::has_control;
use percent_encoding::percent_decode;
use std::borrow::Cow;

/// The longest anonymous id that is accepted, in bytes. A UUID has 36.
pub const MAX_LENGTH: usize = 256;

/// The longest cookie value that is read.
const MAX_COOKIE_VALUE: usize = MAX_WRAPPED;

/// Returns an event's `anonymousId` without white space around it and without RudderStack's wrappings, if it can be one: not
/// empty, at most [`MAX_LENGTH`] bytes, no control characters. What is borrowed is not copied.
pub fn of_event(anonymous_id: Cow<'_, str>) -> Option<Cow<'_, str>> {
    match unwrap_id(anonymous_id)? {
        Cow::Borrowed(id) => valid(id).map(Cow::Borrowed),
        Cow::Owned(id) => valid(&id).map(|id| Cow::Owned(id.to_owned())),
    }
}

fn valid(anonymous_id: &str) -> Option<&str> {
    let id = anonymous_id.trim();
    // What JavaScript makes of an id that was never set.
    let is_unset = matches!(id, "" | "null" | "undefined");
    (!is_unset && id.len() <= MAX_LENGTH && !has_control(id)).then_some(id)
}

/// The id in the first of the named cookies that holds one.
pub fn of_cookies<'a>(cookies: &Cookies<'a>, names: &[CookieName]) -> Option<Cow<'a, str>> {
    names.iter().find_map(|name| of_cookie(cookies.get(name.as_str())?))
}

/// A new id: a UUID v4 from 16 random bytes, as text.
pub fn issue(random: [u8; 16]) -> String {
    uuid::Builder::from_random_bytes(random).into_uuid().hyphenated().to_string()
}

/// Undoes what the SDKs do to an id before it becomes a cookie: percent-encoding (all), JSON quotes (older analytics.js,
/// RudderStack) and RudderStack's wrappings.
fn of_cookie(value: &[u8]) -> Option<Cow<'_, str>> {
    if value.len() > MAX_COOKIE_VALUE {
        return None;
    }
    let text = match Cow::<[u8]>::from(percent_decode(value)) {
        Cow::Borrowed(bytes) => Cow::Borrowed(std::str::from_utf8(bytes).ok()?),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8(bytes).ok()?),
    };
    of_event(unquoted(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::prelude::{BASE64_STANDARD, Engine};
    use proptest::prelude::*;

    const ID: &str = "0bd5bf03-b9dd-442d-bab9-3f4f59a02173";

    fn names() -> Vec<CookieName> {
        ["_dfid", "ajs_anonymous_id", "rl_anonymous_id"].map(|name| CookieName::parse(name).unwrap()).to_vec()
    }

    fn of_line(line: &str) -> Option<String> {
        let cookies: Cookies = [line.as_bytes()].into_iter().collect();
        of_cookies(&cookies, &names()).map(Cow::into_owned)
    }

    #[test]
    fn the_first_configured_cookie_that_holds_an_id_wins() {
        assert_eq!(of_line("ajs_anonymous_id=second; _dfid=first").as_deref(), Some("first"));
        assert_eq!(of_line("ajs_anonymous_id=second; _dfid=").as_deref(), Some("second"));
        assert_eq!(of_line("other=1"), None);
    }

    #[test]
    fn the_cookie_of_analytics_js_is_read_in_all_its_forms() {
        for value in [ID, &format!("%22{ID}%22"), &format!("\"{ID}\"")] {
            assert_eq!(of_line(&format!("ajs_anonymous_id={value}")).as_deref(), Some(ID), "{value}");
        }
    }

    #[test]
    fn the_cookie_of_rudderstack_is_read() {
        // The form that the SDK writes: base64 of the JSON string, its padding percent-encoded.
        let value = "RS_ENC_v3_IjBiZDViZjAzLWI5ZGQtNDQyZC1iYWI5LTNmNGY1OWEwMjE3MyI";
        for padding in ["%3D", "=", ""] {
            assert_eq!(
                of_line(&format!("rl_anonymous_id={value}{padding}")).as_deref(),
                Some(ID),
                "{padding}"
            );
        }
        // From the SDK's own tests.
        assert_eq!(of_line("rl_anonymous_id=RS_ENC_v3_dGVzdC1kYXRh").as_deref(), Some("test-data"));
    }

    #[test]
    fn an_event_or_a_cookie_that_rudderstacks_sdk_wrapped_twice_holds_the_id() {
        let wrap = |id: &str| format!("RS_ENC_v3_{}", BASE64_STANDARD.encode(format!("\"{id}\"")));
        let twice = wrap(&wrap(ID));
        assert_eq!(of_event(twice.as_str().into()).as_deref(), Some(ID));
        assert_eq!(of_line(&format!("rl_anonymous_id={}", twice.replace('=', "%3D"))).as_deref(), Some(ID));
        assert_eq!(of_event("RudderEncrypt:U2FsdGVkX1".into()), None);
        assert_eq!(of_event("RS_ENC_v3_***".into()), None);
    }

    #[test]
    fn a_cookie_that_holds_no_id_is_none() {
        for value in [
            "",
            "%20",
            "null",
            "undefined",
            "%22%22",
            "%22broken",
            "%00",
            "a%0Ab",
            "%ff",
            "RS_ENC_v3_",
            "RS_ENC_v3_bnVsbA%3D%3D",
            "RS_ENC_v3_***",
            "RudderEncrypt:U2FsdGVkX1%2B5q5jikppUASe8AdIH6O2iORyF41sYXgxzIGiX9whSeVxxww0OK5h%2F",
            &"a".repeat(257),
            &"%61".repeat(400),
        ] {
            assert_eq!(of_line(&format!("_dfid={value}")), None, "{value}");
        }
    }

    #[test]
    fn an_id_has_at_most_256_bytes() {
        assert!(of_event("a".repeat(256).into()).is_some());
        assert!(of_event("a".repeat(257).into()).is_none());
        assert_eq!(of_event(" \t ".into()), None);
        assert_eq!(of_event(" a b ".into()).as_deref(), Some("a b"));
    }

    #[test]
    fn an_issued_id_is_a_uuid_v4() {
        assert_eq!(issue([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(issue([0; 16]), "00000000-0000-4000-8000-000000000000");
    }

    proptest! {
        #[test]
        fn an_id_of_any_bytes_is_short_printable_text(value: Vec<u8>, prefix in "(RS_ENC_v3_|%22|\")?") {
            let value = [prefix.as_bytes(), &value].concat();
            if let Some(id) = of_cookie(&value) {
                prop_assert!(!id.is_empty() && id.len() <= MAX_LENGTH && !id.contains(char::is_control));
            }
        }

        #[test]
        fn any_id_survives_rudderstacks_cookie(id in "[!-~äöü]{1,60}") {
            prop_assume!(id != "null");
            let json = serde_json::to_string(&id).unwrap();
            let value = format!("RS_ENC_v3_{}", BASE64_STANDARD.encode(json));
            let read = of_cookie(value.as_bytes());
            prop_assert_eq!(read.as_deref(), Some(id.as_str()));
        }
    }
}
