//! Records as they are written: to the cluster that they are posted to, and to Envoy's log.

use std::borrow::Cow;

use log::Level;

use super::envoy::Envoy;
use super::outbox::Outbox;
use crate::config::Compiled;
use crate::delivery::{Answer, Instant, Token};
use crate::records::{Record, Which};
use crate::timestamp::rfc3339;

/// What writes the records of one plugin in one VM.
#[derive(Debug, Default)]
pub struct Recorder {
    plugin: String,
    /// The id of Envoy's node.
    gateway: String,
    outbox: Outbox,
}

impl Recorder {
    /// Returns the recorder of the plugin of that name.
    pub fn new(plugin: String) -> Self {
        Self { plugin, ..Self::default() }
    }

    /// A configuration is put in force.
    pub fn configure(&mut self, config: &Compiled, envoy: &impl Envoy) {
        if config.records.is_some() && self.gateway.is_empty() {
            self.gateway = envoy.node_id().unwrap_or_default();
        }
    }

    /// Whether anybody wants records.
    pub fn wants(&self, config: &Compiled, envoy: &impl Envoy) -> bool {
        let Some(records) = &config.records else { return false };
        records.cluster().is_some() || (records.log && envoy.logs(Level::Debug))
    }

    /// Writes a record, unless it is of a kind that is not recorded. Returns `false` if it is lost.
    pub fn record(&mut self, record: Record<'_>, config: &Compiled, envoy: &impl Envoy) -> bool {
        let Some(records) = &config.records else { return true };
        if records.which == Which::Losses && !record.is_about_losses() {
            return true;
        }
        let Self { plugin, gateway, outbox } = self;
        let mut record = record;
        record.time = rfc3339(envoy.wall_clock()).unwrap_or_default();
        record.plugin = Cow::Borrowed(plugin);
        record.gateway = Cow::Borrowed(gateway);
        let line = record.line();
        if records.log {
            envoy.log(Level::Debug, format_args!("record {line}"));
        }
        records.cluster().is_none() || outbox.push(line, records.queue)
    }

    /// Posts what is due, in a callback of a root. Returns how many requests were sent.
    pub fn step(&mut self, config: &Compiled, now: Instant, envoy: &impl Envoy) -> usize {
        let Some(records) = &config.records else { return 0 };
        let Some(cluster) = records.cluster() else { return 0 };
        self.outbox.step(cluster, records, now, envoy)
    }

    /// Returns when [`Recorder::step`] has something to do.
    pub fn next_due(&self, config: &Compiled) -> Option<Instant> {
        config.records.as_ref()?.cluster()?;
        self.outbox.next_due()
    }

    /// Whether this is the request that is on its way.
    pub fn sent(&self, token: Token) -> bool {
        self.outbox.sent(token)
    }

    /// Takes the answer to the request that is on its way. Returns how many records are lost by it.
    pub fn settle(&mut self, token: Token, answer: &Answer<'_>, now: Instant) -> usize {
        self.outbox.settle(token, answer, now)
    }
}
