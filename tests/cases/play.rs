//! Sends a case's requests through a gateway, waits until all that they cause has ended, and compares.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::case::{Case, Step, Surroundings};
use crate::support::orders::DELIVERIES;
use crate::support::{
    Collector, Destination, Flashtalking, Gateway, LIMIT, Options, Podsights, Received, Request, sum,
    wait_until,
};

/// The event and the integration that tell when all requests before it have been read. It takes no consent, and is not
/// sent to anybody.
const END: &str = "End of case";
const END_LABEL: &str = "End_of_case";
/// Outcomes that end a delivery.
const ENDS: [&str; 3] = ["delivered", "dropped", "dry_run"];

/// # Errors
/// Everything that a reader needs: the report, what was expected, and what left the gateway instead.
pub fn play(case: &Case) -> Result<(), String> {
    let gateway = Gateway::start(options(case));
    let mut wrong = Vec::new();
    for (Step { collector, request }, number) in case.steps()?.iter().zip(1..) {
        if let Some(behaviour) = collector {
            gateway.behave(Collector, behaviour.clone());
        }
        let status = gateway.connect().send(request).status;
        // A status that the case has asked the collector for may be what the client gets.
        if status >= 500 && collector.is_none() {
            wrong.push(format!("request {number} was answered {status}"));
        }
    }
    gateway.behave(Collector, json!({}));
    gateway.send(end_of_case(&case.configuration()));
    if let Err(unfinished) = wait_for_end(&gateway) {
        wrong.push(unfinished);
    }

    let left: Vec<(Destination, Received)> = [Flashtalking, Podsights]
        .into_iter()
        .flat_map(|vendor| gateway.requests(vendor).into_iter().map(move |received| (vendor, received)))
        .collect();
    wrong.extend(differences(case, &left));
    let at_collector = gateway.requests(Collector).len().saturating_sub(1); // but for the end of the case
    if let Some(expected) = case.expect.collector.filter(|expected| *expected != at_collector) {
        wrong.push(format!("the collector received {at_collector} requests, expected {expected}"));
    }
    wrong.extend(failures_of_the_vm(&gateway));
    if wrong.is_empty() { Ok(()) } else { Err(explained(case, &wrong, &left, &gateway)) }
}

fn options(case: &Case) -> Options {
    let mut configuration = case.configuration();
    let integrations = configuration["integrations"].as_array_mut().expect("integrations are a list");
    integrations.push(json!({
        "name": END,
        "vendor": "podsights",
        "dry_run": true,
        "events": [END],
        "config": {"key": "k"},
        "field_mappings": {
            "version": 2,
            "events": {END: {"vendor_event_name": "view", "mappings": []}},
        },
    }));
    let base_path = base_path(&configuration).to_owned();
    let Surroundings { trusted_hops, decompressor, internal_redirects, internal_clients } = case.gateway;
    let mut options = Options::new().configuration(configuration).filter_log_level("info");
    if !base_path.is_empty() {
        options = options.edit_envoy(move |envoy| add_route(envoy, &base_path));
    }
    if trusted_hops > 0 {
        options = options.trusted_hops(trusted_hops);
    }
    if decompressor {
        options = options.edit_envoy(add_decompressor);
    }
    if internal_redirects {
        options = options.edit_envoy(follow_redirects);
    }
    if internal_clients {
        options = options.edit_envoy(trust_loopback);
    }
    options
}

/// What stands before the paths of tracking requests.
fn base_path(configuration: &Value) -> &str {
    configuration.pointer("/endpoints/base_path").and_then(Value::as_str).unwrap_or_default()
}

fn manager(envoy: &mut Value) -> &mut Value {
    let pointer = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    envoy.pointer_mut(pointer).expect("an HTTP connection manager")
}

fn routes(envoy: &mut Value) -> &mut Vec<Value> {
    let routes = manager(envoy).pointer_mut("/route_config/virtual_hosts/0/routes");
    routes.and_then(Value::as_array_mut).expect("routes")
}

/// Enables the filter below `base_path` as the first route does below its own prefix.
fn add_route(envoy: &mut Value, base_path: &str) {
    let routes = routes(envoy);
    let mut route = routes[0].clone();
    route["match"] = json!({"prefix": format!("{base_path}/")});
    routes.insert(0, route);
}

fn add_decompressor(envoy: &mut Value) {
    let filters = manager(envoy)["http_filters"].as_array_mut().expect("HTTP filters");
    let library = "type.googleapis.com/envoy.extensions.compression.gzip.decompressor.v3.Gzip";
    filters.insert(
        0,
        json!({
            "name": "envoy.filters.http.decompressor",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.decompressor.v3.Decompressor",
                "decompressor_library": {"name": "gzip", "typed_config": {"@type": library}},
            },
        }),
    );
}

