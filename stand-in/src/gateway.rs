//! Adapts the shipped gateway to run locally: the same files with other addresses, trusted CA and file paths, and no other
//! changes. Everything to be replaced must exist, otherwise it is an error, so that the tested gateway stays the shipped one.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

/// The clusters of the two vendors, as the shipped gateway names them.
const VENDOR_CLUSTERS: [&str; 2] = ["flashtalking", "podsights"];
/// The cluster of the collector behind the gateway.
const COLLECTOR_CLUSTER: &str = "collector";
/// The cluster of the console, in a gateway that has one.
const CONSOLE_CLUSTER: &str = "console";

const CA_OF_CLUSTER: &str =
    "/transport_socket/typed_config/common_tls_context/validation_context/trusted_ca/filename";
const ENDPOINTS_OF_CLUSTER: &str = "/load_assignment/endpoints";
const HTTP_FILTERS_OF_LISTENER: &str = "/filter_chains/0/filters/0/typed_config/http_filters";
const FILTER_FILE: &str = "/config_discovery/config_source/path_config_source/path";
const MODULE_FILE: &str = "/typed_config/config/vm_config/code/local/filename";

/// What a local gateway has instead of the real addresses and paths.
pub struct Local {
    /// Where the listener and the admin interface listen: loopback, but in a container any address.
    pub listen: IpAddr,
    /// Port of the listener; 0 lets Envoy choose.
    pub gateway_port: u16,
    /// Port of Envoy's admin interface; 0 lets Envoy choose.
    pub admin_port: u16,
    /// Where both vendors are served, as the gateway reaches it.
    pub vendors: Endpoint,
    pub collector: Endpoint,
    /// The console; `None`: the gateway has no cluster for one, or its address stays.
    pub console: Option<Endpoint>,
    /// The CA that signed the vendors' certificates, PEM.
    pub ca: PathBuf,
    /// The filter's own configuration file as Envoy finds and watches it.
    pub filter_yaml: PathBuf,
}

/// Where a cluster leads: a host name or IP address, and a port.
#[derive(Clone)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
}

impl FromStr for Endpoint {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (host, port) = text.rsplit_once(':').context("expected HOST:PORT")?;
        Ok(Self { host: host.to_owned(), port: port.parse().context("expected HOST:PORT")? })
    }
}

impl Local {
    /// The shipped `envoy.yaml` with this machine's values.
    ///
    /// # Errors
    /// Names the first thing that was to be replaced and isn't there, or is there more than once.
    pub fn envoy_yaml(&self, shipped: &str) -> Result<Value> {
        let mut gateway = parse(shipped)?;
        let local = |port: u16| json!({"address": self.listen.to_string(), "port_value": port});
        replace(&mut gateway, "/admin/address/socket_address", local(self.admin_port))?;

        let listener = only(&mut gateway, "/static_resources/listeners", "a listener", |_| true)?;
        replace(listener, "/address/socket_address", local(self.gateway_port))?;
        let filter = only(listener, HTTP_FILTERS_OF_LISTENER, "a filter with config_discovery", |filter| {
            filter.get("config_discovery").is_some()
        })?;
        replace(filter, FILTER_FILE, path_value(&self.filter_yaml)?)?;

        for name in VENDOR_CLUSTERS {
            let cluster = cluster(&mut gateway, name)?;
            set_endpoint(cluster, &self.vendors)
                .and_then(|()| replace(cluster, CA_OF_CLUSTER, path_value(&self.ca)?))
                .with_context(|| format!("cluster {name}"))?;
        }
        let collector = cluster(&mut gateway, COLLECTOR_CLUSTER)?;
        set_endpoint(collector, &self.collector).with_context(|| format!("cluster {COLLECTOR_CLUSTER}"))?;
        if let Some(console) = &self.console {
            let cluster = cluster(&mut gateway, CONSOLE_CLUSTER)?;
            set_endpoint(cluster, console).with_context(|| format!("cluster {CONSOLE_CLUSTER}"))?;
        }
        Ok(gateway)
    }
}

