//! How a test's gateway differs from the shipped one.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::envoy::EnvoyOptions;
use super::ports::fixed_port;
use super::root;
use super::stand_in::Ready;

/// The pixel key that the filter finds in its environment, unless a test sets another.
pub const PODSIGHTS_KEY: &str = "ps_pixel_key_abc123";

const HTTP_CONNECTION_MANAGER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
const CONFIGURATION: &str = "/resources/0/typed_config/config/configuration/value";
const ENVIRONMENT: &str = "/resources/0/typed_config/config/vm_config/environment_variables/host_env_keys";

/// A plugin configuration: JSON, or YAML text as a user writes it.
pub struct Configuration(Value);

impl From<Value> for Configuration {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

impl From<&str> for Configuration {
    fn from(yaml: &str) -> Self {
        Self(serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}")))
    }
}

type Edit = Box<dyn FnOnce(&mut Value)>;

/// The shipped gateway but for what is set here.
pub struct Options {
    envoy: EnvoyOptions,
    edits_of_envoy: Vec<Edit>,
    edits_of_filter: Vec<Edit>,
    filter_file: Option<String>,
    module: Option<PathBuf>,
    with_webhook: bool,
    with_records: bool,
    clusters: Vec<(String, SocketAddr)>,
    listener_port: u16,
}

impl Options {
    pub fn new() -> Self {
        let envoy = EnvoyOptions {
            environment: vec![("PODSIGHTS_KEY".into(), PODSIGHTS_KEY.into())],
            concurrency: 1,
            log_level: "info".into(),
            filter_log_level: "debug".into(),
            processor: None,
            epoch: None,
            arguments: vec![],
        };
        Self {
            envoy,
            edits_of_envoy: vec![],
            edits_of_filter: vec![],
            filter_file: None,
            module: None,
            with_webhook: false,
            with_records: false,
            clusters: vec![],
            listener_port: 0,
        }
    }

    /// The plugin configuration, in place of the shipped one.
    pub fn configuration(self, configuration: impl Into<Configuration>) -> Self {
        let configuration = configuration.into();
        self.edit_filter(move |file| set_configuration(file, &configuration))
    }

    /// The text of the filter's file, in place of all that is shipped in it. It need not be valid.
    pub fn filter_file(mut self, text: &str) -> Self {
        self.filter_file = Some(text.to_owned());
        self
    }

    /// An environment variable of Envoy, which the filter gets to see.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.envoy.environment.retain(|(other, _)| other != name);
        self.envoy.environment.push((name.to_owned(), value.to_owned()));
        let name = name.to_owned();
        self.edit_filter(move |file| {
            let keys = file.pointer_mut(ENVIRONMENT).and_then(Value::as_array_mut).expect("host_env_keys");
            if !keys.iter().any(|key| *key == json!(name)) {
                keys.push(json!(name));
            }
        })
    }

    /// An environment variable of Envoy which the filter does not get to see.
    pub fn process_env(mut self, name: &str, value: &str) -> Self {
        self.envoy.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes an environment variable of Envoy away.
    pub fn without_env(mut self, name: &str) -> Self {
        self.envoy.environment.retain(|(other, _)| other != name);
        self
    }

    /// Worker threads, each with its own VM. 1 unless set.
    pub fn concurrency(mut self, workers: u32) -> Self {
        self.envoy.concurrency = workers;
        self
    }

    /// Further options of Envoy's command line.
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.envoy.arguments.extend(arguments.iter().map(ToString::to_string));
        self
    }

    /// Allows [`Gateway::restart_hot`](super::Gateway::restart_hot). The listener gets a port that is free now, since the
    /// process that takes over has to ask for the same.
    pub fn can_restart_hot(mut self) -> Self {
        self.envoy.epoch = Some(0);
        self.listener_port = fixed_port();
        self
    }

    /// Of Envoy itself: `info` unless set.
    pub fn log_level(mut self, level: &str) -> Self {
        level.clone_into(&mut self.envoy.log_level);
        self
    }

    /// Of the filter: `debug` unless set.
    pub fn filter_log_level(mut self, level: &str) -> Self {
        level.clone_into(&mut self.envoy.filter_log_level);
        self
    }

    /// Believes this many proxies in front of the gateway, so that X-Forwarded-For can say who the client is.
    pub fn trusted_hops(self, hops: u32) -> Self {
        self.edit_envoy(move |envoy| {
            let manager = envoy.pointer_mut(HTTP_CONNECTION_MANAGER).expect("an HTTP connection manager");
            manager["xff_num_trusted_hops"] = json!(hops);
        })
    }

