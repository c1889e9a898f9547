//! Transforms: what a mapping may do to a value, each a pure function of it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::number;
use super::value::Value;
use crate::identity::email;
use crate::left_out::Reason;
use crate::url::Url;
use crate::{codec, timestamp};

/// One transform, by its name in a mapping document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transform {
    /// The text in lowercase, by Unicode's rules.
    Lowercase,
    /// The text in uppercase, by Unicode's rules.
    Uppercase,
    /// The text without white space around it.
    Trim,
    /// A number or boolean as text.
    String,
    /// A number, its digits kept; see [`number::plain`].
    Number,
    /// A number without what stands behind its point.
    Integer,
    /// true, false, or the strings "true" and "false" in any case.
    Boolean,
    /// Three letters, uppercased (ISO 4217's form).
    Currency,
    /// SHA-256 of the text, lowercase hex.
    Sha256,
    /// The digest of an email address, or what is one already; see [`email::hash`]. It has no name: a target applies it.
    EmailHash,
    /// The path of a URL; a value that is a path already stays.
    UrlPath,
    /// The host of a URL, without its port.
    UrlHost,
    /// The scalars of a list, joined by commas.
    Join,
    /// How many items a list has.
    Count,
    /// The exact sum of a list's numbers.
    Sum,
    /// A point in time, written as `format` says.
    Date(DateFormat),
}

/// How `date_format` writes a point in time, always in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DateFormat {
    /// Seconds since 1970.
    EpochS,
    /// Milliseconds since 1970.
    EpochMs,
    /// `2024-02-29T12:34:56Z`.
    Rfc3339,
    /// `2024-02-29`.
    Date,
}

/// The transform that takes a `format`.
pub const DATE_FORMAT: &str = "date_format";

/// The transforms that need nothing but their name.
const PLAIN: &[(&str, Transform)] = &[
    ("lowercase", Transform::Lowercase),
    ("uppercase", Transform::Uppercase),
    ("trim", Transform::Trim),
    ("string", Transform::String),
    ("number", Transform::Number),
    ("integer", Transform::Integer),
    ("boolean", Transform::Boolean),
    ("currency", Transform::Currency),
    ("sha256", Transform::Sha256),
    ("url_path", Transform::UrlPath),
    ("url_host", Transform::UrlHost),
    ("join", Transform::Join),
    ("count", Transform::Count),
    ("sum", Transform::Sum),
];

/// Returns every name of a transform.
pub fn names() -> Vec<&'static str> {
    PLAIN.iter().map(|(name, _)| *name).chain([DATE_FORMAT]).collect()
}

impl Transform {
    /// The transform of a name, but for `date_format`.
    pub fn parse(name: &str) -> Option<Self> {
        PLAIN.iter().find(|(known, _)| *known == name).map(|(_, transform)| *transform)
    }

