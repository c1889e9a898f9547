//! The configuration in force.

use std::collections::BTreeMap;
use std::fmt;

use conversion_relay::sealed::SealingKeys;
use conversion_relay::settings::Secret;
use rusqlite::Connection;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::Rejection;
use super::revisions;
use super::secrets::{self, KeptSecret};
use crate::configuration::{Collection, Document, Environment, SecretsByPlace, for_gateways};

/// Identifies the state of an object: it changes whenever the object or a secret of it does.
#[derive(Clone, PartialEq, Eq)]
pub struct Etag(String);

impl Etag {
    /// Whether an `If-Match` header names this state.
    pub fn is_named_by(&self, if_match: &str) -> bool {
        if_match.split(',').map(str::trim).any(|one| one == "*" || one == self.0)
    }

    fn of(parts: &[&[u8]]) -> Self {
        let digest =
            parts.iter().fold(Sha256::new(), |digest, part| digest.chain_update(part).chain_update([0]));
        let hex: String = digest.finalize().iter().take(10).map(|byte| format!("{byte:02x}")).collect();
        Self(format!("\"{hex}\""))
    }
}

impl fmt::Display for Etag {
    /// With its quotes, as in a header.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A configuration in force.
pub struct Current {
    /// The number of its revision.
    pub revision: u64,
    /// With `***` for each secret.
    pub document: Document,
    /// What the gateways get: with what is sealed for them in the place of each secret.
    pub served: Value,
    secrets: BTreeMap<String, KeptSecret>,
}

impl Current {
    /// Reads the newest revision. What was sealed for the gateways under another secret than theirs of today is sealed anew.
    pub(super) fn load(
        connection: &mut Connection,
        at_rest: &SealingKeys,
        environment: &Environment,
    ) -> Result<Self, Rejection> {
        let (revision, document) = revisions::newest(connection)?;
        secrets::seal_anew(connection, &document, at_rest, environment)?;
        Self::of(connection, revision, document, environment)
    }

    /// Reads the secrets of a revision.
    pub(super) fn of(
        connection: &Connection,
        revision: u64,
        document: Document,
        environment: &Environment,
    ) -> Result<Self, Rejection> {
        let secrets = secrets::all(connection)?;
        let sealed = secrets.iter().map(|(place, kept)| (place.clone(), kept.for_gateways.clone())).collect();
        let served = for_gateways(&document, &sealed, environment)?;
        Ok(Self { revision, document, served, secrets })
    }

    /// Returns the text of each secret by place.
    pub(super) fn open_secrets(&self, at_rest: &SealingKeys) -> Result<SecretsByPlace, Rejection> {
        self.secrets.iter().map(|(place, kept)| Ok((place.clone(), kept.open(place, at_rest)?))).collect()
    }

    /// Returns the text of the secret at a place.
    pub(super) fn open_secret(
        &self,
        place: &str,
        at_rest: &SealingKeys,
    ) -> Result<Option<Secret>, Rejection> {
        self.secrets.get(place).map(|kept| kept.open(place, at_rest)).transpose()
    }

    /// Whether a secret is kept for a place, such as `integrations[id=int_a].config.key`.
    pub fn keeps(&self, place: &str) -> bool {
        self.secrets.contains_key(place)
    }

    /// Returns the object with this id, and what identifies its state.
    pub fn find(&self, collection: Collection, id: &str) -> Option<(&Map<String, Value>, Etag)> {
        let (_, object) = self.document.find(collection, id)?;
        let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let label = if plain { id.to_owned() } else { Value::from(id).to_string() };
        let below = format!("{}[id={label}]", collection.key());
        let text = serde_json::to_vec(object).unwrap_or_default();
        Some((object, self.etag(&text, |place| place.starts_with(&below))))
    }

    /// Returns what identifies the state of the settings.
    pub fn settings_etag(&self) -> Etag {
        let text = serde_json::to_vec(&self.document.settings()).unwrap_or_default();
        let lists = [Collection::Integrations, Collection::Sources].map(|list| format!("{}[", list.key()));
        self.etag(&text, |place| !lists.iter().any(|list| place.starts_with(list)))
    }

    fn etag(&self, text: &[u8], has_secret: impl Fn(&str) -> bool) -> Etag {
        let set: Vec<String> = self
            .secrets
            .iter()
            .filter(|(place, _)| has_secret(place))
            .map(|(place, kept)| format!("{place} {}", kept.revision))
            .collect();
        Etag::of(&[text, set.join("\n").as_bytes()])
    }

    /// Returns what identifies the whole, as the gateways get it. It stays the same when the console starts again.
    pub fn version(&self) -> String {
        let text = serde_json::to_vec(&self.served).unwrap_or_default();
        format!("{}-{}", self.revision, Etag::of(&[&text]).0.trim_matches('"'))
    }
}
