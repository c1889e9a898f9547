//! Sources: the write keys and signatures that authenticate events.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::codec;
use crate::deduplication::Id;
use crate::identity::ClientFromContext;
use crate::request::Request;
use crate::settings::{Invalid, Secret};

/// How far the `X-Timestamp` of a signed request may be from now, in milliseconds. From Signal's documentation of
/// `/v1/events`.
const SIGNATURE_WINDOW_MS: u64 = 5 * 60 * 1000;

/// How long a signature has to be remembered for no replay of it to pass: from the earliest moment at which its timestamp
/// is taken to the latest.
pub const SIGNATURE_MEMORY: Duration = Duration::from_millis(2 * SIGNATURE_WINDOW_MS + 1000);

/// The request headers that this module reads, in lowercase.
pub const HEADERS: [&str; 4] = ["authorization", "x-write-key", "x-signature", "x-timestamp"];

/// A source as configured in `sources`.
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Source"))]
#[serde(deny_unknown_fields)]
pub struct SourceSettings {
    /// The source's id, which an integration's `source_id` refers to.
    pub id: String,
    /// The write keys of its clients, sent in `Authorization` (Basic or Bearer), `X-Write-Key`, `?writeKey=` or the body.
    #[serde(default)]
    pub keys: Vec<String>,
    /// Verifies [signed events](requests.md#signed-events-from-a-server), `POST /v1/events`. A secret: write `${NAME}`.
    pub signing_secret: Option<Secret>,
    /// Overrides `identity.client_from_context` for this source.
    pub client_from_context: Option<ClientFromContext>,
}

/// The sources of a configuration, ready to compare with.
pub struct Sources(Vec<Source>);

struct Source {
    id: String,
    keys: Vec<String>,
    /// The signing secret, already worked into the state that every verification starts from.
    mac: Option<Hmac<Sha256>>,
    client_from_context: Option<ClientFromContext>,
}

/// One of the [`Sources`], by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceIndex(usize);

/// The credentials that a request as a whole carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// None: each event has to carry its own key.
    None,
    /// A key, with the source that it belongs to, if any.
    Key(Option<SourceIndex>),
    /// A signature, verified. It may be used once: a [`SeenIds`](crate::deduplication::SeenIds) knows the signatures that were
    /// seen before.
    Signed { source: SourceIndex, signature: Id },
}

/// No source's key, or no valid signature where one is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key or signature of any source")]
pub struct Unauthorized;

impl Sources {
    /// Compiles the setting `sources`, which has to hold at least one. An error shows no key.
    pub fn compile(settings: &[SourceSettings]) -> Result<Self, Invalid> {
        let bad = |path: String, problem: &str| Err(Invalid::new(path, problem));
        if settings.is_empty() {
            return bad(
                "sources".into(),
                "expected at least one source: remove sources to accept every request",
            );
        }
        for (at, source) in settings.iter().enumerate() {
            let at = format!("sources[{at}]");
            let before = || settings.iter().take_while(|other| !std::ptr::eq(*other, source));
            if source.id.trim().is_empty() || before().any(|other| other.id == source.id) {
                return bad(format!("{at}.id"), "expected an id that is unique among the sources");
            }
            if source.keys.is_empty() && source.signing_secret.is_none() {
                return bad(
                    at,
                    "expected keys or a signing_secret: otherwise no event can belong to this source",
                );
            }
            for (nth, key) in source.keys.iter().enumerate() {
                let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
                if key.is_empty() || !visible || before().any(|other| other.keys.contains(key)) {
                    let problem = "expected a key without spaces that is unique among the sources";
                    return bad(format!("{at}.keys[{nth}]"), problem);
                }
            }
            if let Some(secret) = &source.signing_secret
                && (secret.expose().is_empty()
                    || before().any(|other| other.signing_secret.as_ref() == Some(secret)))
            {
                return bad(
                    format!("{at}.signing_secret"),
                    "expected a secret that is unique among the sources",
                );
            }
        }
        Ok(Self(settings.iter().map(Source::compile).collect()))
    }

    /// The source with this `id`: what an integration's `source_id` has to name.
    pub fn find(&self, id: &str) -> Option<SourceIndex> {
        self.0.iter().position(|source| source.id == id).map(SourceIndex)
    }

    pub fn id(&self, source: SourceIndex) -> &str {
        self.0.get(source.0).map_or("", |source| &source.id)
    }

    /// Returns the source's override of `identity.client_from_context`.
    pub fn client_from_context(&self, source: SourceIndex) -> Option<ClientFromContext> {
        self.0.get(source.0)?.client_from_context
    }

