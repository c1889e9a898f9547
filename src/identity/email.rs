//! The one form in which an email address may be sent: its SHA-256.

use crate::codec;
use sha2::{Digest, Sha256};
use std::{fmt, str};

/// The longest address in bytes, 64 + `@` + 255 (RFC 3696, erratum 1690).
const MAX_LENGTH: usize = 320;

/// A SHA-256 of an email address, in lowercase hex. It identifies a person, so `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EmailHash([u8; 64]);

impl EmailHash {
    /// 64 lowercase hex digits.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// From the 32 bytes of the digest.
    pub fn from_digest(digest: &[u8; 32]) -> Self {
        Self(codec::encode_digest(digest))
    }

    /// The 32 bytes of the digest.
    pub fn digest(&self) -> [u8; 32] {
        codec::decode_digest(&self.0).unwrap_or_default() // there are 64 hex digits
    }

    /// From 64 hex digits in either case: somebody hashed the address already.
    fn from_hex(text: &str) -> Option<Self> {
        codec::decode_digest(text.as_bytes()).map(|digest| Self::from_digest(&digest))
    }
}

impl fmt::Debug for EmailHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailHash(***)")
    }
}

/// The digest of an event's email: white space around it removed, lowercased, SHA-256. A value that is 64 hex digits
/// already is passed on, lowercased. None for what is no email: no `@` with something on both sides, or above 320 bytes.
pub fn hash(raw: &str) -> Option<EmailHash> {
    let email = raw.trim();
    match EmailHash::from_hex(email) {
        None if is_address(email) => {
            Some(EmailHash::from_digest(&Sha256::digest(email.to_lowercase()).into()))
        }
        hash => hash,
    }
}

/// Whether [`hash`] takes a value. Cheaper than to hash it.
pub fn is_usable(raw: &str) -> bool {
    let email = raw.trim();
    is_address(email) || EmailHash::from_hex(email).is_some()
}

fn is_address(email: &str) -> bool {
    let parts = email.rsplit_once('@').filter(|_| email.len() <= MAX_LENGTH);
    parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hashed(raw: &str) -> Option<String> {
        hash(raw).map(|hash| hash.as_str().to_owned())
    }

    // Computed with sha256sum.
    const JANE_DOE: &str = "86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d";
    const JANE: &str = "8c87b489ce35cf2e2f39f80e282cb2e804932a56a213983eeeb428407d43b52d";

    #[test]
    fn an_email_is_trimmed_lowercased_and_hashed() {
        assert_eq!(hashed("jane.doe@example.com").as_deref(), Some(JANE_DOE));
        assert_eq!(hashed(" \tJane.Doe@Example.COM\n").as_deref(), Some(JANE_DOE));
        assert_eq!(hashed("jane@example.com").as_deref(), Some(JANE));
    }

    #[test]
    fn what_is_hashed_already_is_passed_on_in_lowercase() {
        assert_eq!(hashed(&format!(" {} ", JANE.to_uppercase())).as_deref(), Some(JANE));
    }

    #[test]
    fn what_is_neither_an_email_nor_a_digest_is_none() {
        for raw in
            ["", " ", "jane", "@", "jane@", "@example.com", &JANE[1..], &format!("{JANE}0"), &"g".repeat(64)]
        {
            assert_eq!(hash(raw), None, "{raw:?}");
        }
    }

    #[test]
    fn an_email_has_at_most_320_bytes() {
        assert!(hash(&format!("{}@example.com", "a".repeat(308))).is_some());
        assert!(hash(&format!("{}@example.com", "a".repeat(309))).is_none());
    }

    #[test]
    fn a_digest_does_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", hash(JANE)), "Some(EmailHash(***))");
    }

    proptest! {
        #[test]
        fn any_text_gives_64_lowercase_hex_digits_or_none(raw in ".{0,5}@?.{0,5}|[0-9a-fA-F]{64}") {
            prop_assert_eq!(is_usable(&raw), hash(&raw).is_some());
            if let Some(hash) = hashed(&raw) {
                prop_assert_eq!(hash.len(), 64);
                prop_assert!(hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
            }
        }

        #[test]
        fn a_digest_survives_its_way_through_bytes(digest: [u8; 32]) {
            let hash = EmailHash::from_digest(&digest);
            prop_assert_eq!(hash.digest(), digest);
            prop_assert_eq!(super::hash(hash.as_str()), Some(hash));
        }
    }
}
