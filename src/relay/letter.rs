//! A dead letter: a delivery that was lost, as a CloudEvent from which it can be made again. What was mapped of the event is sealed;
//! in the clear is only what a reader needs to sort letters, and nothing about the visitor.

use std::borrow::Cow;

use base64::engine::{Engine, general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::orders;
use crate::accounting::{DropReason, IntegrationRef};
use crate::codec;
use crate::config::Integration;
use crate::delivery::End;
use crate::event::cloud_events::{self, LOST};
use crate::mapping::plan::Planned;
use crate::mapping::value::Value;
use crate::privacy::{Scrubbed, scrub};
use crate::rank::Rank;
use crate::request::has_control;
use crate::seal::{Keys, NONCE, Unopened};
use crate::vendors::Parcel;

/// The length of a random UUID, in bytes.
const UUID: usize = 16;
/// The random bytes that a letter takes.
pub const RANDOM: usize = NONCE + UUID;

/// The longest text in the clear, in bytes: a router may turn attributes into headers.
const MAX_ATTRIBUTE_BYTES: usize = 256;

/// What a letter about a delivery tells beside what the vendor was to get. Made for each delivery where dead letters are on.
#[derive(Debug)]
pub struct LetterFacts {
    /// The integration's Signal id.
    id: Option<Box<str>>,
    /// The integration's name.
    name: Box<str>,
    /// The name of its vendor.
    vendor: &'static str,
    /// The event's name.
    event: Box<str>,
    /// The SHA-256 of the order id that the vendor was to get.
    order_digest: Option<[u8; 32]>,
    rank: Rank,
}

impl LetterFacts {
    /// Collects them for a delivery of the event of that name, which was mapped to these values.
    pub fn of(
        event: &str,
        integration: &Integration,
        planned: &Planned<'_>,
        values: &[(&str, Value<'_>)],
    ) -> Self {
        let order = orders::order_text(integration, planned, values);
        let order = order.as_deref().and_then(orders::order_id);
        Self {
            id: integration.id.as_deref().map(Into::into),
            name: integration.name.as_str().into(),
            vendor: integration.vendor.name(),
            event: event.into(),
            order_digest: order.map(|order| Sha256::digest(order).into()),
            rank: planned.rank,
        }
    }

    /// Returns what the delivery is counted under.
    pub fn reference(&self) -> IntegrationRef<'_> {
        IntegrationRef { name: &self.name, vendor: self.vendor }
    }

    /// Returns the rank of the delivery, which is that of its letter.
    pub fn rank(&self) -> Rank {
        self.rank
    }

    /// Returns what they take up in memory, in bytes.
    pub fn bytes(&self) -> usize {
        let id = self.id.as_ref().map_or(0, |id| id.len());
        [id, self.name.len(), self.event.len()].into_iter().fold(size_of::<Self>(), usize::saturating_add)
    }

    /// Writes the letter about a delivery that ended so, for this `reason`. `plugin` is the plugin's name, `random` are bytes that are
    /// used only here. `None` only for gigabytes.
    pub fn written(
        &self,
        parcel: &Parcel,
        end: End,
        reason: DropReason,
        plugin: &str,
        keys: &Keys,
        random: [u8; RANDOM],
    ) -> Option<Parcel> {
        let (nonce, uuid) = random.split_first_chunk::<NONCE>()?;
        let id = uuid::Builder::from_random_bytes(*uuid.first_chunk::<UUID>()?).into_uuid();
        let id = id.hyphenated().to_string();
        let sealed = keys.seal_named(&self.plain(&id, parcel)?, b"", *nonce)?;
        let letter = CloudEvent {
            specversion: "1.0",
            id: &id,
            source: &cloud_events::source(plugin),
            kind: LOST,
            datacontenttype: "application/octet-stream",
            integration: in_the_clear(&self.name),
            vendor: self.vendor,
            event: in_the_clear(&self.event),
            reason: reason.label(),
            attempts: end.attempts,
            laststatus: end.last_status.map(|status| status.label()),
            orderdigest: self.order_digest.map(|digest| codec::encode_hex(&digest)),
            data_base64: STANDARD.encode(sealed),
        };
        Some(Parcel {
            content: serde_json::to_string(&letter).ok()?.into(),
            content_type: cloud_events::MEDIA_TYPE.into(),
            ..Parcel::default()
        })
    }

    /// Returns what is sealed: a line of JSON, then the parcel's content as it is, since as JSON in JSON it would take more room.
    fn plain(&self, id: &str, parcel: &Parcel) -> Option<Vec<u8>> {
        let head = Head {
            id: Cow::Borrowed(id),
            integration_id: self.id.as_deref().map(Cow::Borrowed),
            integration: Cow::Borrowed(&self.name),
            vendor: Cow::Borrowed(self.vendor),
            event: Cow::Borrowed(&self.event),
            is_conversion: self.rank == Rank::Conversion,
            content_type: Cow::Borrowed(&parcel.content_type),
            forwarded_for: parcel.forwarded_for.as_deref().map(Cow::Borrowed),
            user_agent: parcel.user_agent.as_deref().map(Cow::Borrowed),
            cookie: parcel.cookie.as_deref().map(Cow::Borrowed),
        };
        let mut plain = serde_json::to_vec(&head).ok()?;
        plain.push(b'\n');
        plain.extend_from_slice(parcel.content.as_bytes());
        Some(plain)
    }
}

/// A text as it may stand in an attribute: left out if it holds an email address or a control character, or is too long.
fn in_the_clear(text: &str) -> Option<&str> {
    let is_short = (1..=MAX_ATTRIBUTE_BYTES).contains(&text.len());
    (is_short && !has_control(text) && scrub(text) == Scrubbed::Clean).then_some(text)
}

#[derive(Serialize)]
struct CloudEvent<'l> {
    specversion: &'l str,
    id: &'l str,
    source: &'l str,
    #[serde(rename = "type")]
    kind: &'l str,
    datacontenttype: &'l str,
    #[serde(skip_serializing_if = "Option::is_none")]
    integration: Option<&'l str>,
    vendor: &'l str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'l str>,
    reason: &'l str,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    laststatus: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    orderdigest: Option<String>,
    data_base64: String,
}

/// What is sealed beside the content. A member that is not known here is ignored.
#[derive(Serialize, Deserialize)]
struct Head<'h> {
    id: Cow<'h, str>,
    integration_id: Option<Cow<'h, str>>,
    integration: Cow<'h, str>,
    vendor: Cow<'h, str>,
    event: Cow<'h, str>,
    is_conversion: bool,
    content_type: Cow<'h, str>,
    forwarded_for: Option<Cow<'h, str>>,
    user_agent: Option<Cow<'h, str>>,
    cookie: Option<Cow<'h, str>>,
}

