//! Sealed values: secrets that stand in a configuration without showing.
//!
//! A string that begins with `sealed:v1:` is replaced by what it opens to under the configuration's `secrets`. So a vendor's key is in
//! no file and in no config_dump, and is changed by a change of configuration alone. Behind the prefix is the base64url (unpadded) of what
//! names the secret, nonce, ciphertext and tag of XChaCha20-Poly1305. It is bound to its [`place`] in the configuration: nobody who
//! may only edit a configuration can have one integration's secret sent by another.

use base64::engine::{Engine, general_purpose::URL_SAFE_NO_PAD};

use crate::codec::encode_hex;
use crate::seal::{Keys, NAME};
use crate::settings::{Document, Invalid, SEALED, SealedAt, Secret};

pub use crate::seal::{InvalidSecrets, NONCE, Unopened};
pub use crate::settings::place;

/// What the keys are derived for.
const PURPOSE: &[u8] = b"conversion-relay sealed value v1\0";

/// The key at the top of a configuration that has the secrets.
const SECRETS: &str = "secrets";

/// Seals and opens values of a configuration. `Debug` shows none of the keys.
#[derive(Clone, Debug)]
pub struct SealingKeys(Keys);

impl SealingKeys {
    /// Derives the keys from a configuration's `secrets`, newest first.
    ///
    /// # Errors
    /// If there is no secret, or one of fewer than 32 bytes.
    pub fn new(secrets: &[Secret]) -> Result<Self, InvalidSecrets> {
        Keys::derive(PURPOSE, secrets).map(Self)
    }

    /// Returns 8 hexadecimal digits that tell the first secret from others and give nothing of it away. Whatever has another
    /// [`sealed_under`] has to be sealed anew before its secret can be removed.
    pub fn id(&self) -> String {
        self.0.name().map(|name| encode_hex(&name)).unwrap_or_default()
    }

    /// Seals a value under the first secret, for its [`place`]. `nonce` is random and used only once. `None` only for gigabytes.
    pub fn seal(&self, plain: &str, place: &str, nonce: [u8; NONCE]) -> Option<String> {
        let sealed = self.0.seal_named(plain.as_bytes(), place.as_bytes(), nonce)?;
        Some(format!("{SEALED}{}", URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// Opens a sealed value at its [`place`].
    ///
    /// # Errors
    /// If it was sealed under another secret, for another place, or was changed.
    pub fn open(&self, text: &str, place: &str) -> Result<String, Unopened> {
        let sealed = bytes(text).ok_or(Unopened::Altered)?;
        let plain = self.0.open_named(&sealed, place.as_bytes())?;
        String::from_utf8(plain).map_err(|_| Unopened::Altered)
    }
}

/// Whether a string of a configuration is a sealed value, or was one before somebody changed it.
pub fn is_sealed(text: &str) -> bool {
    text.starts_with(SEALED)
}

/// Returns the [`SealingKeys::id`] that a value says it was sealed under. `None` if it isn't a sealed value.
pub fn sealed_under(text: &str) -> Option<String> {
    bytes(text)?.first_chunk::<NAME>().map(|name| encode_hex(name))
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.strip_prefix(SEALED)?).ok()
}

/// Opens all sealed values of a document, which has been expanded. `placeholder` returns what stands for the value at a path that is
/// sealed under an unknown secret; `None` refuses it.
pub(crate) fn open_all(
    document: &mut Document,
    placeholder: &dyn Fn(&str) -> Option<String>,
) -> Result<(), Invalid> {
    let secrets = document.secrets(SECRETS);
    document.open(&mut |text, at| open_one(text, at, &secrets, placeholder))
}

fn open_one(
    text: &str,
    at: &SealedAt,
    secrets: &[Secret],
    placeholder: &dyn Fn(&str) -> Option<String>,
) -> Result<String, Invalid> {
    let path = at.path.as_str();
    let refused = |problem: &str| Invalid::new(path, problem);
    if path.strip_prefix(SECRETS).is_some_and(|rest| rest.is_empty() || rest.starts_with('[')) {
        return Err(refused("expected a secret as ${NAME}, got a sealed value: nothing would open it"));
    }
    let keys = match SealingKeys::new(secrets) {
        Ok(keys) => keys,
        Err(InvalidSecrets::Empty) => {
            return Err(refused(
                "a sealed value, but there are no secrets to open it: add secrets: [\"${RELAY_KEY}\"] with the secret that it was \
                 sealed under",
            ));
        }
        Err(error) => return Err(Invalid::new(SECRETS, error.to_string())),
    };
    match keys.open(text, &at.place) {
        Ok(plain) => Ok(plain),
        Err(Unopened::UnknownSecret) => placeholder(path).ok_or_else(|| {
            refused(
                "sealed under a secret that is not among secrets: add that secret there, or seal the value anew by \
                 conversion-relay seal",
            )
        }),
        Err(Unopened::Altered) => Err(refused(
            "changed, or sealed for another place: a sealed value can't be copied or moved, so seal it for this place by \
             conversion-relay seal",
        )),
    }
}

#[cfg(test)]
mod tests;
