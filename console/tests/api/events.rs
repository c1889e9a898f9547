//! What became of events.

use axum::body::Body;
use axum::http::Request;
use conversion_relay_console::server;
use serde_json::{Value, json};

use super::support::{Api, VIEWER};

#[tokio::test]
async fn records_are_listed_by_what_is_asked_for_and_one_event_tells_its_whole_story() {
    use conversion_relay_console::store::{NewRecord, RecordFacts};
    let api = Api::new();
    let record = |integration: &str, order: &str, outcome: &str| {
        let record = json!({"integration": integration, "outcome": outcome, "gateway": "edge",
            "event": {"name": "Order Completed", "order_id": order, "message_id": format!("m-{order}")}});
        NewRecord { facts: RecordFacts::of(&record).unwrap(), text: record.to_string() }
    };
    let records =
        [record("Pod", "A1", "delivered"), record("FT", "A1", "dropped"), record("Pod", "A2", "delivered")];
    api.console.store.add_records(&records, 1_000).unwrap();
    let orders = |page: Value| -> Vec<String> {
        let data = page["data"].as_array().unwrap().clone();
        data.iter()
            .map(|one| {
                format!(
                    "{} {}",
                    one["record"]["integration"].as_str().unwrap(),
                    one["record"]["event"]["order_id"].as_str().unwrap()
                )
            })
            .collect()
    };
    assert_eq!(orders(api.get("/v1/admin/events?limit=2").await.json()), ["Pod A2", "FT A1"]);
    assert_eq!(orders(api.get("/v1/admin/events?order_id=A1&outcome=delivered").await.json()), ["Pod A1"]);
    assert_eq!(
        orders(api.get("/v1/admin/events?integration=Pod&order_id=").await.json()),
        ["Pod A2", "Pod A1"]
    );
    assert_eq!(orders(api.get("/v1/admin/events/2").await.json()), ["Pod A1", "FT A1"]);
    assert_eq!(api.get("/v1/admin/events/99").await.error(), (404, "NOT_FOUND".into()));
}

#[tokio::test]
async fn records_are_streamed_as_they_come() {
    use conversion_relay_console::store::StoredRecord;
    use std::sync::Arc;
    use tower::ServiceExt;
    let api = Api::new();
    let request = Request::get("/v1/admin/events/stream?integration=Pod")
        .header("authorization", format!("Bearer {VIEWER}"));
    let response =
        server::app(api.console.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    for (number, integration) in [(1, "FT"), (2, "Pod")] {
        let record = json!({"integration": integration, "event": {"name": "<b>\n\ndata: x"}});
        assert_eq!(api.console.live.send(Arc::new(StoredRecord { number, at: 5, record })).unwrap(), 1);
    }
    let mut body = response.into_body();
    let frame = http_body_util::BodyExt::frame(&mut body).await.unwrap().unwrap().into_data().unwrap();
    let text = String::from_utf8(frame.to_vec()).unwrap();
    let lines: Vec<&str> = text.trim_end().lines().collect();
    assert_eq!((lines[0], lines[1], lines.len()), ("event: record", "id: 2", 3), "{text}");
    let data: Value = serde_json::from_str(lines[2].strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(data["record"]["event"]["name"], "<b>\n\ndata: x");
}