/// A letter that was opened.
#[derive(Debug, PartialEq, Eq)]
pub struct Letter {
    /// The letter's own id, by which it is known if it comes again.
    pub id: Box<str>,
    /// The name that the integration had when the delivery was lost.
    pub integration: Box<str>,
    /// The integration's Signal id then.
    integration_id: Option<Box<str>>,
    vendor: Box<str>,
    /// The rank of the delivery.
    pub rank: Rank,
    /// What the vendor was to get.
    pub parcel: Parcel,
}

impl Letter {
    /// Opens the bytes of a letter. Without keys every secret is unknown.
    pub fn open(sealed: &[u8], keys: Option<&Keys>) -> Result<Self, Unopened> {
        let plain = keys.ok_or(Unopened::UnknownSecret)?.open_named(sealed, b"")?;
        Self::read(&plain).ok_or(Unopened::Altered)
    }

    fn read(plain: &[u8]) -> Option<Self> {
        let (head, content) = std::str::from_utf8(plain).ok()?.split_once('\n')?;
        let head: Head<'_> = serde_json::from_str(head).ok()?;
        let text = |text: Option<Cow<'_, str>>| text.map(|text| text.into_owned().into_boxed_str());
        Some(Self {
            id: head.id.into(),
            integration: head.integration.into(),
            integration_id: text(head.integration_id),
            vendor: head.vendor.into(),
            rank: if head.is_conversion { Rank::Conversion } else { Rank::Ordinary },
            parcel: Parcel {
                content: content.into(),
                content_type: Cow::Owned(head.content_type.into_owned()),
                forwarded_for: text(head.forwarded_for),
                user_agent: text(head.user_agent),
                cookie: text(head.cookie),
            },
        })
    }

    /// Whether the letter is for this integration: by Signal's id where both have one, else by its name.
    pub fn is_for(&self, integration: &Integration) -> bool {
        let is_same = match (&self.integration_id, &integration.id) {
            (Some(own), Some(id)) => **own == **id,
            _ => *self.integration == *integration.name,
        };
        is_same && *self.vendor == *integration.vendor.name()
    }
}

#[cfg(test)]
mod tests;
