//! Sources: the paths from which mappings read values of the event or the request.

use std::borrow::Cow;

use super::subject::Subject;
use super::{suggest, value::Value};
use crate::event::projection::{Projection, Slot, Slots};
use crate::event::{MESSAGE_ID, USER_ID};
use crate::identity::address;
use crate::identity::rudderstack::unwrap_id;
use crate::json::{Json, Kind};
use crate::left_out::Reason;

/// A source, resolved when the configuration was compiled.
#[derive(Clone, Debug)]
pub enum Source {
    /// A field of the event, then the steps below it.
    Field(Slot, Vec<Step>),
    /// A field of the item that `each` is at, then the steps below it.
    Item(Slot, Vec<Step>),
    /// `event`: the name that mappings use, see [`Event::name`](crate::event::Event::name).
    EventName,
    /// `type`: the name of the event's type.
    EventType,
    /// The user id, without RudderStack's wrappings.
    UserId(Slot),
    /// The message id.
    MessageId(Slot),
    /// The visitor's anonymous id, wherever it was found.
    AnonymousId,
    /// `request.header.<name>`: a header of the request, its name in lowercase.
    Header(Box<str>),
    /// `request.cookie.<name>`: a cookie of the request.
    Cookie(Box<str>),
    /// `request.query.<name>`: a parameter of the request's query, decoded; of several with that name the first.
    Query(Box<str>),
    /// `context.ip`: as the event has it, as far as it may be sent.
    ContextIp(Slot),
    /// `client.ip`: the visitor's IP address, if it may be sent.
    ClientIp,
    /// `client.user_agent`: the visitor's User-Agent, if it may be sent.
    ClientUserAgent,
}

/// A part of a request that a source reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestPart<'a> {
    /// The header of this name, in lowercase.
    Header(&'a str),
    /// The cookie of this name.
    Cookie(&'a str),
    /// The parameter of the query of this name.
    Query(&'a str),
}

/// One step into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The value of this key of an object.
    Key(Box<str>),
    /// `[n]`: one item of an array, counted from 0.
    Index(usize),
    /// `[*]`: every item of an array.
    Every,
}

/// Why a source is refused when the configuration is compiled.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSource {
    /// Is unknown, and close to a known source. Carries both.
    #[error("unknown source {0:?}, did you mean {1:?}?")]
    Misspelled(String, String),
    /// Is unknown.
    #[error(
        "unknown source {0:?}: expected event, type, name, user_id, anonymous_id, message_id, timestamp, properties.*, traits.*, context.*, request.header.<name>, request.cookie.<name>, request.query.<name>, client.ip or client.user_agent"
    )]
    Unknown(String),
    /// Is not made of keys and indexes.
    #[error("invalid path {0:?}: expected keys joined by dots, each followed by at most one [n] or [*]")]
    Syntax(String),
    /// Is a header that carries credentials, which no vendor may receive.
    #[error("{0:?} contains credentials and can't be a source")]
    Credentials(String),
}

/// Headers that authenticate a client, and the cookie header, from which single cookies can be read by name.
const CREDENTIAL_HEADERS: &[&str] =
    &["authorization", "proxy-authorization", "cookie", "x-signature", "x-timestamp", "x-write-key"];

/// The longest path, in steps. Walking one is a recursion of this depth at most.
const MOST_STEPS: usize = 16;

impl Source {
    /// Compiles a path over an event and its request.
    pub fn compile(path: &str, projection: &mut Projection) -> Result<Self, InvalidSource> {
        if let Some(name) = path.strip_prefix("request.header.") {
            let name = name.to_ascii_lowercase();
            if CREDENTIAL_HEADERS.contains(&name.as_str()) {
                return Err(InvalidSource::Credentials(path.to_owned()));
            }
            return Ok(Source::Header(named(&name, path)?));
        }
        if let Some(name) = path.strip_prefix("request.cookie.") {
            return Ok(Source::Cookie(named(name, path)?));
        }
        if let Some(name) = path.strip_prefix("request.query.") {
            return Ok(Source::Query(named(name, path)?));
        }
        Ok(match path {
            "event" => Source::EventName,
            "type" => Source::EventType,
            "anonymous_id" | "anonymousId" => Source::AnonymousId,
            "user_id" | "userId" => Source::UserId(projection.slot(&[USER_ID])),
            "message_id" | "messageId" => Source::MessageId(projection.slot(&[MESSAGE_ID])),
            "context.ip" => Source::ContextIp(projection.slot(&[&["context"], &["ip"]])),
            "client.ip" => Source::ClientIp,
            "client.user_agent" => Source::ClientUserAgent,
            _ => Self::field(path, projection)?,
        })
    }

