//! What surrounds the events of one body: a single event, `{"batch":[...]}`, `{"events":[...]}` or a bare array.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::json::{Json, KeySeed, Kind};

/// The items of a body and what it says for all of them, as places in the body's text, so that they can be worked
/// through a few at a time while the body stays where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    pub items: Vec<Range<usize>>,
    /// The batch's own `context`, for each item whatever that item's context lacks.
    pub context: Option<Range<usize>>,
}

/// Why a body holds no events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("not JSON, or not an event or a batch of events")]
    Malformed,
    #[error("more events than max_events")]
    TooManyEvents,
}

/// Whether the path promises one event, a batch, or either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Single,
    Batch,
    Either,
}

impl Envelope {
    /// Opens a body. One pass over its text; nothing is copied.
    pub fn open(body: &str, form: Form, max_events: usize) -> Result<Self, Unreadable> {
        let whole = Json::parse(body).map_err(|_| Unreadable::Malformed)?;
        let (list, context) = match whole.kind() {
            Kind::Object if form == Form::Single => (None, None),
            Kind::Object => match Batch::read(whole) {
                Batch { items: Some(items), context } => (Some(items), context),
                Batch { items: None, .. } if form == Form::Either => (None, None),
                Batch { items: None, .. } => return Err(Unreadable::Malformed),
            },
            Kind::Array if form != Form::Single => (Some(whole), None),
            _ => return Err(Unreadable::Malformed),
        };
        let items = match list {
            None => vec![place(body, whole)],
            Some(list) if list.kind() == Kind::Array => {
                let items = list.items();
                if items.len() > max_events {
                    return Err(Unreadable::TooManyEvents);
                }
                items.into_iter().map(|item| place(body, item)).collect()
            }
            Some(_) => return Err(Unreadable::Malformed),
        };
        Ok(Self { items, context: context.map(|context| place(body, context)) })
    }
}

/// Where a value that was borrowed from `body` lies in it.
fn place(body: &str, value: Json<'_>) -> Range<usize> {
    let start = (value.as_str().as_ptr() as usize).saturating_sub(body.as_ptr() as usize);
    start..start.saturating_add(value.as_str().len())
}

#[derive(Default)]
struct Batch<'a> {
    items: Option<Json<'a>>,
    context: Option<Json<'a>>,
}

enum Member {
    Items,
    Context,
    Other,
}

impl<'a> Batch<'a> {
    fn read(whole: Json<'a>) -> Self {
        serde_json::Deserializer::from_str(whole.as_str()).deserialize_map(BatchVisitor).unwrap_or_default()
    }
}

struct BatchVisitor;

impl<'de> Visitor<'de> for BatchVisitor {
    type Value = Batch<'de>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a batch")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Batch<'de>, A::Error> {
        let mut batch = Batch::default();
        let member = |key: &[u8]| match key {
            b"batch" | b"events" => Member::Items,
            b"context" => Member::Context,
            _ => Member::Other,
        };
        while let Some(member) = map.next_key_seed(KeySeed::new(member))? {
            match member {
                Member::Items => batch.items = Some(map.next_value()?),
                Member::Context => batch.context = Some(map.next_value()?),
                Member::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(batch)
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
    }

    #[test]
    fn the_batchs_context_is_kept_for_its_items() {
        let body = r#"{"context":{"ip":"1.2.3.4"},"batch":[{}]}"#;
        let open = Envelope::open(body, Form::Batch, 3).unwrap();
        assert_eq!(&body[open.context.unwrap()], r#"{"ip":"1.2.3.4"}"#);
    }

    #[test]
    fn half_a_json_an_empty_body_and_too_many_events_are_refused() {
        for body in ["", " ", r#"{"batch":[{"a":1}"#, r#"{"batch":{}}"#, "7", "{} {}"] {
            assert_eq!(items(body, Form::Batch), Err(Unreadable::Malformed), "{body}");
        }
        assert_eq!(items("[1,2,3,4]", Form::Batch), Err(Unreadable::TooManyEvents));
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
