//! A delivery as the relay hands it to the engine: what the vendor gets, and what its end settles.

use super::letter::LetterFacts;
use super::story::Story;
use super::waiting::Place;
use crate::config::Compiled;
use crate::deduplication::{Id, SeenIds, Store};
use crate::delivery;
use crate::sources::SIGNATURE_MEMORY;
use crate::vendors::Parcel;

/// What of a shipment is held in memory beside the parcel, in bytes.
const OVERHEAD: usize = size_of::<Shipment>().saturating_sub(size_of::<Parcel>());

/// One delivery in the engine.
#[derive(Debug)]
pub struct Shipment {
    /// What the vendor gets.
    pub parcel: Parcel,
    /// The ids under which it is held while it is on its way.
    pub held: Held,
    /// Where its sender waits for its end, if one does.
    pub place: Option<Place>,
    /// What a dead letter says of it, if it is to have one should it be lost.
    pub letter: Option<Box<LetterFacts>>,
    /// What its records say, if somebody wants them.
    pub story: Option<Box<Story>>,
}

/// The ids of a delivery. `None`: it has none, or they are not remembered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Held {
    /// Of the message, for the integration.
    pub message: Option<Id>,
    /// Of the order, for the integration and the vendor's event.
    pub order: Option<Id>,
}

impl Held {
    /// Whether this is one of the ids.
    pub fn has(&self, id: Id) -> bool {
        self.message == Some(id) || self.order == Some(id)
    }
}

impl delivery::Parcel for Shipment {
    fn bytes(&self) -> usize {
        let letter = self.letter.as_ref().map_or(0, |facts| facts.bytes());
        let story = self.story.as_ref().map_or(0, |story| story.bytes());
        self.parcel.bytes().saturating_add(OVERHEAD).saturating_add(letter).saturating_add(story)
    }
}

/// What was seen before.
#[derive(Debug)]
pub struct Memories {
    /// Deliveries by source, integration and messageId.
    pub messages: SeenIds,
    /// Deliveries by source, integration, the vendor's event and order id.
    pub orders: SeenIds,
    /// Signatures of servers' requests.
    pub signatures: SeenIds,
}

impl Memories {
    /// Returns the memories of the plugin of that name.
    pub fn new(plugin: &str, config: &Compiled) -> Self {
        let lease = config.longest_lease();
        Self {
            messages: SeenIds::new("messages", plugin, config.deduplication_window, lease),
            orders: SeenIds::new("orders", plugin, config.order_window, lease),
            signatures: SeenIds::new("signatures", plugin, SIGNATURE_MEMORY, lease),
        }
    }
}

/// The ends of deliveries that are not recorded yet. They are recorded together, because the deliveries of one event mostly share
/// what has to be read and written.
#[derive(Debug, Default)]
pub struct Concluded {
    messages: Vec<(Id, bool)>,
    orders: Vec<(Id, bool)>,
    signatures: Vec<(Id, bool)>,
}

impl Concluded {
    /// Whether nothing has to be recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of ids to record.
    pub fn len(&self) -> usize {
        self.messages.len().saturating_add(self.orders.len()).saturating_add(self.signatures.len())
    }

    /// Notes the end of a delivery: delivered, or any other, which is forgotten.
    pub fn note(&mut self, held: Held, is_delivered: bool) {
        self.messages.extend(held.message.map(|id| (id, is_delivered)));
        self.orders.extend(held.order.map(|id| (id, is_delivered)));
    }

    /// Notes the end of a signed request: accepted, or any other, after which it may come again.
    pub fn note_signature(&mut self, signature: Id, is_accepted: bool) {
        self.signatures.push((signature, is_accepted));
    }

    /// Records all of them, at `now` in Unix seconds.
    pub fn record(&mut self, memories: &Memories, now: u64, store: &impl Store) {
        memories.messages.conclude(std::mem::take(&mut self.messages), now, store);
        memories.orders.conclude(std::mem::take(&mut self.orders), now, store);
        memories.signatures.conclude(std::mem::take(&mut self.signatures), now, store);
    }
}