    /// Applies the transform. An error where the value is not of the kind that it takes. Calls `refused` for each item that is
    /// left out of a list.
    pub fn apply<'a>(self, value: Value<'a>, refused: &mut dyn FnMut(Reason)) -> Result<Value<'a>, Reason> {
        match self {
            Transform::Join => {
                let items = value.into_items(refused);
                let texts = items.iter().map(|item| item.scalar().ok_or(Reason::NotSingle));
                let texts: Vec<_> = texts.filter_map(|text| text.map_err(&mut *refused).ok()).collect();
                let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
                match texts.is_empty() {
                    true => Err(Reason::NoItem),
                    false => Ok(Value::Text(Cow::Owned(texts.join(",")))),
                }
            }
            Transform::Count => {
                let count = value.into_items(refused).len();
                Ok(Value::Number(Cow::Owned(itoa::Buffer::new().format(count).to_owned())))
            }
            Transform::Sum => {
                let mut is_whole = true;
                let items = value.into_items(&mut |_| is_whole = false);
                let numbers: Result<Vec<_>, _> = items.into_iter().map(as_number).collect();
                let numbers = numbers.ok().filter(|_| is_whole).ok_or(Reason::ItemNotANumber)?;
                let sum = number::sum(numbers.iter().map(|number| &**number));
                sum.map(|sum| Value::Number(Cow::Owned(sum))).ok_or(Reason::TooLarge)
            }
            each => match value {
                Value::List(items) => {
                    let items = items.into_iter().map(|item| each.apply_scalar(item));
                    let items: Vec<_> = items.filter_map(|item| item.map_err(&mut *refused).ok()).collect();
                    if items.is_empty() { Err(Reason::NoItem) } else { Ok(Value::List(items)) }
                }
                one => each.apply_scalar(one),
            },
        }
    }

    /// Applies a transform that is about single values; an error for lists and objects, too.
    pub(super) fn apply_scalar<'a>(self, value: Value<'a>) -> Result<Value<'a>, Reason> {
        match self {
            Transform::Date(format) => timestamp::parse_timestamp(&as_text(value)?)
                .and_then(|millis| written(format, millis))
                .ok_or(Reason::NotADate),
            Transform::Number => as_number(value).map(Value::Number),
            Transform::Integer => as_number(value).map(|number| {
                let whole = number::integer(&number).len();
                Value::Number(head(number, whole))
            }),
            Transform::Boolean => match value {
                Value::Bool(_) => Ok(value),
                Value::Text(text) if text.eq_ignore_ascii_case("true") => Ok(Value::Bool(true)),
                Value::Text(text) if text.eq_ignore_ascii_case("false") => Ok(Value::Bool(false)),
                Value::Text(_) | Value::Number(_) => Err(Reason::NotABoolean),
                Value::Json(_) | Value::List(_) | Value::Object(_) => Err(Reason::NotSingle),
            },
            text => match text.apply_text(as_text(value)?)? {
                text if text.is_empty() => Err(Reason::Empty),
                text => Ok(Value::Text(text)),
            },
        }
    }

    fn apply_text<'a>(self, text: Cow<'a, str>) -> Result<Cow<'a, str>, Reason> {
        Ok(match self {
            Transform::Lowercase => Cow::Owned(text.to_lowercase()),
            Transform::Uppercase => Cow::Owned(text.chars().flat_map(char::to_uppercase).collect()),
            Transform::Trim => trimmed(text),
            Transform::Currency => currency(&text).ok_or(Reason::NotACurrency)?,
            Transform::Sha256 => Cow::Owned(codec::encode_hex(&Sha256::digest(text.as_bytes()))),
            Transform::EmailHash => {
                Cow::Owned(email::hash(&text).ok_or(Reason::NotAnEmail)?.as_str().to_owned())
            }
            Transform::UrlPath => url_path(text),
            Transform::UrlHost => Cow::Owned(url_host(&text).ok_or(Reason::NotAUrl)?.to_owned()),
            _ => text,
        })
    }
}

fn as_text(value: Value<'_>) -> Result<Cow<'_, str>, Reason> {
    match value {
        Value::Text(text) | Value::Number(text) => Ok(text),
        Value::Bool(true) => Ok(Cow::Borrowed("true")),
        Value::Bool(false) => Ok(Cow::Borrowed("false")),
        Value::Json(_) | Value::List(_) | Value::Object(_) => Err(Reason::NotSingle),
    }
}

fn as_number(value: Value<'_>) -> Result<Cow<'_, str>, Reason> {
    match value {
        Value::Text(text) | Value::Number(text) => match trimmed(text) {
            Cow::Borrowed(text) => number::read(text),
            Cow::Owned(text) => number::read(&text).map(|plain| Cow::Owned(plain.into_owned())),
        },
        Value::Bool(_) => Err(Reason::NotANumber),
        Value::Json(_) | Value::List(_) | Value::Object(_) => Err(Reason::NotSingle),
    }
}

fn written(format: DateFormat, millis: i64) -> Option<Value<'static>> {
    Some(match format {
        DateFormat::EpochS => Value::Number(Cow::Owned(millis.checked_div(1000)?.to_string())),
        DateFormat::EpochMs => Value::Number(Cow::Owned(millis.to_string())),
        DateFormat::Rfc3339 => Value::Text(Cow::Owned(timestamp::rfc3339(millis)?)),
        DateFormat::Date => Value::Text(Cow::Owned(timestamp::date(millis)?)),
    })
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) if text.trim().len() == text.len() => Cow::Owned(text),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

fn head(text: Cow<'_, str>, length: usize) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(..length).unwrap_or(text)),
        Cow::Owned(mut text) => {
            text.truncate(length);
            Cow::Owned(text)
        }
    }
}

fn currency<'a>(text: &str) -> Option<Cow<'a, str>> {
    let text = text.trim();
    (text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic()))
        .then(|| Cow::Owned(text.to_ascii_uppercase()))
}

