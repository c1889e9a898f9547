//! The structure around the events of one body: a single event, `{"batch":[...]}`, `{"events":[...]}` or a bare array.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::json::{self, Json, Kind, place};

/// The items of a body and the members that apply to all of them, as ranges of the body's text, so that the items can be
/// processed a few at a time without moving the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// One event each, in the order of the body.
    pub items: Vec<Range<usize>>,
    /// The batch's own `context`, which supplies what an item's context lacks. More than one if the key is there more than once:
    /// the last one counts, but a consent that several of them state contradicts itself.
    pub contexts: Vec<Range<usize>>,
    /// The batch's `writeKey`, for items that have none.
    pub write_key: Option<Range<usize>>,
    /// The batch's `sentAt`: when its client sent it, by the client's clock.
    pub sent_at: Option<Range<usize>>,
    /// Whether the only item may turn out not to be JSON.
    pub is_unverified: bool,
}

/// Why a body can't be read as events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The body is not JSON, or not an event or a batch where one is expected.
    #[error("not JSON, or not an event or a batch of events")]
    Malformed,
    /// The batch has more events than the limit.
    #[error("more events than max_events")]
    TooManyEvents,
}

/// Whether the path expects one event, a batch, or either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One event.
    Single,
    /// An object with a `batch`, or a list of events.
    Batch,
    /// A batch as above, or else one event.
    Either,
}

impl Envelope {
    /// Opens a body. One pass over its text; nothing is copied.
    pub fn open(body: &str, form: Form, max_events: usize) -> Result<Self, Unreadable> {
        if form == Form::Single {
            return Self::single(body);
        }
        let mut opening =
            Opening { body, max_events, envelope: Self::default(), is_batch: false, too_many: false };
        let mut reader = serde_json::Deserializer::from_str(body);
        // serde's word for what may be an object or an array.
        let read = reader.deserialize_struct("", &[], &mut opening).and_then(|()| reader.end());
        match read {
            Err(_) if opening.too_many => Err(Unreadable::TooManyEvents),
            Err(_) => Err(Unreadable::Malformed),
            Ok(()) if opening.is_batch => Ok(opening.envelope),
            // An object, read to its end: nothing but white space is around it.
            Ok(()) if form == Form::Either => Ok(Self::of_one(body, body.trim_ascii())),
            Ok(()) => Err(Unreadable::Malformed),
        }
    }

    /// The envelope of a body that is one event or no JSON at all: whoever reads the event finds out.
    pub fn unverified(body: &str) -> Self {
        Self { is_unverified: true, ..Self::of_one(body, body.trim_matches(json::WHITE_SPACE)) }
    }

    fn single(body: &str) -> Result<Self, Unreadable> {
        let whole = Json::parse(body).ok().filter(|whole| whole.kind() == Kind::Object);
        let event = whole.ok_or(Unreadable::Malformed)?.as_str();
        Ok(Self::of_one(body, event))
    }

    fn of_one(body: &str, event: &str) -> Self {
        Self { items: vec![place(body, event)], ..Self::default() }
    }
}

/// Returns the text of a member whose range an [`Envelope`] of this body has; `None` if it has none or it is not a string.
pub fn text<'a>(body: &'a str, at: Option<&Range<usize>>) -> Option<Cow<'a, str>> {
    member(body, at)?.text()
}

/// The same, of a member that may be a number too.
pub fn text_or_number<'a>(body: &'a str, at: Option<&Range<usize>>) -> Option<Cow<'a, str>> {
    member(body, at)?.text_or_number()
}

fn member<'a>(body: &'a str, at: Option<&Range<usize>>) -> Option<Json<'a>> {
    body.get(at?.clone()).map(Json::known)
}

/// An envelope while its body is parsed.
struct Opening<'b> {
    body: &'b str,
    max_events: usize,
    envelope: Envelope,
    /// Whether a list of items was found, even an empty one.
    is_batch: bool,
    too_many: bool,
}

