//! One event as a CloudEvent 1.0 in its structured form: <https://github.com/cloudevents/spec>.

use std::borrow::Cow;

use super::super::vendor::{Unsealed, Whole, presentable};
use super::clean::Clean;
use super::settings::MAX_BODY_BYTES;
use crate::event::cloud_events::{self, EVENT, RELAY};
use crate::event::whole::Member;
use crate::identity::address::IpPolicy;
use crate::json::{self, Json};
use crate::left_out::{LeftOut, Omissions, Reason, Target};
use crate::seal;

/// What stands before the event.
const DATA: &str = ",\"data\":";
/// What follows the last member of the event.
const END: &str = "}}";

/// What the attribute of the sealed origin takes up beside its text, in bytes.
const AROUND_RELAY: usize = r#","relay":"""#.len();

/// Returns the CloudEvent of an event: attributes, then `data`. Members of the event for which the body has no room are left out.
/// What goes along sealed is bound to the text of `data`, so that it can't be put to another event.
pub fn written(whole: &Whole<'_>, policy: IpPolicy, left_out: &mut Omissions<'_>) -> String {
    let mut text = String::with_capacity(whole.event.json.as_str().len().saturating_add(256));
    text.push_str("{\"specversion\":\"1.0\"");
    for (name, value) in [
        ("id", id(whole, left_out)),
        ("source", cloud_events::source(whole.plugin).into()),
        ("type", Cow::Borrowed(EVENT)),
        ("datacontenttype", Cow::Borrowed("application/json")),
    ] {
        text.push(',');
        json::write_string(&mut text, name);
        text.push(':');
        json::write_string(&mut text, &value);
    }
    let reserved = whole
        .origin
        .as_ref()
        .map_or(0, |origin| seal::text_length(origin.plain.len()).saturating_add(AROUND_RELAY));
    let taken = text.len().saturating_add(DATA.len()).saturating_add(reserved);
    let data = data(whole, policy, MAX_BODY_BYTES.saturating_sub(taken), left_out);
    let sealed = whole
        .origin
        .as_ref()
        .and_then(|Unsealed { keys, plain, nonce }| keys.seal_text(plain, data.as_bytes(), *nonce));
    if let Some(sealed) = sealed {
        text.push(',');
        json::write_string(&mut text, RELAY);
        text.push(':');
        json::write_string(&mut text, &sealed);
    }
    text.push_str(DATA);
    text.push_str(&data);
    text.push('}');
    text
}

/// Returns the event's messageId, by which a receiver knows a CloudEvent that comes again. Without one it is a random UUID, which
/// all attempts at a delivery share.
fn id<'w>(whole: &'w Whole<'_>, left_out: &mut Omissions<'_>) -> Cow<'w, str> {
    let message_id = whole.message_id.as_deref().filter(|id| !id.trim().is_empty());
    let message_id = message_id.and_then(|id| presentable(Target::Named("id"), id, left_out));
    message_id.unwrap_or_else(|| {
        let uuid = uuid::Builder::from_random_bytes(whole.random.to_be_bytes()).into_uuid();
        Cow::Owned(uuid.hyphenated().to_string())
    })
}

/// Returns the event as an object of at most so many bytes, with a brace behind it.
fn data(whole: &Whole<'_>, policy: IpPolicy, room: usize, left_out: &mut Omissions<'_>) -> String {
    let mut data = String::with_capacity(whole.event.json.as_str().len().saturating_add(64));
    data.push('{');
    let text = &mut data;
    let first = text.len();
    for (key, member) in whole.event.members() {
        let before = text.len();
        if before > first {
            text.push(',');
        }
        let mut clean = Clean { text, policy, left_out };
        let is_written = match &member {
            Member::Json(json) => clean.member(&key, *json),
            Member::Object(members) => clean.object(&key, members),
            Member::Text(text) => clean.member(&key, Json::known(&json::written(text))),
        };
        if !is_written {
            text.truncate(before);
        } else if text.len() > room.saturating_sub(END.len()) {
            text.truncate(before);
            let target = Target::Named("data");
            left_out(LeftOut::new(Target::Member(&target, &key), Reason::BodyFull(MAX_BODY_BYTES as u32)));
        }
    }
    data.push('}');
    data
}
