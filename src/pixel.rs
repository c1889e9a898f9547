//! Pixels: converts the query of an image request to the JSON of one event, which is then read like any other.
//!
//! Three formats: Signal's parameters (`wk e uid aid p.* t.* ts mid cb`, its pixel documentation), Segment's `?data=` (its
//! pixel tracking API: base64 of the JSON, or the JSON itself), and the un-encoded form of Segment and RudderStack, whose
//! parameters are the dotted paths of the event's members (`event userId properties.revenue`).

use std::borrow::Cow;

use crate::codec;
use crate::decode::{self, Undecodable};
use crate::event::EventType;
use crate::json;
use crate::timestamp;

/// The maximum number of steps in a dotted parameter like `p.product.price`; a deeper one is left out, so that a client can't
/// determine how deeply the result is nested.
const MAX_DEPTH: usize = 8;

/// Returns the JSON of a pixel's event. `path` is the request's, with its query. The write key is not included: it belongs to
/// the request, see `src/sources.rs`.
pub fn event(path: &[u8], event_type: Option<EventType>, max_bytes: usize) -> Result<String, Undecodable> {
    if path.len() > max_bytes {
        return Err(Undecodable::TooLarge);
    }
    let query = path.iter().position(|byte| *byte == b'?').and_then(|at| path.get(at.saturating_add(1)..));
    let query = query.unwrap_or_default();
    match form_urlencoded::parse(query).find(|(name, _)| name == "data") {
        Some((_, data)) => segment(&data),
        None => Ok(unencoded(query, event_type)),
    }
}

/// `data` is decoded already, so a `+` of plain base64 has become a space.
fn segment(data: &str) -> Result<String, Undecodable> {
    let data = decode::without_byte_order_mark(data.trim()).trim_start();
    if data.starts_with('{') {
        return Ok(data.to_owned());
    }
    let data = data.replace(' ', "+");
    let json = codec::decode_any_base64(data.as_bytes()).ok_or(Undecodable::Malformed)?;
    let json = String::from_utf8_lossy(&json);
    Ok(decode::without_byte_order_mark(&json).to_owned())
}

/// Returns the member of the event that a parameter is about, and whether the parameter is a path to something below it.
fn member(parameter: &str, event_type: Option<EventType>) -> Option<(&'static str, bool)> {
    let member = match parameter {
        "event" => "event",
        "e" if event_type.is_none_or(|is| is == EventType::Track) => "event",
        "e" | "name" => "name",
        "uid" | "userId" => "userId",
        "aid" | "anonymousId" => "anonymousId",
        "mid" | "messageId" => "messageId",
        "ts" | "timestamp" => "timestamp",
        "originalTimestamp" => "originalTimestamp",
        "sentAt" => "sentAt",
        path => {
            let (first, _) = path.split_once('.')?;
            return Some((
                match first {
                    "p" | "properties" => "properties",
                    "t" | "traits" => "traits",
                    "context" => "context",
                    "integrations" => "integrations",
                    _ => return None,
                },
                true,
            ));
        }
    };
    Some((member, false))
}

fn unencoded(query: &[u8], event_type: Option<EventType>) -> String {
    let mut fields = Vec::with_capacity(16);
    for (name, text) in form_urlencoded::parse(query) {
        let Some((field, is_path)) = member(&name, event_type) else { continue };
        let text = match field {
            "timestamp" => timestamp::parse_timestamp(&text).and_then(timestamp::rfc3339).map(Cow::Owned),
            _ => Some(text),
        };
        let below = if is_path { name } else { Cow::default() };
        let (Some(text), nth) = (text, fields.len()) else { continue };
        let steps = || below.split('.');
        if below.is_empty()
            || (steps().take(MAX_DEPTH + 1).count() <= MAX_DEPTH && steps().all(|step| !step.is_empty()))
        {
            fields.push(Field { field, below, nth, text });
        }
    }
    fields.sort_unstable_by(|one, other| {
        // `p.a` and `properties.a` are one place.
        let below = || one.below.split('.').skip(1).cmp(other.below.split('.').skip(1));
        one.field.cmp(other.field).then_with(below).then(one.nth.cmp(&other.nth))
    });
    let mut event = String::with_capacity(query.len());
    write(&fields, 0, &mut event);
    event
}

/// A text, and where it belongs in the event.
struct Field<'q> {
    /// Right in the event.
    field: &'static str,
    /// The steps down to it, as the parameter has them: `p.product.price`, whose `p` is `field`. Empty: `field` alone.
    below: Cow<'q, str>,
    /// The parameter's place among all.
    nth: usize,
    text: Cow<'q, str>,
}

