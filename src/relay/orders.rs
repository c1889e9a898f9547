//! The orders of an event's deliveries: a thank-you page that is loaded again sends a new message about the same order.

use std::borrow::Cow;
use std::time::Duration;

use super::host::Host;
use super::parsed_request::seconds;
use super::reading::Reading;
use crate::config::Integration;
use crate::deduplication::{Id, SeenIds, ShardSnapshot, State};
use crate::mapping::plan::Planned;
use crate::mapping::value::Value;
use crate::rank::Rank;
use crate::sources::SourceIndex;

/// What sites write where there is no order id, compared without case.
const PLACEHOLDERS: [&str; 8] = ["", "0", "null", "undefined", "none", "n/a", "-", "test"];

/// What is known of the orders of one event. Its deliveries mostly carry the same order id, and then share one read of
/// Envoy's shared data and one write; an event without an order id causes neither.
pub struct Orders<'l> {
    memory: &'l SeenIds,
    source: &'l str,
    /// Unix seconds.
    now: u64,
    read: Vec<(Id, ShardSnapshot)>,
    /// The order id that was hashed last, and its hash. The vendors mostly get the same one.
    hashed: Option<(Box<str>, Id)>,
}

/// An order, as one integration is told of it by one of its vendor's events.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// The place in `Orders::read`.
    read: usize,
    /// Under which it is held and remembered.
    pub id: Id,
}

impl<'l> Orders<'l> {
    pub fn of(memory: &'l SeenIds, source: Option<SourceIndex>, reading: &'l Reading<'_>) -> Self {
        let source = reading.config.source_id(source);
        Self { memory, source, now: seconds(reading.opened.arrived_at), read: Vec::new(), hashed: None }
    }

    /// Returns the order that a delivery carries; `None` if it is no conversion, or carries no order id. What is compared is
    /// the value that the vendor gets, so a user's mapping and its transforms decide.
    #[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
    pub fn find(
        &mut self,
        integration: &Integration,
        planned: &Planned<'_>,
        values: &[(&str, Value<'_>)],
        host: &impl Host,
    ) -> Option<Order> {
        if !self.memory.is_on() || planned.rank != Rank::Conversion {
            return None;
        }
        let text = order_text(integration, planned, values)?;
        let id = self.hash(order_id(&text)?);
        let read = match self.read.iter().position(|(known, _)| known.shares_shard(id)) {
            Some(read) => read,
            None => {
                self.read.push((id, self.memory.recall(id, self.now, host)));
                self.read.len().saturating_sub(1)
            }
        };
        Some(Order { read, id: id.for_event(&integration.identity, &planned.vendor_event) })
    }

    fn hash(&mut self, order: &str) -> Id {
        match &self.hashed {
            Some((hashed, id)) if **hashed == *order => *id,
            _ => {
                let id = Id::of(&[self.source.as_bytes(), order.as_bytes()]);
                self.hashed = Some((order.into(), id));
                id
            }
        }
    }

    /// Returns what is known of the order for the integration.
    pub fn state(&self, order: Order) -> Option<State> {
        self.read.get(order.read)?.1.state(order.id)
    }

    /// The order is queued for the integration now.
    pub fn hold(&mut self, order: Order, lease: Duration) {
        if let Some((_, known)) = self.read.get_mut(order.read) {
            known.hold(order.id, lease);
        }
    }

    /// Writes what was added.
    pub fn keep(self, host: &impl Host) {
        for (_, known) in self.read {
            known.keep(host);
        }
    }
}

/// Returns the order id that a delivery's vendor gets, as it was mapped; `None` where there is none.
pub fn order_text<'v>(
    integration: &Integration,
    planned: &Planned<'_>,
    values: &'v [(&str, Value<'_>)],
) -> Option<Cow<'v, str>> {
    let target = integration.vendor.order_target(&planned.vendor_event)?;
    let (_, value) = values.iter().find(|(name, _)| *name == target)?;
    value.scalar()
}

/// Returns an order id without the blanks around it; `None` for a placeholder.
pub fn order_id(text: &str) -> Option<&str> {
    let text = text.trim();
    let is_placeholder = PLACEHOLDERS.iter().any(|placeholder| placeholder.eq_ignore_ascii_case(text));
    (!is_placeholder).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_no_order_ids_in_any_case_and_with_blanks() {
        for text in ["", " ", "0", "null", "NULL", " Undefined ", "none", "N/A", "-", "Test"] {
            assert_eq!(order_id(text), None, "{text:?}");
        }
        for text in ["00", "1", "T-1", "testing", "nullable", "N/A-7", "--"] {
            assert_eq!(order_id(text), Some(text));
        }
        assert_eq!(order_id(" ORD-1\n"), Some("ORD-1"));
    }
}
