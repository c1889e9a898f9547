//! The rows: each a gateway of its own, and one way in which something fails.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::load::{Pace, under_load};
use crate::report::{Claims, Report};
use crate::support::orders::{Books, FT, PS, configuration, flashtalking, podsights};
use crate::support::{Collector, Destination, Flashtalking, Gateway, Options, Podsights, wait_until};

pub type Say<'s> = &'s dyn Fn(&str);

pub struct Row {
    pub name: &'static str,
    pub run: fn(&'static str, &Pace, Say) -> Report,
}

pub const fn row(name: &'static str, run: fn(&'static str, &Pace, Say) -> Report) -> Row {
    Row { name, run }
}

pub const ROWS: &[Row] = &[
    row("both vendors down", |name, pace, say| {
        both(name, pace, say, json!({"refuse": true}), Claims::LOSES_ANSWERS)
    }),
    row("20 % of the answers are 503", |name, pace, say| {
        both(name, pace, say, json!({"status": 503, "share": 0.2}), Claims::STRICT)
    }),
    row("429 with Retry-After: 2", |name, pace, say| {
        let answer = json!({"status": 429, "headers": {"retry-after": "2"}});
        both(name, pace, say, answer, Claims::STRICT)
    }),
    row("every answer 2 s late", |name, pace, say| {
        both(name, pace, say, json!({"delay_ms": 2000}), Claims::STRICT)
    }),
    row("20 % of the answers are reset midway", |name, pace, say| {
        both(name, pace, say, json!({"reset": "mid_response", "share": 0.2}), Claims::LOSES_ANSWERS)
    }),
    row("no host in the clusters", no_host),
    row("one vendor down", one_down),
    row("ten reloads under load", reloads),
    row("two files alternating, answers 1 s late", alternating),
    row("queue overflow", overflow),
    row("drain, then SIGTERM", drain),
];

pub const VENDORS: [Destination; 2] = [Flashtalking, Podsights];
/// How long a row may take to get rid of what has piled up.
pub const SETTLE: Duration = Duration::from_secs(90);

fn options(delivery: Value) -> Options {
    let mut file = configuration(&[flashtalking(), podsights()], json!({}));
    file["delivery"] = delivery; // what it leaves out is as shipped
    Options::new().configuration(file).filter_log_level("info").log_level("warning")
}

pub fn behave(gateway: &Gateway, behaviour: &Value) {
    VENDORS.into_iter().for_each(|vendor| gateway.behave(vendor, behaviour.clone()));
}

fn pending(gateway: &Gateway) -> u64 {
    [FT, PS].into_iter().map(|name| Books::of(gateway, name).pending()).sum()
}

/// A fault under load: how many conversions were accepted, and how long after its end the backlog was gone: no more was
/// pending than comes in a tenth of a second.
fn fault(
    gateway: &Gateway,
    pace: &Pace,
    say: Say,
    during: impl FnOnce(),
    after: impl FnOnce(),
) -> (u64, Option<Duration>) {
    let (accepted, recovery) = under_load(gateway, pace, || {
        std::thread::sleep(pace.healthy);
        say("the fault begins");
        let begun = Instant::now();
        during();
        std::thread::sleep(pace.fault.saturating_sub(begun.elapsed()));
        say(&format!("the fault ends, {} pending", pending(gateway)));
        after();
        let ended = Instant::now();
        let recovered = recovered(gateway, pace);
        let recovery = ended.elapsed();
        std::thread::sleep(pace.healthy.saturating_sub(recovery));
        recovered.then_some(recovery)
    });
    say(&format!("{accepted} conversions were accepted; waiting for what is pending"));
    settle(gateway);
    (accepted, recovery)
}

fn recovered(gateway: &Gateway, pace: &Pace) -> bool {
    let few = (pace.rate / 10).max(2);
    wait_until(SETTLE, || {
        std::thread::sleep(Duration::from_millis(50));
        pending(gateway) <= few
    })
}

fn settle(gateway: &Gateway) {
    wait_until(SETTLE, || {
        std::thread::sleep(Duration::from_millis(50));
        pending(gateway) == 0
    });
}

fn both(name: &'static str, pace: &Pace, say: Say, behaviour: Value, claims: Claims) -> Report {
    let gateway = Gateway::start(options(json!({})));
    let (accepted, recovery) =
        fault(&gateway, pace, say, || behave(&gateway, &behaviour), || behave(&gateway, &json!({})));
    Report::of(name, &gateway, accepted, recovery, claims)
}

