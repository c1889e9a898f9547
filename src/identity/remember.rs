//! `remember_email`: a purchase that follows an `identify()` usually carries no email, so the visitor's browser keeps the
//! email's digest in a cookie that only the filter can decrypt.
//!
//! The cookie is base64url (unpadded) of nonce, ciphertext and tag of XChaCha20-Poly1305. The plain text is version, expiry
//! and the 32 bytes of the digest. The anonymous id is the associated data, so that the cookie is useless to another visitor.
//! There is no store: every gateway with the same secret can decrypt it.

use super::EmailHash;
use crate::settings::Secret;
use base64::engine::{Engine, general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};
use std::fmt;

/// Prefixed to a secret when the key is derived, and to the anonymous id in the associated data: a secret that is also used
/// elsewhere gives another key, and nothing else that is encrypted under this key can be mistaken for an email.
const PURPOSE: &[u8] = b"conversion-relay remember_email v1\0";

const VERSION: u8 = 1;
const MIN_SECRET: usize = 32;
const NONCE: usize = 24;
const TAG: usize = 16;
const PLAIN: usize = 1 + 8 + 32;
const SEALED: usize = NONCE + PLAIN + TAG;
/// The length of the cookie's value, in characters. Every value has the same length.
const VALUE: usize = (SEALED * 4).div_ceil(3);

/// The keys of the cookie: the first encrypts, all decrypt. So a secret is rotated by putting the new one first.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys(Vec<[u8; 32]>);

/// Why a list of secrets is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecrets {
    /// There is no secret.
    #[error("expected at least one secret")]
    Empty,
    /// The index of the first one that is too short. Its text is not shown.
    #[error("expected at least 32 bytes in secret {0}")]
    TooShort(usize),
}

impl Keys {
    /// From the configured texts, newest first, each 32 bytes or more (such as `openssl rand -base64 32` prints).
    pub fn new(secrets: &[Secret]) -> Result<Self, InvalidSecrets> {
        if secrets.is_empty() {
            return Err(InvalidSecrets::Empty);
        }
        let mut keys = Vec::new();
        for (index, secret) in secrets.iter().enumerate() {
            let text = secret.expose().as_bytes();
            if text.len() < MIN_SECRET {
                return Err(InvalidSecrets::TooShort(index));
            }
            // The secret is long and random, so a plain hash is all that deriving takes.
            keys.push(Sha256::new().chain_update(PURPOSE).chain_update(text).finalize().into());
        }
        Ok(Self(keys))
    }

    fn ciphers(&self) -> impl Iterator<Item = XChaCha20Poly1305> {
        self.0.iter().map(|key| XChaCha20Poly1305::new(key.into()))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(***)")
    }
}

/// The cookie's value for this visitor, encrypted under the first secret.
///
/// `expires_at` is Unix time in seconds. `nonce` is random and used only once: with 24 bytes random nonces don't collide, so
/// no state is needed. Never `None` with secrets from [`Keys::new`]: the cipher only refuses texts of gigabytes.
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
    let aad = associated_data(anonymous_id);
    let cipher = keys.ciphers().next()?;
    let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg: &plain, aad: &aad }).ok()?;
    Some(URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat()))
}

/// The email digest in a cookie's value. `None` if it is forged, damaged, expired at `now` (Unix time in seconds), or encrypted
/// for another anonymous id or under a secret that is no longer listed; the caller need not know which.
pub fn open(keys: &Keys, anonymous_id: &str, value: &[u8], now: u64) -> Option<EmailHash> {
    if value.len() != VALUE {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(value).ok()?;
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
    let aad = associated_data(anonymous_id);
    let plain = keys
        .ciphers()
        .find_map(|cipher| cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &aad }).ok())?;
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
        Keys::new(&secrets(texts)).unwrap()
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

    #[test]
    fn a_secret_has_at_least_32_bytes_and_is_never_shown() {
        assert_eq!(Keys::new(&secrets(&[NEW, &NEW[1..]])), Err(InvalidSecrets::TooShort(1)));
        assert_eq!(Keys::new(&[]), Err(InvalidSecrets::Empty));
        assert_eq!(format!("{:?}", keys(&[NEW])), "Keys(***)");
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
