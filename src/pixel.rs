//! Pixels: from the query of an image request to the JSON of one event, so that the one event reader serves all.
//!
//! Two dialects: Signal's parameters (`wk e uid aid p.* t.* ts mid cb`, its pixel documentation) and Segment's
//! `?data=` (its pixel tracking API: base64 of the JSON, or the JSON itself).

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use crate::decode::Undecodable;
use crate::event::EventType;
use crate::timestamp;

/// The most steps of a dotted parameter like `p.product.price`; a deeper one is left out. What is built here must not be
/// nested as deep as a client likes.
const MAX_DEPTH: usize = 8;

/// Padded or not, and whatever the encoder left in the last character's unused bits.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The JSON of a pixel's event. `path` is the request's, with its query. The key is not in it: it is one of the
/// request's, see [`crate::sources`].
pub fn event(path: &[u8], event_type: Option<EventType>, max_bytes: usize) -> Result<String, Undecodable> {
    if path.len() > max_bytes {
        return Err(Undecodable::TooLarge);
    }
    let query = path.iter().position(|byte| *byte == b'?').and_then(|at| path.get(at.saturating_add(1)..));
    let query = query.unwrap_or_default();
    match form_urlencoded::parse(query).find(|(name, _)| name == "data") {
        Some((_, data)) => segment(&data),
        None => Ok(signal(query, event_type)),
    }
}

/// `data` is decoded already, so a `+` of plain base64 has become a space.
fn segment(data: &str) -> Result<String, Undecodable> {
    let data = data.trim();
    if data.starts_with('{') {
        return Ok(data.to_owned());
    }
    let standard = |byte| match byte {
        b' ' | b'-' => b'+',
        b'_' => b'/',
        other => other,
    };
    let data: Vec<u8> = data.bytes().map(standard).collect();
    let json = BASE64.decode(data).map_err(|_| Undecodable::Malformed)?;
    Ok(String::from_utf8_lossy(&json).into_owned())
}

fn signal(query: &[u8], event_type: Option<EventType>) -> String {
    let mut event = Map::new();
    for (name, value) in form_urlencoded::parse(query) {
        let field = match name.as_ref() {
            "e" if event_type.is_none_or(|is| is == EventType::Track) => "event",
            "e" => "name",
            "uid" => "userId",
            "aid" => "anonymousId",
            "mid" => "messageId",
            "ts" => {
                if let Some(timestamp) = value.parse().ok().and_then(timestamp::rfc3339) {
                    insert(&mut event, ["timestamp"].into_iter(), timestamp);
                }
                continue;
            }
            dotted => {
                let within = [("p.", "properties"), ("t.", "traits")].into_iter();
                let found =
                    within.filter_map(|(prefix, field)| Some((field, dotted.strip_prefix(prefix)?))).next();
                if let Some((field, below)) = found
                    && below.split('.').take(MAX_DEPTH).count() < MAX_DEPTH
                    && below.split('.').all(|step| !step.is_empty())
                {
                    insert(&mut event, [field].into_iter().chain(below.split('.')), value.into_owned());
                }
                continue;
            }
        };
        insert(&mut event, [field].into_iter(), value.into_owned());
    }
    serde_json::to_string(&event).unwrap_or_default()
}

/// Puts a text below the steps of a path. Of several for one place the first counts, as with every parameter of a query.
fn insert<'p>(mut object: &mut Map<String, Value>, path: impl Iterator<Item = &'p str>, text: String) {
    let mut path = path.peekable();
    while let Some(step) = path.next() {
        if path.peek().is_none() {
            object.entry(step).or_insert(Value::String(text));
            return;
        }
        match object.entry(step).or_insert_with(|| Value::Object(Map::new())) {
            Value::Object(inner) => object = inner,
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    use proptest::prelude::*;
    use serde_json::json;

    fn read(query: &str, event_type: EventType) -> Value {
        let path = format!("/v1/pixel/x?{query}");
        serde_json::from_str(&event(path.as_bytes(), Some(event_type), 8000).unwrap()).unwrap()
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
        fn any_query_is_refused_or_becomes_json_where_it_is_signals(query in "[ -~]{0,60}|((e|p|t|ts|data|uid)[.a=&%+]{0,5}){0,9}") {
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
