//! Checks that Envoy's own file has everything that the filter needs. Only what certainly can't work is a problem; what another
//! file or a command-line option may provide is a note.

use serde_json::Value;

use super::document::{WASM, walk};
use conversion_relay::mapping::suggest::nearest;

/// A complete gateway: an envoy.yaml, not a part of one.
pub struct Gateway<'v>(&'v Value);

impl<'v> Gateway<'v> {
    /// None where `file` is no whole gateway.
    pub fn of(file: &'v Value) -> Option<Self> {
        file.get("static_resources").is_some().then_some(Self(file))
    }

    /// The problem with a cluster that nothing defines. `None` where it is there, or may come by discovery.
    pub fn undefined_cluster(&self, cluster: &str) -> Option<String> {
        let clusters = self.0.pointer("/static_resources/clusters")?.as_array()?;
        let names: Vec<&str> = clusters.iter().filter_map(|one| one.get("name")?.as_str()).collect();
        let discovered = ["cds_config", "ads_config", "cds_resources_locator", "odcds", "odcds_config"];
        if names.contains(&cluster) || discovered.iter().any(|key| self.mentions(key)) {
            return None;
        }
        let near = nearest(cluster, &names).map(|near| format!(", did you mean {near:?}?"));
        let fix = near.unwrap_or_else(|| ": copy one from the envoy.yaml of conversion-relay".to_owned());
        Some(format!("static_resources.clusters: there is no cluster {cluster:?}{fix}"))
    }

    /// Whether nothing switches the filter on where it is `disabled: true`. False where routes come by discovery, for
    /// they may do it.
    pub fn never_switches_on(&self, filter: &str) -> bool {
        let (mut disabled, mut on) = (false, false);
        walk(self.0, &mut |manager| {
            let filters = manager.get("http_filters").and_then(Value::as_array);
            let entry =
                filters.into_iter().flatten().find(|entry| entry.get("name").is_some_and(|is| is == filter));
            let Some(entry) = entry else { return };
            if entry.get("disabled") != Some(&Value::Bool(true)) {
                on = true;
                return;
            }
            disabled = true;
            let Some(routes) = manager.get("route_config").filter(|routes| routes.get("vhds").is_none())
            else {
                on = true; // by discovery, perhaps
                return;
            };
            walk(routes, &mut |place| {
                let settings = place.get("typed_per_filter_config").and_then(|all| all.get(filter));
                on |= settings.is_some_and(|own| own.get("disabled") != Some(&Value::Bool(true)));
            });
        });
        disabled && !on
    }

    /// A note where Envoy isn't told who it is, which it has to be to load anything from a file of its own.
    pub fn lacks_node(&self) -> Option<&'static str> {
        let mut loads = false;
        walk(self.0, &mut |value| loads |= value.get("path_config_source").is_some());
        let given = |key| {
            self.0.pointer(&format!("/node/{key}")).and_then(Value::as_str).is_some_and(|id| !id.is_empty())
        };
        (loads && !(given("id") && given("cluster"))).then_some(
            "node: without id and cluster Envoy doesn't start, because it loads a file by path_config_source: add \
             node: {id: gateway, cluster: gateway}, unless you start it with --service-node and --service-cluster",
        )
    }

    /// The problems with Wasm configurations in a `typed_per_filter_config`, which Envoy refuses.
    pub fn configured_by_route(&self) -> Vec<String> {
        let mut problems = Vec::new();
        walk(self.0, &mut |place| {
            let filters = place.get("typed_per_filter_config").and_then(Value::as_object);
            for (filter, own) in filters.into_iter().flatten() {
                let is_wasm = |value: &Value| value.get("@type").is_some_and(|kind| kind == WASM);
                if is_wasm(own) || own.get("config").is_some_and(is_wasm) {
                    problems.push(format!(
                        "typed_per_filter_config: {filter}: Envoy's Wasm filter takes no configuration by route and Envoy \
                         doesn't start: switch the filter on by a FilterConfig with config: {{}}, and add a second filter \
                         where another configuration is needed"
                    ));
                }
            }
        });
        problems.sort();
        problems.dedup();
        problems
    }

    fn mentions(&self, key: &str) -> bool {
        let mut found = false;
        walk(self.0, &mut |value| found |= value.get(key).is_some());
        found
    }
}

