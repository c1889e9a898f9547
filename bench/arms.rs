//! The arms, and the gateway of each: the shipped envoy.yaml with something else where the filter stands.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::support::{root, yaml};

/// What stands in a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setup {
    Bare,
    Mirror,
    LuaMinimal,
    LuaHonest,
    Relay,
    /// The filter as the one that answers: with `reply: local`, and the acknowledged route.
    Answering,
    Empty,
    Callouts,
    /// Another module of the filter: see `against`.
    Other,
}

pub const SETUPS: [Setup; 8] = [
    Setup::Bare,
    Setup::Mirror,
    Setup::LuaMinimal,
    Setup::LuaHonest,
    Setup::Relay,
    Setup::Answering,
    Setup::Empty,
    Setup::Callouts,
];

/// One side of the comparison, by its letter.
pub struct Arm {
    pub letter: char,
    pub name: &'static str,
    pub setup: Setup,
    /// Its requests go to the host whose routes switch the filter off.
    pub switched_off: bool,
}

const fn arm(letter: char, name: &'static str, setup: Setup) -> Arm {
    Arm { letter, name, setup, switched_off: false }
}

const ARMS: [Arm; 12] = [
    arm('a', "bare proxy", Setup::Bare),
    arm('b', "native mirroring", Setup::Mirror),
    arm('c', "Lua, pattern match", Setup::LuaMinimal),
    arm('d', "Lua, the same job", Setup::LuaHonest),
    arm('e', "this filter", Setup::Relay),
    arm('f', "this filter, untracked", Setup::Relay),
    Arm { letter: 'g', name: "this filter, switched off", setup: Setup::Relay, switched_off: true },
    arm('h', "empty filter", Setup::Empty),
    arm('i', "two fixed callouts", Setup::Callouts),
    arm('j', "this filter, reply: local", Setup::Answering),
    arm('k', "this filter, /v1/deliver", Setup::Answering),
    arm('o', "the other module", Setup::Other),
];

impl Arm {
    pub fn of(letter: char) -> &'static Self {
        ARMS.iter().find(|arm| arm.letter == letter).expect("an arm's letter")
    }

    /// Whether it does anything that could make it cost more than all others.
    pub fn can_be_dear(&self) -> bool {
        !self.switched_off && !matches!(self.setup, Setup::Bare | Setup::Empty)
    }

    /// Whether this filter is at work in it.
    pub fn relays(&self) -> bool {
        !self.switched_off && matches!(self.setup, Setup::Relay | Setup::Answering | Setup::Other)
    }

    /// Whether its requests get to the collector.
    pub fn asks_collector(&self) -> bool {
        self.setup != Setup::Answering
    }

    pub fn label(&self) -> String {
        format!("{} {}", self.letter, self.name)
    }
}

/// The host of which every route has the filter switched off.
pub const SWITCHED_OFF: &str = "off.gateway.test";
/// Environment of every gateway: the filter's only secret.
pub const PIXEL_KEY: (&str, &str) = ("PODSIGHTS_KEY", crate::support::PODSIGHTS_KEY);

/// The module of [`Setup::Other`].
pub static OTHER_MODULE: OnceLock<PathBuf> = OnceLock::new();

/// Where the gateway finds what it needs.
pub struct CallbackHost<'s> {
    pub collector: u16,
    pub flashtalking: u16,
    pub podsights: u16,
    /// Callouts at a time, instead of the default.
    pub max_in_flight: Option<u32>,
    /// Of the gateway's files.
    pub dir: &'s Path,
}

/// Writes the files of a gateway and gives the path of its envoy.yaml.
pub fn write(setup: Setup, surroundings: &CallbackHost) -> PathBuf {
    let mut envoy = read("envoy.yaml");
    for address in ["/admin/address", "/static_resources/listeners/0/address"] {
        let address = at(&mut envoy, &format!("{address}/socket_address"));
        *address = json!({"address": "127.0.0.1", "port_value": 0});
    }
    let clusters = at(&mut envoy, "/static_resources/clusters").as_array_mut().expect("clusters");
    clusters.iter_mut().for_each(|cluster| localize(cluster, surroundings));
    put_in_place(setup, &mut envoy, surroundings);
    let path = surroundings.dir.join("envoy.yaml");
    std::fs::write(&path, yaml(&envoy)).expect("cannot write");
    path
}

/// Leads a cluster to the sink. TLS would cost every callout the same, whoever makes it, so it is left out for all.
fn localize(cluster: &mut Value, surroundings: &CallbackHost) {
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
    cluster.as_object_mut().expect("a cluster").remove("transport_socket").expect("TLS");
    let options = "/typed_extension_protocol_options/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let options = at(cluster, options).as_object_mut().expect("options");
    options.remove("auto_config").expect("a protocol chosen by TLS");
    options.insert("explicit_http_config".into(), json!({"http_protocol_options": {}}));
}

const MANAGER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
const SWITCH: &str = "typed_per_filter_config";

fn put_in_place(setup: Setup, envoy: &mut Value, surroundings: &CallbackHost) {
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
        Setup::Relay | Setup::Answering | Setup::Other | Setup::Empty | Setup::Callouts => {
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
    if matches!(setup, Setup::Relay | Setup::Other) {
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

/// The shipped conversion-relay.yaml with one more integration, so that a page view goes to one vendor.
pub fn configuration(file: &mut Value, max_in_flight: Option<u32>) {
    let plugin = at(file, "/resources/0/typed_config/config/configuration/value");
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
    let plugin = at(file, "/resources/0/typed_config/config/configuration/value");
    plugin["endpoints"] = json!({"reply": "local", "deliver": {}});
    plugin["sources"] = json!([
        {"id": "src_abc123", "keys": [WRITE_KEY], "deliver": true, "client_from_context": "always"},
    ]);
}

fn write_filter(setup: Setup, surroundings: &CallbackHost) -> PathBuf {
    let mut file = read("conversion-relay.yaml");
    configuration(&mut file, surroundings.max_in_flight);
    if setup == Setup::Answering {
        answering(&mut file);
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
