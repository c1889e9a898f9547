//! Sealed values of the configuration in the real Envoy: opened for the vendor, shown to nobody, rotated under load.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use conversion_relay::sealed::{NONCE, SealingKeys, place};
use conversion_relay::settings::Secret;
use serde_json::{Value, json};
use support::orders::{Books, PS, configuration, order, podsights, settled};
use support::{Gateway, LIMIT, Options, Podsights, wait_until};

const RELAY_KEY: &str = "the secret of this gateway, 32 bytes or more";
const OLD: &str = "ps_old_pixel_key";
const NEW: &str = "ps_new_pixel_key";

fn seal(plain: &str, configuration: &Value, path: &str) -> String {
    let keys = SealingKeys::new(&[Secret::new(RELAY_KEY)]).unwrap();
    keys.seal(plain, &place(configuration, path).unwrap(), [7; NONCE]).unwrap()
}

/// Podsights with a sealed key.
fn with_key(key: &str) -> Value {
    let mut configuration = configuration(&[podsights()], json!({}));
    configuration["secrets"] = json!(["${RELAY_KEY}"]);
    configuration["integrations"][0]["config"]["key"] =
        json!(seal(key, &configuration, "integrations[0].config.key"));
    configuration
}

fn start(configuration: Value) -> Gateway {
    Gateway::start(Options::new().env("RELAY_KEY", RELAY_KEY).concurrency(2).configuration(configuration))
}

fn keys_sent(gateway: &Gateway) -> Vec<String> {
    let key = |body: Value| body["key"].as_str().unwrap().to_owned();
    gateway.requests(Podsights).iter().map(|request| key(request.json())).collect()
}

#[test]
fn the_vendor_gets_a_sealed_key_opened_and_neither_config_dump_nor_the_log_shows_it() {
    let gateway = start(with_key(OLD));
    gateway.send(order(1));
    settled(&gateway, PS, 1);
    assert_eq!(keys_sent(&gateway), [OLD]);
    let dump = gateway.admin("/config_dump").text();
    assert!(dump.contains("sealed:v1:"), "the dump has the plugin configuration");
    for text in [dump, gateway.envoy_log()] {
        assert!(!text.contains(OLD) && !text.contains(RELAY_KEY), "{text}");
        assert!(!text.contains("plain text"), "{text}");
    }
}

#[test]
fn a_key_that_is_rotated_under_load_loses_nothing_and_the_old_one_is_not_sent_again() {
    let gateway = start(with_key(OLD));
    let (sent, ended) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = gateway.connect();
            while !ended.load(Ordering::Relaxed) {
                let id = sent.fetch_add(1, Ordering::Relaxed);
                assert_eq!(client.send(&order(id)).status, 200);
            }
        });
        let delivered = |more: u64| {
            let before = Books::of(&gateway, PS).delivered;
            wait_until(LIMIT, || Books::of(&gateway, PS).delivered >= before + more)
        };
        let before = delivered(20);
        let taken = gateway.reconfigure(with_key(NEW));
        let after = delivered(20);
        ended.store(true, Ordering::Relaxed);
        assert!(before && taken && after, "the load goes on before and after the change");
    });
    let sent = sent.into_inner();

    let books = settled(&gateway, PS, sent);

    assert_eq!((books.delivered, books.dropped), (sent, 0));
    assert_eq!(gateway.tally(Podsights)["orders"]["distinct"], sent);
    assert_eq!(gateway.vm_restarts(), 0);
    let keys: BTreeSet<String> = keys_sent(&gateway).into_iter().collect();
    assert_eq!(keys, BTreeSet::from([OLD.to_owned(), NEW.to_owned()]));
    gateway.forget_requests();
    gateway.send(order("afterwards"));
    settled(&gateway, PS, sent + 1);
    assert_eq!(keys_sent(&gateway), [NEW]);
}

#[test]
fn a_value_of_another_place_or_another_secret_is_refused_and_the_old_configuration_stays() {
    let gateway = start(with_key(OLD));
    let mut moved = with_key(NEW);
    moved["integrations"][0]["name"] = json!("another");
    assert!(!gateway.reconfigure(moved));
    gateway.wait_for_log("integrations[0].config.key: changed, or sealed for another place");
    let mut without = with_key(NEW);
    without.as_object_mut().unwrap().remove("secrets");
    assert!(!gateway.reconfigure(without));
    gateway.wait_for_log("integrations[0].config.key: a sealed value, but there are no secrets to open it");

    gateway.send(order(1));
    settled(&gateway, PS, 1);
    assert_eq!(keys_sent(&gateway), [OLD]);
    assert!(!gateway.envoy_log().contains(NEW), "a key is in the log");
}
