//! The gateway of an arm: the shipped envoy.yaml with something else where the filter stands.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::arms::Setup;
use crate::support::{root, yaml};

/// The host of which every route has the filter switched off.
pub const SWITCHED_OFF: &str = "off.gateway.test";
/// Environment of every gateway: the filter's only secret.
pub const PIXEL_KEY: (&str, &str) = ("PODSIGHTS_KEY", crate::support::PODSIGHTS_KEY);

/// The module of [`Setup::Other`].
pub static OTHER_MODULE: OnceLock<PathBuf> = OnceLock::new();

/// How the gateway speaks to the vendors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// As envoy.yaml has it: TLS, and HTTP/2 where the vendor offers it, which the sink does.
    Shipped,
    /// HTTP/1.1 without TLS.
    Plain,
}

/// Where the gateway finds what it needs.
pub struct Surroundings<'s> {
    pub wire: Wire,
    pub collector: u16,
    pub flashtalking: u16,
    pub podsights: u16,
    pub records: u16,
    /// The CA that the vendors' certificates are signed by, PEM.
    pub ca: &'s Path,
    /// Callouts at a time, instead of the default.
    pub max_in_flight: Option<u32>,
    /// Of the gateway's files.
    pub dir: &'s Path,
}

/// Writes the files of a gateway and gives the path of its envoy.yaml.
pub fn write(setup: Setup, surroundings: &Surroundings) -> PathBuf {
    let mut envoy = read("envoy.yaml");
    for address in ["/admin/address", "/static_resources/listeners/0/address"] {
        let address = at(&mut envoy, &format!("{address}/socket_address"));
        *address = json!({"address": "127.0.0.1", "port_value": 0});
    }
    let clusters = at(&mut envoy, "/static_resources/clusters").as_array_mut().expect("clusters");
    clusters.iter_mut().for_each(|cluster| localize(cluster, surroundings));
    if setup == Setup::Recording {
        clusters.push(cluster_of_records(surroundings.records));
    }
    put_in_place(setup, &mut envoy, surroundings);
    let path = surroundings.dir.join("envoy.yaml");
    std::fs::write(&path, yaml(&envoy)).expect("cannot write");
    path
}

/// Leads a cluster to the sink. As shipped nothing else of it changes but the CA.
fn localize(cluster: &mut Value, surroundings: &Surroundings) {
    let port = match cluster["name"].as_str() {
        Some("collector") => surroundings.collector,
        Some("flashtalking") => surroundings.flashtalking,
        Some("podsights") => surroundings.podsights,
        other => panic!("envoy.yaml has a cluster {other:?} of which the benchmark knows nothing"),
    };
    *at(cluster, "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address") =
        json!({"address": "127.0.0.1", "port_value": port});
    if cluster["name"] == "collector" {
        return;
    }
    match surroundings.wire {
        Wire::Shipped => {
            let ca =
                "/transport_socket/typed_config/common_tls_context/validation_context/trusted_ca/filename";
            *at(cluster, ca) = json!(surroundings.ca);
        }
        Wire::Plain => without_tls(cluster),
    }
}

fn without_tls(cluster: &mut Value) {
    cluster.as_object_mut().expect("a cluster").remove("transport_socket").expect("TLS");
    let options = "/typed_extension_protocol_options/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let options = at(cluster, options).as_object_mut().expect("options");
    options.remove("auto_config").expect("a protocol chosen by TLS");
    options.insert("explicit_http_config".into(), json!({"http_protocol_options": {}}));
}

fn cluster_of_records(port: u16) -> Value {
    let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    let endpoints = json!([{"lb_endpoints": [{"endpoint": {"address": address}}]}]);
    json!({
        "name": "records", "type": "STATIC", "connect_timeout": "1s",
        "load_assignment": {"cluster_name": "records", "endpoints": endpoints},
    })
}

const MANAGER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
const SWITCH: &str = "typed_per_filter_config";

fn put_in_place(setup: Setup, envoy: &mut Value, surroundings: &Surroundings) {
    let manager = at(envoy, MANAGER);
    let filters = manager["http_filters"].as_array_mut().expect("http_filters");
    assert!(filters.len() == 2 && filters[0]["name"] == "conversion-relay", "the filter and the router");
    let mut name = "conversion-relay";
    match setup {
        Setup::Bare | Setup::Mirror => {
            filters.remove(0);
        }
        Setup::LuaMinimal | Setup::LuaHonest => {
            name = "lua";
            filters[0] = lua(if setup == Setup::LuaHonest { "honest" } else { "minimal" });
        }
        _ => {
            let path = at(&mut filters[0], "/config_discovery/config_source/path_config_source/path");
            *path = json!(write_filter(setup, surroundings));
        }
    }
    let hosts = at(manager, "/route_config/virtual_hosts").as_array_mut().expect("virtual_hosts");
    let routes = hosts[0]["routes"].as_array_mut().expect("routes");
    for route in routes.iter_mut().filter(|route| route.get(SWITCH).is_some()) {
        let on = route.as_object_mut().expect("a route").remove(SWITCH).expect("a switch");
        match setup {
            Setup::Bare => {}
            Setup::Mirror => {
                let mirrors = [json!({"cluster": "flashtalking"}), json!({"cluster": "podsights"})];
                route["route"]["request_mirror_policies"] = json!(mirrors);
            }
            _ => route[SWITCH] = json!({name: on["conversion-relay"]}),
        }
    }
    // Every arm has this second host: with one alone Envoy looks for none.
    let mut route = json!({"match": {"prefix": "/"}, "route": {"cluster": "collector"}});
    if setup.is_this_filter() && setup != Setup::Answering {
        let off = "type.googleapis.com/envoy.config.route.v3.FilterConfig";
        route[SWITCH] = json!({name: {"@type": off, "disabled": true}});
    }
    hosts.insert(0, json!({"name": "switched off", "domains": [SWITCHED_OFF], "routes": [route]}));
}