fn follow_redirects(envoy: &mut Value) {
    for route in routes(envoy) {
        route["route"]["internal_redirect_policy"] = json!({"redirect_response_codes": [302]});
    }
}

fn trust_loopback(envoy: &mut Value) {
    manager(envoy)["internal_address_config"] =
        json!({"cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]});
}

/// A request with the event that ends the case, authorized as the configuration requires.
fn end_of_case(configuration: &Value) -> Request {
    let event = json!({"type": "track", "event": END, "messageId": END, "anonymousId": END});
    let target = format!("{}/v1/track", base_path(configuration));
    let request = Request::post(&target, event.to_string());
    match configuration.pointer("/sources/0/keys/0").and_then(Value::as_str) {
        Some(key) => request.header("X-Write-Key", key),
        None => request,
    }
}

/// Waits until the last event was read, and with it everything before it, and then until no delivery is pending.
fn wait_for_end(gateway: &Gateway) -> Result<(), String> {
    let limit = LIMIT * 2;
    let ended =
        |page: &str| sum(page, DELIVERIES, &[("integration", END_LABEL), ("outcome", "dry_run")]) == 1;
    if !wait_until(limit, || ended(&gateway.prometheus())) {
        return Err(format!("the gateway did not read all requests in {limit:?}"));
    }
    let pending = |page: &str| {
        let ends = ENDS.map(|outcome| sum(page, DELIVERIES, &[("outcome", outcome)]));
        sum(page, DELIVERIES, &[("outcome", "matched")]) - ends.iter().sum::<u64>()
    };
    if !wait_until(limit, || pending(&gateway.prometheus()) == 0) {
        return Err(format!("{} deliveries are pending after {limit:?}", pending(&gateway.prometheus())));
    }
    Ok(())
}

fn differences(case: &Case, left: &[(Destination, Received)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (vendor, expected) in [(Flashtalking, case.expect.flashtalking), (Podsights, case.expect.podsights)] {
        let received = left.iter().filter(|(to, _)| *to == vendor).count();
        if expected.is_some_and(|expected| expected != received) {
            let expected = expected.unwrap_or_default();
            wrong.push(format!("{vendor:?} received {received} requests, expected {expected}"));
        }
    }
    let texts: Vec<String> = left.iter().map(|(_, received)| text(received)).collect();
    let found = |wanted: &String| texts.iter().any(|text| text.contains(wanted.as_str()));
    wrong.extend(
        case.expect.contains.iter().filter(|text| !found(text)).map(|text| format!("in no request: {text}")),
    );
    wrong.extend(
        case.expect.absent.iter().filter(|text| found(text)).map(|text| format!("in a request: {text}")),
    );
    wrong
}

/// A request as the vendor got it.
fn text(received: &Received) -> String {
    let mut text = format!("{} {}\n", received.method, received.path);
    for (name, value) in &received.headers {
        let _ = writeln!(text, "{name}: {value}");
    }
    text + &received.text()
}

fn failures_of_the_vm(gateway: &Gateway) -> Vec<String> {
    let restarts = gateway.vm_restarts();
    let restarted = (restarts > 0).then(|| format!("the VM was replaced {restarts} times"));
    let log = gateway.envoy_log();
    let panicked = log.lines().find(|line| line.contains("panicked") || line.contains("Function: proxy_on"));
    restarted.into_iter().chain(panicked.map(str::to_owned)).collect()
}

fn explained(case: &Case, wrong: &[String], left: &[(Destination, Received)], gateway: &Gateway) -> String {
    let mut page = format!(
        "{}: {}\n  source: {}\n  expected: {}\n",
        case.id, case.report, case.source, case.expect.outcome
    );
    for difference in wrong {
        let _ = writeln!(page, "  WRONG: {difference}");
    }
    for (vendor, received) in left {
        let _ = writeln!(page, "--- to {vendor:?} ---\n{}", text(received));
    }
    let _ = writeln!(page, "--- counters ---");
    for line in gateway.prometheus().lines().filter(|line| line.starts_with("conversion_relay_")) {
        if !line.contains("_duration_ms") && !line.ends_with(" 0") {
            let _ = writeln!(page, "{line}");
        }
    }
    let _ = writeln!(page, "--- the filter's log ---");
    for line in gateway.envoy_log().lines().filter(|line| line.contains("[wasm]")) {
        let _ = writeln!(page, "{line}");
    }
    page
}