    /// Compiles a path over one item of a list, for `each`.
    pub fn of_item(path: &str, projection: &mut Projection) -> Result<Self, InvalidSource> {
        let steps = steps(path)?;
        let (slot, rest) = field(&[], &steps, projection);
        Ok(Source::Item(slot, rest))
    }

    fn field(path: &str, projection: &mut Projection) -> Result<Self, InvalidSource> {
        let steps = steps(path)?;
        let Some((Step::Key(first), below)) = steps.split_first() else {
            return Err(unknown(path));
        };
        let first: &[&str] = match (&**first, below.is_empty()) {
            ("properties", false) => &["properties"],
            ("traits", false) => &["traits"],
            ("context", false) => &["context"],
            ("timestamp", true) => &["timestamp"],
            ("name", true) => &["name"],
            _ => return Err(unknown(path)),
        };
        let (slot, rest) = field(&[first], below, projection);
        Ok(Source::Field(slot, rest))
    }

    /// Returns the part of the request that this source is; `None`: it is none of the request.
    pub fn request_part(&self) -> Option<RequestPart<'_>> {
        match self {
            Source::Header(name) => Some(RequestPart::Header(name)),
            Source::Cookie(name) => Some(RequestPart::Cookie(name)),
            Source::Query(name) => Some(RequestPart::Query(name)),
            _ => None,
        }
    }

    /// The value of this source, `None` where it is absent, an error where there is something that is no value.
    /// `item` is what `each` is at.
    pub fn find<'a>(
        &'a self,
        subject: &Subject<'a>,
        item: Option<&Slots<'a>>,
    ) -> Option<Result<Value<'a>, Reason>> {
        match self {
            Source::Field(slot, rest) => follow(subject.event.slots.get(*slot)?, rest),
            Source::Item(slot, rest) => follow(item?.get(*slot)?, rest),
            Source::EventName => text(Cow::Borrowed(&*subject.event.name)),
            Source::EventType => text(Cow::Borrowed(subject.event.event_type.name())),
            Source::UserId(slot) => text(unwrap_id(subject.event.text_or_number(*slot)?)?),
            Source::MessageId(slot) => text(subject.event.text_or_number(*slot)?),
            Source::AnonymousId => text(Cow::Borrowed(subject.visitor.anonymous_id.as_deref()?)),
            Source::Header(name) => bytes(subject.request.header(name)?),
            Source::Cookie(name) => bytes(subject.cookies.get(name)?),
            Source::Query(name) => text(subject.request.query(name)?),
            Source::ContextIp(slot) => {
                text(subject.visitor.client.ip_policy.apply_to_text(subject.event.text(*slot)?)?)
            }
            Source::ClientIp => text(Cow::Owned(address::written(subject.visitor.client.ip?))),
            Source::ClientUserAgent => text(Cow::Borrowed(subject.visitor.client.user_agent?)),
        }
    }
}

/// The slot of the keys up to the first bracket, and the steps that are left to take when the mapping runs.
fn field(above: &[&[&str]], steps: &[Step], projection: &mut Projection) -> (Slot, Vec<Step>) {
    let mut at = above.iter().fold(Projection::ROOT, |at, spellings| projection.child(at, spellings));
    let mut rest = steps;
    while let [Step::Key(key), behind @ ..] = rest {
        at = projection.child(at, &[key]);
        rest = behind;
    }
    (projection.slot_at(at), rest.to_vec())
}

/// What a path over an event can begin with.
const ROOTS: [&str; 12] = [
    "event",
    "type",
    "name",
    "user_id",
    "anonymous_id",
    "message_id",
    "timestamp",
    "properties",
    "traits",
    "context",
    "request",
    "client",
];

fn unknown(path: &str) -> InvalidSource {
    let (first, rest) = path.split_at(path.find(['.', '[']).unwrap_or(path.len()));
    match suggest::nearest(first, &ROOTS) {
        Some(near) if near != first => InvalidSource::Misspelled(path.to_owned(), format!("{near}{rest}")),
        _ => InvalidSource::Unknown(path.to_owned()),
    }
}

fn text(text: Cow<'_, str>) -> Option<Result<Value<'_>, Reason>> {
    (!text.is_empty()).then_some(Ok(Value::Text(text)))
}

fn bytes(bytes: &[u8]) -> Option<Result<Value<'_>, Reason>> {
    std::str::from_utf8(bytes).map_or(Some(Err(Reason::NotText)), |utf8| text(Cow::Borrowed(utf8)))
}

