//! Events: reads the body of a tracking request into events, one after the other, borrowed from that body.

pub mod age;
pub mod cloud_events;
pub mod envelope;
pub mod names;
pub mod projection;
pub mod whole;

use std::borrow::Cow;

use crate::consent::{BySource, EventConsent, RequestConsent};
use crate::json::Json;
use age::Times;
use cloud_events::WrapperKind;
use projection::{Projection, Slot, Slots};

/// The type of an event: the SDK method that sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// `track`: something that the visitor did. The only type with a name of its own.
    Track,
    /// `page`: the visitor saw a page.
    Page,
    /// `identify`: who the visitor is.
    Identify,
    /// `group`: the company or the like that the visitor belongs to.
    Group,
    /// `screen`: the visitor saw a screen of an app.
    Screen,
    /// `alias`: two ids are the same visitor's.
    Alias,
}

impl EventType {
    /// By its name, or the letter that analytics.js and Datafly.js use in paths.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "track" | "t" => EventType::Track,
            "page" | "p" => EventType::Page,
            "identify" | "i" => EventType::Identify,
            "group" | "g" => EventType::Group,
            "screen" | "s" => EventType::Screen,
            "alias" | "a" => EventType::Alias,
            _ => return None,
        })
    }

    /// Returns the name in lowercase, as events write it in `type`.
    pub fn name(self) -> &'static str {
        match self {
            EventType::Track => "track",
            EventType::Page => "page",
            EventType::Identify => "identify",
            EventType::Group => "group",
            EventType::Screen => "screen",
            EventType::Alias => "alias",
        }
    }
}

/// The fields that the filter itself reads; mappings add theirs to the same [`Projection`].
#[derive(Clone, Copy, Debug)]
pub struct Fields {
    /// `type`: the type of the event.
    pub event_type: Slot,
    /// `event`: the name of a `track` event.
    pub event: Slot,
    /// `name`: that of a `track` event without `event`.
    pub name: Slot,
    /// The spellings of [`ANONYMOUS_ID`].
    pub anonymous_id: Slot,
    /// Of the sources of consent in an event's `context`.
    pub consent: BySource<Slot>,
    /// `integrations`: which integrations the event is meant for.
    pub integrations: Slot,
    /// `context.ip`: the visitor's IP address, as a server states it.
    pub context_ip: Slot,
    /// `context.userAgent` or `context.user_agent`.
    pub context_user_agent: Slot,
    /// `context.library.name`: the SDK that sent the event.
    pub library_name: Slot,
    /// `context.direct`: whether that SDK runs where the visitor is.
    pub context_direct: Slot,
    /// The spellings of [`MESSAGE_ID`].
    pub message_id: Slot,
    /// `writeKey` or `write_key`: the key of the event's source.
    pub write_key: Slot,
    /// `timestamp`: when the event happened.
    pub timestamp: Slot,
    /// `originalTimestamp` or `original_timestamp`: when the event happened, as RudderStack's SDKs write it.
    pub original_timestamp: Slot,
    /// `sentAt` or `sent_at`: when the client sent the event.
    pub sent_at: Slot,
    /// The email in `properties`, in `traits` and in `context.traits`; the first that can be one is used.
    pub emails: [Slot; 3],
}

impl Fields {
    /// Adds the fields to `projection`, and returns their slots.
    pub fn compile(projection: &mut Projection) -> Self {
        let consent = BySource::of(|source| {
            Some(projection.statement_slot(&[&["context"], source.location().context()?]))
        });
        let mut slot = |path: &[&[&str]]| projection.slot(path);
        Self {
            event_type: slot(&[&["type"]]),
            event: slot(&[&["event"]]),
            name: slot(&[&["name"]]),
            anonymous_id: slot(&[ANONYMOUS_ID]),
            consent,
            integrations: slot(&[&["integrations"]]),
            context_ip: slot(&[&["context"], &["ip"]]),
            context_user_agent: slot(&[&["context"], &["userAgent", "user_agent"]]),
            library_name: slot(&[&["context"], &["library"], &["name"]]),
            context_direct: slot(&[&["context"], &["direct"]]),
            message_id: slot(&[MESSAGE_ID]),
            write_key: slot(&[&["writeKey", "write_key"]]),
            timestamp: slot(&[&["timestamp"]]),
            original_timestamp: slot(&[&["originalTimestamp", "original_timestamp"]]),
            sent_at: slot(&[&["sentAt", "sent_at"]]),
            emails: [
                slot(&[&["properties"], &["email"]]),
                slot(&[&["traits"], &["email"]]),
                slot(&[&["context"], &["traits"], &["email"]]),
            ],
        }
    }
}

/// The spellings of fields that have two.
pub const ANONYMOUS_ID: &[&str] = &["anonymous_id", "anonymousId"];
/// The spellings of the user id.
pub const USER_ID: &[&str] = &["user_id", "userId"];
/// The spellings of the id by which a repeated event is recognized.
pub const MESSAGE_ID: &[&str] = &["message_id", "messageId"];

