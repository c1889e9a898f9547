//! What became of events.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use conversion_relay_console::server;
use conversion_relay_console::store::{NewRecord, RecordFacts, StoredRecord};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::support::{Api, VIEWER};

#[tokio::test]
async fn records_are_listed_by_what_is_asked_for_and_one_event_tells_its_whole_story() {
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

async fn stream(api: &Api) -> axum::response::Response {
    let request = Request::get("/v1/admin/events/stream?integration=Pod")
        .header("authorization", format!("Bearer {VIEWER}"))
        .body(Body::empty());
    server::app(api.console.clone()).oneshot(request.unwrap()).await.unwrap()
}

#[tokio::test]
async fn records_are_streamed_as_they_come_to_a_hundred_readers_at_most() {
    let api = Api::new();
    let response = stream(&api).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    for (number, integration) in [(1, "FT"), (2, "Pod")] {
        let record = json!({"integration": integration, "event": {"name": "<b>\n\ndata: x"}});
        assert_eq!(api.console.live.send(Arc::new(StoredRecord { number, at: 5, record })).unwrap(), 1);
    }
    let mut body = response.into_body();
    let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
    let text = String::from_utf8(frame.to_vec()).unwrap();
    let lines: Vec<&str> = text.trim_end().lines().collect();
    assert_eq!((lines[0], lines[1], lines.len()), ("event: record", "id: 2", 3), "{text}");
    let data: Value = serde_json::from_str(lines[2].strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(data["record"]["event"]["name"], "<b>\n\ndata: x");

    let mut others = Vec::new();
    for _ in 1..100 {
        others.push(stream(&api).await);
    }
    assert!(others.iter().all(|response| response.status() == 200));
    let busy = stream(&api).await;
    assert_eq!((busy.status().as_u16(), busy.headers()["retry-after"].to_str().unwrap()), (503, "11"));
    drop(body);
    assert_eq!(stream(&api).await.status(), 200);
}
