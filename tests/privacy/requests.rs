//! Tracking requests in every form, each as the oracle sees it and as the filter gets it.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::bodies::{self, Context, Event, Kind};
use crate::cookies;
use crate::dice::{Rng, chance, encoded, pick};
use crate::emails::Email;
use crate::oracle::Visit;
use crate::site::Site;

/// A request, with what its events should lead to.
#[derive(Clone, Debug)]
pub struct Sent {
    pub path: String,
    pub headers: Vec<(String, Vec<u8>)>,
    /// Before it is compressed.
    pub body: String,
    pub encoding: &'static str,
    pub visit: Visit,
    pub events: Vec<Event>,
    /// The address in its headers, and in the context of its batch.
    pub email: Email,
}

/// How a request carries its events.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    One(&'static str),
    Batch(&'static str),
    Pixel,
}

/// `number` of the first event; an event's number makes its address and its mark differ from all others.
pub fn any(rng: &mut Rng, site: &Site, number: u64) -> Sent {
    let email = Email::new(rng, number << 8 | 0xff);
    let form = match rng.u8(..10) {
        0..=4 => Form::One(pick(
            rng,
            &["/v1/{t}", "/v1/{type}", "/v1/{type}", "/api/s/{type}", "/api/s/s2s/{type}", "/v1/events"],
        )),
        5..=7 => {
            Form::Batch(pick(rng, &["/v1/batch", "/v1/b", "/beacon/v1/batch", "/v1/import", "/v1/events"]))
        }
        _ => Form::Pixel,
    };
    let (headers, visit) = headers(rng, site, &email);
    let mut sent = Sent {
        path: String::new(),
        headers,
        body: String::new(),
        encoding: "",
        visit,
        events: Vec::new(),
        email,
    };
    match form {
        Form::One(path) => {
            let event = Event::any(rng, site, number << 8, &Context::default());
            sent.path =
                path.replace("{type}", event.kind.event_type).replace("{t}", &event.kind.event_type[..1]);
            sent.body.clone_from(&event.json);
            sent.events.push(event);
        }
        Form::Batch(path) => batch(rng, site, number, path, &mut sent),
        Form::Pixel => pixel(rng, site, number, &mut sent),
    }
    if form != Form::Pixel {
        sent.path += pick(rng, &["", "", "?writeKey=wk_shop"]);
        sent.encoding = pick(rng, &["", "", "", "gzip", "deflate"]);
        if !sent.encoding.is_empty() {
            sent.headers.push(("content-encoding".to_owned(), sent.encoding.into()));
        }
    }
    // In a pixel it is the name of the event.
    if form != Form::Pixel && chance(rng, 20) {
        let separator = if sent.path.contains('?') { '&' } else { '?' };
        sent.path += &format!("{separator}e={}", encoded(&sent.email.in_text(rng), 1));
    }
    sent
}

fn batch(rng: &mut Rng, site: &Site, number: u64, path: &str, sent: &mut Sent) {
    let shared = if chance(rng, 50) { Context::any(rng, site, &sent.email) } else { Context::default() };
    let events: Vec<Event> =
        (0..rng.u64(1..6)).map(|nth| Event::any(rng, site, number << 8 | nth, &shared)).collect();
    let items: Vec<&str> = events.iter().map(|event| event.json.as_str()).collect();
    let items = format!("[{}]", items.join(","));
    path.clone_into(&mut sent.path);
    sent.body = if shared.is_absent() && chance(rng, 20) {
        items
    } else {
        let mut members = vec![(pick(rng, &["batch", "events"]).to_owned(), items)];
        members.extend(shared.members(rng));
        members.push(("writeKey".to_owned(), "\"wk_shop\"".to_owned()));
        crate::dice::object(rng, members)
    };
    sent.events = events;
}

