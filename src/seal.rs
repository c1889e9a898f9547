//! Authenticated encryption of what the filter gives to others to keep, and reads when it comes back: a cookie, a member of a
//! CloudEvent, a dead letter; and of what it is given sealed in its configuration.
//!
//! XChaCha20-Poly1305 under a key that is derived from a configured secret. There is no store: every gateway with the same secret
//! can open what any of them has sealed, and nobody else can read, change or make it.

use std::fmt;

use base64::engine::{Engine, general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};

use crate::settings::Secret;

/// The shortest secret, in bytes. `openssl rand -base64 32` prints 44.
const MIN_SECRET: usize = 32;
/// The length of a nonce, in bytes: so long that random ones don't collide.
pub const NONCE: usize = 24;
/// The length of what authenticates a sealed text, in bytes.
const TAG: usize = 16;
/// The length of what names the secret of a [`Keys::seal_named`] text, in bytes.
pub const NAME: usize = 4;
/// Before the text of a sealed value, so that it is known as one even if it was cut off or changed.
const PREFIX: &str = "v1.";

/// Keys for one purpose: the first seals, all open. So a secret is rotated by putting the new one first.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys(Vec<Key>);

#[derive(Clone, PartialEq, Eq)]
struct Key {
    key: [u8; 32],
    name: [u8; NAME],
}

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

/// Why something that was sealed can't be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unopened {
    /// It was sealed under a secret that is not configured here: it could be opened where that is.
    UnknownSecret,
    /// It was changed, or sealed for something else, or is not complete. Nobody can open it.
    Altered,
}

impl Keys {
    /// Derives the keys for a purpose from the configured secrets, newest first, each 32 bytes or more. A secret that serves several
    /// purposes gives each another key, so nothing that is sealed for one can be mistaken for something of another.
    pub fn derive(purpose: &[u8], secrets: &[Secret]) -> Result<Self, InvalidSecrets> {
        if secrets.is_empty() {
            return Err(InvalidSecrets::Empty);
        }
        let mut keys = Vec::new();
        for (index, secret) in secrets.iter().enumerate() {
            let secret = secret.expose().as_bytes();
            if secret.len() < MIN_SECRET {
                return Err(InvalidSecrets::TooShort(index));
            }
            // The secret is long and random, so a plain hash is all that deriving takes.
            let key: [u8; 32] = Sha256::new().chain_update(purpose).chain_update(secret).finalize().into();
            let [a, b, c, d, ..]: [u8; 32] =
                Sha256::new().chain_update(b"name").chain_update(key).finalize().into();
            keys.push(Key { key, name: [a, b, c, d] });
        }
        Ok(Self(keys))
    }

    /// Seals bytes, bound to others that have to be given to open them. `nonce` is random and used only once. `None` only for gigabytes.
    pub fn seal(&self, plain: &[u8], bound_to: &[u8], nonce: [u8; NONCE]) -> Option<Vec<u8>> {
        self.0.first()?.seal(plain, bound_to, nonce)
    }

    /// Opens what [`Keys::seal`] has sealed. `None` if it was sealed under another secret, bound to something else, or changed.
    pub fn open(&self, sealed: &[u8], bound_to: &[u8]) -> Option<Vec<u8>> {
        self.0.iter().find_map(|key| key.open(sealed, bound_to))
    }

    /// Returns what names the secret that seals, in everything that is sealed by name.
    pub fn name(&self) -> Option<[u8; NAME]> {
        self.0.first().map(|key| key.name)
    }

    /// Seals bytes like [`Keys::seal`], and says under which secret.
    pub fn seal_named(&self, plain: &[u8], bound_to: &[u8], nonce: [u8; NONCE]) -> Option<Vec<u8>> {
        let key = self.0.first()?;
        Some([&key.name[..], &key.seal(plain, bound_to, nonce)?].concat())
    }

    /// Opens what [`Keys::seal_named`] has sealed.
    pub fn open_named(&self, sealed: &[u8], bound_to: &[u8]) -> Result<Vec<u8>, Unopened> {
        open_named(Some(self), sealed, bound_to)
    }

    /// Seals bytes like [`Keys::seal_named`], as a text of letters, digits, `.`, `-` and `_`.
    pub fn seal_text(&self, plain: &[u8], bound_to: &[u8], nonce: [u8; NONCE]) -> Option<String> {
        Some(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.seal_named(plain, bound_to, nonce)?)))
    }
}

/// Returns the length of a [`Keys::seal_text`] of so many bytes.
pub fn text_length(plain: usize) -> usize {
    let bytes = plain.saturating_add(NAME + NONCE + TAG);
    PREFIX.len().saturating_add(bytes.saturating_mul(4).div_ceil(3))
}

/// Opens what [`Keys::seal_text`] has sealed. `None`: the text is no sealed one at all. Without keys every secret is unknown.
pub fn open_text(keys: Option<&Keys>, text: &str, bound_to: &[u8]) -> Option<Result<Vec<u8>, Unopened>> {
    let encoded = text.strip_prefix(PREFIX)?;
    let sealed = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| Unopened::Altered);
    Some(sealed.and_then(|sealed| open_named(keys, &sealed, bound_to)))
}

