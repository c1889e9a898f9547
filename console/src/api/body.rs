//! The bodies of requests: JSON, of bounded size, and without a key that stands twice.

use std::fmt;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde::de::{self, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::console::Shared;
use crate::text::bounded;
use crate::web::{ApiError, Posted};

/// A body that is a JSON object.
pub struct Object(pub Map<String, Value>);

/// A body that is a JSON object with certain members.
pub struct Typed<T>(pub T);

impl FromRequest<Shared> for Object {
    type Rejection = ApiError;

    async fn from_request(request: Request, console: &Shared) -> Result<Self, ApiError> {
        let bytes = json_bytes(request, console).await?;
        match parse(&bytes)? {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(ApiError::malformed("expected a JSON object")),
        }
    }
}

impl<T: DeserializeOwned> FromRequest<Shared> for Typed<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, console: &Shared) -> Result<Self, ApiError> {
        let bytes = json_bytes(request, console).await?;
        parse(&bytes)?;
        // From the text once more, so that an event in it stays as it is written.
        serde_json::from_slice(&bytes).map(Self).map_err(|error| ApiError::malformed(error.to_string()))
    }
}

async fn json_bytes(request: Request, console: &Shared) -> Result<Bytes, ApiError> {
    let unsupported =
        |message| ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", message);
    if !is_json(request.headers()) {
        return Err(unsupported("expected the header Content-Type: application/json"));
    }
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        return Err(unsupported("expected a body without Content-Encoding"));
    }
    Posted::from_request(request, console).await.map(|Posted(bytes)| bytes)
}

/// Whether a body is JSON by its type: `application/json`, or another type whose syntax is JSON, such as merge patches.
fn is_json(headers: &HeaderMap) -> bool {
    let media_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn parse(bytes: &[u8]) -> Result<Value, ApiError> {
    let parsed: Result<Strict, _> = serde_json::from_slice(bytes);
    parsed.map(|Strict(value)| value).map_err(|error| ApiError::malformed(format!("not JSON: {error}")))
}

/// JSON in which no object has a key twice: readers disagree on which one counts.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(<A::Error as de::Error>::custom(format_args!(
                    "the key {:?} stands twice",
                    bounded(&key)
                )));
            }
            let Strict(value) = members.next_value()?;
            object.insert(key, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_that_stands_twice_is_refused_wherever_it_stands() {
        for text in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"c":2,"a":3}}]"#, r#"{"a":1,"\u0061":2}"#] {
            let message = parse(text.as_bytes()).unwrap_err().message;
            assert!(message.contains("the key \"a\" stands twice"), "{message}");
        }
        assert_eq!(
            parse(br#"{"a":{"a":1},"b":[1.5,-1,null,true,"x"]}"#).unwrap(),
            json!({"a":{"a":1},"b":[1.5,-1,null,true,"x"]})
        );
    }

    #[test]
    fn nesting_without_end_is_refused() {
        let deep = "[".repeat(10_000);
        assert!(parse(deep.as_bytes()).unwrap_err().message.contains("recursion limit"));
    }

    #[test]
    fn the_type_of_a_body_says_whether_it_is_json() {
        let is = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, text.parse().unwrap());
            is_json(&headers)
        };
        assert!(
            is("application/json")
                && is("Application/JSON; charset=utf-8")
                && is("application/merge-patch+json")
        );
        assert!(!is("text/plain") && !is("application/x-www-form-urlencoded") && !is("text/x+json"));
        assert!(!is_json(&HeaderMap::new()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, text in r#"[\[\]{}:,"a0.e\\-]{0,40}"#) {
            for bytes in [&bytes[..], text.as_bytes()] {
                let strict = parse(bytes).ok();
                if let Some(value) = strict {
                    prop_assert_eq!(Some(value), serde_json::from_slice(bytes).ok());
                }
            }
        }
    }
}
