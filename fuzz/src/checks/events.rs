//! A body, decoded: one event or a batch.

use conversion_relay::event::envelope::{self, Envelope, Form};
use conversion_relay::event::names::{Dialects, snake_case};
use conversion_relay::event::projection::Projection;
use conversion_relay::event::{Event, Fields};
use conversion_relay::json::Json;
use conversion_relay::timestamp;

pub const MEMORY: usize = 4 << 20;

const MAX_EVENTS: usize = 20;

/// A body is refused, or all of its events can be read or refused.
pub fn check(input: &[u8]) -> bool {
    let body = String::from_utf8_lossy(input);
    let mut projection = Projection::new();
    let fields = Fields::compile(&mut projection);
    let mut read = false;
    for form in [Form::Single, Form::Batch, Form::Either] {
        let Ok(opened) = Envelope::open(&body, form, MAX_EVENTS) else { continue };
        assert!(opened.items.len() <= MAX_EVENTS);
        let _ = envelope::text(&body, opened.sent_at.as_ref());
        for item in opened.items {
            let item = body.get(item).and_then(|item| Json::parse(item).ok()).expect("an item is JSON");
            let Ok(event) = Event::read(item, &projection, &fields, projection.empty(), None) else {
                continue;
            };
            let (dialects, name) = (Dialects::of(&event.name), snake_case(&event.name));
            let has_dialects = !event.name.is_empty() && event.name.len() <= 200 && !name.is_empty();
            assert!(!has_dialects || dialects.include(&name), "{:?} is not {name:?}", event.name);
            let _ = event.times(&fields, None).age(0, timestamp::parse_timestamp);
            read = true;
        }
    }
    read
}