impl Field<'_> {
    fn step(&self, depth: usize) -> Option<&str> {
        if depth == 0 { Some(self.field) } else { self.below.split('.').nth(depth) }
    }

    /// Whether it may be a choice of the visitor's.
    fn is_choice(&self) -> bool {
        matches!(self.field, "context" | "integrations")
    }

    /// Writes the text as JSON. A query has no types, so what a page says of consent and of integrations would be no word
    /// at all: below `context` and `integrations`, `true` and `false` are booleans.
    fn write(&self, event: &mut String) {
        match (self.field, &*self.text) {
            ("context" | "integrations", boolean @ ("true" | "false")) => event.push_str(boolean),
            (_, text) => json::write_string(event, text),
        }
    }
}

/// Writes the object of sorted fields that have the same first `depth` steps. The first parameter for a place says what is
/// there, a text or an object; of several texts the first counts, as with every parameter of a query.
fn write(mut fields: &[Field<'_>], depth: usize, event: &mut String) {
    let below = depth.saturating_add(1);
    event.push('{');
    while let Some(field) = fields.first() {
        let step = field.step(depth);
        let same = fields.iter().take_while(|field| field.step(depth) == step).count();
        let (of_step, behind) = fields.split_at_checked(same).unwrap_or_default();
        fields = behind;
        json::write_string(event, step.unwrap_or_default());
        event.push(':');
        // Texts stand before what is below the same place, and each in its own order.
        let texts = of_step.iter().take_while(|field| field.step(below).is_none()).count();
        let (_, objects) = of_step.split_at_checked(texts).unwrap_or_default();
        let first = of_step.iter().map(|field| field.nth).min();
        if texts > 0 && first == Some(field.nth) {
            field.write(event);
            // What is said of consent and of integrations is kept as often as it is said: a refusal must not be lost.
            for repeated in of_step.iter().take(texts).skip(1).filter(|field| field.is_choice()) {
                event.push(',');
                json::write_string(event, step.unwrap_or_default());
                event.push(':');
                repeated.write(event);
            }
        } else {
            write(objects, below, event);
        }
        if !fields.is_empty() {
            event.push(',');
        }
    }
    event.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::Engine;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn read(query: &str, event_type: EventType) -> Value {
        let path = format!("/v1/pixel/x?{query}");
        serde_json::from_str(&event(path.as_bytes(), Some(event_type), 8000).unwrap()).unwrap()
    }

    #[test]
    fn what_is_said_of_consent_and_of_integrations_is_kept_as_often_as_it_is_said() {
        let path = b"/v1/pixel/x?context.consent.marketing=true&p.a=1&context.consent.marketing=false&integrations.All=true&integrations.All=false&p.a=2";
        let event = event(path, Some(EventType::Track), 8000).unwrap();
        for kept in [
            r#""marketing":true,"marketing":false"#,
            r#""All":true,"All":false"#,
            r#""properties":{"a":"1"}"#,
        ] {
            assert!(event.contains(kept), "{event} lacks {kept}");
        }
    }

    /// The parameters are those of Signal's pixel documentation.
    #[test]
    fn signals_parameters_become_the_fields_of_an_event() {
        let query = "wk=dk_live_1&e=Order+Completed&uid=u1&aid=a1&mid=m1&ts=1700000000123&cb=42\
                     &p.order_id=ORD-001&p.revenue=129.99&p.product.name=caf%C3%A9+au+lait&t.email=jane%40example.com";
        assert_eq!(
            read(query, EventType::Track),
            json!({
                "event": "Order Completed", "userId": "u1", "anonymousId": "a1", "messageId": "m1",
                "timestamp": "2023-11-14T22:13:20.123Z",
                "properties": {"order_id": "ORD-001", "revenue": "129.99", "product": {"name": "café au lait"}},
                "traits": {"email": "jane@example.com"},
            })
        );
        assert_eq!(read("e=Home", EventType::Page), json!({"name": "Home"}));
    }

    /// The parameters of Segment's un-encoded pixel, which RudderStack's gateway reads too.
    #[test]
    fn the_members_of_an_event_may_be_parameters_by_their_own_names() {
        let query = "writeKey=k&event=Order%20Completed&userId=u1&anonymousId=a1&messageId=m1\
                     &timestamp=2023-11-14T22:13:20.123Z&properties.order_id=ORD-001&properties.product.name=caf%C3%A9\
                     &traits.email=jane%40example.com&context.page.url=https%3A%2F%2Fshop.example%2F";
        assert_eq!(
            read(query, EventType::Track),
            json!({
                "event": "Order Completed", "userId": "u1", "anonymousId": "a1", "messageId": "m1",
                "timestamp": "2023-11-14T22:13:20.123Z",
                "properties": {"order_id": "ORD-001", "product": {"name": "café"}},
                "traits": {"email": "jane@example.com"},
                "context": {"page": {"url": "https://shop.example/"}},
            })
        );
        assert_eq!(read("name=Home", EventType::Page), json!({"name": "Home"}));
    }

    #[test]
    fn a_long_and_a_short_name_of_one_place_are_that_place_and_the_first_counts() {
        let event = read(
            "e=A&event=B&properties.a=1&p.a=2&p.b.c=3&properties.b.d=4&userId=u&uid=v",
            EventType::Track,
        );
        let properties = json!({"a": "1", "b": {"c": "3", "d": "4"}});
        assert_eq!(event, json!({"event": "A", "userId": "u", "properties": properties}));
    }

    #[test]
    fn consent_and_integrations_in_the_query_are_booleans_and_properties_are_text() {
        let event = read(
            "context.consent.marketing=true&context.consent.note=truely&integrations.All=false&properties.new=true",
            EventType::Track,
        );
        assert_eq!(
            event,
            json!({
                "context": {"consent": {"marketing": true, "note": "truely"}}, "integrations": {"All": false},
                "properties": {"new": "true"},
            })
        );
    }

    #[test]
    fn a_time_may_be_in_seconds_or_milliseconds_since_1970_or_rfc_3339() {
        for time in ["1700000000", "1700000000000", "2023-11-14T22:13:20Z", "2023-11-14T23:13:20%2B01:00"] {
            for parameter in ["ts", "timestamp"] {
                let event = read(&format!("{parameter}={time}"), EventType::Track);
                assert_eq!(event, json!({"timestamp": "2023-11-14T22:13:20Z"}), "{parameter}={time}");
            }
        }
    }

    #[test]
    fn a_byte_order_mark_before_the_data_is_skipped_encoded_or_not() {
        for data in ["%EF%BB%BF%7B%22event%22%3A%22e%22%7D", &STANDARD.encode("\u{FEFF}{\"event\":\"e\"}")] {
            assert_eq!(read(&format!("data={data}"), EventType::Track), json!({"event": "e"}), "{data}");
        }
    }

    /// The forms that Segment's pixel documentation allows.
    #[test]
    fn segments_data_is_read_in_every_base64_and_as_plain_json() {
        let json = r#"{"writeKey":"k","event":"Email Opened ÿÿ>?>?","userId":"u"}"#;
        let percent = percent_encoding::utf8_percent_encode(json, percent_encoding::NON_ALPHANUMERIC);
        let mut forms = vec![percent.to_string()];
        for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
            let data = engine.encode(json);
            forms.push(data.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D"));
            forms.push(data);
        }
        assert!(forms.iter().any(|form| form.contains('+')), "a + in the query is part of the test");
        for data in forms {
            assert_eq!(
                read(&format!("cb=1&data={data}"), EventType::Track)["event"],
                "Email Opened ÿÿ>?>?",
                "{data}"
            );
        }
    }

    #[test]
    fn data_that_is_neither_is_malformed() {
        for data in ["%25%25%25", "a", "e30=e30="] {
            let path = format!("/v1/pixel/track?data={data}");
            assert_eq!(event(path.as_bytes(), None, 8000), Err(Undecodable::Malformed), "{data}");
        }
        assert_eq!(event(b"/v1/pixel/track?data=aaaa", None, 10), Err(Undecodable::TooLarge));
    }

    #[test]
    fn of_two_parameters_for_one_place_the_first_counts() {
        let event = read("e=A&e=B&p.a=1&p.a=2&p.a.b=3&p.c.d=4&p.c=5", EventType::Track);
        assert_eq!(event, json!({"event": "A", "properties": {"a": "1", "c": {"d": "4"}}}));
        let event =
            read("p.a.b=1&p.a=2&p.a!=3&p.a.c=4&p.a.b=5&p.a.b.d=6&p.b.c=7&p.b.d.e=8", EventType::Track);
        let properties = json!({"a": {"b": "1", "c": "4"}, "a!": "3", "b": {"c": "7", "d": {"e": "8"}}});
        assert_eq!(event, json!({"properties": properties}));
    }

    #[test]
    fn a_parameter_that_is_too_deep_or_has_no_name_is_left_out() {
        let deep = "a.".repeat(4000);
        let query = format!("e=A&p.{deep}a=1&p.=2&p..b=3&p=4&q.a=5&ts=soon&ts=99999999999999999999");
        let path = format!("/v1/pixel/track?{query}");
        assert_eq!(event(path.as_bytes(), Some(EventType::Track), 99_999).unwrap(), r#"{"event":"A"}"#);
    }

    proptest! {
        #[test]
        fn any_query_is_refused_or_becomes_json_where_it_is_signals(query in "[ -~]{0,60}|((e|p|t|ts|data|uid|event|properties|context)[.a=&%+]{0,5}){0,9}") {
            let path = format!("/v1/pixel/track?{query}");
            if let Ok(json) = event(path.as_bytes(), Some(EventType::Track), 8000)
                && !query.contains("data") && !query.contains('%')
            {
                prop_assert!(serde_json::from_str::<Value>(&json).is_ok());
            }
        }

        #[test]
        fn every_text_that_a_parameter_can_hold_arrives(text in ".{1,40}") {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("p.a", &text).finish();
            let event = read(&query, EventType::Track);
            prop_assert_eq!(event["properties"]["a"].as_str(), Some(text.as_str()));
        }
    }
}
