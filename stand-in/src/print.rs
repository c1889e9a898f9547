//! Prints a callout without its secrets.

use std::fmt::Write;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::received::Received;

/// Fields of a vendor's body that are secret: the Podsights pixel key.
const SECRET_FIELDS: [&str; 1] = ["key"];
const MASK: &str = "***";

/// A request as text, with a newline at its end. Of the collector's, the webhook's and the records' requests, which carry visitors'
/// own data, and secrets that are known to nobody here, only the first line.
pub fn readable(request: &Received) -> String {
    let path = String::from_utf8_lossy(&request.path);
    if request.to.host().is_none() {
        let path = path.split('?').next().unwrap_or_default();
        return format!(
            "{:<12}  {} {path}  ({} bytes)\n",
            request.to.name(),
            request.method,
            request.body.len()
        );
    }
    let mut text = format!("{:<12}  {} {path}\n", request.to.name(), request.method);
    for (name, value) in &request.headers {
        let _ = writeln!(text, "    {name}: {}", String::from_utf8_lossy(value));
    }
    if !request.body.is_empty() {
        let _ = writeln!(text, "\n    {}", masked(&request.body).replace('\n', "\n    "));
    }
    text.push('\n');
    text
}

/// A JSON object with one field a line, as it was sent except for the secrets. A body that is not a JSON object is not shown,
/// because its secrets can't be found.
fn masked(body: &[u8]) -> String {
    let Ok(Fields(fields)) = serde_json::from_slice(body) else {
        return format!("({} bytes that are no JSON object)", body.len());
    };
    let lines = fields.iter().map(|(name, value)| {
        let secret = SECRET_FIELDS.contains(&name.as_str());
        format!("  {name:?}: {}", if secret { MASK } else { value.get() })
    });
    format!("{{\n{}\n}}", lines.collect::<Vec<_>>().join(",\n"))
}

/// The fields of a JSON object in their order, each value as it was written.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::Destination;
    use crate::received::tests::received;

    fn podsights(body: &str) -> Received {
        Received {
            method: "POST".into(),
            version: "HTTP/2",
            headers: vec![("content-type".into(), "application/json".into())],
            ..received(Destination::Podsights, "/v1/server", body)
        }
    }

    #[test]
    fn a_callout_is_shown_as_sent_but_for_the_key() {
        let shown = readable(&podsights(r#"{"key":"secret-1","event":"purchase","value":129.90}"#));
        let expected = "podsights     POST /v1/server\n    content-type: application/json\n\n    {\n      \"key\": ***,\n      \
                        \"event\": \"purchase\",\n      \"value\": 129.90\n    }\n\n";
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_key_is_not_shown_wherever_it_stands() {
        for body in [
            r#"{"key":"secret-1","key":"secret-1"}"#,
            r#"{"k\u0065y":"secret-1"}"#,
            r#"{"key":{"nested":"secret-1"}}"#,
            r#"{"key":"secret-1""#,
            r#"[{"key":"secret-1"}]"#,
            "key=secret-1",
        ] {
            assert!(!readable(&podsights(body)).contains("secret-1"), "{body}");
        }
    }

    #[test]
    fn of_a_collectors_request_neither_query_nor_body_is_shown() {
        let mut request = podsights("jane@example.com");
        request.to = Destination::Collector;
        request.path = "/v1/t?writeKey=dk".into();
        assert_eq!(readable(&request), "collector     POST /v1/t  (16 bytes)\n");
    }
}
