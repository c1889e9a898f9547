//! `remember_email`: a purchase that follows an `identify()` usually carries no email, so the visitor's browser keeps the
//! email's digest in a cookie that only the filter can decrypt.
//!
//! The cookie is base64url (unpadded) of nonce, ciphertext and tag of XChaCha20-Poly1305. The plain text is version, expiry
//! and the 32 bytes of the digest. The anonymous id is the associated data, so that the cookie is useless to another visitor.
//! There is no store: every gateway with the same secret can decrypt it.

use super::EmailHash;
use crate::seal::{InvalidSecrets, Keys, NONCE};
use crate::settings::Secret;
use base64::engine::{Engine, general_purpose::URL_SAFE_NO_PAD};

/// What the key is derived for, and a part of what each cookie is bound to.
const PURPOSE: &[u8] = b"conversion-relay remember_email v1\0";

const VERSION: u8 = 1;
const TAG: usize = 16;
const PLAIN: usize = 1 + 8 + 32;
const SEALED: usize = NONCE + PLAIN + TAG;
/// The length of the cookie's value, in characters. Every value has the same length.
const VALUE: usize = (SEALED * 4).div_ceil(3);

/// Returns the keys of the cookie, from the configured secrets, newest first, each 32 bytes or more.
pub fn keys(secrets: &[Secret]) -> Result<Keys, InvalidSecrets> {
    Keys::derive(PURPOSE, secrets)
}

/// The cookie's value for this visitor, encrypted under the first secret.
///
/// `expires_at` is Unix time in seconds. `nonce` is random and used only once: with 24 bytes random nonces don't collide, so
/// no state is needed. Never `None` with [`keys`]: the cipher only refuses texts of gigabytes.
pub fn seal(
    keys: &Keys,
    anonymous_id: &str,
    email: &EmailHash,
    expires_at: u64,
    nonce: [u8; NONCE],
) -> Option<String> {
    let mut plain = Vec::with_capacity(PLAIN);
    plain.push(VERSION);
    plain.extend_from_slice(&expires_at.to_be_bytes());
    plain.extend_from_slice(&email.digest());
    Some(URL_SAFE_NO_PAD.encode(keys.seal(&plain, &associated_data(anonymous_id), nonce)?))
}

/// The email digest in a cookie's value. `None` if it is forged, damaged, expired at `now` (Unix time in seconds), or encrypted
/// for another anonymous id or under a secret that is no longer listed; the caller need not know which.
pub fn open(keys: &Keys, anonymous_id: &str, value: &[u8], now: u64) -> Option<EmailHash> {
    if value.len() != VALUE {
        return None;
    }
    let plain = keys.open(&URL_SAFE_NO_PAD.decode(value).ok()?, &associated_data(anonymous_id))?;
    let (version, rest) = plain.split_first()?;
    let (expires_at, digest) = rest.split_first_chunk::<8>()?;
    if *version != VERSION || u64::from_be_bytes(*expires_at) <= now {
        return None;
    }
    Some(EmailHash::from_digest(digest.try_into().ok()?))
}