fn pixel(rng: &mut Rng, site: &Site, number: u64, sent: &mut Sent) {
    if rng.bool() {
        let event = Event::any(rng, site, number << 8, &Context::default());
        let data = match rng.u8(..3) {
            0 => encoded(&STANDARD.encode(&event.json), 1),
            1 => URL_SAFE_NO_PAD.encode(&event.json),
            _ => encoded(&event.json, 1),
        };
        sent.path = format!("/v1/pixel/{}?data={data}", event.kind.event_type);
        sent.events.push(event);
        return;
    }
    let (event, parameters) = bodies::parameters(rng, number << 8);
    let parameters: Vec<String> = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value, 1).replace("%20", "+")))
        .collect();
    sent.path = format!("/v1/pixel/{}?wk=wk_shop&{}&cb=1", event.kind.event_type, parameters.join("&"));
    sent.events.push(event);
}

fn headers(rng: &mut Rng, site: &Site, email: &Email) -> (Vec<(String, Vec<u8>)>, Visit) {
    let mut visit = Visit::default();
    let mut headers: Vec<(&str, String)> = Vec::new();
    if chance(rng, 15) {
        visit.gpc = chance(rng, 50);
        headers.push(("sec-gpc", u8::from(visit.gpc).to_string()));
        if chance(rng, 10) {
            headers.push(("sec-gpc", "0".to_owned()));
        }
    }
    match rng.u8(..6) {
        0 | 1 => {
            visit.allowed_country = true;
            headers.push(("x-country", pick(rng, &["US", "CA"]).to_owned()));
        }
        2 => headers.push(("x-country", pick(rng, &["DE", "", "USA"]).to_owned())),
        // Nobody can tell which of them is the gateway's.
        3 => headers.extend([("x-country", "US".to_owned()), ("x-country", "US".to_owned())]),
        _ => {}
    }
    let agent = if chance(rng, 20) { email.in_text(rng) } else { "X11; Linux x86_64".to_owned() };
    headers.push(("user-agent", format!("Mozilla/5.0 ({agent})")));
    if chance(rng, 50) {
        let referer =
            if rng.bool() { email.in_url(rng) } else { "https://shop.example.com/thanks".to_owned() };
        headers.push(("referer", referer));
    }
    headers.push(("x-forwarded-for", "203.0.113.7".to_owned()));
    let mut cookies: Vec<String> = Vec::new();
    for (statement, cookie) in cookies::any(rng, site) {
        visit.cookies.push(statement);
        cookies.push(cookie);
    }
    for name in ["FTrack", "_dfid", "ajs_anonymous_id"] {
        if chance(rng, 30) {
            let value =
                if rng.bool() { email.in_text(rng).replace([',', ' '], "_") } else { "3f2c".to_owned() };
            cookies.push(format!("{name}={value}"));
        }
    }
    if chance(rng, 3) {
        visit.flashtalking_opt_out = true;
        cookies.push("flashtalkingad1=\"GUID=12|optout=1\"".to_owned());
    }
    cookies.push("theme=dark".to_owned());
    rng.shuffle(&mut cookies);
    // HTTP/2 may split the header into lines.
    if chance(rng, 20) {
        headers.extend(cookies.into_iter().map(|cookie| ("cookie", cookie)));
    } else {
        headers.push(("cookie", cookies.join("; ")));
    }
    (headers.into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes())).collect(), visit)
}

/// What the kinds of events are called.
pub const KINDS: &[Kind] = &[
    Kind {
        event_type: "track",
        names: &["Order Completed", "order_completed", "orderCompleted", "purchase"],
        wanted_by: [true, true],
    },
    Kind { event_type: "track", names: &["Order Completed"], wanted_by: [true, true] },
    Kind { event_type: "track", names: &["Signed Up", "signed_up", "sign_up"], wanted_by: [true, true] },
    Kind { event_type: "track", names: &["Lead Generated", "lead_generated"], wanted_by: [true, false] },
    Kind { event_type: "track", names: &["Lead Submitted", "lead_submitted"], wanted_by: [false, true] },
    Kind {
        event_type: "track",
        names: &["Product Added", "product_added", "add_to_cart"],
        wanted_by: [false, true],
    },
    Kind { event_type: "page", names: &["Thanks"], wanted_by: [true, false] },
    Kind { event_type: "track", names: &["Article Read"], wanted_by: [false, false] },
    Kind { event_type: "identify", names: &["x"], wanted_by: [false, false] },
];