/// A body that may be a batch: an object, or the bare array of its items.
impl<'b> Visitor<'b> for &mut Opening<'b> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an event or a batch of events")
    }

    fn visit_map<A: MapAccess<'b>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(key) = members.next_key::<Json<'b>>()? {
            let into = match &*key.text().unwrap_or_default() {
                "batch" | "events" => {
                    members.next_value_seed(&mut *self)?;
                    continue;
                }
                "context" => {
                    let context = place(self.body, members.next_value::<Json<'b>>()?.as_str());
                    self.envelope.contexts.push(context);
                    continue;
                }
                "writeKey" | "write_key" => &mut self.envelope.write_key,
                "sentAt" | "sent_at" => &mut self.envelope.sent_at,
                _ => {
                    members.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *into = Some(place(self.body, members.next_value::<Json<'b>>()?.as_str()));
        }
        Ok(())
    }

    /// The array of a batch's items. If there are two, the last counts, as usual for repeated keys in JSON.
    fn visit_seq<A: SeqAccess<'b>>(self, mut items: A) -> Result<(), A::Error> {
        self.is_batch = true;
        self.envelope.items.clear();
        while let Some(item) = items.next_element::<Json<'b>>()? {
            if self.envelope.items.len() == self.max_events {
                self.too_many = true;
                return Err(A::Error::custom("too many events"));
            }
            self.envelope.items.push(place(self.body, item.as_str()));
        }
        Ok(())
    }
}

/// The member that holds a batch's items.
impl<'b> DeserializeSeed<'b> for &mut Opening<'b> {
    type Value = ();

    fn deserialize<D: Deserializer<'b>>(self, items: D) -> Result<(), D::Error> {
        items.deserialize_seq(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn items(body: &str, form: Form) -> Result<Vec<&str>, Unreadable> {
        Envelope::open(body, form, 3).map(|open| open.items.into_iter().map(|at| &body[at]).collect())
    }

    #[test]
    fn a_batch_is_an_object_with_batch_or_events_or_a_bare_array() {
        for body in
            [r#"{"sentAt":"x","batch":[{"a":1}, 2]}"#, r#"{"events":[{"a":1},2 ]}"#, r#" [{"a":1},2]"#]
        {
            assert_eq!(items(body, Form::Batch), Ok(vec![r#"{"a":1}"#, "2"]), "{body}");
        }
    }

    #[test]
    fn a_path_for_one_event_takes_an_object_as_it_is() {
        assert_eq!(items(r#"{"batch":[]}"#, Form::Single), Ok(vec![r#"{"batch":[]}"#]));
        assert_eq!(items("[{}]", Form::Single), Err(Unreadable::Malformed));
        assert_eq!(items(r#"{"event":"e"}"#, Form::Either), Ok(vec![r#"{"event":"e"}"#]));
        assert_eq!(items(r#"{"event":"e"}"#, Form::Batch), Err(Unreadable::Malformed));
        assert_eq!(items("{\"e\u{1}\":1}", Form::Either), Err(Unreadable::Malformed));
    }

    #[test]
    fn what_the_batch_says_for_all_its_items_is_kept() {
        let body = r#"{"context":{"ip":"1.2.3.4"},"batch":[{}],"writeKey":"k\u0031","sentAt":"2026-01-01"}"#;
        let open = Envelope::open(body, Form::Batch, 3).unwrap();
        assert_eq!(&body[open.contexts[0].clone()], r#"{"ip":"1.2.3.4"}"#);
        assert_eq!(text(body, open.write_key.as_ref()).unwrap(), "k1");
        assert_eq!(text(body, open.sent_at.as_ref()).unwrap(), "2026-01-01");
        let odd = r#"{"batch":[],"writeKey":7}"#;
        assert_eq!(text(odd, Envelope::open(odd, Form::Batch, 3).unwrap().write_key.as_ref()), None);
        assert_eq!(text(odd, None), None);
        let number = r#"{"batch":[],"sentAt":1700000000123}"#;
        let open = Envelope::open(number, Form::Batch, 3).unwrap();
        assert_eq!(text_or_number(number, open.sent_at.as_ref()).unwrap(), "1700000000123");
    }

    #[test]
    fn of_two_lists_of_items_the_last_counts() {
        assert_eq!(items(r#"{"batch":[1,2],"batch":[3]}"#, Form::Batch), Ok(vec!["3"]));
        assert_eq!(items(r#"{"batch":[]}"#, Form::Either), Ok(vec![]));
    }

    #[test]
    fn deep_nesting_in_an_item_is_no_recursion() {
        let body = format!("[{}{}]", "[".repeat(200_000), "]".repeat(200_000));
        assert_eq!(items(&body, Form::Batch).unwrap().len(), 1);
    }

    #[test]
    fn half_a_json_an_empty_body_and_too_many_events_are_refused() {
        for body in ["", " ", r#"{"batch":[{"a":1}"#, r#"{"batch":{}}"#, "7", "\"x\"", "{} {}", "[] x"] {
            assert_eq!(items(body, Form::Batch), Err(Unreadable::Malformed), "{body}");
        }
        assert_eq!(items("[1,2,3,4]", Form::Batch), Err(Unreadable::TooManyEvents));
        assert_eq!(items("[1,2,3]", Form::Batch).unwrap().len(), 3);
    }

    proptest! {
        #[test]
        fn any_text_is_opened_or_refused_and_every_item_is_json(body in ".{0,80}|[\\[\\]{}\":,a1 ]{0,80}") {
            if let Ok(open) = Envelope::open(&body, Form::Either, 100) {
                for at in open.items {
                    prop_assert!(Json::parse(&body[at]).is_ok());
                }
            }
        }
    }
}
