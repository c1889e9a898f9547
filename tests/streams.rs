//! Streams that end in odd ways: slow clients, clients that leave, and answers that the collector did not make.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::io::ErrorKind;
use std::time::Duration;

use serde_json::{Value, json};
use support::{Collector, Gateway, LIMIT, Options, Podsights, Request, wait_until};

/// What the filter waits for a body before it looks whether Envoy holds it back, and some time more.
const PAST_BODY_TIMEOUT: Duration = Duration::from_millis(6_500);

fn configuration(endpoints: Value) -> Value {
    json!({
        "endpoints": endpoints,
        "integrations": [{"name": "Pod", "vendor": "podsights", "config": {"key": "${PODSIGHTS_KEY}"}}]
    })
}

/// A gateway whose filter answers by itself.
fn local() -> Options {
    Options::new().configuration(configuration(json!({"reply": "local"})))
}

/// A purchase without a messageId, which is therefore no `duplicate` if it comes again, and without an order id.
fn purchase() -> String {
    json!({"event": "Order Completed", "properties": {"revenue": 5}}).to_string()
}

#[test]
fn a_local_reply_waits_for_a_client_that_is_slow_to_send_its_body() {
    let gateway = Gateway::start(local());
    let request = Request::post("/v1/t", purchase());
    let mut slow = gateway.connect();
    slow.write(request.head());
    slow.set_read_timeout(PAST_BODY_TIMEOUT);
    let nothing = slow.try_read().map(|answer| answer.status);
    assert_eq!(nothing.unwrap_err().kind(), ErrorKind::WouldBlock, "the client is not answered yet");

    slow.write(purchase());

    assert_eq!(slow.read().status, 200);
    gateway.wait_for(Podsights, 1);
    assert!(!gateway.envoy_log().contains("allow_on_headers_stop_iteration"));
}

#[test]
fn without_the_flag_a_slow_post_is_answered_500_once_something_of_its_body_has_come() {
    let gateway = Gateway::start(local().edit_filter(|filter| {
        let config = filter.pointer_mut("/resources/0/typed_config/config").unwrap();
        config["allow_on_headers_stop_iteration"] = json!(false);
    }));
    let mut slow = gateway.connect();
    slow.write(Request::post("/v1/t", purchase()).head());
    slow.set_read_timeout(PAST_BODY_TIMEOUT);
    let nothing = slow.try_read().map(|answer| answer.status);
    assert_eq!(nothing.unwrap_err().kind(), ErrorKind::WouldBlock, "nothing can be known yet");

    slow.write("{");

    assert_eq!(slow.read().status, 500);
    gateway.wait_for_log("allow_on_headers_stop_iteration");
}

const REQUESTS_IGNORED: &str = "conversion_relay_requests_ignored_total";
const NOTES: &str = "conversion_relay_notes_total";
const ROUTES: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes";

/// A cluster of one host that takes connections and requests and never answers.
fn listener_that_never_answers() -> Value {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // It stays open as long as the test runs. The system accepts connections for it.
    std::mem::forget(listener);
    json!({"name": "silent", "type": "STATIC", "load_assignment": {"cluster_name": "silent", "endpoints": [{"lb_endpoints": [
        {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}]}]}})
}

/// A gateway that follows the collector's redirects itself, and relays requests that are `accepted`, or `always`.
fn following_redirects(relay_when: &str) -> Gateway {
    let options = Options::new().configuration(configuration(json!({"relay_when": relay_when})));
    Gateway::start(options.edit_envoy(|envoy| {
        let routes = envoy.pointer_mut(ROUTES).unwrap().as_array_mut().unwrap();
        routes[0]["route"]["internal_redirect_policy"] = json!({
            "max_internal_redirects": 2, "redirect_response_codes": [302, 303, 307]});
        let filters = routes[0]["typed_per_filter_config"].clone();
        let more = [
            json!({"match": {"prefix": "/v1/refused/"}, "direct_response": {"status": 403}}),
            json!({"match": {"prefix": "/v1/slow/"}, "route": {"cluster": "silent"}}),
        ];
        for mut route in more {
            route["typed_per_filter_config"] = filters.clone();
            routes.insert(0, route);
        }
        let silent = listener_that_never_answers();
        let clusters = envoy.pointer_mut("/static_resources/clusters").unwrap().as_array_mut().unwrap();
        clusters.push(silent);
    }))
}

/// The collector redirects the next request, to `path` of the same gateway.
fn redirect_once(gateway: &Gateway, status: u16, path: &str) {
    let location = format!("http://gateway.test{path}");
    gateway.behave(Collector, json!({"status": status, "headers": {"location": location}, "times": 1}));
}

/// Nothing was taken for a client that left, or for a redirect to where the filter doesn't run.
fn nothing_odd_is_noted(gateway: &Gateway) {
    for kind in ["client_gone", "redirect_lost"] {
        assert_eq!(gateway.counter(NOTES, &[("kind", kind)]), 0, "{kind}");
    }
}