/// The shipped `conversion-relay.yaml` with the module of this machine.
///
/// # Errors
/// As [`Local::envoy_yaml`].
pub fn filter_yaml(shipped: &str, module: &Path) -> Result<Value> {
    let mut filter = parse(shipped)?;
    let resource = only(&mut filter, "/resources", "a resource", |_| true)?;
    replace(resource, MODULE_FILE, path_value(module)?)?;
    Ok(filter)
}

/// Writes `document` as YAML.
pub fn write(path: &Path, document: &Value) -> Result<()> {
    let text = serde_saphyr::to_string(document).with_context(|| format!("{}: as YAML", path.display()))?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn parse(yaml: &str) -> Result<Value> {
    serde_saphyr::from_str(yaml).context("is not the YAML expected")
}

fn path_value(path: &Path) -> Result<Value> {
    Ok(json!(path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?))
}

/// The only element of the list at `pointer` that `wanted` takes.
fn only<'a>(
    document: &'a mut Value,
    pointer: &str,
    what: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Result<&'a mut Value> {
    let list = document.pointer_mut(pointer).and_then(Value::as_array_mut);
    let list = list.with_context(|| format!("{pointer}: expected a list"))?;
    let mut found = list.iter_mut().filter(|element| wanted(element));
    match (found.next(), found.next()) {
        (Some(element), None) => Ok(element),
        (None, _) => bail!("{pointer}: expected {what}, found none"),
        (Some(_), Some(_)) => bail!("{pointer}: expected {what}, found several"),
    }
}

fn cluster<'a>(gateway: &'a mut Value, name: &str) -> Result<&'a mut Value> {
    let what = format!("a cluster named {name}");
    only(gateway, "/static_resources/clusters", &what, |cluster| {
        cluster.get("name").and_then(Value::as_str) == Some(name)
    })
}

fn set_endpoint(cluster: &mut Value, new: &Endpoint) -> Result<()> {
    let locality = only(cluster, ENDPOINTS_OF_CLUSTER, "one locality", |_| true)?;
    let endpoint = only(locality, "/lb_endpoints", "one endpoint", |_| true)?;
    let new = json!({"address": new.host, "port_value": new.port});
    replace(endpoint, "/endpoint/address/socket_address", new)
}

