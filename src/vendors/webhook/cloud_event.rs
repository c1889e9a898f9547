//! One event as a CloudEvent 1.0 in its structured form: <https://github.com/cloudevents/spec>.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::super::vendor::{Whole, presentable};
use super::clean::Clean;
use crate::event::whole::Member;
use crate::identity::address::IpPolicy;
use crate::json::{self, Json};
use crate::left_out::{LeftOut, Omissions, Reason, Target};

/// The media type of a CloudEvent.
pub const MEDIA_TYPE: &str = "application/cloudevents+json";

/// The type of those that hold an event.
const TYPE: &str = "conversion_relay.event";

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

/// What follows the last member of the event.
const END: &str = "}}";

/// The source where the plugin has no name.
const NO_NAME: &str = "conversion-relay";

/// Returns the CloudEvent of an event, of at most `limit` bytes: attributes, then `data`. Members of the event that no longer fit
/// are left out. `data` comes last, so that a further attribute stands before it.
pub fn written(whole: &Whole<'_>, policy: IpPolicy, limit: usize, left_out: &mut Omissions<'_>) -> String {
    let mut text = String::with_capacity(whole.event.json.as_str().len().saturating_add(256));
    text.push_str("{\"specversion\":\"1.0\"");
    let source =
        utf8_percent_encode(if whole.plugin.is_empty() { NO_NAME } else { whole.plugin }, NOT_IN_URI);
    for (name, value) in [
        ("id", id(whole, left_out)),
        ("source", source.into()),
        ("type", Cow::Borrowed(TYPE)),
        ("datacontenttype", Cow::Borrowed("application/json")),
    ] {
        text.push(',');
        json::write_string(&mut text, name);
        text.push(':');
        json::write_string(&mut text, &value);
    }
    text.push_str(",\"data\":{");
    write_members(&mut text, whole, policy, limit, left_out);
    text.push_str(END);
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

fn write_members(
    text: &mut String,
    whole: &Whole<'_>,
    policy: IpPolicy,
    limit: usize,
    left_out: &mut Omissions<'_>,
) {
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
        } else if text.len() > limit.saturating_sub(END.len()) {
            text.truncate(before);
            let data = Target::Named("data");
            left_out(LeftOut::new(Target::Member(&data, &key), Reason::BodyFull(limit as u32)));
        }
    }
}
