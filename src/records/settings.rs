//! The settings of records.

use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;

use crate::settings::{Headers, Invalid, Whole};

/// Records of what became of each event. They are personal data: order and message ids are pseudonyms.
#[derive(Clone, Debug, Deserialize, SmartDefault)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Records"))]
#[serde(deny_unknown_fields, default)]
pub struct RecordSettings {
    /// The Envoy cluster that records are posted to, as lines of JSON, to `/v1/records`. Absent: to none.
    pub cluster: Option<String>,
    /// The Host header of these requests. Absent: the cluster's name.
    pub authority: Option<String>,
    /// Further headers of these requests, by their names. Each value is a secret: write `${NAME}`.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "std::collections::BTreeMap<String, crate::settings::Secret>")
    )]
    pub headers: Headers,
    /// What is recorded.
    pub what: Which,
    /// How many records wait in one worker for the cluster. What comes beyond is dropped and counted as `record_dropped`.
    #[default(Whole::literal::<1000>())]
    pub queue: Whole<1, 100_000>,
    /// `true`: each record is a line of Envoy's log, at the level debug.
    pub log: bool,
}

/// What is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// Everything.
    #[default]
    All,
    /// Deliveries that are lost, and failed attempts.
    Losses,
}

/// Records, as they are made and sent.
#[derive(Debug)]
pub struct Records {
    cluster: Option<String>,
    authority: String,
    headers: Headers,
    /// What is recorded.
    pub which: Which,
    /// How many wait for the cluster in one worker.
    pub queue: usize,
    /// Whether each is a line of the log.
    pub log: bool,
}

impl RecordSettings {
    /// Compiles the settings.
    pub fn compile(&self) -> Result<Records, Invalid> {
        if self.cluster.is_none() && !self.log {
            let problem = "expected a cluster that records are posted to, or log: true";
            return Err(Invalid::new("records", problem));
        }
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        let authority = self.authority.as_ref().or(self.cluster.as_ref()).cloned().unwrap_or_default();
        if self.cluster.is_some() && (authority.is_empty() || !authority.bytes().all(legal)) {
            let problem =
                format!("expected a host like console.internal or console.internal:8084, got {authority:?}");
            return Err(Invalid::new("records.authority", problem));
        }
        Ok(Records {
            cluster: self.cluster.clone(),
            authority,
            headers: self.headers.clone(),
            which: self.what,
            queue: self.queue.get(),
            log: self.log,
        })
    }
}

impl Records {
    /// Returns the cluster that they are posted to.
    pub fn cluster(&self) -> Option<&str> {
        self.cluster.as_deref()
    }

    /// Returns the Host header of these requests.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns the further headers of these requests.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name, value.expose()))
    }
}
