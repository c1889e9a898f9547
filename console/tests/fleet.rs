//! The console and the real Envoy: configuration out, records and dead letters in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "fleet/kit.rs"]
mod kit;
#[path = "../../tests/support/mod.rs"]
mod support;

use conversion_relay_console::configuration::Collection;
use conversion_relay_console::options::Options;
use conversion_relay_console::replay;
use conversion_relay_console::store::{LetterQuery, Outcome, StoredLetter};
use kit::{LIMIT, RELAY_KEY, Running, discovering, envoy, plugin};
use serde_json::{Value, json};
use support::orders::{PS, order};
use support::{Gateway, Podsights, TempDir, wait_until};

const KEY: &str = "a-literal-pixel-key-4711";

fn podsights(key: &str) -> Value {
    json!({"name": PS, "vendor": "podsights", "config": {"key": key}})
}

fn serving(folder: &TempDir) -> Running {
    let console = Running::start(Options { plugin: Some(plugin(&folder.0)), ..Options::default() });
    console.set(&json!({"records": {"cluster": "console", "authority": "console.internal"}}));
    console
}

#[test]
fn two_gateways_get_each_change_and_what_becomes_of_a_purchase_is_found_by_its_order() {
    let folder = TempDir::new();
    let console = serving(&folder);
    let gateways: Vec<Gateway> = ["gw-1", "gw-2"]
        .into_iter()
        .map(|name| {
            let options = discovering(console.address, &folder.0.join(format!("{name}-token.yaml")));
            Gateway::start(options.arguments(&["--service-node", name]))
        })
        .collect();
    console.wait_for_gateways(2);

    console.put("int_a", &podsights(KEY));
    console.wait_for_gateways(2);
    for (number, gateway) in (1..).zip(&gateways) {
        assert_eq!(gateway.send(order(number)).status, 200);
        let callout = &gateway.wait_for(Podsights, 1)[0];
        assert!(callout.path.contains(KEY) || callout.text().contains(KEY), "{callout:?}");
        let found = console.wait_for_records(&number.to_string(), 1);
        assert_eq!(found[0].record["outcome"], "delivered");
        assert_eq!(found[0].record["gateway"], format!("gw-{number}"));
        assert_eq!(found[0].record["integration"], PS);
    }
    // The key is nowhere in the clear but at the vendor.
    assert!(!console.holds(KEY));
    for gateway in &gateways {
        assert!(!gateway.admin("/config_dump").text().contains(KEY));
        assert!(!gateway.envoy_log().contains(KEY));
    }
    let seen = console.gateways();
    let names: Vec<_> = seen.iter().map(|seen| (seen.name.as_str(), seen.revision)).collect();
    assert_eq!(names, [("gw-1", Some(3)), ("gw-2", Some(3))]);
    assert!(seen[0].software.starts_with("envoy 1."), "{seen:?}");

    // Without integrations nothing is delivered any more.
    console.change(|document| document.remove(Collection::Integrations, "int_a"));
    console.wait_for_gateways(2);
    for gateway in &gateways {
        assert_eq!(gateway.send(order(9)).status, 200);
        gateway.wait_for_counter("conversion_relay_events_ignored_total", &[("reason", "unmapped")], 1);
        assert_eq!(gateway.requests(Podsights).len(), 1);
    }
}

#[test]
fn an_envoy_that_starts_again_while_the_console_is_down_relays_by_the_file_that_the_console_kept() {
    let folder = TempDir::new();
    let listen = kit::free_address();
    let mut gateway = Gateway::start(
        envoy(listen, &folder.0.join("token.yaml")).fixed_port().configuration(json!({"integrations": []})),
    );
    let file = gateway.dir().join("conversion-relay.yaml");
    let shipped = folder.0.join("plugin.yaml");
    std::fs::copy(&file, &shipped).unwrap();
    let options = Options { listen, plugin: Some(shipped), file: Some(file), ..Options::default() };
    let mut console = Running::start(options);
    console.put("int_a", &podsights(KEY));
    let relays = |gateway: &Gateway, id: u64| {
        wait_until(LIMIT, || {
            gateway.send(order(id));
            !gateway.requests(Podsights).is_empty()
        })
    };
    assert!(relays(&gateway, 1), "it took the file");
    console.kill();
    gateway.kill();
    gateway.forget_requests();
    gateway.restart();
    assert!(relays(&gateway, 2));
    assert!(!kit::holds(gateway.dir(), KEY) && !console.holds(KEY));
}

