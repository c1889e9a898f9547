//! The control interface as a test uses it, without its port.

use serde_json::Value;

use super::*;
use crate::received::Ending;
use crate::stand_in::{Arrived, Peer};

fn control() -> Control {
    let listening = PerDestination::new(|_| None);
    Control { stand_in: Arc::new(StandIn::new(100, true)), listening: Arc::new(listening) }
}

async fn send(control: &Control, method: &str, path: &str, body: &str) -> (u16, Value) {
    let request = Request {
        method: method.into(),
        path: path.into(),
        version: "HTTP/1.1",
        headers: Vec::new(),
        head: Vec::new(),
        body: body.into(),
    };
    let reply = control.reply(&request).await;
    let reply = reply.unwrap_or_else(|error| Reply::error(400, &format!("{error:#}")));
    (reply.status, serde_json::from_slice(&reply.body).unwrap())
}

async fn get(control: &Control, path: &str) -> (u16, Value) {
    send(control, "GET", path, "").await
}

/// Lets a request arrive, and gives the status that it was answered with.
async fn arrive(control: &Control, to: Destination, path: &str, body: &str) -> u16 {
    let peer = Peer { to, sni: None, alpn: None };
    let host = to.host().unwrap_or("stand-in");
    let request = Arrived {
        method: "POST".into(),
        path: path.into(),
        version: "HTTP/1.1",
        headers: vec![("host".into(), host.into())],
        head: None,
        body: body.into(),
    };
    let mut pending = control.stand_in.receive(&peer, request);
    let status = pending.reply().await.status;
    pending.settle(Ending::Answered(status));
    status
}

async fn purchase(control: &Control, order: &str) -> u16 {
    let body = format!(r#"{{"order_id":"{order}","value":129.90}}"#);
    arrive(control, Destination::Podsights, "/v1/server", &body).await
}

const RECORD: &str = r#"{"version":1,"what":"ended","event":{"order_id":"A"},"integration":"Podsights","outcome":"dropped","reason":"gpc"}"#;

#[tokio::test]
async fn a_request_is_answered_at_once_where_what_is_expected_is_there() {
    let control = control();
    purchase(&control, "A").await;
    let (status, found) = get(&control, "/requests/podsights?order=A&count=1&within=60s").await;
    assert_eq!((status, found[0]["json"]["order_id"].as_str()), (200, Some("A")));
}

#[tokio::test]
async fn one_who_waits_is_answered_as_soon_as_the_request_arrives() {
    let control = control();
    let wait = get(&control, "/requests/podsights?order=B&within=60s");
    let arrive = async {
        purchase(&control, "A").await;
        tokio::task::yield_now().await;
        purchase(&control, "B").await;
    };
    let ((status, found), ()) = tokio::join!(wait, arrive);
    assert_eq!((status, found[0]["orders"][0].as_str()), (200, Some("B")));
}

#[tokio::test]
async fn what_is_missing_in_time_is_answered_by_what_is_there() {
    let control = control();
    for order in ["A", "B"] {
        purchase(&control, order).await;
    }
    let (status, body) = get(&control, "/requests/podsights?order=A&count=2&within=1ms").await;
    assert_eq!(status, 404);
    assert_eq!(body["error"], "expected 2 requests to podsights with order A within 1ms, found 1; others: 1");
    assert_eq!(body["found"][0]["orders"][0], "A");
    assert_eq!(body["others"][0], "podsights POST /v1/server (order: B)");
}

#[tokio::test]
async fn without_an_expectation_nothing_is_a_good_answer() {
    assert_eq!(get(&control(), "/requests/podsights?order=A").await, (200, json!([])));
    assert_eq!(get(&control(), "/records?order=A").await, (200, json!([])));
}

#[tokio::test]
async fn a_mistake_in_a_request_is_refused_and_named() {
    let control = control();
    for (method, path, status, complaint) in [
        (
            "GET",
            "/requests/podsigths",
            400,
            "unknown destination \"podsigths\": expected one of flashtalking,",
        ),
        (
            "GET",
            "/requests?ordr=A",
            400,
            "unknown parameter \"ordr\": expected order, path, method, count, within",
        ),
        ("GET", "/records?outcome=x&within=5", 400, "expected a time such as"),
        ("PUT", "/behaviour/podsights", 400, "EOF while parsing"),
        ("GET", "/request", 404, "there is no GET /request;"),
        ("DELETE", "/reset", 404, "there is no DELETE /reset;"),
    ] {
        let (answered, body) = send(&control, method, path, "").await;
        let error = body["error"].as_str().unwrap();
        assert!(answered == status && error.contains(complaint), "{method} {path}: {answered} {error}");
    }
}

#[tokio::test]
async fn a_behaviour_shows_in_how_each_request_was_answered() {
    let control = control();
    let behaviour = r#"{"status": 503, "times": 1}"#;
    assert_eq!(send(&control, "PUT", "/behaviour/podsights", behaviour).await.0, 200);
    assert_eq!((purchase(&control, "A").await, purchase(&control, "A").await), (503, 200));
    let (_, found) = get(&control, "/requests/podsights?order=A").await;
    let answers: Vec<_> = found.as_array().unwrap().iter().map(|request| &request["answered"]).collect();
    assert_eq!(answers, [503, 200]);
}

#[tokio::test]
async fn records_are_kept_once_they_are_accepted() {
    let control = control();
    let accepted = arrive(&control, Destination::Records, "/v1/records", RECORD).await;
    send(&control, "PUT", "/behaviour/records", r#"{"status": 503}"#).await;
    let refused = arrive(&control, Destination::Records, "/v1/records", RECORD).await;
    assert_eq!((accepted, refused), (202, 503));
    let (status, found) = get(&control, "/records?order=A&integration=Podsights&reason=gpc&within=1s").await;
    assert_eq!((status, &found), (200, &json!([serde_json::from_str::<Value>(RECORD).unwrap()])));
    let (status, body) = get(&control, "/records?order=A&outcome=delivered&within=0s").await;
    assert_eq!((status, &body["others"][0]), (404, &json!("ended Podsights dropped gpc (order: A)")));
}

#[tokio::test]
async fn what_is_no_record_is_refused_and_not_kept() {
    let control = control();
    assert_eq!(arrive(&control, Destination::Records, "/v1/records", "{}").await, 400);
    assert_eq!(arrive(&control, Destination::Records, "/other", RECORD).await, 404);
    assert_eq!(get(&control, "/records").await, (200, json!([])));
}

#[tokio::test]
async fn a_reset_leaves_nothing_of_the_test_before() {
    let control = control();
    purchase(&control, "A").await;
    arrive(&control, Destination::Records, "/v1/records", RECORD).await;
    send(&control, "PUT", "/behaviour/podsights", r#"{"status": 503}"#).await;
    assert_eq!(send(&control, "POST", "/reset", "").await, (200, json!({})));
    assert_eq!(get(&control, "/requests").await, (200, json!([])));
    assert_eq!(get(&control, "/records").await, (200, json!([])));
    assert_eq!(get(&control, "/tally").await.1["podsights"]["requests"], 0);
    assert_eq!(purchase(&control, "B").await, 200);
}

#[tokio::test]
async fn its_health_says_how_much_is_kept() {
    let control = control();
    purchase(&control, "A").await;
    let (status, health) = get(&control, "/health").await;
    assert_eq!((status, &health["status"], &health["requests"]), (200, &json!("ok"), &json!(1)));
}
