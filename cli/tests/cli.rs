//! The command line as docs/cli.md and docs/field-mappings.md show it: every example in them is run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// The checkout: the manual names files as they are found from there.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    run_with(arguments, environment, Stdio::null())
}

fn run_with(arguments: &[&str], environment: &[(&str, &str)], input: Stdio) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conversion-relay"));
    command.current_dir(ROOT).env_remove("PODSIGHTS_KEY");
    command.args(arguments).envs(environment.iter().copied()).stdin(input).output().unwrap()
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(both).unwrap()
}

fn doc(name: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join("docs").join(name)).unwrap()
}

/// The fenced blocks of a page in one language, with the line before the fence.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page.split(fence.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// A file that is gone when the test ends.
struct TempFile(std::path::PathBuf);

impl TempFile {
    fn new(name: &str, content: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The words of a shell command that knows single quotes only.
fn words(command: &str) -> Vec<String> {
    let quoted = |(at, part): (usize, &str)| match at % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    };
    command.split('\'').enumerate().flat_map(quoted).collect()
}

/// Runs each example of a page and compares what it prints. Those within a list are indented.
fn run_examples(page: &str, at_least: usize) {
    let examples = blocks(&doc(page), "console");
    assert!(examples.len() >= at_least, "{page} has {} examples", examples.len());
    for example in examples {
        let indent = &example[..example.find('$').unwrap()];
        let mut lines = example.lines().map(|line| line.strip_prefix(indent).unwrap_or(line));
        let command = lines.next().unwrap();
        // In a list the last line is the indentation of the fence.
        let printed = lines.filter(|line| indent.is_empty() || !line.is_empty());
        let expected: String = printed.map(|line| format!("{line}\n")).collect();
        let command = command.strip_prefix("$ conversion-relay ").unwrap();
        let (command, input) = command.split_once(" < ").unwrap_or((command, "/dev/null"));
        let words = words(command);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let input = std::fs::File::open(Path::new(ROOT).join(input)).unwrap();
        assert_eq!(text(&run_with(&words, &[], input.into())), expected, "{page}: {command}");
    }
}

#[test]
fn every_example_of_the_command_lines_manual_prints_what_the_manual_says() {
    run_examples("cli.md", 4);
}

#[test]
fn every_example_of_the_page_on_testing_an_integration_prints_what_the_page_says() {
    run_examples("testing-your-integration.md", 10);
}

#[test]
fn every_example_of_the_mapping_manual_makes_the_request_that_the_manual_shows() {
    let page = doc("field-mappings.md");
    let (mappings, json) = (blocks(&page, "yaml"), blocks(&page, "json"));
    assert!(mappings.len() >= 5 && json.len() == 2 * mappings.len(), "a mapping, an event, what comes of it");
    for (mapping, pair) in mappings.iter().zip(json.chunks(2)) {
        let indented: String = mapping.lines().map(|line| format!("      {line}\n")).collect();
        let (vendor, config) = match mapping.contains("U") && !mapping.contains("line_items") {
            true => ("flashtalking", "{advertiser_id: 1, spotlight_id: 2, spotlight_group_id: 3}"),
            false => ("podsights", "{key: k}"),
        };
        let config = format!(
            "integrations:\n  - name: x\n    vendor: {vendor}\n    config: {config}\n    field_mappings:\n{indented}"
        );
        let (config, event) = (TempFile::new("config.yaml", &config), TempFile::new("event.json", &pair[0]));
        let arguments = ["preview", config.path(), event.path(), "-H", "Cookie: plan=gold"];
        let printed = text(&run(&arguments, &[]));
        assert_eq!(
            fields(&printed),
            serde_json::from_str::<Value>(&pair[1]).unwrap(),
            "{mapping}\n{printed}"
        );
    }
}

/// The mapped fields of the one request that a preview prints.
fn fields(printed: &str) -> Value {
    if let Some(body) = printed.lines().find(|line| line.starts_with("    {")) {
        let mut body: Value = serde_json::from_str(body).unwrap();
        body.as_object_mut().unwrap().remove("key");
        return body;
    }
    let (_, path) = printed.split_once("/?").unwrap_or_else(|| panic!("no request: {printed}"));
    let pairs = form_urlencoded::parse(path.lines().next().unwrap().as_bytes());
    Value::Object(
        pairs
            .filter(|(name, _)| name != "cachebuster")
            .map(|(name, value)| (name.into_owned(), json!(value)))
            .collect(),
    )
}

#[test]
fn schema_prints_the_schema_in_the_repository() {
    let kept = std::fs::read(Path::new(ROOT).join("conversion-relay.schema.json")).unwrap();
    assert!(kept == run(&["schema"], &[]).stdout, "run: make docs");
}

#[test]
fn the_exit_code_says_fine_refused_or_wrongly_called() {
    for (arguments, code) in [
        (&["check", "conversion-relay.yaml"][..], 0),
        (&["--help"], 0),
        (&["check", "docs/examples/misspelled.yaml"], 1),
        (&["check", "no-such-file.yaml"], 1),
        (&["check", "Cargo.toml"], 1),
        (&["check"], 2),
        (&["preview", "conversion-relay.yaml"], 2),
        (&["schema", "--no-such-option"], 2),
        (&["preview", "conversion-relay.yaml", "docs/examples/purchase.json", "--client-ip", "nowhere"], 2),
        (&[], 2),
    ] {
        assert_eq!(run(arguments, &[]).status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn a_secret_never_shows() {
    let secret = "s3cr3t-\"quoted\"-key";
    let arguments = ["preview", "conversion-relay.yaml", "docs/examples/purchase.json"];
    let printed = text(&run(&arguments, &[("PODSIGHTS_KEY", secret)]));
    assert!(printed.contains(r#"{"key":"***","event""#) && !printed.contains("s3cr3t"), "{printed}");
}

#[test]
fn an_envoy_file_is_refused_where_the_gateway_would_fail() {
    let shipped = std::fs::read_to_string(Path::new(ROOT).join("conversion-relay.yaml")).unwrap();
    let flag = "allow_on_headers_stop_iteration: true";
    assert!(shipped.contains(flag));
    let local = shipped.replace(
        "            integrations:\n",
        "            endpoints: {reply: local}\n            integrations:\n",
    );
    for (name, file, refused) in [
        ("local.yaml", local.clone(), None),
        ("hanging.yaml", local.replace(flag, ""), Some("allow_on_headers_stop_iteration: true")),
        (
            "unpassed.yaml",
            shipped.replace("[PODSIGHTS_KEY]", "[]"),
            Some("PODSIGHTS_KEY is not set in the VM"),
        ),
    ] {
        let file = TempFile::new(name, &file);
        let output = run(&["check", file.path()], &[]);
        assert_eq!(output.status.success(), refused.is_none(), "{}", text(&output));
        assert!(text(&output).contains(refused.unwrap_or(": OK")), "{}", text(&output));
    }
}

/// An envoy.yaml and what it loads, in a folder that is gone when the test ends.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        for (name, content) in files {
            std::fs::write(path.join(name), content).unwrap();
        }
        Self(path)
    }

    /// Checks its envoy.yaml: the exit code, and all that was printed.
    fn check(&self) -> (Option<i32>, String) {
        let output = run(&["check", self.0.join("envoy.yaml").to_str().unwrap()], &[]);
        (output.status.code(), text(&output))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn shipped(name: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(name)).unwrap()
}

#[test]
fn a_gateway_that_cannot_work_is_refused_with_the_place_and_the_fix() {
    let (envoy, relay) = (shipped("envoy.yaml"), shipped("conversion-relay.yaml"));
    let replaced = |text: &str, from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    };
    for (name, envoy, relay, problem) in [
        (
            "cluster",
            replaced(&envoy, "- name: podsights\n", "- name: podsight\n"),
            relay.clone(),
            "there is no cluster \"podsights\", did you mean \"podsight\"? (the integration \"Podsights Production\"",
        ),
        (
            "resource",
            envoy.clone(),
            replaced(&relay, "    name: conversion-relay      ", "    name: relay      "),
            "resources[0].name: \"relay\", but the entry in http_filters that loads it is \"conversion-relay\"",
        ),
        (
            "routes",
            replaced(&envoy, "conversion-relay:\n", "another-filter:\n"),
            relay.clone(),
            "conversion-relay is disabled: true and no route switches it on",
        ),
    ] {
        let (code, printed) =
            Folder::new(name, &[("envoy.yaml", &envoy), ("conversion-relay.yaml", &relay)]).check();
        assert_eq!(code, Some(1), "{name}: {printed}");
        assert!(printed.contains(problem), "{name}: {printed}");
    }
}

/// The shipped gateway with this in place of its `stats_config:`, so that the tags come below it.
fn check_with_matcher(name: &str, matcher: &str) -> (Option<i32>, String) {
    let envoy =
        shipped("envoy.yaml").replace("\nstats_config:\n", &format!("\nstats_config:\n  {matcher}\n"));
    Folder::new(name, &[("envoy.yaml", &envoy), ("conversion-relay.yaml", &shipped("conversion-relay.yaml"))])
        .check()
}

#[test]
fn a_stats_matcher_that_hides_what_the_drain_needs_is_refused_with_the_fix() {
    for (name, matcher, problem) in [
        (
            "only-clusters",
            "stats_matcher: {inclusion_list: {patterns: [{prefix: cluster.}]}}",
            "such as wasmcustom.conversion_relay_deliveries_total.integration.Flashtalking_purchases.vendor.flashtalking.\
             outcome.delivered, which scripts/drain needs: add to the patterns of inclusion_list \
             {prefix: wasmcustom.conversion_relay_}",
        ),
        (
            "no-matched",
            "stats_matcher: {exclusion_list: {patterns: [{suffix: .outcome.matched}]}}",
            "hides 2 metrics, such as wasmcustom.conversion_relay_deliveries_total.integration.Flashtalking_purchases.vendor.\
             flashtalking.outcome.matched, which scripts/drain needs: narrow the pattern {\"suffix\":\".outcome.matched\"}",
        ),
        (
            "no-seconds",
            "stats_matcher: {exclusion_list: {patterns: [{safe_regex: {regex: '.*_seconds_total\\.integration\\.Pod.*'}}]}}",
            "hides wasmcustom.conversion_relay_pending_seconds_total.integration.Podsights_Production",
        ),
        (
            "none",
            "stats_matcher: {reject_all: true}",
            "replace reject_all by an inclusion_list with {prefix: ",
        ),
    ] {
        let (code, printed) = check_with_matcher(name, matcher);
        assert_eq!(code, Some(1), "{name}: {printed}");
        assert!(printed.contains(problem), "{name}: {printed}");
    }
}

#[test]
fn a_stats_matcher_that_hides_what_only_the_alerts_need_is_a_note() {
    for (name, matcher, note) in [
        (
            "no-discovery",
            "stats_matcher: {inclusion_list: {patterns: [{prefix: wasm}]}}",
            "hides 3 metrics, such as extension_config_discovery.http_filter.conversion-relay.update_failure, which the",
        ),
        (
            "no-crashes",
            "stats_matcher: {exclusion_list: {patterns: [{prefix: wasm.}]}}",
            "hides wasm.conversion-relay.vm_reload_success, which the dashboard and the alerts need",
        ),
        (
            "custom",
            "stats_matcher: {exclusion_list: {patterns: [{custom: {name: own}}]}}",
            "has a pattern that is not understood here",
        ),
    ] {
        let (code, printed) = check_with_matcher(name, matcher);
        assert_eq!(code, Some(0), "{name}: {printed}");
        assert!(printed.contains(&format!("note: stats_config.stats_matcher: {note}")), "{name}: {printed}");
    }
}

#[test]
fn the_stats_matcher_of_the_manual_hides_nothing_that_is_needed() {
    let snippet =
        blocks(&doc("operations.md"), "yaml").into_iter().find(|block| block.contains("stats_matcher"));
    let snippet: Value = serde_saphyr::from_str(&snippet.unwrap()).unwrap();
    let matcher = format!("stats_matcher: {}", snippet["stats_config"]["stats_matcher"]);
    let (code, printed) = check_with_matcher("documented", &matcher);
    assert_eq!(code, Some(0), "{printed}");
    assert!(!printed.contains("stats_matcher"), "{printed}");
}

/// The shipped gateway with the parts that its comments propose, for a site without a collector.
fn with_local_filter() -> (String, String) {
    let envoy = shipped("envoy.yaml").replace("#| ", "").replace("#|", "");
    let relay = shipped("conversion-relay.yaml");
    let local = relay
        .replace("name: conversion-relay ", "name: conversion-relay-local ")
        .replace("vm_id: conversion-relay\n", "vm_id: conversion-relay-local\n")
        .replace(
            "            integrations:\n",
            "            endpoints: {base_path: /collect, reply: local}\n            integrations:\n",
        );
    (envoy, local)
}

/// Checks that gateway with the shipped filter and this one beside it.
fn check_both(name: &str, envoy: &str, local: &str) -> (Option<i32>, String) {
    let relay = shipped("conversion-relay.yaml");
    let files =
        [("envoy.yaml", envoy), ("conversion-relay.yaml", &relay), ("conversion-relay-local.yaml", local)];
    Folder::new(name, &files).check()
}

#[test]
fn every_filter_of_a_gateway_is_checked() {
    let (envoy, local) = with_local_filter();
    let check = |name: &str, local: &str| check_both(name, &envoy, local);
    let (code, printed) = check("both", &local);
    assert_eq!(code, Some(0), "{printed}");
    for filter in ["The filter conversion-relay in ", "The filter conversion-relay-local in "] {
        assert!(printed.contains(filter), "{printed}");
    }
    assert!(printed.contains("2 filters have an integration \"Podsights Production\""), "{printed}");

    for (name, local, problem) in [
        (
            "misspelled",
            local.replace("reply: local", "replies: local"),
            "conversion-relay-local.yaml: endpoints.replies",
        ),
        ("not-yaml", "resources: [".to_owned(), "conversion-relay-local.yaml: "),
        ("empty", local.replace("integrations:", "integration:"), "conversion-relay-local.yaml: integration"),
    ] {
        let (code, printed) = check(name, &local);
        assert_eq!(code, Some(1), "{name}: {printed}");
        assert!(printed.contains(problem), "{name}: {printed}");
    }
}

#[test]
fn filters_that_would_be_one_plugin_are_refused_and_such_as_share_their_memory_are_noted() {
    let (envoy, local) = with_local_filter();
    let check = |name: &str, local: &str| check_both(name, &envoy, local);
    // Only the resource's name is that of its entry in http_filters; the plugin's own two names were forgotten.
    let forgotten = local
        .replace("        name: conversion-relay-local ", "        name: conversion-relay ")
        .replace("vm_id: conversion-relay-local\n", "vm_id: conversion-relay\n");
    assert_ne!(forgotten, local);
    let (code, printed) = check("one-plugin", &forgotten);
    assert_eq!(code, Some(1), "{printed}");
    for part in [
        "the filters conversion-relay in ",
        " and conversion-relay-local in ",
        "are one plugin \"conversion-relay\" in one VM",
        "Give each a name and a vm_id of its own",
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    let (code, printed) =
        check("one-memory", &forgotten.replace("[PODSIGHTS_KEY]", "[PODSIGHTS_KEY, OTHER]"));
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("they share what is remembered for deduplication"), "{printed}");
    for half in ["        name: conversion-relay ", "          vm_id: conversion-relay\n"] {
        let mended = forgotten.replace(half, &half.replace("relay", "relay-local"));
        assert_ne!(mended, forgotten);
        let (code, printed) = check("apart", &mended);
        assert!(code == Some(0) && !printed.contains("remembered"), "{half}: {printed}");
    }
}

#[test]
fn the_same_filter_in_two_listeners_is_fine() {
    let mut envoy: Value = serde_saphyr::from_str(&shipped("envoy.yaml")).unwrap();
    let listeners = envoy["static_resources"]["listeners"].as_array_mut().unwrap();
    let mut second = listeners[0].clone();
    second["name"] = json!("second");
    listeners.push(second);
    let relay = shipped("conversion-relay.yaml");
    let files = [("envoy.yaml", &*envoy.to_string()), ("conversion-relay.yaml", &relay)];
    let (code, printed) = Folder::new("listeners", &files).check();
    assert_eq!(code, Some(0), "{printed}");
    assert!(!printed.contains("The filter"), "it is one: {printed}");
}

#[test]
fn a_configuration_by_route_is_refused_because_envoy_refuses_it() {
    let relay = shipped("conversion-relay.yaml");
    let wasm = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
    for (name, from, to) in [
        ("of-route", "type.googleapis.com/envoy.config.route.v3.FilterConfig", wasm.to_owned()),
        ("in-filter-config", "config: {}", format!("config: {{\"@type\": {wasm}}}")),
    ] {
        let envoy = shipped("envoy.yaml");
        assert!(envoy.contains(from));
        let files = [("envoy.yaml", &*envoy.replacen(from, &to, 1)), ("conversion-relay.yaml", &relay)];
        let (code, printed) = Folder::new(name, &files).check();
        assert_eq!(code, Some(1), "{name}: {printed}");
        let problem =
            "typed_per_filter_config: conversion-relay: Envoy's Wasm filter takes no configuration by route";
        assert!(printed.contains(problem), "{name}: {printed}");
    }
}

#[test]
fn what_may_be_right_on_the_gateways_machine_is_a_note() {
    let (envoy, local) = with_local_filter();
    let node = "node: {id: gateway, cluster: gateway}";
    assert!(envoy.contains(node) && local.contains("/etc/envoy/conversion-relay.wasm"));
    let local = local.replace("/etc/envoy/", "/nowhere/");
    let files = [
        ("envoy.yaml", &*envoy.replace(node, "").replace("/etc/envoy/", "/nowhere/")),
        ("conversion-relay-local.yaml", &local),
    ];
    let (code, printed) = Folder::new("elsewhere", &files).check();
    assert_eq!(code, Some(0), "{printed}");
    for note in [
        "note: node: without id and cluster Envoy doesn't start",
        "/nowhere/conversion-relay.wasm is not on this machine",
        "loads the filter conversion-relay from /nowhere/conversion-relay.yaml, which is neither there nor beside it",
    ] {
        assert!(printed.contains(note), "{note}: {printed}");
    }
}

#[test]
fn the_plugin_of_istio_is_checked_with_the_environment_that_it_passes_on() {
    let plugin = shipped("deploy/istio/wasmplugin.yaml");
    let output = run(&["check", "deploy/istio/wasmplugin.yaml"], &[]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("cluster outbound|443||collector.podsights.com"), "{}", text(&output));
    let unpassed = TempFile::new("wasmplugin.yaml", &plugin.replace("name: PODSIGHTS_KEY", "name: OTHER"));
    assert!(text(&run(&["check", unpassed.path()], &[])).contains("PODSIGHTS_KEY is not set in the VM"));
}

#[test]
fn the_short_form_of_the_readme_is_fine_in_the_shipped_gateway() {
    let short_form = blocks(&shipped("README.md"), "yaml").swap_remove(0);
    let entry: Value = serde_saphyr::from_str(&short_form).unwrap();
    let mut envoy: Value = serde_saphyr::from_str(&shipped("envoy.yaml")).unwrap();
    let filters = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0";
    *envoy.pointer_mut(filters).unwrap() = entry[0].clone();
    let (code, printed) = Folder::new("readme", &[("envoy.yaml", &envoy.to_string())]).check();
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("Podsights Production: podsights"), "{printed}");
}

#[test]
fn the_configuration_of_the_readme_is_fine() {
    let file = TempFile::new("readme.yaml", &blocks(&shipped("README.md"), "yaml").swap_remove(1));
    let output = run(&["check", file.path()], &[("PODSIGHTS_KEY", "k")]);
    assert!(output.status.success(), "{}", text(&output));
}