/// The vendors' clusters get their endpoints from files (EDS), which are emptied for a while.
fn no_host(name: &'static str, pace: &Pace, say: Say) -> Report {
    let dir = std::env::temp_dir().join(format!("conversion-relay-eds-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("cannot make a folder");
    let file = |cluster: &str| dir.join(format!("{cluster}.json"));
    let (of_edit, clusters) = (dir.clone(), ["flashtalking", "podsights"]);
    let gateway = Gateway::start(options(json!({})).edit_envoy(move |envoy| {
        for cluster in envoy["static_resources"]["clusters"].as_array_mut().unwrap() {
            let Some(name) = clusters.into_iter().find(|name| cluster["name"] == *name) else { continue };
            let path = of_edit.join(format!("{name}.json"));
            let source = json!({"resource_api_version": "V3", "path_config_source": {"path": path}});
            write_endpoints(&path, name, &cluster["load_assignment"]["endpoints"]);
            cluster["type"] = json!("EDS");
            cluster["eds_cluster_config"] = json!({"eds_config": source});
            cluster.as_object_mut().unwrap().remove("load_assignment");
        }
    }));
    let endpoints = clusters.map(|cluster| {
        let text = std::fs::read_to_string(file(cluster)).expect("cannot read");
        serde_json::from_str::<Value>(&text).unwrap()["resources"][0]["endpoints"].clone()
    });
    let (accepted, recovery) = fault(
        &gateway,
        pace,
        say,
        || clusters.into_iter().for_each(|cluster| write_endpoints(&file(cluster), cluster, &json!([]))),
        || {
            for (cluster, endpoints) in clusters.into_iter().zip(&endpoints) {
                write_endpoints(&file(cluster), cluster, endpoints);
            }
        },
    );
    let refused: u64 = [FT, PS]
        .into_iter()
        .map(|integration| crate::support::orders::callouts(&gateway, integration, "refused"))
        .sum();
    let mut report = Report::of(name, &gateway, accepted, recovery, Claims::LOSES_ANSWERS);
    if refused == 0 {
        report.broken.push("no callout was refused: the fault did not happen".into());
    }
    let _ = std::fs::remove_dir_all(dir);
    report
}

/// Renamed into place: Envoy never sees half a file.
fn write_endpoints(path: &PathBuf, cluster: &str, endpoints: &Value) {
    let kind = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
    let resource = json!({"@type": kind, "cluster_name": cluster, "endpoints": endpoints});
    let beside = path.with_extension("new");
    std::fs::write(&beside, json!({"resources": [resource]}).to_string()).expect("cannot write");
    std::fs::rename(beside, path).expect("cannot rename");
}

/// The healthy vendor's latency, from the collector's getting the request to the vendor's: with the other one down
/// against without.
fn one_down(name: &'static str, pace: &Pace, say: Say) -> Report {
    let gateway = Gateway::start(options(json!({})));
    let baseline = std::cell::Cell::new(0.0);
    let during = || {
        std::thread::sleep(pace.fault); // as long again without the fault, for comparison
        baseline.set(median_latency(&gateway));
        gateway.forget_requests();
        gateway.behave(Flashtalking, json!({"refuse": true}));
        std::thread::sleep(pace.fault);
    };
    let faulty = std::cell::Cell::new(0.0);
    let after = || {
        faulty.set(median_latency(&gateway));
        gateway.behave(Flashtalking, json!({}));
    };
    let (accepted, recovery) = fault(&gateway, pace, say, during, after);
    let mut report = Report::of(name, &gateway, accepted, recovery, Claims::LOSES_ANSWERS);
    let ratio = faulty.get() / baseline.get();
    report.remark = Some(format!(
        "the healthy vendor's median latency was {:.2} ms with the other one down and {:.2} ms without: {ratio:.2} of it.",
        faulty.get(),
        baseline.get()
    ));
    if !(0.0..=1.5).contains(&ratio) {
        report.broken.push(format!("the healthy vendor waits {ratio:.2} times as long"));
    }
    report
}

/// In milliseconds, of all orders that both the collector and Podsights have got since they were last forgotten.
fn median_latency(gateway: &Gateway) -> f64 {
    let id_of = |body: &Value| body.as_str().map(str::to_owned);
    let arrived: std::collections::HashMap<_, _> = gateway
        .requests(Collector)
        .iter()
        .filter_map(|request| Some((id_of(&request.json()["properties"]["order_id"])?, request.at_us)))
        .collect();
    let mut latencies: Vec<u64> = gateway
        .requests(Podsights)
        .iter()
        .filter_map(|request| {
            let sent = arrived.get(&id_of(&request.json()["order_id"])?)?;
            Some(request.at_us.saturating_sub(*sent))
        })
        .collect();
    latencies.sort_unstable();
    latencies.get(latencies.len() / 2).copied().unwrap_or_default() as f64 / 1000.0
}

/// Configurations that differ in what is put in at dispatch.
fn keyed(key: &str) -> Value {
    let mut integration = podsights();
    integration["config"]["key"] = json!(key);
    json!({"integrations": [flashtalking(), integration]})
}

fn reloads(name: &'static str, pace: &Pace, say: Say) -> Report {
    let gateway = Gateway::start(options(json!({})));
    let taken = std::cell::Cell::new(0);
    let during = || {
        behave(&gateway, &json!({"delay_ms": 100})); // so that each finds callouts in flight
        for reload in 0..10 {
            taken.set(taken.get() + usize::from(gateway.reconfigure(keyed(&format!("key {reload}")))));
            std::thread::sleep(pace.fault / 10);
        }
    };
    let (accepted, recovery) = fault(&gateway, pace, say, during, || behave(&gateway, &json!({})));
    let mut report = Report::of(name, &gateway, accepted, recovery, Claims::LOSES_ANSWERS);
    if taken.get() != 10 {
        report.broken.push(format!("{} of 10 configurations were taken", taken.get()));
    }
    report
}

fn alternating(name: &'static str, pace: &Pace, say: Say) -> Report {
    let gateway = Gateway::start(options(json!({})));
    let count = std::cell::Cell::new(0);
    let during = || {
        behave(&gateway, &json!({"delay_ms": 1000}));
        let begun = Instant::now();
        while begun.elapsed() < pace.fault {
            // As text: a Struct's bytes are hardly ever the same twice, and Envoy goes by the bytes.
            let text = keyed(["A", "B"][count.get() % 2]).to_string();
            let value = json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": text});
            gateway.change_filter_file(|file| {
                *file.pointer_mut("/resources/0/typed_config/config/configuration").unwrap() = value;
            });
            count.set(count.get() + 1);
            std::thread::sleep(Duration::from_millis(150));
        }
    };
    let (accepted, recovery) = fault(&gateway, pace, say, during, || behave(&gateway, &json!({})));
    let mut report = Report::of(name, &gateway, accepted, recovery, Claims::LOSES_ANSWERS);
    report.remark = Some(format!(
        "{} configurations in {} s. Envoy drops the answers of a root that comes back under the same name; each is settled \
         as a transport failure a second after its timeout, and tried again.",
        count.get(),
        pace.fault.as_secs()
    ));
    report
}

fn overflow(name: &'static str, pace: &Pace, say: Say) -> Report {
    let small = json!({"queue": {"max_deliveries": 400}, "timeout": "1m"});
    let gateway = Gateway::start(options(small));
    let (accepted, recovery) = fault(
        &gateway,
        pace,
        say,
        || behave(&gateway, &json!({"hold": true})),
        || behave(&gateway, &json!({})),
    );
    let mut report =
        Report::of(name, &gateway, accepted, recovery, Claims { overflows: true, ..Claims::STRICT });
    for (vendor, integration) in [(Flashtalking, FT), (Podsights, PS)] {
        let seen = gateway.tally(vendor)["orders"]["distinct"].as_u64().unwrap_or_default();
        let counted = crate::support::orders::dropped(&gateway, integration, "queue_full");
        if accepted - seen != counted {
            report
                .broken
                .push(format!("{integration}: {} never arrived, {counted} are counted", accepted - seen));
        }
    }
    report.remark =
        Some("a share of 200 deliveries for each vendor, which does not answer for as long.".into());
    report
}

fn drain(name: &'static str, pace: &Pace, say: Say) -> Report {
    let mut gateway = Gateway::start(options(json!({})));
    let whole = pace.healthy * 2 + pace.fault;
    let (accepted, ()) = under_load(&gateway, pace, || {
        behave(&gateway, &json!({"delay_ms": 500}));
        std::thread::sleep(whole);
    });
    let held = pending(&gateway);
    say(&format!("{held} pending; draining"));
    let begun = Instant::now();
    let drained = Command::new("sh")
        .args([concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/drain"), &gateway.admin_address().to_string()])
        .status()
        .is_ok_and(|status| status.success());
    let mut report = Report::of(name, &gateway, accepted, Some(begun.elapsed()), Claims::STRICT);
    let ended = gateway.terminate().success();
    for vendor in VENDORS {
        let has = gateway.tally(vendor)["orders"]["accepted"].as_u64().unwrap_or_default();
        if has != accepted {
            report.broken.push(format!("{vendor:?} has {has} of {accepted}"));
        }
    }
    if !drained || !ended || held == 0 {
        report.broken.push(format!("drained: {drained}, ended: {ended}, pending before: {held}"));
    }
    report.remark = Some(format!("{held} deliveries were pending; the recovery time is the drain's."));
    report
}