    /// Returns the credentials of a request. `request.body` must still be as it was received.
    ///
    /// Fails only for the endpoint for servers, where the request as a whole needs a signature: then all of its events are
    /// unauthorized. On all other endpoints that is decided for each event ([`Sources::of_event`]).
    pub fn of_request(&self, request: &Request, now_unix_ms: i64) -> Result<Credentials, Unauthorized> {
        let key = key_of(request);
        let keyed = key.as_deref().map(|key| self.of_key(key));
        if !request.endpoint.server {
            return Ok(keyed.map_or(Credentials::None, Credentials::Key));
        }
        let timestamp = request.header("x-timestamp").ok_or(Unauthorized)?;
        let sent: i64 =
            std::str::from_utf8(timestamp).ok().and_then(|ms| ms.parse().ok()).ok_or(Unauthorized)?;
        if sent.abs_diff(now_unix_ms) > SIGNATURE_WINDOW_MS {
            return Err(Unauthorized);
        }
        let signature = request.header("x-signature").and_then(|value| value.strip_prefix(b"sha256="));
        let signature = signature.and_then(codec::decode_digest).ok_or(Unauthorized)?;
        // With a key only its source is tried, so that a forged request costs one HMAC.
        let tried = self.0.iter().enumerate().map(|(at, source)| (SourceIndex(at), source));
        let verified =
            tried.filter(|(at, _)| keyed.is_none_or(|keyed| keyed == Some(*at))).find(|(_, source)| {
                let mac = source.mac.clone();
                mac.is_some_and(|mac| {
                    mac.chain_update(timestamp)
                        .chain_update(b".")
                        .chain_update(&request.body)
                        .verify_slice(&signature)
                        .is_ok()
                })
            });
        let (source, _) = verified.ok_or(Unauthorized)?;
        Ok(Credentials::Signed { source, signature: Id::of(&[&signature]) })
    }

    /// Returns the source of one event, by the credentials of its request, else by the `writeKey` of the event, else by that
    /// of its batch. The first key that is present counts, even if it is wrong.
    pub fn of_event(
        &self,
        credentials: Credentials,
        event_key: Option<&str>,
        batch_key: Option<&str>,
    ) -> Result<SourceIndex, Unauthorized> {
        let stated = event_key.or(batch_key).map(|key| self.of_key(key.as_bytes()));
        match credentials {
            Credentials::Key(found) => found,
            Credentials::None => stated.flatten(),
            Credentials::Signed { source, .. } if stated.is_none_or(|key| key == Some(source)) => {
                Some(source)
            }
            Credentials::Signed { .. } => None,
        }
        .ok_or(Unauthorized)
    }

    /// Returns a request's credentials as they count among the sources of another configuration, which may be in another
    /// order. A source that is no longer there counts as none.
    pub fn carry_over(&self, credentials: Credentials, to: &Sources) -> Credentials {
        let same = |source| to.find(self.id(source));
        match credentials {
            Credentials::None => Credentials::None,
            Credentials::Key(source) => Credentials::Key(source.and_then(same)),
            Credentials::Signed { source, signature } => match same(source) {
                Some(source) => Credentials::Signed { source, signature },
                None => Credentials::Key(None),
            },
        }
    }

    /// Compares with every configured key, each in constant time, so that the time it takes reveals nothing about them.
    fn of_key(&self, key: &[u8]) -> Option<SourceIndex> {
        let mut found = None;
        for (at, source) in self.0.iter().enumerate() {
            for known in &source.keys {
                if bool::from(known.as_bytes().ct_eq(key)) {
                    found = Some(SourceIndex(at));
                }
            }
        }
        found
    }
}

impl Source {
    fn compile(settings: &SourceSettings) -> Self {
        let mac = |secret: &Secret| Hmac::new_from_slice(secret.expose().as_bytes()).ok(); // any length is a key
        Self {
            id: settings.id.clone(),
            keys: settings.keys.clone(),
            mac: settings.signing_secret.as_ref().and_then(mac),
            client_from_context: settings.client_from_context,
        }
    }
}

/// The key that a request as a whole carries: in its Authorization, its X-Write-Key or its query.
fn key_of(request: &Request) -> Option<Cow<'_, [u8]>> {
    let given = |key: &Cow<'_, [u8]>| !key.is_empty();
    let header = || request.header("x-write-key").map(|key| Cow::Borrowed(key.trim_ascii())).filter(given);
    let query = |name| {
        let key = request.query(name)?;
        Some(Cow::Owned(key.into_owned().into_bytes())).filter(given)
    };
    request
        .header("authorization")
        .and_then(key_of_authorization)
        .filter(given)
        .or_else(header)
        .or_else(|| query("writeKey"))
        .or_else(|| query("wk"))
}

/// Reads `Bearer K` or `Basic base64("K:")`, whose colon some clients omit. Other schemes carry no write key.
fn key_of_authorization(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let value = value.trim_ascii();
    let at = value.iter().position(|byte| *byte == b' ')?;
    let (scheme, given) = (value.get(..at)?, value.get(at..)?.trim_ascii());
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Some(Cow::Borrowed(given));
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let mut pair = codec::decode_base64(given)?;
    pair.truncate(pair.iter().position(|byte| *byte == b':').unwrap_or(pair.len()));
    Some(Cow::Owned(pair))
}

/// Shows ids only.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|source| &source.id)).finish()
    }
}

impl fmt::Debug for SourceSettings {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("SourceSettings").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
