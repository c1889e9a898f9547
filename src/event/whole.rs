//! A whole event, for integrations that send it as it came: complete by itself, without the request around it.

use std::borrow::Cow;
use std::collections::HashSet;

use super::EventType;
use crate::consent::SOURCES;
use crate::json::{Json, Kind};

/// All of an event, with what its batch and its path say for it.
#[derive(Clone, Debug)]
pub struct WholeEvent<'a> {
    /// The event as it came, an object.
    pub json: Json<'a>,
    /// What the event is. The path may have said so.
    pub event_type: EventType,
    /// The `context` of its batch; several, if the batch has several.
    pub contexts: Vec<Json<'a>>,
    /// The `sentAt` of its batch.
    pub sent_at: Option<Json<'a>>,
}

/// A member of a whole event.
#[derive(Clone, Debug)]
pub enum Member<'a> {
    /// As it came.
    Json(Json<'a>),
    /// An object with these members: the event's own `context` and that of its batch.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
    /// A text that the path stands for.
    Text(&'static str),
}

/// The spellings of members that both an event and its batch, or its path, may have.
const TYPE: &[&str] = &["type"];
const CONTEXT: &[&str] = &["context"];
const SENT_AT: &[&str] = &["sentAt", "sent_at"];
/// The key of the event's source. It authenticates the client at this gateway, and is nobody else's business.
const WRITE_KEY: &[&str] = &["writeKey", "write_key"];

impl<'a> WholeEvent<'a> {
    /// Returns the members in their order, without the write key. Behind them are `type`, `context` and `sentAt` where only the
    /// path or the batch has them. The batch's `context` supplies the members that the event's own lacks.
    pub fn members(&self) -> Vec<(Cow<'a, str>, Member<'a>)> {
        let is_merged = !self.contexts.is_empty();
        let (mut own_contexts, mut has_type, mut has_sent_at) = (Vec::new(), false, false);
        let mut members = Vec::new();
        for (key, value) in self.json.members() {
            let is = |spellings: &[&str]| spellings.contains(&&*key);
            if is(WRITE_KEY) {
                continue;
            }
            if is_merged && is(CONTEXT) {
                own_contexts.push(value);
                continue;
            }
            has_type |= is(TYPE) && !value.is_absent();
            has_sent_at |= is(SENT_AT) && !value.is_absent();
            members.push((key, Member::Json(value)));
        }
        if is_merged {
            members.push((Cow::Borrowed("context"), Member::Object(self.context(&own_contexts))));
        }
        if !has_type {
            members.retain(|(key, _)| !TYPE.contains(&&**key));
            members.push((Cow::Borrowed("type"), Member::Text(self.event_type.name())));
        }
        if let (false, Some(sent_at)) = (has_sent_at, self.sent_at) {
            members.retain(|(key, _)| !SENT_AT.contains(&&**key));
            members.push((Cow::Borrowed("sentAt"), Member::Json(sent_at)));
        }
        members
    }

    /// Returns the members of the batch's context that the event's own lacks, then its own. What stands there twice stays twice:
    /// two statements about consent that contradict each other must not become one.
    fn context(&self, own: &[Json<'a>]) -> Vec<(Cow<'a, str>, Json<'a>)> {
        // A statement that is null leaves the batch's as it is.
        let counts = |(key, value): &(Cow<'a, str>, Json<'a>)| !(value.is_absent() && is_statement(key));
        let own: Vec<_> =
            own.iter().flat_map(|context| context.members()).filter(|member| counts(member)).collect();
        let known: HashSet<Cow<'a, str>> = own.iter().map(|(key, _)| key.clone()).collect();
        let batch = self.contexts.iter().filter(|context| context.kind() == Kind::Object);
        let batch = batch.flat_map(|context| context.members()).filter(|(key, _)| !known.contains(key));
        batch.chain(own).collect()
    }
}

/// Whether a member of `context` is a statement about consent.
fn is_statement(key: &str) -> bool {
    SOURCES.iter().filter_map(|source| source.location().context()).any(|spellings| spellings.contains(&key))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The members as JSON, those of a merged context in braces.
    fn members(event: &str, contexts: &[&str], sent_at: Option<&str>) -> String {
        let whole = WholeEvent {
            json: Json::parse(event).unwrap(),
            event_type: EventType::Page,
            contexts: contexts.iter().map(|context| Json::parse(context).unwrap()).collect(),
            sent_at: sent_at.map(|sent_at| Json::parse(sent_at).unwrap()),
        };
        let written = |(key, member): (Cow<'_, str>, Member<'_>)| match member {
            Member::Json(json) => format!("{key}:{}", json.as_str()),
            Member::Text(text) => format!("{key}:'{text}'"),
            Member::Object(members) => {
                let members = members.iter().map(|(key, json)| format!("{key}:{}", json.as_str()));
                format!("{key}:{{{}}}", members.collect::<Vec<_>>().join(" "))
            }
        };
        whole.members().into_iter().map(written).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn an_event_by_itself_stays_as_it_is_but_for_its_write_key() {
        let event = r#"{"type":"page","writeKey":"k","a":1,"context":{"b":[2]},"write_key":"k"}"#;
        assert_eq!(members(event, &[], None), r#"type:"page" a:1 context:{"b":[2]}"#);
    }

    #[test]
    fn what_only_the_path_or_the_batch_says_is_added() {
        assert_eq!(members(r#"{"a":1}"#, &[], Some(r#""t""#)), r#"a:1 type:'page' sentAt:"t""#);
        assert_eq!(
            members(r#"{"type":"track","sent_at":"u"}"#, &[], Some(r#""t""#)),
            r#"type:"track" sent_at:"u""#
        );
        assert_eq!(members(r#"{"type":null,"sentAt":""}"#, &[], Some("5")), r#"type:'page' sentAt:5"#);
    }

    #[test]
    fn a_batchs_context_supplies_what_the_events_own_lacks() {
        let batch = &[r#"{"ip":"1.2.3.4","library":{"name":"x"}}"#];
        let whole = |event| members(event, batch, None);
        assert_eq!(whole(r#"{"type":"page"}"#), r#"type:"page" context:{ip:"1.2.3.4" library:{"name":"x"}}"#);
        assert_eq!(
            whole(r#"{"context":{"ip":null,"page":{}},"type":"page"}"#),
            r#"type:"page" context:{library:{"name":"x"} ip:null page:{}}"#
        );
        assert_eq!(
            whole(r#"{"type":"page","context":7}"#),
            r#"type:"page" context:{ip:"1.2.3.4" library:{"name":"x"}}"#
        );
    }

    #[test]
    fn a_refusal_in_the_batch_is_not_lost_to_an_event_that_says_nothing() {
        let batch = &[r#"{"consent":{"marketing":false}}"#];
        assert_eq!(
            members(r#"{"type":"page","context":{"consent":null}}"#, batch, None),
            r#"type:"page" context:{consent:{"marketing":false}}"#
        );
        assert_eq!(
            members(r#"{"type":"page","context":{"consent":{"marketing":true}}}"#, batch, None),
            r#"type:"page" context:{consent:{"marketing":true}}"#
        );
    }

    #[test]
    fn statements_that_contradict_each_other_stay_two() {
        let two = &[r#"{"consent":{"marketing":false}}"#, r#"{"consent":{"marketing":true}}"#];
        assert_eq!(
            members(r#"{"type":"page"}"#, two, None),
            r#"type:"page" context:{consent:{"marketing":false} consent:{"marketing":true}}"#
        );
        let event = r#"{"type":"page","context":{"consent":1},"context":{"consent":2}}"#;
        assert_eq!(members(event, &["{}"], None), r#"type:"page" context:{consent:1 consent:2}"#);
    }
}
