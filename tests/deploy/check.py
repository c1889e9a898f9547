"""Checks the examples in deploy/. See run."""

import json
import pathlib
import sys

import kubernetes_validate
import yaml
from cloudcoil.models.istio.extensions import v1alpha1 as extensions
from cloudcoil.models.istio.networking import v1 as networking

KUBERNETES = "1.34"
ISTIO = {
    "WasmPlugin": extensions.WasmPlugin,
    "ServiceEntry": networking.ServiceEntry,
    "DestinationRule": networking.DestinationRule,
}
# Newer than the CRDs that the types were made from (Istio 1.24); reviewed against those of 1.27.
NEWER = {"failStrategy": ("FAIL_RELOAD", "FAIL_OPEN")}

deploy = pathlib.Path("deploy")
work = pathlib.Path(sys.argv[1])


def objects(*files):
    for file in files:
        for document in yaml.safe_load_all((deploy / file).read_text()):
            yield file, document


def unknown_keys(given, understood, at=""):
    """Where `given` has a key that the types don't know: they drop those instead of refusing them."""
    if isinstance(given, dict) and isinstance(understood, dict):
        for key, value in given.items():
            if key not in understood:
                yield f"{at}.{key}"
            else:
                yield from unknown_keys(value, understood[key], f"{at}.{key}")
    elif isinstance(given, list) and isinstance(understood, list):
        for i, (value, other) in enumerate(zip(given, understood, strict=True)):
            yield from unknown_keys(value, other, f"{at}[{i}]")


def check_kubernetes(file, document):
    kubernetes_validate.validate(document, KUBERNETES, strict=True)
    print(f"{file}: {document['kind']} against Kubernetes {KUBERNETES}")


def check_istio(file, document):
    given = json.loads(json.dumps(document))
    for key, (newer, older) in NEWER.items():
        if given["spec"].get(key) == newer:
            given["spec"][key] = older
    parsed = ISTIO[document["kind"]].model_validate(given)
    understood = json.loads(parsed.model_dump_json(by_alias=True, exclude_unset=True))
    unknown = list(unknown_keys(given["spec"], understood["spec"]))
    assert not unknown, f"{file}: {document['kind']}: Istio doesn't know {unknown}"
    print(f"{file}: {document['kind']} against Istio's types")


for file, document in objects("kubernetes/gateway.yaml", "kubernetes/secret.yaml", "istio/gateway.yaml"):
    check_kubernetes(file, document)
for file, document in objects("istio/vendors.yaml", "istio/wasmplugin.yaml"):
    check_istio(file, document)

shipped = yaml.safe_load(pathlib.Path("envoy.yaml").read_text())
of_cluster = {cluster["name"]: cluster for cluster in shipped["static_resources"]["clusters"]}

# Envoy Gateway: the bootstrap has what the shipped gateway has.
proxies = [document for _, document in objects("envoy-gateway/gateway.yaml") if document["kind"] == "EnvoyProxy"]
bootstrap = yaml.safe_load(proxies[0]["spec"]["bootstrap"]["value"])
assert bootstrap["stats_config"] == shipped["stats_config"], "envoy-gateway: stats_config is not that of envoy.yaml"
clusters = bootstrap["static_resources"]["clusters"]
assert [cluster["name"] for cluster in clusters] == ["flashtalking", "podsights"]
for cluster in clusters:
    assert cluster == of_cluster[cluster["name"]], f"envoy-gateway: {cluster['name']} is not that of envoy.yaml"
(work / "bootstrap.yaml").write_text(yaml.safe_dump(bootstrap))
print("envoy-gateway/gateway.yaml: clusters and stats_tags are those of envoy.yaml")

# Istio: each integration's cluster is one that vendors.yaml makes.
made = {
    f"outbound|{port['number']}||{host}"
    for _, entry in objects("istio/vendors.yaml") if entry["kind"] == "ServiceEntry"
    for host in entry["spec"]["hosts"] for port in entry["spec"]["ports"]
}
plugin, = [document for _, document in objects("istio/wasmplugin.yaml")]
named = {integration["config"]["cluster"] for integration in plugin["spec"]["pluginConfig"]["integrations"]}
assert named == made, f"istio: the integrations name {named}, vendors.yaml makes {made}"

# Kubernetes: the gateway of the ConfigMap differs in where it finds the filter's file, and nowhere else.
gateway = yaml.safe_load((deploy / "kubernetes/envoy.yaml").read_text())
source = next(
    http_filter["config_discovery"]["config_source"]["path_config_source"]
    for http_filter in gateway["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]
    if "config_discovery" in http_filter
)
assert source == {"path": "/config/conversion-relay.yaml", "watched_directory": {"path": "/config"}}, source
source.clear()
source["path"] = "/etc/envoy/conversion-relay.yaml"
assert gateway == shipped, "kubernetes/configure changes more of envoy.yaml than it says"
print("kubernetes/envoy.yaml: envoy.yaml, but for where the filter's configuration is")