/// The only letter, once there is one.
fn only_letter(console: &Running) -> StoredLetter {
    let query = LetterQuery { limit: 10, ..LetterQuery::default() };
    let mut found = Vec::new();
    assert!(wait_until(LIMIT, || {
        found = console.console.store.letters(&query).unwrap();
        !found.is_empty()
    }));
    assert_eq!(found.len(), 1);
    found.remove(0)
}

#[test]
fn what_a_vendor_refuses_is_a_dead_letter_at_the_console_and_reaches_the_vendor_when_it_is_replayed() {
    let folder = TempDir::new();
    let listen = kit::free_address();
    let gateway = Gateway::start(
        envoy(listen, &folder.0.join("token.yaml")).configuration(json!({"integrations": []})),
    );
    let file = gateway.dir().join("conversion-relay.yaml");
    let shipped = folder.0.join("plugin.yaml");
    std::fs::copy(&file, &shipped).unwrap();
    let console = Running::start(Options {
        listen,
        plugin: Some(shipped),
        file: Some(file),
        deliver_url: Some(format!("http://{}/v1/deliver", gateway.address())),
        ..Options::default()
    });
    console.change(|document| {
        let operator = json!({"id": "operator", "keys": ["k_operator"], "deliver": true});
        let shop = json!({"id": "shop", "keys": ["k_shop"]});
        for source in [operator, shop] {
            let id = source["id"].as_str().unwrap().to_owned();
            document.put(Collection::Sources, &id, source.as_object().unwrap().clone());
        }
        let letters = json!({"id": "int_l", "name": "Letters", "vendor": "webhook", "preset": "cloudevents",
            "config": {"cluster": "console", "authority": "console.internal", "path": "/v1/dead-letters", "purpose": "own"}});
        document.put(Collection::Integrations, "int_l", letters.as_object().unwrap().clone());
        let settings = json!({"secrets": ["${RELAY_KEY}"], "endpoints": {"deliver": {"within": "2s"}},
            "dead_letters": {"integration": "Letters", "secrets": ["${RELAY_KEY}"]}});
        document.set_settings(settings.as_object().unwrap().clone());
    });
    console.put("int_a", &podsights("a-wrong-key"));
    gateway.behave(Podsights, json!({"status": 403}));
    let mut number = 0;
    assert!(wait_until(LIMIT, || {
        number += 1;
        gateway.send(order(number).header("x-write-key", "k_shop"));
        let letters = console.console.store.letters(&LetterQuery { limit: 1, ..LetterQuery::default() });
        wait_until(std::time::Duration::from_millis(300), || !gateway.requests(Podsights).is_empty())
            || !letters.unwrap().is_empty()
    }));
    let letter = only_letter(&console);
    assert_eq!(letter.facts.integration.as_deref(), Some(PS));
    assert_eq!(letter.facts.reason.as_deref(), Some("rejected"));

    gateway.behave(Podsights, json!({}));
    gateway.forget_requests();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let replayed = runtime.block_on(replay::one(&console.console, letter.facts.id, "alice".into())).unwrap();
    let replay = replayed.replay.unwrap();
    assert_eq!((replay.outcome, replay.by.as_str()), (Outcome::Delivered, "alice"), "{}", replay.detail);
    assert_eq!(gateway.wait_for(Podsights, 1).len(), 1);
    assert!(!console.holds(RELAY_KEY));
}
