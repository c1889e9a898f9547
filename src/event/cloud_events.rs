//! What a queue or an event router puts around the events that it pushes: CloudEvents 1.0 (structured or batched), and the
//! message of a Pub/Sub push.
//!
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>,
//! <https://cloud.google.com/pubsub/docs/push#receive_push>

use std::borrow::Cow;
use std::ops::Range;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::envelope::{Envelope, Form, Unreadable};
use crate::codec;
use crate::json::{Json, Kind, place};

/// The `type` of this filter's CloudEvents that hold an event.
pub const EVENT: &str = "conversion_relay.event";

/// The `type` of this filter's CloudEvents that hold a dead letter: a delivery that was lost, sealed.
pub const LOST: &str = "conversion_relay.delivery.lost";

/// The media type of a CloudEvent in the structured mode.
pub const MEDIA_TYPE: &str = "application/cloudevents+json";

/// The attribute of events in which the filter keeps, sealed, what a gateway knew of the request that carried the event.
pub const RELAY: &str = "relay";

/// A pushed body with the events in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Unwrapped<'b> {
    /// The text that the envelope points into: the body, or what it had encoded.
    pub text: Cow<'b, str>,
    /// The events.
    pub envelope: Envelope,
    /// What stood around each of them.
    pub wrappers: Vec<Wrapper>,
}

/// The CloudEvent around an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wrapper {
    /// Whose it is.
    pub kind: WrapperKind,
    /// Its attribute [`RELAY`], if that is a text.
    pub relay: Option<String>,
    /// The bytes of a dead letter; `None`: they can't be read.
    pub letter: Option<Vec<u8>>,
}

/// Whose a CloudEvent is, by its `type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WrapperKind {
    /// Somebody else's, or there is none.
    #[default]
    Foreign,
    /// This filter's, around an event.
    Event,
    /// A dead letter. It has no event.
    Letter,
}

impl WrapperKind {
    /// Returns the kind of a CloudEvent of this type.
    pub fn of_type(text: &str) -> Self {
        match text {
            EVENT => Self::Event,
            LOST => Self::Letter,
            _ => Self::Foreign,
        }
    }
}

impl Wrapper {
    /// Returns what the headers of a request say in the binary mode, where `header` returns the value of a header.
    pub fn of_headers<'h>(header: impl Fn(&str) -> Option<&'h [u8]>) -> Self {
        let text = |name| header(name).and_then(|value| std::str::from_utf8(value).ok());
        let kind = text("ce-type").map(WrapperKind::of_type).unwrap_or_default();
        Self { kind, relay: text("ce-relay").map(str::to_owned), letter: None }
    }
}

/// Returns the `source` of the CloudEvents of a plugin: its name, as a URI reference.
pub fn source(plugin: &str) -> String {
    utf8_percent_encode(if plugin.is_empty() { NO_NAME } else { plugin }, NOT_IN_URI).to_string()
}

/// The source where the plugin has no name.
const NO_NAME: &str = "conversion-relay";

/// What a source, a URI reference, must not hold as it is.
const NOT_IN_URI: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}')
    .add(b'%');

/// Whether a request is a dead letter in the binary mode, where its body is the letter's bytes. `header` returns the value of a
/// header.
pub fn is_letter<'h>(header: impl Fn(&str) -> Option<&'h [u8]>) -> bool {
    header("ce-type") == Some(LOST.as_bytes())
}

/// The request headers of the binary mode that are read, in lowercase.
pub const HEADERS: [&str; 2] = ["ce-type", "ce-relay"];

/// Takes the events out of a pushed body: one event, a batch of events in any form, a CloudEvent, a list of them, or either in a Pub/Sub
/// message. In the binary mode of CloudEvents the body is the event itself.
pub fn unwrap(body: &str, max_events: usize) -> Result<Unwrapped<'_>, Unreadable> {
    match pushed_message(body) {
        None => events(Cow::Borrowed(body), max_events),
        Some(data) => events(Cow::Owned(data.ok_or(Unreadable::Malformed)?), max_events),
    }
}