    /// A cluster `webhook` that leads to the stand-in's receiver, in plain HTTP/1.1.
    pub fn with_webhook(self) -> Self {
        Self { with_webhook: true, ..self }
    }

    /// A cluster `records` that leads to where the stand-in takes the filter's records.
    pub fn with_records(self) -> Self {
        Self { with_records: true, ..self }
    }

    /// A cluster that leads to this address, in plain HTTP/1.1.
    pub fn cluster(mut self, name: &str, address: SocketAddr) -> Self {
        self.clusters.push((name.to_owned(), address));
        self
    }

    /// Any other change of envoy.yaml, after the addresses were replaced.
    pub fn edit_envoy(mut self, edit: impl FnOnce(&mut Value) + 'static) -> Self {
        self.edits_of_envoy.push(Box::new(edit));
        self
    }

    /// Any other change of conversion-relay.yaml.
    pub fn edit_filter(mut self, edit: impl FnOnce(&mut Value) + 'static) -> Self {
        self.edits_of_filter.push(Box::new(edit));
        self
    }

    /// Another module than `CONVERSION_RELAY_WASM` or `dist/conversion-relay.wasm`.
    pub fn use_module(mut self, path: impl Into<PathBuf>) -> Self {
        self.module = Some(path.into());
        self
    }

    /// A port that stays the gateway's while Envoy is down, for [`super::Gateway::restart`].
    pub fn fixed_port(mut self) -> Self {
        self.listener_port = fixed_port();
        self
    }

    /// The module that Envoy will load.
    pub fn module_path(&self) -> PathBuf {
        let named =
            std::env::var_os("CONVERSION_RELAY_WASM").filter(|path| !path.is_empty()).map(PathBuf::from);
        let module =
            self.module.clone().or(named).unwrap_or_else(|| root().join("dist/conversion-relay.wasm"));
        assert!(
            module.is_file(),
            "there is no module at {}: run `make test` or `make wasm`",
            module.display()
        );
        module
    }

    /// Makes the changes in the files that the stand-in wrote, and gives the filter's file as it would be without
    /// [`Options::filter_file`]. Envoy is to choose its ports itself, but for [`Options::fixed_port`]: one chosen for it
    /// might be taken by another test before it gets there.
    pub(super) fn apply(self, ready: &Ready) -> (EnvoyOptions, Value) {
        let Ready { envoy_yaml, filter_yaml, webhook, records, .. } = ready;
        let mut envoy = read(envoy_yaml);
        if self.with_webhook {
            add_cluster(&mut envoy, "webhook", *webhook);
        }
        if self.with_records {
            add_cluster(&mut envoy, "records", *records);
        }
        for (name, address) in &self.clusters {
            add_cluster(&mut envoy, name, *address);
        }
        let ports = [("/admin/address", 0), ("/static_resources/listeners/0/address", self.listener_port)];
        for (address, port) in ports {
            envoy.pointer_mut(address).expect("an address")["socket_address"]["port_value"] = json!(port);
        }
        self.edits_of_envoy.into_iter().for_each(|edit| edit(&mut envoy));
        std::fs::write(envoy_yaml, yaml(&envoy)).expect("cannot write");

        let mut filter = read(filter_yaml);
        self.edits_of_filter.into_iter().for_each(|edit| edit(&mut filter));
        std::fs::write(filter_yaml, self.filter_file.unwrap_or_else(|| yaml(&filter))).expect("cannot write");
        (self.envoy, filter)
    }
}

fn add_cluster(envoy: &mut Value, name: &str, address: SocketAddr) {
    let socket_address = json!({"address": address.ip().to_string(), "port_value": address.port()});
    let endpoints =
        json!([{"lb_endpoints": [{"endpoint": {"address": {"socket_address": socket_address}}}]}]);
    let cluster = json!({"name": name, "type": "STATIC", "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": endpoints}});
    let clusters = envoy.pointer_mut("/static_resources/clusters").and_then(Value::as_array_mut);
    clusters.expect("clusters").push(cluster);
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn yaml(document: &Value) -> String {
    serde_saphyr::to_string(document).expect("JSON is YAML")
}

pub fn set_configuration(filter: &mut Value, configuration: &Configuration) {
    *filter.pointer_mut(CONFIGURATION).expect("a configuration") = configuration.0.clone();
}
