//! What is checked once a run: that arm d sends what arm e sends and arm k what arm j sends, that arms n and p match a purchase
//! although they send nothing, and that a filter that is switched off is not there at all.

use serde_json::json;

use crate::arms::{Arm, Setup};
use crate::gateway::{answering, configuration};
use crate::load::at_rate;
use crate::payloads::{PLACE_OF_NUMBER, Payload};
use crate::sink::Sink;
use crate::subject::{Deliveries, Subject, Variant};
use crate::support::{
    Connection, Flashtalking, Gateway, LIMIT, Options, Podsights, Received, root, wait_until,
};

/// Requests that the contexts are counted with.
const REQUESTS: u64 = 50;

/// Stream contexts that the VM made of as many requests: with the filter switched off, and with it on.
pub struct Contexts {
    pub off: u64,
    pub on: u64,
    pub requests: u64,
}

/// Counts the host's calls in the log of a gateway that writes each of them. A stream's context has a parent, a root has none.
pub fn contexts(sink: &Sink) -> Result<Contexts, String> {
    let subject = Subject::start(Setup::Relay, sink, Variant { traced: true, ..Variant::USUAL });
    let count = || {
        let log = subject.log();
        let calls = log
            .lines()
            .filter_map(|line| line.split_once("[host->vm] proxy_on_context_create(")?.1.split_once(')'));
        calls.filter(|(arguments, _)| !arguments.ends_with(", 0")).count() as u64
    };
    let mut made = [0; 2];
    for (made, letter) in made.iter_mut().zip(['g', 'f']) {
        let arm = Arm::of(letter);
        let payload = if letter == 'g' { Payload::Purchase } else { Payload::Untracked };
        let before = count();
        at_rate(subject.address(), &payload.requests(arm, REQUESTS as usize), 200.0)?;
        wait_until(std::time::Duration::from_millis(500), || count() >= before + REQUESTS);
        *made = count() - before;
    }
    let [off, on] = made;
    Ok(Contexts { off, on, requests: REQUESTS })
}

/// Sends a few purchases through arms n and p, of which nothing may arrive at the vendors, and asks the filter what became of them.
///
/// # Errors
/// Where it did not match each for both vendors, or gives another reason for not sending it.
pub fn unsent(sink: &Sink) -> Result<(), String> {
    const PURCHASES: usize = 10;
    for letter in ['n', 'p'] {
        let arm = Arm::of(letter);
        let subject = Subject::start(arm.setup, sink, Variant::USUAL);
        at_rate(subject.address(), &Payload::Purchase.requests(arm, PURCHASES), 200.0)?;
        let both = 2 * PURCHASES as u64;
        let (dropped, dry_run) = if letter == 'n' { (0, both) } else { (both, 0) };
        let expected = Deliveries { matched: both, dropped, dry_run, ..Deliveries::default() };
        let mut books = subject.deliveries();
        wait_until(LIMIT, || {
            books = subject.deliveries();
            books == expected
        });
        if books != expected {
            return Err(format!("{}: expected {expected:?}, found {books:?}", arm.label()));
        }
    }
    Ok(())
}

/// Sends the same purchase, page view and batch through both and compares what the vendors get: each member of Podsights' JSON,
/// path, parameters and the visitor's headers at Flashtalking. The cachebuster is random.
///
/// # Errors
/// Names what differs.
pub fn same_requests() -> Result<(), String> {
    let script = root().join("bench/lua/honest.lua");
    let scripted = Options::new().edit_envoy(move |envoy| {
        let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
        let manager = envoy.pointer_mut(manager).expect("a manager");
        manager["http_filters"][0] = json!({"name": "conversion-relay", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": {"filename": script},
        }});
    });
    let filtered = Options::new().edit_filter(|file| configuration(file, None));
    let payloads = [Payload::Purchase, Payload::PageView, Payload::Batch20];
    let [lua, relay] = [('d', scripted), ('e', filtered)]
        .map(|(letter, options)| received(&Gateway::start(options), Arm::of(letter), &payloads));
    if lua != relay {
        return Err(format!("arm d does not send what arm e sends:\n{lua:#?}\n{relay:#?}"));
    }
    Ok(())
}

/// Sends the same purchase through arms j and k and compares what the vendors get.
///
/// # Errors
/// Names what differs.
pub fn same_deliveries() -> Result<(), String> {
    let [local, acknowledged] = ['j', 'k'].map(|letter| {
        let gateway = Gateway::start(Options::new().edit_filter(answering));
        received(&gateway, Arm::of(letter), &[Payload::Keyed])
    });
    if local != acknowledged {
        return Err(format!("arm k does not send what arm j sends:\n{local:#?}\n{acknowledged:#?}"));
    }
    Ok(())
}

/// What matters of each request that the vendors got, in an order of its own.
fn received(gateway: &Gateway, arm: &Arm, payloads: &[Payload]) -> [Vec<String>; 2] {
    let (mut ft, mut ps) = (0, 0);
    for payload in payloads {
        let template = String::from_utf8(payload.template(arm)).expect("text");
        let mut connection: Connection = gateway.connect();
        connection.write(template.replace(PLACE_OF_NUMBER, &format!("{:016}", payload.events())));
        assert_eq!(connection.read().status, 200);
        let (more_ft, more_ps) = payload.callouts(arm);
        (ft, ps) = (ft + more_ft as usize, ps + more_ps as usize);
    }
    let told = |of: fn(&Received) -> String, mut requests: Vec<Received>| {
        requests.sort_by_key(of);
        requests.iter().map(of).collect::<Vec<String>>()
    };
    [
        told(at_flashtalking, gateway.wait_for(Flashtalking, ft)),
        told(at_podsights, gateway.wait_for(Podsights, ps)),
    ]
}

fn at_flashtalking(request: &Received) -> String {
    let (path, query) = request.path.split_once("/?").unwrap_or_default();
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("cachebuster=")).collect();
    let headers = ["host", "x-forwarded-for", "user-agent", "cookie"].map(|name| request.header(name));
    format!("{} {path} {kept:?} {headers:?}", request.method)
}

fn at_podsights(request: &Received) -> String {
    let headers = ["host", "content-type", "user-agent", "cookie"].map(|name| request.header(name));
    format!("{} {} {headers:?} {}", request.method, request.path, request.json())
}