fn associated_data(anonymous_id: &str) -> Vec<u8> {
    [PURPOSE, anonymous_id.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::email;
    use proptest::prelude::*;

    const OLD: &str = "the old secret, 32 bytes or more";
    const NEW: &str = "the new secret, 32 bytes or more";
    const NOW: u64 = 1_700_000_000;

    fn keys(texts: &[&str]) -> Keys {
        super::keys(&secrets(texts)).unwrap()
    }

    fn secrets(texts: &[&str]) -> Vec<Secret> {
        texts.iter().map(|text| Secret::new(*text)).collect()
    }

    fn jane() -> EmailHash {
        email::hash("jane@example.com").unwrap()
    }

    fn sealed(secret: &str) -> String {
        seal(&keys(&[secret]), "visitor-1", &jane(), NOW + 60, [7; 24]).unwrap()
    }

    fn opened(texts: &[&str], anonymous_id: &str, value: &str, now: u64) -> Option<EmailHash> {
        open(&keys(texts), anonymous_id, value.as_bytes(), now)
    }

    #[test]
    fn the_visitor_s_own_cookie_opens() {
        assert_eq!(opened(&[NEW], "visitor-1", &sealed(NEW), NOW), Some(jane()));
    }

    #[test]
    fn the_value_has_one_length_and_only_characters_that_a_cookie_may_have() {
        let value = sealed(NEW);
        assert_eq!(value.len(), VALUE);
        assert!(value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    }

    #[test]
    fn the_format_does_not_change_unnoticed() {
        // Gateways of a fleet are updated one after the other and have to open each other's cookies. This value opens in
        // libsodium (crypto_aead_xchacha20poly1305_ietf_decrypt) too.
        let golden = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHsdy8-nr2HJvUH2S1XgHg8XErdNdan2myAKvwWJrp7p_Q-nVauaFoV1NueA-b2HydCy7ldHrwtc9L";
        assert_eq!(sealed(NEW), golden);
    }

    #[test]
    fn another_visitor_s_cookie_counts_as_none() {
        assert_eq!(opened(&[NEW], "visitor-2", &sealed(NEW), NOW), None);
        assert_eq!(opened(&[NEW], "", &sealed(NEW), NOW), None);
    }

    #[test]
    fn an_expired_cookie_counts_as_none() {
        assert_eq!(opened(&[NEW], "visitor-1", &sealed(NEW), NOW + 59), Some(jane()));
        assert_eq!(opened(&[NEW], "visitor-1", &sealed(NEW), NOW + 60), None);
    }

    #[test]
    fn a_rotated_secret_still_opens_and_a_removed_one_does_not() {
        assert_eq!(opened(&[NEW, OLD], "visitor-1", &sealed(OLD), NOW), Some(jane()));
        assert_eq!(opened(&[NEW], "visitor-1", &sealed(OLD), NOW), None);
    }

    #[test]
    fn the_first_secret_seals() {
        let value = seal(&keys(&[NEW, OLD]), "visitor-1", &jane(), NOW + 60, [7; 24]).unwrap();
        assert_eq!(opened(&[NEW], "visitor-1", &value, NOW), Some(jane()));
    }

    #[test]
    fn a_cookie_with_a_single_bit_changed_counts_as_none() {
        let bytes = URL_SAFE_NO_PAD.decode(sealed(NEW)).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut forged = bytes.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(opened(&[NEW], "visitor-1", &URL_SAFE_NO_PAD.encode(forged), NOW), None, "bit {bit}");
        }
    }

    #[test]
    fn the_email_digest_cannot_be_read_from_the_cookie() {
        let bytes = URL_SAFE_NO_PAD.decode(sealed(NEW)).unwrap();
        assert!(!bytes.windows(8).any(|window| window == &jane().digest()[..8]));
    }

    proptest! {
        #[test]
        fn no_bytes_but_ours_open(value in prop_oneof![any::<Vec<u8>>(), "[A-Za-z0-9_-]{108}".prop_map(String::into_bytes)]) {
            prop_assert_eq!(open(&keys(&[NEW]), "visitor-1", &value, 0), None);
        }

        #[test]
        fn whatever_is_sealed_opens_for_the_same_visitor_only(
            id in ".{0,40}", other in ".{0,40}", digest: [u8; 32], expires_at in 1..u64::MAX, nonce: [u8; 24],
        ) {
            let hash = EmailHash::from_digest(&digest);
            let keys = keys(&[NEW]);
            let value = seal(&keys, &id, &hash, expires_at, nonce).unwrap();
            prop_assert_eq!(open(&keys, &id, value.as_bytes(), expires_at - 1), Some(hash));
            prop_assume!(id != other);
            prop_assert_eq!(open(&keys, &other, value.as_bytes(), expires_at - 1), None);
        }
    }
}
