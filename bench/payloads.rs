//! What is sent, and what a vendor should get of it.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use conversion_relay::timestamp;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::arms::{Arm, Request, Setup};
use crate::gateway::{SWITCHED_OFF, WRITE_KEY};
use crate::load::CLIENTS;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Payload {
    Purchase,
    PageView,
    Gzip,
    Batch10,
    Batch20,
    Batch500,
    Untracked,
    /// A purchase with the key of a source, which says itself whose it is: as a browser sends it or a queue pushes it. See `acknowledged`.
    Keyed,
    /// A purchase, as it is compared with and without records. See `records`.
    Recorded,
}

/// Those of the comparison with the rivals.
pub const PAYLOADS: [Payload; 7] = [
    Payload::Purchase,
    Payload::PageView,
    Payload::Gzip,
    Payload::Batch10,
    Payload::Batch20,
    Payload::Batch500,
    Payload::Untracked,
];

/// Those with which the rivals are compared over plaintext HTTP/1.1 too.
pub const PLAIN_PAYLOADS: [Payload; 2] = [Payload::Purchase, Payload::Batch20];

/// Stands where the number of a request comes: no two purchases of a run are the same, or they would be duplicates.
pub const PLACE_OF_NUMBER: &str = "NUMBERNUMBERNUMB";

/// Bytes of an event by itself, and of one in a batch: 500 of those are 480 KB.
const EVENT_BYTES: usize = 750;
const BATCHED_EVENT_BYTES: usize = 958;

impl Payload {
    pub fn name(self) -> &'static str {
        match self {
            Self::Purchase => "one purchase, 750 bytes",
            Self::PageView => "one page view, for one vendor",
            Self::Gzip => "one purchase, gzip",
            Self::Batch10 => "batch of 10",
            Self::Batch20 => "batch of 20",
            Self::Batch500 => "batch of 500, 480 KB",
            Self::Untracked => "untracked GET",
            Self::Keyed => "one purchase with a key, 750 bytes",
            Self::Recorded => "one purchase, for records",
        }
    }

    /// The arms that are measured with it. Lua has no inflate, and to mirror an untracked request is not the task.
    pub fn arms(self) -> &'static [char] {
        match self {
            Self::Purchase => &['a', 'b', 'c', 'd', 'e', 'g', 'h', 'i', 'l', 'n', 'p'],
            Self::PageView | Self::Batch20 => &['a', 'b', 'd', 'e', 'h'],
            Self::Gzip => &['a', 'b', 'e', 'h'],
            Self::Batch10 | Self::Batch500 => &['a', 'b', 'd', 'e', 'h'],
            Self::Untracked => &['a', 'c', 'd', 'f', 'g', 'h'],
            Self::Keyed => &['a', 'j', 'k'],
            Self::Recorded => &['e', 'l', 'm'],
        }
    }

    /// Connections of clients. Where a request is answered only after its delivery, more of them are on their way at once.
    pub fn clients(self) -> usize {
        if self == Self::Keyed { 4 * CLIENTS } else { CLIENTS }
    }

    /// How long it is measured, of a whole slice: targets hang on some of them.
    pub fn share_of_slice(self) -> f64 {
        if matches!(self, Self::PageView | Self::Gzip | Self::Batch10 | Self::Batch500) { 0.4 } else { 1.0 }
    }

    pub fn events(self) -> usize {
        match self {
            Self::Untracked => 0,
            Self::Purchase | Self::PageView | Self::Gzip | Self::Keyed | Self::Recorded => 1,
            Self::Batch10 => 10,
            Self::Batch20 => 20,
            Self::Batch500 => 500,
        }
    }

    /// Requests that Flashtalking and Podsights get of one request through this arm.
    pub fn callouts(self, arm: &Arm) -> (u64, u64) {
        if arm.request != Request::Tracked {
            return (0, 0);
        }
        match (arm.setup, self) {
            (Setup::Bare | Setup::Empty | Setup::DryRun, _) | (_, Self::Untracked) => (0, 0),
            (Setup::Mirror | Setup::LuaMinimal | Setup::Callouts, _) => (1, 1),
            (_, Self::PageView) => (1, 0),
            (_, Self::Purchase | Self::Gzip | Self::Keyed | Self::Recorded) => (1, 1),
            (_, batch) => (batch.events() as u64 / 10 * 3, batch.events() as u64 / 10 * 2),
        }
    }

    /// A request to this arm with [`PLACE_OF_NUMBER`] in it, or, if packed, with a number already.
    pub fn template(self, arm: &Arm) -> Vec<u8> {
        let single = |kind| event(kind, "", EVENT_BYTES);
        match self {
            Self::Untracked => request(arm, "GET", "/v1/projects/wk_live_abc123/settings", "", &[]),
            Self::Purchase if arm.request == Request::Denied => {
                request(arm, "POST", "/v1/t", "", denied(Kind::Order, EVENT_BYTES).as_bytes())
            }
            Self::Purchase | Self::Recorded => {
                request(arm, "POST", "/v1/t", "", single(Kind::Order).as_bytes())
            }
            Self::PageView => request(arm, "POST", "/v1/p", "", single(Kind::Page).as_bytes()),
            Self::Gzip => {
                let numbered = single(Kind::Order).replace(PLACE_OF_NUMBER, &next());
                request(arm, "POST", "/v1/t", "content-encoding: gzip\r\n", &packed(numbered.as_bytes()))
            }
            Self::Keyed => {
                let path = if arm.letter == 'k' { "/v1/deliver" } else { "/v1/t" };
                let key = format!("x-write-key: {WRITE_KEY}\r\n");
                request(arm, "POST", path, &key, with_client(Kind::Order, EVENT_BYTES).as_bytes())
            }
            _ => request(arm, "POST", "/v1/batch", "", batch(self.events()).as_bytes()),
        }
    }

    /// So many requests, each with a number of its own.
    pub fn requests(self, arm: &Arm, count: usize) -> Vec<Vec<u8>> {
        if self == Self::Gzip {
            return (0..count).map(|_| self.template(arm)).collect();
        }
        let template = self.template(arm);
        let places: Vec<usize> = memchr::memmem::find_iter(&template, PLACE_OF_NUMBER.as_bytes()).collect();
        let numbered = |_| {
            let (mut request, number) = (template.clone(), next());
            places.iter().for_each(|at| request[*at..*at + number.len()].copy_from_slice(number.as_bytes()));
            request
        };
        (0..count).map(numbered).collect()
    }
}

