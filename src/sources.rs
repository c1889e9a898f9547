//! Sources: the write keys and signatures that authenticate events.

mod origin;

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
use origin::{OriginHost, host_of};

/// How far the `X-Timestamp` of a signed request may be from now, in milliseconds. From Signal's documentation of
/// `/v1/events`.
const SIGNATURE_WINDOW_MS: u64 = 5 * 60 * 1000;

/// How long a signature has to be remembered for no replay of it to pass: from the earliest moment at which its timestamp
/// is taken to the latest.
pub const SIGNATURE_MEMORY: Duration = Duration::from_millis(2 * SIGNATURE_WINDOW_MS + 1000);

/// The request headers that this module reads, in lowercase.
const HEADERS: [&str; 4] = ["authorization", "x-write-key", "x-signature", "x-timestamp"];

/// The headers that it reads beside them where a source has `origins`.
const ORIGIN_HEADERS: [&str; 2] = ["origin", "referer"];

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
    /// The hosts whose pages may send events of this source, such as `shop.example.com` or `*.example.com` for all subdomains:
    /// [where events may come from](requests.md#where-events-may-come-from). Absent: any. Not asked of signed events.
    pub origins: Option<Vec<OriginHost>>,
    /// `true`: its events are only shown in the log, whatever the integration, as by an integration's `dry_run`. For test events.
    #[serde(default)]
    pub dry_run: bool,
    /// `true`: it may use the [acknowledged route](requests.md#deliveries-that-are-acknowledged), `POST /v1/deliver`. Refused beside `origins`: the key of a source that browsers use
    /// is public.
    #[serde(default)]
    pub deliver: bool,
}

/// The sources of a configuration, ready to compare with.
pub struct Sources(Vec<Source>);

struct Source {
    id: String,
    keys: Vec<String>,
    /// The signing secret, already worked into the state that every verification starts from.
    mac: Option<Hmac<Sha256>>,
    client_from_context: Option<ClientFromContext>,
    /// `None`: any.
    origins: Option<Vec<OriginHost>>,
    dry_run: bool,
    deliver: bool,
}

/// One of the [`Sources`], by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceIndex(usize);

/// The credentials that a request as a whole carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// None that is a source's: each event has to carry its own key.
    None,
    /// The key of a source.
    Key(SourceIndex),
    /// A signature, verified. It may be used once: a [`SeenIds`](crate::deduplication::SeenIds) knows the signatures that were
    /// seen before.
    Signed { source: SourceIndex, signature: Id, key: KeyBeside },
    /// A signature of a source that is no longer configured: none of the events counts.
    Outdated,
}

impl Credentials {
    /// Returns the source that the request as a whole belongs to.
    pub fn source(self) -> Option<SourceIndex> {
        match self {
            Self::Key(source) | Self::Signed { source, .. } => Some(source),
            Self::None | Self::Outdated => None,
        }
    }
}