/// Puts `new` where `pointer` leads. There must be something of the same kind there.
fn replace(document: &mut Value, pointer: &str, new: Value) -> Result<()> {
    let old =
        document.pointer_mut(pointer).with_context(|| format!("{pointer}: not there, cannot replace it"))?;
    ensure!(
        std::mem::discriminant(old) == std::mem::discriminant(&new),
        "{pointer}: expected something like {new}, found {old}"
    );
    *old = new;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENVOY_YAML: &str = include_str!("../../envoy.yaml");
    const FILTER_YAML: &str = include_str!("../../conversion-relay.yaml");

    fn local() -> Local {
        Local {
            listen: "0.0.0.0".parse().unwrap(),
            gateway_port: 1,
            admin_port: 2,
            vendors: Endpoint { host: "stand-in".to_owned(), port: 3 },
            collector: Endpoint { host: "stand-in".to_owned(), port: 4 },
            console: None,
            ca: "/run/ca.pem".into(),
            filter_yaml: "/run/filter.yaml".into(),
        }
    }

    /// Pointers of all leaves at which two documents differ.
    fn differences(left: &Value, right: &Value, at: String, found: &mut Vec<String>) {
        match (left, right) {
            (Value::Object(left), Value::Object(right)) if left.len() == right.len() => {
                for (key, value) in left {
                    let other = right.get(key).unwrap_or(&Value::Null);
                    differences(value, other, format!("{at}/{}", key.replace('/', "~1")), found);
                }
            }
            (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
                for (i, (left, right)) in left.iter().zip(right).enumerate() {
                    differences(left, right, format!("{at}/{i}"), found);
                }
            }
            _ if left == right => {}
            _ => found.push(at),
        }
    }

    fn changed(shipped: &str, made: &Value) -> Vec<String> {
        let mut found = Vec::new();
        differences(&parse(shipped).unwrap(), made, String::new(), &mut found);
        found
    }

    #[test]
    fn nothing_of_the_shipped_gateway_changes_but_addresses_ca_and_the_filter_file() {
        let changed = changed(ENVOY_YAML, &local().envoy_yaml(ENVOY_YAML).unwrap());
        let may_change = |pointer: &String| {
            let is_address = pointer.contains("/socket_address/");
            is_address || pointer.ends_with(FILTER_FILE) || pointer.ends_with(CA_OF_CLUSTER)
        };
        assert!(changed.iter().all(may_change), "{changed:#?}");
        assert_eq!(
            changed.iter().filter(|pointer| pointer.ends_with("/port_value")).count(),
            5,
            "{changed:#?}"
        );
        assert_eq!(changed.iter().filter(|pointer| pointer.ends_with(CA_OF_CLUSTER)).count(), 2);
        assert_eq!(changed.iter().filter(|pointer| pointer.ends_with(FILTER_FILE)).count(), 1);
    }

    #[test]
    fn a_gateway_of_a_fleet_reaches_its_console_and_another_one_has_no_cluster_for_it() {
        const FLEET: &str = include_str!("../../deploy/fleet/envoy.yaml");
        let local = Local { console: Some("console.internal:5".parse().unwrap()), ..local() };
        let made = local.envoy_yaml(FLEET).unwrap();
        let clusters = made.pointer("/static_resources/clusters").unwrap().as_array().unwrap();
        let console = clusters.iter().find(|cluster| cluster["name"] == CONSOLE_CLUSTER).unwrap();
        let address = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
        assert_eq!(
            console.pointer(address).unwrap(),
            &json!({"address": "console.internal", "port_value": 5})
        );
        let refused = format!("{:#}", local.envoy_yaml(ENVOY_YAML).unwrap_err());
        assert!(refused.contains("a cluster named console"), "{refused}");
        assert!("console".parse::<Endpoint>().is_err());
    }

    #[test]
    fn nothing_of_the_shipped_filter_changes_but_the_module_file() {
        let made = filter_yaml(FILTER_YAML, Path::new("/run/relay.wasm")).unwrap();
        assert_eq!(changed(FILTER_YAML, &made), [format!("/resources/0{MODULE_FILE}")]);
        assert_eq!(made.pointer(&format!("/resources/0{MODULE_FILE}")).unwrap(), "/run/relay.wasm");
    }

    #[test]
    fn what_is_written_reads_back_as_the_same_document() {
        let made = local().envoy_yaml(ENVOY_YAML).unwrap();
        assert_eq!(parse(&serde_saphyr::to_string(&made).unwrap()).unwrap(), made);
    }

    #[test]
    fn a_gateway_that_lacks_what_is_to_be_replaced_is_an_error_that_names_it() {
        for (from, to, complaint) in [
            ("name: podsights", "name: pod", "a cluster named podsights"),
            ("trusted_ca:", "trusted:", "trusted_ca/filename: not there"),
            ("config_discovery:", "config:", "a filter with config_discovery"),
            ("path_config_source:", "ads:", "path_config_source/path: not there"),
            ("admin:", "administration:", "/admin/address/socket_address: not there"),
        ] {
            let broken = ENVOY_YAML.replace(from, to);
            assert_ne!(broken, ENVOY_YAML, "{from}");
            let error = format!("{:#}", local().envoy_yaml(&broken).unwrap_err());
            assert!(error.contains(complaint), "{error}");
        }
    }
}