fn lua(script: &str) -> Value {
    let path = root().join(format!("bench/lua/{script}.lua"));
    json!({
        "name": "lua",
        "disabled": true,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": {"filename": path},
        },
    })
}

const CONFIGURATION: &str = "/resources/0/typed_config/config/configuration/value";

/// The shipped conversion-relay.yaml with one more integration, so that a page view goes to one vendor.
pub fn configuration(file: &mut Value, max_in_flight: Option<u32>) {
    let plugin = at(file, CONFIGURATION);
    plugin["integrations"].as_array_mut().expect("integrations").push(json!({
        "name": "Flashtalking pages",
        "vendor": "flashtalking",
        "events": ["page"],
        "config": {"advertiser_id": 1234567, "spotlight_id": 987655, "spotlight_group_id": 5},
        "consent_categories": ["advertising"],
    }));
    if let Some(callouts) = max_in_flight {
        plugin["delivery"] = json!({"max_in_flight": callouts});
    }
}

/// The write key of arms j and k.
pub const WRITE_KEY: &str = "wk_queue";

/// As [`configuration`], for a filter that answers: tracking requests at once, those of the acknowledged route once they are delivered.
/// The source is the one that the shipped integrations listen to.
pub fn answering(file: &mut Value) {
    let plugin = at(file, CONFIGURATION);
    plugin["endpoints"] = json!({"reply": "local", "deliver": {}});
    plugin["sources"] = json!([
        {"id": "src_abc123", "keys": [WRITE_KEY], "deliver": true, "client_from_context": "always"},
    ]);
}

/// As [`configuration`], with records that are posted to the sink. So many may wait as a slice of the measurement makes.
fn recording(file: &mut Value) {
    let plugin = at(file, CONFIGURATION);
    plugin["records"] = json!({"cluster": "records", "queue": 10_000});
}

/// As [`configuration`], without the records that the shipped file has for a log whose level is debug.
fn unrecorded(file: &mut Value) {
    let plugin = at(file, CONFIGURATION).as_object_mut().expect("a configuration");
    plugin.remove("records").expect("the shipped file has records");
}

/// As [`configuration`], with nothing sent.
fn dry_run(file: &mut Value) {
    let integrations = at(file, CONFIGURATION)["integrations"].as_array_mut().expect("integrations");
    integrations.iter_mut().for_each(|integration| integration["dry_run"] = json!(true));
}

fn write_filter(setup: Setup, surroundings: &Surroundings) -> PathBuf {
    let mut file = read("conversion-relay.yaml");
    configuration(&mut file, surroundings.max_in_flight);
    match setup {
        Setup::Answering => answering(&mut file),
        Setup::Recording => recording(&mut file),
        Setup::Unrecorded => unrecorded(&mut file),
        Setup::DryRun => dry_run(&mut file),
        _ => {}
    }
    *at(&mut file, "/resources/0/typed_config/config/vm_config/code/local/filename") = json!(module(setup));
    let path = surroundings.dir.join("conversion-relay.yaml");
    std::fs::write(&path, yaml(&file)).expect("cannot write");
    path
}

/// The module of a setup that has one.
pub fn module(setup: Setup) -> PathBuf {
    let own = std::env::var_os("CONVERSION_RELAY_WASM").filter(|path| !path.is_empty()).map(PathBuf::from);
    match setup {
        Setup::Empty => root().join("dist/bench/empty-filter.wasm"),
        Setup::Callouts => root().join("dist/bench/callouts-filter.wasm"),
        Setup::Other => OTHER_MODULE.get().expect("only with --against").clone(),
        _ => own.unwrap_or_else(|| root().join("dist/conversion-relay.wasm")),
    }
}

fn read(name: &str) -> Value {
    let text = std::fs::read_to_string(root().join(name)).expect("cannot read");
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn at<'v>(value: &'v mut Value, pointer: &str) -> &'v mut Value {
    value.pointer_mut(pointer).unwrap_or_else(|| panic!("the shipped files have no {pointer}"))
}