fn events(text: Cow<'_, str>, max_events: usize) -> Result<Unwrapped<'_>, Unreadable> {
    let mut envelope = Envelope::open(&text, Form::Either, max_events)?;
    let mut decoded: Vec<(usize, String)> = Vec::new();
    let mut wrappers = vec![Wrapper::default(); envelope.items.len()];
    for (at, (item, wrapper)) in envelope.items.iter_mut().zip(&mut wrappers).enumerate() {
        let Some(json) = text.get(item.clone()).map(Json::known) else { continue };
        let Some((found, data)) = cloud_event(json) else { continue };
        *wrapper = found;
        match data {
            Data::Json(data) => *item = place(&text, data.as_str()),
            Data::Encoded(data) => decoded.push((at, data)),
            Data::Letter => {}
        }
    }
    if decoded.is_empty() {
        return Ok(Unwrapped { text, envelope, wrappers });
    }
    // What was encoded goes behind the text.
    let mut text = text.into_owned();
    for (at, data) in decoded {
        let begin = text.len();
        text.push_str(&data);
        if let Some(item) = envelope.items.get_mut(at) {
            *item = Range { start: begin, end: text.len() };
        }
    }
    Ok(Unwrapped { text: Cow::Owned(text), envelope, wrappers })
}

/// The data of a CloudEvent.
enum Data<'a> {
    Json(Json<'a>),
    /// It was in base64. `null` if it could not be read or is no JSON.
    Encoded(String),
    /// It is a dead letter, in the wrapper.
    Letter,
}

/// Returns a CloudEvent with its data; `None` for an item that is none. One without data has `null`.
fn cloud_event(item: Json<'_>) -> Option<(Wrapper, Data<'_>)> {
    if item.kind() != Kind::Object {
        return None;
    }
    let (mut is_cloud_event, mut data, mut encoded) = (false, None, None);
    let mut wrapper = Wrapper::default();
    for (key, value) in item.members() {
        match &*key {
            "specversion" => is_cloud_event = value.kind() == Kind::String,
            "type" => {
                wrapper.kind = value.text().map_or(WrapperKind::Foreign, |text| WrapperKind::of_type(&text))
            }
            RELAY => wrapper.relay = value.text().map(Cow::into_owned),
            "data" => data = Some(value),
            "data_base64" => encoded = Some(value),
            _ => {}
        }
    }
    let data = match (data, encoded) {
        _ if wrapper.kind == WrapperKind::Letter => {
            let text = encoded.and_then(Json::text);
            wrapper.letter = text.and_then(|text| codec::decode_base64(text.as_bytes()));
            Data::Letter
        }
        (Some(data), _) => Data::Json(data),
        (None, encoded) => Data::Encoded(encoded.and_then(decode).unwrap_or_else(|| "null".to_owned())),
    };
    is_cloud_event.then_some((wrapper, data))
}

/// Returns what a Pub/Sub message holds: `Some(None)` if it can't be read, `None` if the body is no such message.
fn pushed_message(body: &str) -> Option<Option<String>> {
    let body = Json::parse(body).ok().filter(|body| body.kind() == Kind::Object)?;
    let (mut message, mut is_push) = (None, false);
    for (key, value) in body.members() {
        match &*key {
            "message" => message = Some(value),
            "subscription" => is_push = value.kind() == Kind::String,
            _ => {}
        }
    }
    let message = message.filter(|message| is_push && message.kind() == Kind::Object)?;
    let data = message.members().into_iter().find(|(key, _)| key == "data").map(|(_, data)| data);
    Some(data.and_then(decode))
}

/// Returns the JSON in a base64 string.
fn decode(encoded: Json<'_>) -> Option<String> {
    let bytes = codec::decode_base64(encoded.text()?.as_bytes())?;
    let text = String::from_utf8(bytes).ok()?;
    Json::parse(&text).is_ok().then_some(text)
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, Engine};
    use proptest::prelude::*;

    use super::*;

    fn items(body: &str) -> Result<Vec<String>, Unreadable> {
        let Unwrapped { text, envelope, .. } = unwrap(body, 3)?;
        Ok(envelope.items.into_iter().map(|item| text[item].to_owned()).collect())
    }

    #[test]
    fn an_event_and_a_batch_in_any_form_are_what_they_are() {
        assert_eq!(items(r#" {"event":"e"} "#).unwrap(), [r#"{"event":"e"}"#]);
        for batch in [r#"[{"a":1},{"b":2}]"#, r#"{"batch":[{"a":1},{"b":2}]}"#] {
            assert_eq!(items(batch).unwrap(), [r#"{"a":1}"#, r#"{"b":2}"#]);
        }
        assert_eq!(items("[1,2,3,4]"), Err(Unreadable::TooManyEvents));
        assert_eq!(items("7"), Err(Unreadable::Malformed));
    }

    #[test]
    fn the_event_is_the_data_of_a_cloud_event_alone_or_in_a_list() {
        let one = r#"{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"event":"e"}}"#;
        assert_eq!(items(one).unwrap(), [r#"{"event":"e"}"#]);
        let list = format!(r#"[{one},{{"event":"plain"}}]"#);
        assert_eq!(items(&list).unwrap(), [r#"{"event":"e"}"#, r#"{"event":"plain"}"#]);
        assert_eq!(items(r#"{"specversion":"1.0","id":"1"}"#).unwrap(), ["null"], "no event: malformed");
    }

    #[test]
    fn data_in_base64_is_decoded() {
        let encoded = |text: &str| {
            format!(r#"{{"specversion":"1.0","data_base64":"{}"}}"#, BASE64_STANDARD.encode(text))
        };
        let list = format!("[{},{},{}]", encoded(r#"{"event":"a"}"#), encoded("no JSON"), encoded("[1]"));
        assert_eq!(items(&list).unwrap(), [r#"{"event":"a"}"#, "null", "[1]"]);
    }

    #[test]
    fn a_pub_sub_message_holds_what_could_have_been_pushed_without_it() {
        let push = |data: &str| {
            format!(r#"{{"message":{{"data":"{data}","messageId":"1"}},"subscription":"projects/p"}}"#)
        };
        let event = r#"{"specversion":"1.0","data":{"event":"e"}}"#;
        assert_eq!(items(&push(&BASE64_STANDARD.encode(event))).unwrap(), [r#"{"event":"e"}"#]);
        assert_eq!(items(&push(&BASE64_STANDARD.encode("[{},{}]"))).unwrap(), ["{}", "{}"]);
        for bad in ["???", &BASE64_STANDARD.encode("no JSON"), ""] {
            assert_eq!(items(&push(bad)), Err(Unreadable::Malformed), "{bad}");
        }
        let event = r#"{"event":"e","message":{"data":"x"}}"#;
        assert_eq!(items(event).unwrap(), [event], "an event with a member of that name");
    }

    #[test]
    fn what_the_filter_itself_has_put_around_an_event_is_known() {
        let wrapper = |text: &str| unwrap(text, 3).unwrap().wrappers.remove(0);
        let ours = r#"{"specversion":"1.0","type":"conversion_relay.event","relay":"v1.x","data":{}}"#;
        assert_eq!(
            wrapper(ours),
            Wrapper { kind: WrapperKind::Event, relay: Some("v1.x".to_owned()), letter: None }
        );
        let others = r#"{"specversion":"1.0","type":"shop.order","relay":7,"data":{}}"#;
        assert_eq!(wrapper(others), Wrapper::default());
        assert_eq!(wrapper(r#"{"type":"conversion_relay.event","relay":"v1.x"}"#), Wrapper::default());
        let header = |name: &str| match name {
            "ce-type" => Some(EVENT.as_bytes()),
            "ce-relay" => Some(&b"v1.x"[..]),
            _ => None,
        };
        assert_eq!(Wrapper::of_headers(header), wrapper(ours));
    }

    #[test]
    fn a_dead_letter_is_its_bytes_and_no_event() {
        let letter = |member: &str| format!(r#"{{"specversion":"1.0","type":"{LOST}",{member}}}"#);
        let read = |text: &str| {
            let wrapper = unwrap(text, 3).unwrap().wrappers.remove(0);
            assert_eq!(wrapper.kind, WrapperKind::Letter, "{text}");
            wrapper.letter
        };
        assert_eq!(read(&letter(r#""data_base64":"AP8=""#)), Some(vec![0, 255]));
        for unreadable in [r#""data_base64":"?""#, r#""data_base64":7"#, r#""data":{"event":"e"}"#] {
            assert_eq!(read(&letter(unreadable)), None, "{unreadable}");
        }
        let list = format!(r#"[{{"event":"e"}},{}]"#, letter(r#""data_base64":"AP8=""#));
        let kinds: Vec<_> = unwrap(&list, 3).unwrap().wrappers.into_iter().map(|one| one.kind).collect();
        assert_eq!(kinds, [WrapperKind::Foreign, WrapperKind::Letter]);
    }

    proptest! {
        #[test]
        fn whatever_is_pushed_every_item_is_json(
            body in ".{0,80}|[\\[\\]{}\":,a1 ]{0,80}", data in ".{0,40}", specversion: bool,
        ) {
            let version = if specversion { "specversion" } else { "x" };
            let wrapped = format!(r#"[{{"{version}":"1","data_base64":"{}"}}]"#, BASE64_STANDARD.encode(&data));
            for body in [body, wrapped] {
                if let Ok(Unwrapped { text, envelope, .. }) = unwrap(&body, 100) {
                    for item in envelope.items {
                        prop_assert!(Json::parse(&text[item]).is_ok());
                    }
                }
            }
        }
    }
}