fn open_named(keys: Option<&Keys>, sealed: &[u8], bound_to: &[u8]) -> Result<Vec<u8>, Unopened> {
    let (name, sealed) = sealed.split_first_chunk::<NAME>().ok_or(Unopened::Altered)?;
    let mut known = keys.into_iter().flat_map(|keys| &keys.0).filter(|key| key.name == *name).peekable();
    known.peek().ok_or(Unopened::UnknownSecret)?;
    known.find_map(|key| key.open(sealed, bound_to)).ok_or(Unopened::Altered)
}

impl Key {
    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&self.key).into())
    }

    fn seal(&self, plain: &[u8], bound_to: &[u8], nonce: [u8; NONCE]) -> Option<Vec<u8>> {
        let payload = Payload { msg: plain, aad: bound_to };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload).ok()?;
        Some([&nonce[..], &sealed].concat())
    }

    fn open(&self, sealed: &[u8], bound_to: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        self.cipher().decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: bound_to }).ok()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(***)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OLD: &str = "the old secret, 32 bytes or more";
    const NEW: &str = "the new secret, 32 bytes or more";

    fn keys(secrets: &[&str]) -> Keys {
        let secrets: Vec<Secret> = secrets.iter().copied().map(Secret::new).collect();
        Keys::derive(b"tests\0", &secrets).unwrap()
    }

    #[test]
    fn a_secret_has_at_least_32_bytes_and_is_never_shown() {
        let derived = |secrets: &[&str]| {
            let secrets: Vec<Secret> = secrets.iter().copied().map(Secret::new).collect();
            Keys::derive(b"tests\0", &secrets)
        };
        assert_eq!(derived(&[NEW, &NEW[1..]]), Err(InvalidSecrets::TooShort(1)));
        assert_eq!(derived(&[]), Err(InvalidSecrets::Empty));
        assert_eq!(format!("{:?}", keys(&[NEW])), "Keys(***)");
    }

    #[test]
    fn the_first_secret_seals_and_all_open() {
        let by_old = keys(&[OLD]).seal_text(b"x", b"", [1; NONCE]).unwrap();
        assert_eq!(open_text(Some(&keys(&[NEW, OLD])), &by_old, b""), Some(Ok(b"x".to_vec())));
        let by_new = keys(&[NEW, OLD]).seal_text(b"x", b"", [1; NONCE]).unwrap();
        assert_eq!(open_text(Some(&keys(&[NEW])), &by_new, b""), Some(Ok(b"x".to_vec())));
    }

    #[test]
    fn what_another_secret_has_sealed_is_told_from_what_was_changed() {
        let sealed = keys(&[OLD]).seal_text(b"x", b"event", [1; NONCE]).unwrap();
        assert_eq!(open_text(Some(&keys(&[NEW])), &sealed, b"event"), Some(Err(Unopened::UnknownSecret)));
        assert_eq!(open_text(None, &sealed, b"event"), Some(Err(Unopened::UnknownSecret)));
        assert_eq!(open_text(Some(&keys(&[OLD])), &sealed, b"other"), Some(Err(Unopened::Altered)));
        for cut in PREFIX.len()..sealed.len() {
            let opened = open_text(Some(&keys(&[OLD])), &sealed[..cut], b"event");
            assert_eq!(opened, Some(Err(Unopened::Altered)), "{cut}");
        }
        for other in ["", "v1", "eu-west-1", "V1.x"] {
            assert_eq!(open_text(Some(&keys(&[OLD])), other, b"event"), None, "{other}");
        }
    }

    #[test]
    fn one_secret_gives_each_purpose_another_key() {
        let secrets = [Secret::new(NEW)];
        let [one, other] = [b"one", b"two"].map(|purpose| Keys::derive(purpose, &secrets).unwrap());
        let sealed = one.seal(b"x", b"", [1; NONCE]).unwrap();
        assert_eq!((one.open(&sealed, b""), other.open(&sealed, b"")), (Some(b"x".to_vec()), None));
    }

    proptest! {
        #[test]
        fn whatever_is_sealed_opens_unless_a_bit_of_it_or_what_it_is_bound_to_was_changed(
            plain: Vec<u8>, bound_to: Vec<u8>, other: Vec<u8>, nonce: [u8; NONCE], at: prop::sample::Index, bit in 0..8_u32,
        ) {
            let keys = keys(&[NEW]);
            let sealed = keys.seal_named(&plain, &bound_to, nonce).unwrap();
            prop_assert_eq!(keys.seal_text(&plain, &bound_to, nonce).unwrap().len(), text_length(plain.len()));
            prop_assert_eq!(keys.open_named(&sealed, &bound_to), Ok(plain));
            if other != bound_to {
                prop_assert!(keys.open_named(&sealed, &other).is_err());
            }
            let mut changed = sealed;
            let at = at.index(changed.len());
            changed[at] ^= 1_u8 << bit;
            prop_assert!(keys.open_named(&changed, &bound_to).is_err());
        }

        #[test]
        fn no_bytes_but_ours_open(bytes: Vec<u8>, text in "(v1\\.)?[A-Za-z0-9_-]{0,200}") {
            prop_assert!(keys(&[NEW]).open_named(&bytes, b"").is_err());
            prop_assert_eq!(keys(&[NEW]).open(&bytes, b""), None);
            prop_assert!(open_text(Some(&keys(&[NEW])), &text, b"").is_none_or(|opened| opened.is_err()));
        }
    }
}