#[test]
fn an_order_whose_redirect_envoy_follows_leaves_once_when_the_end_of_the_chain_accepts_it() {
    for relay_when in ["accepted", "always"] {
        let gateway = following_redirects(relay_when);
        // To another tracking path, to one that is none, and by 303, which makes it a GET.
        let chains = [(302, "/v1/track"), (307, "/v1/elsewhere"), (303, "/v1/t")];
        for (at, (status, path)) in chains.into_iter().enumerate() {
            redirect_once(&gateway, status, path);
            assert_eq!(gateway.post("/v1/t", purchase()).status, 200, "{status} {path}");
            assert_eq!(gateway.wait_for(Collector, 2 * (at + 1)).len(), 2 * (at + 1), "both hops");
        }
        redirect_once(&gateway, 302, "/v1/pixel/page");
        assert_eq!(gateway.get("/v1/pixel/track?e=Order+Completed&p.revenue=5").status, 200);

        assert_eq!(gateway.post("/v1/t", purchase()).status, 200);
        let delivered = [("outcome", "delivered")];
        gateway.wait_for_counter("conversion_relay_deliveries_total", &delivered, 5);
        assert_eq!(gateway.requests(Podsights).len(), 5, "{relay_when}");
        nothing_odd_is_noted(&gateway);
        assert_eq!(gateway.counter(REQUESTS_IGNORED, &[]), 0);
    }
}

#[test]
fn an_order_that_is_refused_at_the_end_of_a_chain_of_redirects_does_not_leave() {
    let gateway = following_redirects("accepted");
    for path in ["/v1/refused/t", "/v1/refused/track"] {
        redirect_once(&gateway, 302, path);
        assert_eq!(gateway.post("/v1/t", purchase()).status, 403);
    }
    gateway.wait_for_counter(REQUESTS_IGNORED, &[("reason", "not_accepted")], 2);
    assert_eq!(gateway.post("/v1/t", purchase()).status, 200);
    gateway.wait_for(Podsights, 1);
    assert_eq!(gateway.requests(Podsights).len(), 1, "the last one alone");
    nothing_odd_is_noted(&gateway);
}

#[test]
fn an_order_that_is_redirected_to_a_route_without_the_filter_leaves_after_a_while_and_is_noted() {
    let gateway = following_redirects("accepted");
    redirect_once(&gateway, 302, "/some/page");
    assert_eq!(gateway.post("/v1/t", purchase()).status, 200);
    gateway.wait_for_within(Duration::from_secs(10), Podsights, 1);
    gateway.wait_for_counter(NOTES, &[("kind", "redirect_lost")], 1);
}

#[test]
fn a_client_that_leaves_while_envoy_follows_a_redirect_is_gone() {
    let gateway = following_redirects("accepted");
    let mut client = gateway.connect();
    redirect_once(&gateway, 302, "/v1/slow/t");
    client.write(Request::post("/v1/t", purchase()).bytes());
    let followed = wait_until(LIMIT, || gateway.stat("cluster.silent.upstream_rq_active") == Some(1));
    assert!(followed, "Envoy doesn't follow");
    drop(client);
    gateway.wait_for_counter(NOTES, &[("kind", "client_gone")], 1);
    gateway.wait_for(Podsights, 1);
}

