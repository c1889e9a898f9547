//! Finds the orders that a request is about.

use serde_json::Value;

use crate::destination::Destination;
use crate::received::Received;

/// The names under which clients, the filter and webhooks state an order's id.
const NAMES: [&str; 4] = ["order_id", "orderId", "transaction_id", "ftXRef"];
/// Deeper ones are not looked for. JSON is parsed to at most 128 levels anyway.
const MAX_DEPTH: usize = 32;

/// The order that a vendor's callout reports: `ftXRef` of Flashtalking's query, `order_id` of Podsights' body. `None` for the other
/// destinations, whose bodies are not read, because a benchmark sends many of them.
pub fn of_callout(request: &Received) -> Option<String> {
    match request.to {
        Destination::Flashtalking => {
            let query = request.path.splitn(2, |byte| *byte == b'?').nth(1)?;
            let mut parameters = form_urlencoded::parse(query);
            parameters.find(|(name, _)| name == "ftXRef").map(|(_, value)| value.into_owned())
        }
        Destination::Podsights => {
            #[derive(serde::Deserialize)]
            struct Order {
                order_id: Value,
            }
            id(&serde_json::from_slice::<Order>(&request.body).ok()?.order_id)
        }
        Destination::Collector | Destination::Webhook | Destination::Records => None,
    }
}

/// All orders that a request names, each once: those of [`of_callout`], and for the other destinations any member of the body that
/// is named like an order's id, wherever it is.
pub fn of_request(request: &Received) -> Vec<String> {
    let mut found: Vec<String> = of_callout(request).into_iter().collect();
    if request.to.host().is_none() {
        for line in request.body.split(|byte| *byte == b'\n') {
            match serde_json::from_slice(line) {
                Ok(value) => search(&value, MAX_DEPTH, &mut found),
                // Not one value for each line, so it is one for all of them or no JSON at all.
                Err(_) => {
                    if let Ok(value) = serde_json::from_slice(&request.body) {
                        search(&value, MAX_DEPTH, &mut found);
                    }
                    break;
                }
            }
        }
    }
    found
}

fn search(value: &Value, depth: usize, found: &mut Vec<String>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match value {
        Value::Array(values) => values.iter().for_each(|value| search(value, depth, found)),
        Value::Object(members) => {
            for (name, value) in members {
                match id(value).filter(|_| NAMES.contains(&name.as_str())) {
                    Some(id) if found.contains(&id) => {}
                    Some(id) => found.push(id),
                    None => search(value, depth, found),
                }
            }
        }
        _ => {}
    }
}

fn id(value: &Value) -> Option<String> {
    match value {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::received::tests::received;

    #[test]
    fn a_callout_reports_the_order_of_its_vendors_field() {
        for (to, path, body, order) in [
            (
                Destination::Flashtalking,
                "/container/1;2;3;num/?cachebuster=1&ftXRef=A%20%26",
                "",
                Some("A &"),
            ),
            (Destination::Flashtalking, "/container/1;2;3;num/?U1=ORD", "", None),
            (Destination::Podsights, "/v1/server", r#"{"order_id":7}"#, Some("7")),
            (Destination::Podsights, "/v1/server", r#"{"nested":{"order_id":"A"}}"#, None),
        ] {
            assert_eq!(
                of_request(&received(to, path, body)),
                order.into_iter().collect::<Vec<_>>(),
                "{path} {body}"
            );
        }
    }

    #[test]
    fn a_batch_names_each_of_its_orders_once() {
        let body = r#"{"batch": [{"properties": {"order_id": "A"}}, {"properties": {"orderId": "B"}},
            {"event": {"order_id": "A"}}]}"#;
        assert_eq!(of_request(&received(Destination::Collector, "/v1/batch", body)), ["A", "B"]);
    }

    #[test]
    fn records_name_an_order_in_each_line() {
        let body = "{\"event\":{\"order_id\":\"A\"}}\n{\"event\":{\"order_id\":\"B\"}}";
        assert_eq!(of_request(&received(Destination::Records, "/v1/records", body)), ["A", "B"]);
    }

    #[test]
    fn a_body_that_is_no_json_names_no_order() {
        assert!(of_request(&received(Destination::Webhook, "/", "order_id=A")).is_empty());
    }
}