/// As wide as the place of it.
fn next() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{:016}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Something that no arm takes any notice of, on a route without a filter.
pub fn other() -> Vec<u8> {
    request(Arm::of('a'), "GET", "/products/blue-shoes?size=42", "", &[])
}

/// With what a browser sends along.
fn request(arm: &Arm, method: &str, path: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let host = if arm.request == Request::SwitchedOff { SWITCHED_OFF } else { "gateway.test" };
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\n\
         user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
         accept: */*\r\naccept-language: en-GB,en;q=0.9\r\norigin: https://shop.example.com\r\n\
         referer: https://shop.example.com/thanks\r\n\
         cookie: _ga=GA1.1.1234567890.1700000000; _dfid=6f1d2c3b-4a59-4e6f-8a7b-9c0d1e2f3a4b; session=abcdef0123456789\r\n{more}"
    );
    if method == "POST" {
        request += &format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    }
    [request.as_bytes(), b"\r\n", body].concat()
}

#[derive(Clone, Copy)]
enum Kind {
    Order,
    Page,
    Added,
    Viewed,
}

/// An event as analytics.js sends it, made `bytes` long by the page's title.
fn event(kind: Kind, suffix: &str, bytes: usize) -> String {
    let (head, properties) = match kind {
        Kind::Order => (
            r#""type":"track","event":"Order Completed""#,
            format!(
                r#"{{"order_id":"ORD-{PLACE_OF_NUMBER}{suffix}","revenue":129.99,"currency":"USD","email":"Jane.Doe@example.com","products":[{{"product_id":"SKU-1","name":"Blue shoes","price":64.99,"quantity":2,"category":"Shoes"}}]}}"#
            ),
        ),
        Kind::Page => (r#""type":"page","name":"Thanks""#, r#"{"section":"checkout"}"#.to_owned()),
        Kind::Added => (
            r#""type":"track","event":"Product Added""#,
            r#"{"product_id":"SKU-1","name":"Blue shoes","price":64.99,"quantity":1,"currency":"USD"}"#
                .to_owned(),
        ),
        Kind::Viewed => (
            r#""type":"track","event":"Product Viewed""#,
            r#"{"product_id":"SKU-1","name":"Blue shoes","price":64.99,"position":3}"#.to_owned(),
        ),
    };
    let now = now();
    let with_title = |title: &str| {
        format!(
            r#"{{{head},"anonymousId":"6f1d2c3b-4a59-4e6f-8a7b-9c0d1e2f3a4b","properties":{properties},"context":{{"page":{{"url":"https://shop.example.com/thanks","path":"/thanks","title":"{title}"}},"locale":"en-GB","consent":{{"analytics":true,"marketing":true,"advertising":true}}}},"timestamp":"{now}","messageId":"ajs-next-{PLACE_OF_NUMBER}{suffix}"}}"#
        )
    };
    let lacking = bytes.saturating_sub(with_title("").len());
    let title: String = "Thank you for your order. ".chars().cycle().take(lacking).collect();
    with_title(&title)
}

/// The same with the visitor's address and User-Agent in it.
fn with_client(kind: Kind, bytes: usize) -> String {
    const CONTEXT: &str = r#""context":{"#;
    const CLIENT: &str = r#""ip":"203.0.113.9","userAgent":"Mozilla/5.0 (a browser)","#;
    event(kind, "", bytes - CLIENT.len()).replacen(CONTEXT, &[CONTEXT, CLIENT].concat(), 1)
}

/// The same where consent to what the integrations are for is denied.
fn denied(kind: Kind, bytes: usize) -> String {
    const GRANTED: &str = r#""marketing":true,"advertising":true"#;
    const DENIED: &str = r#""marketing":false,"advertising":false"#;
    event(kind, "", bytes - (DENIED.len() - GRANTED.len())).replacen(GRANTED, DENIED, 1)
}

/// Of every ten events one is a purchase, for both vendors, two are page views and one is put into the cart, each for one of
/// them, and six are nobody's.
fn batch(events: usize) -> String {
    use Kind::{Added, Order, Page, Viewed};
    let ten = [Page, Viewed, Viewed, Added, Viewed, Viewed, Page, Viewed, Viewed, Order];
    let event = |at: usize| event(ten[at % ten.len()], &format!("-{at:03}"), BATCHED_EVENT_BYTES);
    let events: Vec<String> = (0..events).map(event).collect();
    format!(r#"{{"batch":[{}]}}"#, events.join(","))
}

fn packed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).expect("into memory");
    encoder.finish().expect("into memory")
}

/// This moment, as clients write it (RFC 3339).
pub fn now() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).ok().and_then(timestamp::rfc3339).unwrap_or_default()
}