/// Puts a route that answers pixels by itself before the others, with the filter enabled.
fn answering_pixels(action: (&'static str, Value)) -> Gateway {
    Gateway::start(Options::new().configuration(configuration(json!({}))).edit_envoy(move |envoy| {
        let routes = envoy.pointer_mut(ROUTES).unwrap().as_array_mut().unwrap();
        let filters = routes[0]["typed_per_filter_config"].clone();
        let mut route = json!({"match": {"prefix": "/v1/pixel/"}, "typed_per_filter_config": filters});
        route[action.0] = action.1;
        routes.insert(0, route);
    }))
}

const PIXEL: &str = "/v1/pixel/track?e=Order+Completed&p.revenue=5";

#[test]
fn a_route_that_redirects_accepts_nothing_because_the_client_asks_again_elsewhere() {
    let gateway = answering_pixels(("redirect", json!({"path_redirect": "/v1/page"})));
    assert_eq!(gateway.get(PIXEL).status, 301);
    gateway.wait_for_counter(REQUESTS_IGNORED, &[("reason", "not_accepted")], 1);
    gateway.behave(Collector, json!({"status": 302, "headers": {"location": "https://other.example/"}}));
    assert_eq!(gateway.post("/v1/t", purchase()).status, 302);
    gateway.wait_for(Podsights, 1);
    assert_eq!(gateway.requests(Podsights).len(), 1, "the collector's own redirect accepts");
}

#[test]
fn a_route_that_answers_in_the_collectors_place_accepts_what_it_answers_below_400() {
    let gateway = answering_pixels(("direct_response", json!({"status": 204})));
    assert_eq!(gateway.get(PIXEL).status, 204);
    gateway.wait_for(Podsights, 1);
}

const MANAGER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";

#[test]
fn requests_that_envoy_ends_are_told_from_those_whose_client_left() {
    let gateway = Gateway::start(local().edit_envoy(|envoy| {
        envoy.pointer_mut(MANAGER).unwrap()["request_timeout"] = json!("1s");
        envoy.pointer_mut("/static_resources/listeners/0").unwrap()["per_connection_buffer_limit_bytes"] =
            json!(10_000);
    }));
    let ignored = |reason: &str| {
        gateway.wait_for_counter(REQUESTS_IGNORED, &[("reason", reason)], 1);
    };
    let answer = gateway.send(Request::post("/v1/t", "x".repeat(100_000)));
    assert_eq!(answer.status, 413, "Envoy doesn't buffer as much");
    ignored("too_large");
    let mut slow = gateway.connect();
    slow.write(Request::post("/v1/t", purchase()).head());
    assert_eq!(slow.read().status, 408);
    ignored("cut_off");
    let mut leaves = gateway.connect();
    leaves.write(Request::post("/v1/t", purchase()).head());
    leaves.write("{");
    drop(leaves);
    ignored("aborted");
    assert_eq!(gateway.counter(REQUESTS_IGNORED, &[]), 3);
}

#[test]
fn a_request_that_envoy_answers_before_its_body_is_not_taken_for_an_aborted_one() {
    let gateway =
        Gateway::start(Options::new().configuration(configuration(json!({}))).edit_envoy(|envoy| {
            let route = &mut envoy.pointer_mut(ROUTES).unwrap()[0];
            route.as_object_mut().unwrap().remove("route");
            route["direct_response"] = json!({"status": 200});
        }));
    let request = Request::post("/v1/t", purchase());
    let mut connection = gateway.connect();
    connection.write(request.head());
    assert_eq!(connection.read().status, 200);
    gateway.wait_for_counter(REQUESTS_IGNORED, &[("reason", "cut_off")], 1);
}

#[test]
fn an_upgrade_on_a_pixels_path_is_no_tracking_request_whoever_answers() {
    for reply in ["local", "upstream"] {
        let options = Options::new().configuration(configuration(json!({"reply": reply})));
        let gateway = Gateway::start(options.edit_envoy(|envoy| {
            envoy.pointer_mut(MANAGER).unwrap()["upgrade_configs"] = json!([{"upgrade_type": "websocket"}]);
        }));
        let mut websocket = gateway.connect();
        websocket.set_read_timeout(Duration::from_secs(5));
        let upgrade = Request::get(PIXEL)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        websocket.write(upgrade.bytes());
        assert_eq!(gateway.wait_for(Collector, 1)[0].header("upgrade"), Some("websocket"), "{reply}");
        assert!(websocket.try_read().is_ok(), "{reply}");
        drop(websocket);
        assert_eq!(gateway.get(PIXEL).status, 200);
        gateway.wait_for(Podsights, 1);
        assert_eq!(gateway.counter(REQUESTS_IGNORED, &[]), 0, "{reply}");
    }
}

#[test]
fn a_local_reply_comes_at_the_end_of_every_form_of_request() {
    let gateway = Gateway::start(local().edit_envoy(|envoy| {
        envoy.pointer_mut(MANAGER).unwrap()["http_protocol_options"] = json!({"enable_trailers": true});
    }));
    let post = || Request::post("/v1/t", purchase());
    let mut asks = gateway.connect();
    asks.write(post().header("expect", "100-continue").head());
    asks.write(purchase());
    assert_eq!(asks.read().status, 200, "the client asks whether to send the body");
    let offers_http_2 = post()
        .header("connection", "Upgrade, HTTP2-Settings")
        .header("upgrade", "h2c")
        .header("http2-settings", "AAMAAABkAARAAAAAAAIAAAAA");
    let forms = [
        ("an upgrade to HTTP/2 is offered, as Java does", offers_http_2),
        ("a pixel with a body", Request::get(PIXEL).body("{}")),
        ("a pixel in chunks", Request::get(PIXEL).chunks(["{", "}"])),
        ("a pixel in chunks of which there are none", Request::get(PIXEL).chunks([""; 0])),
    ];
    for (form, request) in forms {
        assert_eq!(gateway.send(request).status, 200, "{form}");
    }
    let mut trailers = gateway.connect();
    trailers.write(Request::new("POST", "/v1/t").header("transfer-encoding", "chunked").head());
    trailers.write(format!("{:x}\r\n{}\r\n0\r\nchecksum: x\r\n\r\n", purchase().len(), purchase()));
    assert_eq!(trailers.read().status, 200, "trailers");
    gateway.wait_for(Podsights, 6);
    let head = gateway.send(Request::new("HEAD", PIXEL));
    assert_eq!((head.status, gateway.requests(Collector).len()), (200, 1), "HEAD is no tracking request");
    assert_eq!(gateway.requests(Podsights).len(), 6);
}
