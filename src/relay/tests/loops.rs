//! Nothing goes round: whatever gateways hand events off, and wherever their queues push what they get.

use std::collections::VecDeque;

use super::*;
use crate::testing::Recorded;

/// A webhook of a gateway that sends CloudEvents.
#[derive(Clone, Debug)]
struct Webhook {
    name: &'static str,
    /// Whose queue it sends to; what is sent to a warehouse goes nowhere.
    cluster: &'static str,
}

#[derive(Clone, Debug)]
struct Setup {
    webhooks: Vec<Webhook>,
    /// Which of them hands events off, if one does.
    hand_off: Option<usize>,
    local: bool,
    has_secrets: bool,
}

/// Where and how a queue pushes what it gets.
#[derive(Clone, Copy, Debug)]
struct Push {
    gateway: usize,
    path: &'static str,
    form: Form,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Structured,
    List,
    Binary,
}

fn setup() -> impl Strategy<Value = Setup> {
    let webhook = (select(vec!["A", "B", "C"]), select(vec!["one", "two", "warehouse"]));
    let webhooks = prop::collection::vec(webhook, 0..3).prop_map(|all| {
        let webhooks = all.into_iter().map(|(name, cluster)| Webhook { name, cluster });
        let mut webhooks: Vec<_> = webhooks.collect();
        webhooks.sort_by_key(|webhook| webhook.name);
        webhooks.dedup_by_key(|webhook| webhook.name);
        webhooks
    });
    (webhooks, prop::option::of(0..3_usize), any::<bool>(), prop::bool::weighted(0.8))
        .prop_map(|(webhooks, hand_off, local, has_secrets)| Setup { webhooks, hand_off, local, has_secrets })
}

fn push() -> impl Strategy<Value = Push> {
    let path = select(vec!["/v1/deliver", "/v1/deliver", "/v1/t", "/v1/p", "/v1/batch", "/v1/events"]);
    (0..2_usize, path, select(vec![Form::Structured, Form::List, Form::Binary]))
        .prop_map(|(gateway, path, form)| Push { gateway, path, form })
}

/// No messageId, no order id and no memory: nothing but the rule itself keeps an event from going round.
fn configuration_of(setup: &Setup) -> Value {
    let mut integrations = vec![json!({"name": "FT", "vendor": "flashtalking",
               "config": {"advertiser_id": 1, "spotlight_id": 2, "spotlight_group_id": 3}})];
    integrations.extend(setup.webhooks.iter().map(|webhook| {
        json!({"name": webhook.name, "vendor": "webhook", "preset": "cloudevents",
               "config": {"cluster": webhook.cluster, "authority": "x", "path": "/", "purpose": "own"}})
    }));
    let mut configuration = json!({
        "endpoints": {"reply": if setup.local { "local" } else { "upstream" }, "deliver": {}},
        "sources": [{"id": "all", "keys": ["k"], "deliver": true}],
        "deduplication": {"window": "0s", "order_window": "0s"},
        "integrations": integrations,
    });
    if setup.has_secrets {
        configuration["secrets"] = json!(["a secret of thirty-two bytes, yes"]);
    }
    if let Some(hand_off) = setup.hand_off.and_then(|at| setup.webhooks.get(at)) {
        configuration["endpoints"]["hand_off"] = json!({"integration": hand_off.name});
    }
    configuration
}

struct Node {
    host: FakeHost,
    relay: Relay,
}

impl Node {
    /// `None`: such a configuration is refused.
    fn start(setup: &Setup) -> Option<Self> {
        let mut host = host();
        let config = Compiled::load(configuration_of(setup).to_string().as_bytes(), &|_| None).ok()?;
        let relay = Relay::new("test".to_owned(), Rc::new(config), 7, &mut host);
        Some(Self { host, relay })
    }

    /// Takes a request as the stream of such a path does. Returns the CloudEvents that it sends on, with their clusters.
    fn take(&mut self, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<(String, String)> {
        let keyed = [("x-write-key", "k")];
        let headers = keyed.into_iter().chain(headers.iter().copied());
        let headers: Vec<_> = headers
            .filter(|(name, _)| self.relay.config().keeps_header(name))
            .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
            .collect();
        let endpoint = self.relay.config().endpoints.find(path.as_bytes()).unwrap();
        let request = Request {
            path: path.as_bytes().to_vec(),
            headers,
            body: body.as_bytes().to_vec(),
            ..Request::empty(endpoint, self.relay.budget().lease())
        };
        match (endpoint.acknowledged, self.relay.config().reply) {
            (true, _) => drop(self.relay.deliver(request, 1, &mut self.host)),
            (false, crate::endpoints::ReplyFrom::Local) => {
                drop(self.relay.answer(request, 1, &mut self.host))
            }
            (false, crate::endpoints::ReplyFrom::Upstream) => self.relay.hand_over(request, &self.host),
        }
        work(&mut self.relay, &mut self.host);
        self.host.settle_all(&mut self.relay, Answer::status(200));
        work(&mut self.relay, &mut self.host);
        while self.relay.take_settled().is_some() {}
        let sent = self.host.take_record().into_iter().filter_map(|recorded| match recorded {
            Recorded::Sent { cluster, callout, .. } => Some((cluster, callout.body?)),
            _ => None,
        });
        sent.collect()
    }
}

/// What a queue makes of a CloudEvent: the headers and the body of its request.
fn pushed(form: Form, cloud_event: &str) -> (Vec<(&'static str, String)>, String) {
    match form {
        Form::Structured => (vec![], cloud_event.to_owned()),
        Form::List => (vec![], format!("[{cloud_event}]")),
        Form::Binary => {
            let json: Value = serde_json::from_str(cloud_event).unwrap();
            let attribute = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
            let headers = vec![("ce-type", attribute("type")), ("ce-relay", attribute("relay"))];
            let (_, data) = cloud_event.split_once("\"data\":").unwrap();
            (headers, data.strip_suffix('}').unwrap().to_owned())
        }
    }
}

proptest! {
    #[test]
    fn however_gateways_and_queues_are_set_up_an_event_comes_to_rest(
        setups in [setup(), setup()], one in prop::collection::vec(push(), 1..3), two in prop::collection::vec(push(), 1..3),
    ) {
        let nodes: Vec<_> = setups.iter().filter_map(Node::start).collect();
        let Ok([mut first, mut second]) = <[Node; 2]>::try_from(nodes) else { return Ok(()) };
        let event = r#"{"event":"Order Completed","type":"track"}"#;
        let mut queued: VecDeque<_> = first.take("/v1/t", &[], event).into();
        let mut hops = 0;
        while let Some((cluster, cloud_event)) = queued.pop_front() {
            hops += 1;
            // There are six webhooks, and two queues that push what they get to two places at most.
            prop_assert!(hops < 2_000, "it goes round: {cloud_event}");
            let pushes = match cluster.as_str() {
                "one" => &one,
                "two" => &two,
                _ => continue,
            };
            for Push { gateway, path, form } in pushes {
                let (headers, body) = pushed(*form, &cloud_event);
                let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let node = if *gateway == 0 { &mut first } else { &mut second };
                queued.extend(node.take(path, &headers, &body));
            }
        }
    }
}