/// The keys that a signed request carries beside its signature, outside of its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyBeside {
    None,
    /// The key of the source whose signature it is.
    Its,
    /// Something that is no source's key, so each event has to carry one.
    Unknown,
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
            if source.origins.as_ref().is_some_and(Vec::is_empty) {
                let problem = "expected at least one host: remove origins to accept events from any";
                return bad(format!("{at}.origins"), problem);
            }
            if source.deliver && source.origins.is_some() {
                let problem =
                    "expected no origins beside it: the key of a source that browsers use is public";
                return bad(format!("{at}.deliver"), problem);
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
        let keyed = keys_of(request).find_map(|key| self.of_key(&key));
        if request.endpoint.acknowledged {
            return self.of_sender(request, keyed, now_unix_ms);
        }
        if !request.endpoint.server {
            return Ok(keyed.map_or(Credentials::None, Credentials::Key));
        }
        self.of_signature(request, keyed, now_unix_ms)
    }

    /// Returns the credentials of a request on the acknowledged route: a signature or the key of a source that may use it.
    fn of_sender(
        &self,
        request: &Request,
        keyed: Option<SourceIndex>,
        now_unix_ms: i64,
    ) -> Result<Credentials, Unauthorized> {
        let credentials = match keyed {
            _ if request.header("x-signature").is_some() => self.of_signature(request, keyed, now_unix_ms)?,
            Some(source) => Credentials::Key(source),
            None => return Err(Unauthorized),
        };
        let source = credentials.source().and_then(|SourceIndex(at)| self.0.get(at));
        if source.is_some_and(|source| source.deliver) { Ok(credentials) } else { Err(Unauthorized) }
    }

    /// Verifies the signature of a request, which is of the source `keyed` if it carries a key.
    fn of_signature(
        &self,
        request: &Request,
        keyed: Option<SourceIndex>,
        now_unix_ms: i64,
    ) -> Result<Credentials, Unauthorized> {
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
        let verified = tried.filter(|(at, _)| keyed.is_none_or(|keyed| keyed == *at)).find(|(_, source)| {
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
        let key = match keyed {
            Some(_) => KeyBeside::Its,
            None if keys_of(request).next().is_some() => KeyBeside::Unknown,
            None => KeyBeside::None,
        };
        Ok(Credentials::Signed { source, signature: Id::of(&[&signature]), key })
    }

    /// Returns the source of one event of a request: that of the first key which is a source's, of those that the request as
    /// a whole carries, then the `writeKey` of the event, then that of its batch. A key that is no source's is passed over,
    /// because clients put other tokens into the same places.
    ///
    /// A signed event's source is that of the signature; a key, where there is one, has to be that source's.
    pub fn of_event(
        &self,
        credentials: Credentials,
        request: &Request,
        event_key: Option<&str>,
        batch_key: Option<&str>,
    ) -> Result<SourceIndex, Unauthorized> {
        if request.endpoint.acknowledged {
            // The events are those of other clients, and so are the keys in them.
            return credentials.source().ok_or(Unauthorized);
        }
        let stated = || [event_key, batch_key].into_iter().flatten();
        let known = || stated().find_map(|key| self.of_key(key.as_bytes()));
        let source = match credentials {
            Credentials::Key(source) => source,
            Credentials::None => known().ok_or(Unauthorized)?,
            Credentials::Outdated => return Err(Unauthorized),
            Credentials::Signed { source, key, .. } => {
                let is_confirmed = match (known(), key) {
                    (Some(known), _) => known == source,
                    (None, KeyBeside::Its) => true,
                    (None, KeyBeside::None) => stated().next().is_none(),
                    (None, KeyBeside::Unknown) => false,
                };
                return if is_confirmed { Ok(source) } else { Err(Unauthorized) };
            }
        };
        if self.accepts_page_of(source, request) { Ok(source) } else { Err(Unauthorized) }
    }

    /// Whether the page that a request comes from is one of the source's `origins`.
    fn accepts_page_of(&self, source: SourceIndex, request: &Request) -> bool {
        let Some(origins) = self.0.get(source.0).and_then(|source| source.origins.as_ref()) else {
            return true;
        };
        host_of(request).is_some_and(|host| origins.iter().any(|origin| origin.matches(host)))
    }

    /// Whether any source may use the acknowledged route.
    pub fn may_deliver(&self) -> bool {
        self.0.iter().any(|source| source.deliver)
    }

    /// Whether the source's events are only shown, not sent.
    pub fn is_dry_run(&self, source: SourceIndex) -> bool {
        self.0.get(source.0).is_some_and(|source| source.dry_run)
    }

    /// Returns the request headers that these sources read, in lowercase.
    pub fn headers(&self) -> impl Iterator<Item = &'static str> {
        let asks_origin = self.0.iter().any(|source| source.origins.is_some());
        HEADERS.into_iter().chain(ORIGIN_HEADERS.into_iter().filter(move |_| asks_origin))
    }

    /// Returns a request's credentials as they count among the sources of another configuration, which may be in another
    /// order. A source that is no longer there counts as none.
    pub fn carry_over(&self, credentials: Credentials, to: &Sources) -> Credentials {
        let same = |source| to.find(self.id(source));
        match credentials {
            Credentials::None => Credentials::None,
            Credentials::Outdated => Credentials::Outdated,
            Credentials::Key(source) => same(source).map_or(Credentials::None, Credentials::Key),
            Credentials::Signed { source, signature, key } => match same(source) {
                Some(source) => Credentials::Signed { source, signature, key },
                None => Credentials::Outdated,
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
            origins: settings.origins.clone(),
            dry_run: settings.dry_run,
            deliver: settings.deliver,
        }
    }
}

/// The keys that a request as a whole carries, in the order in which they count: in its Authorization, its X-Write-Key and
/// its query.
fn keys_of(request: &Request) -> impl Iterator<Item = Cow<'_, [u8]>> {
    let authorization = request.header("authorization").and_then(key_of_authorization);
    let header = request.header("x-write-key").map(|key| Cow::Borrowed(key.trim_ascii()));
    let query = ["writeKey", "wk"].into_iter().filter_map(|name| {
        let key = request.query(name)?;
        Some(Cow::Owned(key.into_owned().into_bytes()))
    });
    authorization.into_iter().chain(header).chain(query).filter(|key| !key.is_empty())
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
