//! Hostile input for everything that reads what a client sends: real bytes of every client, broken in random ways.
//!
//! `cargo test` tries 256 inputs a target, or as many as PROPTEST_CASES says; `make fuzz` tries many more and tells how far
//! it is. A target fails when something panics, or when what it promises about its output doesn't hold.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "fuzz/corpus.rs"]
mod corpus;
#[path = "fuzz/engine.rs"]
mod engine;
#[path = "fuzz/world.rs"]
mod world;

use conversion_relay::config::Compiled;
use conversion_relay::consent::{BySource, ConsentRules, EventIntegrations, Requirement};
use conversion_relay::decode::{self, Undecodable};
use conversion_relay::endpoints::Endpoints;
use conversion_relay::event::envelope::{self, Envelope, Form};
use conversion_relay::event::names::{Dialects, snake_case};
use conversion_relay::event::projection::Projection;
use conversion_relay::event::{Event, EventType, Fields};
use conversion_relay::identity::Cookies;
use conversion_relay::json::Json;
use conversion_relay::privacy::Scrubbed;
use conversion_relay::{pixel, privacy, timestamp};
use corpus::{BODIES, CONSENTS, COOKIES, PATHS, TIMESTAMPS};
use engine::{broken, fuzz, has_email};
use proptest::prelude::*;

/// Small, so that inputs reach it.
const MAX_BYTES: usize = 3000;

#[test]
fn a_path_is_an_endpoint_or_not_and_a_query_never_decides() {
    let endpoints = Endpoints::new("/collect").unwrap();
    fuzz("endpoints", broken(PATHS), |path| {
        let path = [b"/collect", &path[..]].concat();
        let bare = path.split(|byte| *byte == b'?').next().unwrap();
        let found = endpoints.find(&path);
        assert_eq!(found, endpoints.find(bare));
        found.is_some()
    });
}

#[test]
fn a_body_of_any_encoding_is_refused_or_stays_within_the_cap() {
    let encodings = prop::sample::select(vec!["gzip", "deflate", "zlib", "identity", "br", "gzip, deflate"]);
    fuzz(
        "decode",
        (broken(BODIES), encodings, any::<bool>(), broken(&[])),
        |(body, encoding, pack, noise)| {
            let mut packed = if pack { engine::packed(&body, encoding) } else { body };
            // Break what is packed, else only the checksum would ever be wrong.
            for (byte, other) in packed.iter_mut().zip(&noise).rev().take(noise.len() / 8) {
                *byte ^= other;
            }
            let header = if encoding == "zlib" { "deflate" } else { encoding };
            match decode::body(packed, Some(header.as_bytes()), MAX_BYTES) {
                Ok(text) => {
                    assert!(text.chars().count() <= MAX_BYTES);
                    true
                }
                Err(Undecodable::Malformed | Undecodable::TooLarge) => false,
            }
        },
    );
}

#[test]
fn a_pixel_is_refused_or_becomes_a_text_of_bounded_size() {
    fuzz("pixel", broken(PATHS), |path| {
        let json = pixel::event(&path, Some(EventType::Track), MAX_BYTES);
        json.is_ok_and(|json| {
            // A percent-encoded byte that is no UTF-8 grows to three, a control character to six.
            assert!(json.len() <= 6 * MAX_BYTES);
            Json::parse(&json).is_ok()
        })
    });
}

#[test]
fn a_body_is_refused_or_all_of_its_events_can_be_read_or_refused() {
    let mut projection = Projection::new();
    let fields = Fields::compile(&mut projection);
    fuzz("events", broken(BODIES), |body| {
        let body = String::from_utf8_lossy(&body);
        let mut read = 0;
        for form in [Form::Single, Form::Batch, Form::Either] {
            let Ok(opened) = Envelope::open(&body, form, 20) else { continue };
            assert!(opened.items.len() <= 20);
            let _ = envelope::text(&body, opened.sent_at.as_ref());
            for item in opened.items {
                let item = Json::parse(&body[item]).unwrap();
                let Ok(event) = Event::read(item, &projection, &fields, projection.empty(), None) else {
                    continue;
                };
                let dialects = Dialects::of(&event.name);
                assert!(
                    event.name.len() > 200
                        || event.name.is_empty()
                        || dialects.include(&snake_case(&event.name))
                        || snake_case(&event.name).is_empty()
                );
                let _ = event.times(&fields, None).age(0, timestamp::parse_timestamp);
                read += 1;
            }
        }
        read > 0
    });
}

#[test]
fn consent_of_any_cookies_and_any_event_is_a_decision_that_gpc_always_wins() {
    let config = world::config();
    let rules: &ConsentRules = &config.consent;
    let needed = Requirement::compile(&["marketing"], &rules.vocabulary).unwrap();
    fuzz("consent", (broken(COOKIES), broken(CONSENTS), any::<bool>()), |(line, consent, gpc)| {
        let cookies: Cookies = [line.as_slice()].into_iter().collect();
        let headers = gpc.then_some(("sec-gpc", &b"1"[..]));
        let request = rules.request(headers.into_iter(), cookies.iter());
        let consent = String::from_utf8_lossy(&consent);
        let whole = Json::parse(&consent).ok();
        let part = |key: &str| whole.and_then(|whole| whole.get(key)).map(Json::as_str);
        let members = BySource::of(|source| source.location().context()?.iter().find_map(|key| part(key)));
        let event = request.event(&members);
        let decision = event.for_delivery(needed, Some(78));
        assert!(!gpc || !decision.is_permitted());
        let integrations = EventIntegrations::read(part("integrations"));
        let _ = integrations.disables(["Podsights Production", "podsights"].into_iter());
        decision.is_permitted()
    });
}

#[test]
fn no_text_keeps_an_email_address_through_the_last_station() {
    fuzz("privacy", broken(PATHS), |value| {
        let value = String::from_utf8_lossy(&value).into_owned();
        let kept = match privacy::scrub(&value) {
            Scrubbed::Clean => value,
            Scrubbed::Cut(rest) => rest,
            Scrubbed::Dropped => return false,
        };
        assert!(!has_email(&kept), "{kept:?}");
        true
    });
}

#[test]
fn a_timestamp_is_read_as_a_time_after_1970_or_refused() {
    fuzz("timestamps", broken(TIMESTAMPS), |text| {
        timestamp::parse_timestamp(&String::from_utf8_lossy(&text)).is_some_and(|at| {
            assert!(at >= 0);
            true
        })
    });
}

#[test]
fn whatever_a_client_sends_the_books_balance_and_every_callout_is_legal() {
    let config: std::rc::Rc<Compiled> = world::config();
    fuzz("requests", world::request(), |request| world::relay(&config, request));
}
