//! Undoes RudderStack's storage encryption of ids: its JavaScript SDK writes an id into a cookie as `RS_ENC_v3_` and the base64
//! of a JSON string. Sites hand that value on as it is, to `setAnonymousId` or a server library, so an id may be wrapped
//! several times, in an event as well as in a cookie.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::codec;
use crate::json::Json;

/// The longest text that is unwrapped, in bytes: more than any cookie has. Each wrapping adds a third, so there are never
/// more than a few dozen of them.
pub const MAX_WRAPPED: usize = 4096;

const V3: &str = "RS_ENC_v3_";

/// The older form: AES with a public passphrase. Not read: it would need AES and MD5 in the filter, and that SDK sends the id in
/// every event anyway.
const V1: &str = "RudderEncrypt";

/// Returns an id without any of its wrappings; one that has none as it is. `None` for one that can't be unwrapped, and for a
/// wrapped `null`: these are no ids.
pub fn unwrap_id(id: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let mut id = id;
    while let Some(wrapped) = id.trim_start().strip_prefix(V3) {
        if wrapped.len() > MAX_WRAPPED {
            return None;
        }
        // A cookie's value that was handed on without being decoded has an encoded padding.
        let base64 = Cow::<[u8]>::from(percent_decode_str(wrapped.trim_end()));
        id = unquoted(Cow::Owned(String::from_utf8(codec::decode_base64(base64)?).ok()?))?;
    }
    let is_v1 = id.trim_start().strip_prefix(V1).is_some_and(|rest| {
        rest.starts_with(':') || rest.get(..3).is_some_and(|colon| colon.eq_ignore_ascii_case("%3A"))
    });
    (!is_v1).then_some(id)
}

/// Returns the text of a JSON string, or else the text itself, unless it is `null`: JSON.stringify of an id that was never
/// set. `None` where it begins like a JSON string and is none.
pub fn unquoted(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    if !text.starts_with('"') {
        return (text != "null").then_some(text);
    }
    Some(Cow::Owned(Json::parse(&text).ok()?.text()?.into_owned()))
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, Engine};
    use proptest::prelude::*;

    use super::*;

    fn wrapped(id: &str) -> String {
        format!("{V3}{}", BASE64_STANDARD.encode(serde_json::to_string(id).unwrap()))
    }

    fn unwrapped(id: &str) -> Option<String> {
        unwrap_id(Cow::Borrowed(id)).map(Cow::into_owned)
    }

    #[test]
    fn an_id_that_is_not_wrapped_stays_as_it_is_and_is_not_copied() {
        assert!(matches!(unwrap_id(Cow::Borrowed("a1")), Some(Cow::Borrowed("a1"))));
        assert_eq!(unwrapped("\"a1\"").as_deref(), Some("\"a1\""));
    }

    /// The first two vectors are of RudderStack's documentation and of the SDK's own tests.
    #[test]
    fn the_forms_that_the_sdk_writes_are_unwrapped() {
        assert_eq!(unwrapped("RS_ENC_v3_InRlc3QtZGF0YSI=").as_deref(), Some("test-data"));
        assert_eq!(unwrapped("RS_ENC_v3_dGVzdC1kYXRh").as_deref(), Some("test-data"));
        assert_eq!(unwrapped("RS_ENC_v3_InRlc3QtZGF0YSI%3D").as_deref(), Some("test-data"));
    }

    #[test]
    fn what_stays_wrapped_is_no_id() {
        for id in [
            "RS_ENC_v3_",
            "RS_ENC_v3_***",
            "RS_ENC_v3_bnVsbA==",
            "RS_ENC_v3_/w==",
            "RS_ENC_v3_Ing=",
            "RudderEncrypt:U2FsdGVkX1",
            "RudderEncrypt%3AU2FsdGVkX1",
            &wrapped("RudderEncrypt:U2FsdGVkX1"),
            &wrapped("RS_ENC_v3_***"),
            &format!("{V3}{}", "A".repeat(MAX_WRAPPED + 4)),
        ] {
            assert_eq!(unwrapped(id).filter(|id| !id.is_empty()), None, "{id}");
        }
        assert_eq!(unwrapped("RudderEncryption").as_deref(), Some("RudderEncryption"));
    }

    proptest! {
        #[test]
        fn an_id_is_unwrapped_however_often_it_was_wrapped(id in "[!-~äöü]{1,60}", times in 0..10) {
            prop_assume!(id != "null" && !id.starts_with(V1) && !id.starts_with(V3));
            let wrapped = (0..times).fold(id.clone(), |id, _| wrapped(&id));
            prop_assume!(wrapped.len() <= MAX_WRAPPED);
            prop_assert_eq!(unwrapped(&wrapped), Some(id));
        }

        #[test]
        fn any_text_is_unwrapped_or_refused(text in "(RS_ENC_v3_)?[A-Za-z0-9+/=%]{0,60}|.{0,60}") {
            if let Some(id) = unwrapped(&text) {
                prop_assert!(!id.starts_with(V3));
            }
        }
    }
}