fn named(name: &str, path: &str) -> Result<Box<str>, InvalidSource> {
    let legal =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'=' && byte != b';');
    if legal { Ok(name.into()) } else { Err(InvalidSource::Syntax(path.to_owned())) }
}

/// `properties.products[*].quantity` as steps.
fn steps(path: &str) -> Result<Vec<Step>, InvalidSource> {
    let bad = || InvalidSource::Syntax(path.to_owned());
    let mut steps = Vec::new();
    for part in path.split('.') {
        let (key, brackets) = part.split_at(part.find('[').unwrap_or(part.len()));
        if key.is_empty() {
            return Err(bad());
        }
        steps.push(Step::Key(key.into()));
        let mut brackets = brackets;
        while let Some(inner) = brackets.strip_prefix('[') {
            let (index, rest) = inner.split_once(']').ok_or_else(bad)?;
            steps.push(match index {
                "*" => Step::Every,
                _ => Step::Index(index.parse().map_err(|_| bad())?),
            });
            brackets = rest;
        }
        if !brackets.is_empty() {
            return Err(bad());
        }
    }
    if steps.len() > MOST_STEPS { Err(bad()) } else { Ok(steps) }
}

/// Follows `steps` into a value. After `[*]` the values that are present form a list; an empty list counts as absent, and one
/// item that is no value makes the list none.
fn follow<'a>(json: Json<'a>, steps: &[Step]) -> Option<Result<Value<'a>, Reason>> {
    let Some((step, rest)) = steps.split_first() else {
        return Value::of(json);
    };
    match step {
        Step::Key(key) => follow(json.get(key)?, rest),
        Step::Index(n) => follow(json.nth(*n)?, rest),
        Step::Every if json.kind() == Kind::Array => {
            let found = json.items().into_iter().filter_map(|item| follow(item, rest));
            let found: Result<Vec<_>, _> = found.collect();
            found.map(|found| (!found.is_empty()).then_some(Value::List(found))).transpose()
        }
        Step::Every => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &str) -> Option<InvalidSource> {
        Source::compile(path, &mut Projection::new()).err()
    }

    #[test]
    fn every_documented_source_compiles() {
        for path in [
            "event",
            "type",
            "name",
            "user_id",
            "userId",
            "anonymous_id",
            "anonymousId",
            "message_id",
            "timestamp",
            "properties.order_id",
            "properties.products[*].quantity",
            "properties.items[0].price",
            "traits.plan",
            "context.campaign.source",
            "request.header.referer",
            "request.cookie.FTrack",
            "request.query.utm_source",
            "client.ip",
            "client.user_agent",
        ] {
            assert_eq!(refusal(path), None, "{path}");
        }
    }

    #[test]
    fn a_path_that_cannot_be_or_must_not_be_read_is_refused() {
        for path in [
            "",
            "properties",
            "props.x",
            "user_id.x",
            "properties..x",
            "properties.x[",
            "properties.x[a]",
            "properties.x[0]y",
        ] {
            assert!(refusal(path).is_some(), "{path}");
        }
        assert_eq!(
            refusal("props.plan").unwrap().to_string(),
            r#"unknown source "props.plan", did you mean "properties.plan"?"#
        );
        for header in ["Authorization", "cookie", "proxy-authorization", "x-signature"] {
            assert!(
                matches!(refusal(&format!("request.header.{header}")), Some(InvalidSource::Credentials(_))),
                "{header}"
            );
        }
    }

    #[test]
    fn every_item_of_a_list_is_followed_and_an_empty_list_is_absent() {
        let products = Json::parse(r#"[{"q":1},{},{"q":null},7,{"q":2}]"#).unwrap();
        let Some(Ok(Value::List(found))) = follow(products, &steps("x[*].q").unwrap()[1..]) else { panic!() };
        let found: Vec<_> = found.iter().map(|value| value.scalar().unwrap().into_owned()).collect();
        assert_eq!(found, ["1", "2"]);
        let infinite = Json::parse(r#"[{"q":1},{"q":1e999}]"#).unwrap();
        let refused = follow(infinite, &steps("x[*].q").unwrap()[1..]).unwrap();
        assert_eq!(refused.err(), Some(Reason::TooLarge));
        assert!(follow(Json::parse("[]").unwrap(), &[Step::Every]).is_none());
        assert!(follow(Json::parse("{}").unwrap(), &[Step::Every]).is_none());
    }
}