/// One event.
#[derive(Debug)]
pub struct Event<'a> {
    /// What the event is; `track` if neither its body nor its path says.
    pub event_type: EventType,
    /// The name that mappings use: the event's name for `track`, its type for other types.
    pub name: Cow<'a, str>,
    /// The event as it came, without what its batch says for it.
    pub json: Json<'a>,
    /// The values that were read of it, by the slots of the [`Projection`].
    pub slots: Slots<'a>,
}

/// Why an item of a request is not a valid event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The item is not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// The item is a CloudEvent of this filter. Only the acknowledged route takes these.
    #[error("a CloudEvent of this filter")]
    CloudEvent,
    /// A `track` event has neither an `event` nor a `name` that is a text.
    #[error("a track event without a name")]
    NoName,
}

impl<'a> Event<'a> {
    /// Reads one item. `slots` has the members that the batch sets for all its items; `fallback` is the type in the path (the
    /// body's `type` wins).
    pub fn read(
        item: Json<'a>,
        projection: &Projection,
        fields: &Fields,
        mut slots: Slots<'a>,
        fallback: Option<EventType>,
    ) -> Result<Self, Malformed> {
        projection.read(item, &mut slots).ok_or(Malformed::NotAnObject)?;
        Self::of(item, fields, slots, fallback)
    }

    /// Makes an event of an item that its slots have been read from.
    pub fn of(
        item: Json<'a>,
        fields: &Fields,
        slots: Slots<'a>,
        fallback: Option<EventType>,
    ) -> Result<Self, Malformed> {
        let text = |slot| slots.get(slot).and_then(Json::text);
        let stated = match text(fields.event_type) {
            Some(name) if WrapperKind::of_type(&name) != WrapperKind::Foreign => {
                return Err(Malformed::CloudEvent);
            }
            name => name.and_then(|name| EventType::parse(&name.to_ascii_lowercase())),
        };
        let event_type = stated.or(fallback).unwrap_or(EventType::Track);
        let name = match event_type {
            EventType::Track => text(fields.event).or_else(|| text(fields.name)).ok_or(Malformed::NoName)?,
            other => Cow::Borrowed(other.name()),
        };
        Ok(Self { event_type, name, json: item, slots })
    }

    /// The text of a field; `None` where it is absent or no string.
    pub fn text(&self, slot: Slot) -> Option<Cow<'a, str>> {
        self.slots.get(slot).and_then(Json::text)
    }

    /// The text of an id or a time, which may be a number; `None` where it is absent or something else.
    pub fn text_or_number(&self, slot: Slot) -> Option<Cow<'a, str>> {
        self.slots.get(slot).and_then(Json::text_or_number)
    }

    /// The consent that the event carries, on top of its request's.
    pub fn consent<'r, 'c>(&self, request: &'r RequestConsent<'c>, fields: &Fields) -> EventConsent<'r, 'c>
    where
        'a: 'r,
    {
        request.event(&fields.consent.and_then(|slot| self.slots.get(*slot).map(Json::as_str)))
    }

    /// The times that decide the event's age. `batch_sent_at` is for events that don't say when they were sent.
    pub fn times(&self, fields: &Fields, batch_sent_at: Option<Cow<'a, str>>) -> Times<'a> {
        Times {
            timestamp: self.text_or_number(fields.timestamp),
            original_timestamp: self.text_or_number(fields.original_timestamp),
            sent_at: self.text_or_number(fields.sent_at).or(batch_sent_at),
        }
    }

    /// What the event takes up in memory beside itself and the text that it was read from, in bytes.
    pub fn size(&self) -> usize {
        let name = match &self.name {
            Cow::Borrowed(_) => 0,
            Cow::Owned(name) => name.capacity(),
        };
        self.slots.size().saturating_add(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, fallback: Option<EventType>) -> Result<(EventType, String), Malformed> {
        let mut projection = Projection::new();
        let fields = Fields::compile(&mut projection);
        let item = Json::parse(text).unwrap();
        Event::read(item, &projection, &fields, projection.empty(), fallback)
            .map(|event| (event.event_type, event.name.into_owned()))
    }

    #[test]
    fn the_type_of_the_body_wins_over_that_of_the_path() {
        let found = read(r#"{"type":"page","name":"Home"}"#, Some(EventType::Track)).unwrap();
        assert_eq!(found, (EventType::Page, "page".to_owned()));
        let found = read(r#"{"event":"Order Completed"}"#, Some(EventType::Track)).unwrap();
        assert_eq!(found, (EventType::Track, "Order Completed".to_owned()));
    }

    #[test]
    fn a_track_event_without_a_name_and_an_item_that_is_no_object_are_malformed() {
        assert_eq!(read("{}", Some(EventType::Track)), Err(Malformed::NoName));
        assert_eq!(read(r#"{"event":7}"#, None), Err(Malformed::NoName));
        for item in ["[]", "1", "null", "\"x\""] {
            assert_eq!(read(item, None), Err(Malformed::NotAnObject), "{item}");
        }
    }

    #[test]
    fn a_cloud_event_of_this_filter_is_no_event_whatever_the_path_says() {
        let item = r#"{"specversion":"1.0","type":"conversion_relay.event","data":{"event":"e"}}"#;
        assert_eq!(read(item, Some(EventType::Page)), Err(Malformed::CloudEvent));
    }
}