/// What Envoy refuses of the resources that it loads for the filter `entry` of `http_filters`.
pub fn refused_resources(entry: &str, resources: &[String]) -> Option<String> {
    match resources {
        [name] if name == entry => None,
        [name] => Some(format!(
            "resources[0].name: {name:?}, but the entry in http_filters that loads it is {entry:?}: give both the same name"
        )),
        _ => Some(format!(
            "resources: expected exactly one, got {}: Envoy takes one filter from a file",
            resources.len()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SHIPPED: &str = include_str!("../../envoy.yaml");

    fn shipped() -> Value {
        serde_saphyr::from_str(SHIPPED).unwrap()
    }

    /// The shipped gateway with the value at `pointer` replaced; null takes it away.
    fn with(pointer: &str, value: Value) -> Value {
        let mut file = shipped();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let parent = file.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match value {
            Value::Null => drop(parent.remove(key)),
            value => drop(parent.insert(key.to_owned(), value)),
        }
        file
    }

    const MANAGER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    const RELAY: &str = "conversion-relay";

    fn switched_on(file: &Value) -> bool {
        !Gateway::of(file).unwrap().never_switches_on(RELAY)
    }

    #[test]
    fn the_shipped_gateway_has_all_that_the_filter_needs() {
        let file = shipped();
        let gateway = Gateway::of(&file).unwrap();
        assert!(gateway.undefined_cluster("podsights").is_none() && gateway.lacks_node().is_none());
        assert!(switched_on(&file));
    }

    #[test]
    fn a_part_of_a_gateway_is_not_judged_as_a_whole_one() {
        assert!(Gateway::of(&json!({"resources": []})).is_none());
        assert!(Gateway::of(&json!({"integrations": []})).is_none());
    }

    #[test]
    fn a_cluster_that_is_not_there_is_named_with_the_one_that_was_meant() {
        let file = shipped();
        let problem = |name| Gateway::of(&file).unwrap().undefined_cluster(name).unwrap();
        assert_eq!(
            problem("podsight"),
            "static_resources.clusters: there is no cluster \"podsight\", did you mean \"podsights\"?"
        );
        assert!(problem("xyz").contains("\"xyz\": copy one"));
    }

    #[test]
    fn a_cluster_that_may_come_by_discovery_is_no_problem() {
        for discovered in [
            with("/dynamic_resources", json!({"cds_config": {"path_config_source": {"path": "/cds.yaml"}}})),
            with("/dynamic_resources", json!({"ads_config": {"api_type": "GRPC"}})),
            with("/static_resources/clusters", Value::Null),
        ] {
            assert_eq!(Gateway::of(&discovered).unwrap().undefined_cluster("elsewhere"), None);
        }
    }

    #[test]
    fn a_disabled_filter_needs_a_route_that_switches_it_on() {
        let routes = |own: Value| {
            with(
                &format!("{MANAGER}/route_config"),
                json!({"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                    {"match": {"prefix": "/"}, "typed_per_filter_config": own}]}]}),
            )
        };
        assert!(switched_on(&routes(json!({RELAY: {"config": {}}}))));
        for own in [json!({}), json!({"another-filter": {}}), json!({RELAY: {"disabled": true}})] {
            assert!(!switched_on(&routes(own.clone())), "{own}");
        }
    }

    #[test]
    fn a_filter_is_switched_on_by_a_virtual_host_a_whole_route_table_or_no_disabled_at_all() {
        let own = json!({RELAY: {"config": {}}});
        let host = json!({"virtual_hosts": [{"name": "all", "typed_per_filter_config": own}]});
        let table = json!({"virtual_hosts": [], "typed_per_filter_config": own});
        for routes in [host, table] {
            assert!(switched_on(&with(&format!("{MANAGER}/route_config"), routes)));
        }
        let mut enabled = with(&format!("{MANAGER}/route_config"), json!({"virtual_hosts": []}));
        assert!(!switched_on(&enabled));
        enabled.pointer_mut(&format!("{MANAGER}/http_filters/0")).unwrap()["disabled"] = json!(false);
        assert!(switched_on(&enabled));
    }

    #[test]
    fn routes_that_come_by_discovery_may_switch_it_on() {
        assert!(switched_on(&with(&format!("{MANAGER}/route_config"), Value::Null)));
        assert!(switched_on(&with(&format!("{MANAGER}/route_config"), json!({"vhds": {}}))));
    }

    #[test]
    fn a_filter_that_is_loaded_from_a_file_needs_a_node_with_id_and_cluster() {
        for file in
            [with("/node", Value::Null), with("/node", json!({"id": "a"})), with("/node/cluster", json!(""))]
        {
            assert!(Gateway::of(&file).unwrap().lacks_node().unwrap().starts_with("node: "));
        }
        let inline = json!({"static_resources": {"listeners": []}});
        assert_eq!(Gateway::of(&inline).unwrap().lacks_node(), None);
    }

    #[test]
    fn what_envoy_loads_is_one_resource_of_the_entrys_name() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(refused_resources(RELAY, &names(&[RELAY])), None);
        let other = refused_resources(RELAY, &names(&["relay"])).unwrap();
        assert!(other.contains("\"relay\"") && other.contains("\"conversion-relay\""), "{other}");
        for count in [&[][..], &[RELAY, RELAY]] {
            assert!(refused_resources(RELAY, &names(count)).unwrap().contains("exactly one"));
        }
    }
}