/// Returns the path of a URL; of a text that names no host, all before its query and fragment.
fn url_path(text: Cow<'_, str>) -> Cow<'_, str> {
    let url = Url::split(&text);
    if url.scheme.is_empty() {
        let length = url.path.len();
        return head(text, length);
    }
    if url.path.is_empty() { Cow::Borrowed("/") } else { Cow::Owned(url.path.to_owned()) }
}

fn url_host(text: &str) -> Option<&str> {
    Some(Url::split(text).host_name()).filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Json;

    fn apply(transform: &str, text: &str) -> Option<String> {
        let value = Value::Text(Cow::Borrowed(text));
        let value = Transform::parse(transform).unwrap().apply(value, &mut |_| {}).ok()?;
        value.scalar().map(Cow::into_owned)
    }

    #[test]
    fn text_is_changed_as_the_name_says() {
        assert_eq!(apply("lowercase", "ÄB").as_deref(), Some("äb"));
        assert_eq!(apply("uppercase", "ab").as_deref(), Some("AB"));
        assert_eq!(apply("trim", "  a ").as_deref(), Some("a"));
        assert_eq!(apply("trim", "   "), None);
        let digest = "86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d";
        assert_eq!(apply("sha256", "jane.doe@example.com").as_deref(), Some(digest));
    }

    #[test]
    fn a_currency_is_three_letters_or_nothing() {
        assert_eq!(apply("currency", " usd ").as_deref(), Some("USD"));
        for text in ["US", "USDX", "U$D", "12A", "€", ""] {
            assert_eq!(apply("currency", text), None, "{text}");
        }
    }

    #[test]
    fn a_number_in_a_string_becomes_a_number_and_an_integer_loses_its_fraction() {
        let value = Transform::Number.apply(Value::Text(" 129.99 ".into()), &mut |_| {}).unwrap();
        assert!(matches!(value, Value::Number(digits) if digits == "129.99"));
        assert_eq!(apply("integer", "12.9").as_deref(), Some("12"));
        assert_eq!(apply("number", "twelve"), None);
    }

    #[test]
    fn the_path_and_the_host_of_a_url_are_found() {
        for (url, path) in [
            ("https://shop.example/a/b?x=1#y", "/a/b"),
            ("/a/b?x", "/a/b"),
            ("https://shop.example", "/"),
            ("https://shop.example?x", "/"),
            ("//shop.example/p", "/p"),
            ("thanks", "thanks"),
        ] {
            assert_eq!(apply("url_path", url).as_deref(), Some(path), "{url}");
        }
        for (url, host) in [
            ("https://u:p@shop.example:8080/a", Some("shop.example")),
            ("http://[::1]:80/", Some("[::1]")),
            ("/a", None),
            ("https:///x", None),
        ] {
            assert_eq!(apply("url_host", url).as_deref(), host, "{url}");
        }
    }

    #[test]
    fn a_point_in_time_is_written_as_the_format_says() {
        for (format, text) in [
            (DateFormat::EpochS, "1709210096"),
            (DateFormat::EpochMs, "1709210096789"),
            (DateFormat::Rfc3339, "2024-02-29T12:34:56.789Z"),
            (DateFormat::Date, "2024-02-29"),
        ] {
            let time = Value::Text("2024-02-29T13:34:56.789+01:00".into());
            let value = Transform::Date(format).apply(time, &mut |_| {});
            assert_eq!(value.unwrap().scalar().unwrap(), text);
        }
        let refused = Transform::Date(DateFormat::Date).apply(Value::Text("soon".into()), &mut |_| {});
        assert_eq!(refused.err(), Some(Reason::NotADate));
    }

    #[test]
    fn every_name_is_a_transform() {
        let unknown = |name: &&&str| **name != DATE_FORMAT && Transform::parse(name).is_none();
        assert_eq!(names().iter().find(unknown), None);
        assert_eq!(names().len(), PLAIN.len() + 1);
    }

    #[test]
    fn lists_are_joined_counted_and_summed() {
        let list =
            |second: &'static str| Value::List(vec![Value::Number("1".into()), Value::Text(second.into())]);
        let text = |transform: Transform, list: Value<'static>| {
            transform.apply(list, &mut |_| {}).ok()?.scalar().map(Cow::into_owned)
        };
        assert_eq!(text(Transform::Join, list("2.5")).as_deref(), Some("1,2.5"));
        assert_eq!(text(Transform::Count, list("2.5")).as_deref(), Some("2"));
        assert_eq!(text(Transform::Sum, list("2.5")).as_deref(), Some("3.5"));
        assert_eq!(text(Transform::Sum, list("x")), None);
    }

    #[test]
    fn an_item_that_is_left_out_of_a_list_is_told() {
        let list = |json| Value::Json(Json::parse(json).unwrap());
        let told = |transform: Transform, value: Value<'_>| {
            let mut told = Vec::new();
            let result = transform.apply(value, &mut |reason| told.push(reason));
            (result.map(|value| value.scalar().map(|text| text.into_owned())), told)
        };
        let joined = told(Transform::Join, list("[1,null,{\"a\":1},1e999,\"b\"]"));
        assert_eq!(joined, (Ok(Some("1,b".to_owned())), vec![Reason::TooLarge, Reason::NotSingle]));
        let summed = told(Transform::Sum, list("[1,1e999]"));
        assert_eq!(summed, (Err(Reason::ItemNotANumber), vec![]));
        let numbers = Value::List(vec![Value::Text("x".into()), Value::Text("2".into())]);
        assert_eq!(told(Transform::Number, numbers), (Ok(None), vec![Reason::NotANumber]));
    }
}
