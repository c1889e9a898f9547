use super::*;
use crate::endpoints::Endpoints;
use crate::request::Budget;
use proptest::prelude::*;

const NOW: i64 = 1_700_000_000_000;

fn settings(id: &str, keys: &[&str], secret: Option<&str>) -> SourceSettings {
    SourceSettings {
        id: id.to_owned(),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        signing_secret: secret.map(Secret::new),
        client_from_context: None,
        origins: None,
        dry_run: false,
        deliver: false,
    }
}

fn sources() -> Sources {
    Sources::compile(&[
        settings("web", &["k1", "k2"], None),
        settings("server", &["k3"], Some("s3cret")),
        settings("other", &[], Some("0ther")),
    ])
    .unwrap()
}

fn request(path: &str, headers: &[(&str, &str)], body: &str) -> Request {
    Request {
        endpoint: Endpoints::new("").unwrap().find(path.as_bytes()).unwrap(),
        path: path.into(),
        source_address: Vec::new(),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
            .collect(),
        body: body.into(),
        lease: Budget::default().lease(),
    }
}

/// Signs as Signal's documentation of `/v1/events` says.
fn signed(secret: &str, timestamp: &str, body: &str, more: &[(&str, &str)]) -> Request {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    let mac = mac.chain_update(format!("{timestamp}.{body}")).finalize().into_bytes();
    let hex: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    let signature = format!("sha256={hex}");
    let headers = [&[("x-timestamp", timestamp), ("x-signature", &signature)][..], more].concat();
    request("/v1/events", &headers, body)
}

fn claimed(path: &str, headers: &[(&str, &str)]) -> Option<String> {
    let sources = sources();
    let credentials = sources.of_request(&request(path, headers, "{}"), NOW).unwrap();
    sources
        .of_event(credentials, &request(path, headers, "{}"), None, None)
        .ok()
        .map(|source| sources.id(source).to_owned())
}

#[test]
fn a_requests_source_stays_the_same_when_another_configuration_lists_the_sources_in_another_order() {
    let before = sources();
    let after =
        Sources::compile(&[settings("other", &["k9"], None), settings("web", &["k1"], None)]).unwrap();
    let key = |name| Credentials::Key(before.find(name).unwrap());
    assert_eq!(before.carry_over(key("web"), &after), Credentials::Key(after.find("web").unwrap()));
    assert_eq!(before.carry_over(key("server"), &after), Credentials::None, "it is no longer there");
    assert_eq!(before.carry_over(Credentials::None, &after), Credentials::None);
    let signed = |source| Credentials::Signed { source, signature: Id::of(&[b"s"]), key: KeyBeside::None };
    let other = (before.find("other").unwrap(), after.find("other").unwrap());
    assert_eq!(before.carry_over(signed(other.0), &after), signed(other.1));
    let server = before.find("server").unwrap();
    assert_eq!(before.carry_over(signed(server), &after), Credentials::Outdated);
    let events = request("/v1/events", &[], "{}");
    assert_eq!(after.of_event(Credentials::Outdated, &events, Some("k1"), None), Err(Unauthorized));
}

#[test]
fn a_key_is_taken_from_each_place_that_clients_put_it() {
    // k1: is azE6, k1 is azE=
    for header in ["Bearer k1", "bearer  k1", "Basic azE6", "Basic azE=", "Basic azE", "basic azE6cGFzcw=="] {
        assert_eq!(claimed("/v1/t", &[("authorization", header)]).as_deref(), Some("web"), "{header}");
    }
    assert_eq!(claimed("/v1/t", &[("x-write-key", "k3")]).as_deref(), Some("server"));
    assert_eq!(claimed("/beacon/v1/batch?writeKey=k2", &[]).as_deref(), Some("web"));
    assert_eq!(claimed("/v1/pixel/page?wk=k3", &[]).as_deref(), Some("server"));
    for key in ["Bearer", "Bearer k", "Bearer k11", "Digest k1", "Basic k1", "Basic !"] {
        assert_eq!(claimed("/v1/t", &[("authorization", key)]), None, "{key}");
    }
}

#[test]
fn of_several_keys_of_sources_the_first_in_the_order_of_precedence_counts() {
    let authorization = ("authorization", "Bearer k1");
    let header = ("x-write-key", "k3");
    assert_eq!(claimed("/v1/t?writeKey=k3", &[header, authorization]).as_deref(), Some("web"));
    assert_eq!(claimed("/v1/t?writeKey=k1", &[header]).as_deref(), Some("server"));
    assert_eq!(claimed("/v1/t?writeKey=k1&wk=k3", &[]).as_deref(), Some("web"));
    assert_eq!(claimed("/v1/t?writeKey=k1", &[("authorization", "Bearer wrong")]).as_deref(), Some("web"));
    assert_eq!(claimed("/v1/t?writeKey=wrong", &[("authorization", "Bearer wrong")]), None);
    // An empty key is none, and neither is the scheme of somebody else's authentication.
    assert_eq!(
        claimed("/v1/t?writeKey=k1", &[("authorization", "Bearer "), ("x-write-key", "")]).as_deref(),
        Some("web")
    );
    assert_eq!(claimed("/v1/t?writeKey=k1", &[("authorization", "Negotiate abc")]).as_deref(), Some("web"));
}

/// Segment's libraries with OAuth send their token as a Bearer, and the key in the body.
#[test]
fn the_first_key_that_is_a_sources_decides_wherever_it_stands() {
    let sources = sources();
    let id = |path: &str, headers: &[(&str, &str)], event, batch| {
        let request = request(path, headers, "{}");
        let credentials = sources.of_request(&request, NOW).unwrap();
        sources.of_event(credentials, &request, event, batch).map(|source| sources.id(source))
    };
    let token = ("authorization", "Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJleGFtcGxlIn0.c2ln");
    assert_eq!(id("/v1/t", &[token, ("x-write-key", "k1")], Some("k3"), None), Ok("web"));
    assert_eq!(id("/v1/t?writeKey=k1", &[token, ("x-write-key", "x")], Some("k3"), None), Ok("web"));
    assert_eq!(id("/v1/t?writeKey=x&wk=k1", &[token], Some("k3"), None), Ok("web"));
    assert_eq!(id("/v1/t?wk=x", &[token], Some("k3"), Some("k1")), Ok("server"));
    assert_eq!(id("/v1/t", &[token], Some("x"), Some("k1")), Ok("web"));
    assert_eq!(id("/v1/t", &[], None, Some("k1")), Ok("web"));
    assert_eq!(id("/v1/t?wk=x", &[token], Some("x"), Some("y")), Err(Unauthorized));
    assert_eq!(id("/v1/t", &[], None, None), Err(Unauthorized));
}

#[test]
fn a_signed_request_is_of_the_source_whose_secret_verifies_it() {
    let sources = sources();
    for (secret, id) in [("s3cret", "server"), ("0ther", "other")] {
        let Ok(Credentials::Signed { source, .. }) =
            sources.of_request(&signed(secret, "1700000000000", "{}", &[]), NOW)
        else {
            panic!("{id}")
        };
        assert_eq!(sources.id(source), id);
    }
    assert_eq!(sources.of_request(&signed("wrong", "1700000000000", "{}", &[]), NOW), Err(Unauthorized));
    assert_eq!(
        sources.of_request(&request("/v1/events", &[("authorization", "Bearer k3")], "{}"), NOW),
        Err(Unauthorized)
    );
}

/// Computed with `openssl dgst -sha256 -hmac`, so that signer and verifier can't be wrong together.
#[test]
fn a_signature_made_by_another_tool_verifies_and_its_case_does_not_matter() {
    let hex = "7ef32abb4fbaff9cb8ab1fd8b9aba5f50a66cff9a832dc7e7081f37e9da8dc67";
    for hex in [hex.to_owned(), hex.to_uppercase()] {
        let signature = format!("sha256={hex}");
        let headers = [("x-timestamp", "1700000000000"), ("x-signature", signature.as_str())];
        let request = request("/v1/events", &headers, r#"{"event":"Order Completed"}"#);
        assert!(sources().of_request(&request, NOW).is_ok());
    }
}

#[test]
fn a_changed_body_time_or_signature_is_refused() {
    let good = || signed("s3cret", "1700000000000", r#"{"a":1}"#, &[]);
    let refused = |request: &Request| sources().of_request(request, NOW) == Err(Unauthorized);
    assert!(!refused(&good()));
    let mut body = good();
    body.body.push(b' ');
    assert!(refused(&body));
    for (nth, value) in
        [(0, "1700000000001"), (0, "soon"), (0, ""), (1, "sha256="), (1, "sha256=zz"), (1, "")]
    {
        let mut request = good();
        request.headers[nth].1 = value.into();
        assert!(refused(&request), "{value}");
    }
    for nth in 0..2 {
        let mut request = good();
        request.headers.remove(nth);
        assert!(refused(&request));
    }
}

#[test]
fn a_timestamp_counts_five_minutes_before_and_after_now_and_no_longer() {
    for (off, taken) in [(0, true), (300_000, true), (-300_000, true), (300_001, false), (-300_001, false)] {
        let request = signed("s3cret", &(NOW + off).to_string(), "{}", &[]);
        assert_eq!(sources().of_request(&request, NOW).is_ok(), taken, "{off}");
    }
    let far = signed("s3cret", "-9223372036854775808", "{}", &[]);
    assert_eq!(sources().of_request(&far, NOW), Err(Unauthorized));
}

#[test]
fn a_key_that_comes_with_a_signature_has_to_be_that_sources() {
    let sources = sources();
    let id = |key: Option<&str>, event, batch| {
        let key: Vec<_> = key.map(|key| ("x-write-key", key)).into_iter().collect();
        let request = signed("s3cret", "1700000000000", "{}", &key);
        let credentials = sources.of_request(&request, NOW)?;
        sources.of_event(credentials, &request, event, batch).map(|source| sources.id(source))
    };
    for (key, event, batch) in [
        (None, None, None),
        (Some("k3"), None, None),
        (Some("k3"), Some("k3"), None),
        (Some("k3"), Some("wrong"), None),
        (None, Some("k3"), Some("k1")),
        (None, Some("wrong"), Some("k3")),
        (Some("wrong"), Some("k3"), None),
    ] {
        assert_eq!(id(key, event, batch), Ok("server"), "{key:?} {event:?} {batch:?}");
    }
    for (key, event, batch) in [
        (Some("k1"), None, None),
        (Some("k1"), Some("k3"), None),
        (Some("wrong"), None, None),
        (Some("wrong"), Some("wrong"), None),
        (Some("k3"), Some("k1"), None),
        (None, Some("k1"), None),
        (None, None, Some("k1")),
        (None, Some("wrong"), None),
    ] {
        assert_eq!(id(key, event, batch), Err(Unauthorized), "{key:?} {event:?} {batch:?}");
    }
}

#[test]
fn a_source_with_origins_takes_events_of_pages_of_these_hosts_only() {
    let origins = |hosts: &[&str]| {
        Some(hosts.iter().map(|host| OriginHost::try_from((*host).to_owned()).unwrap()).collect::<Vec<_>>())
    };
    let shop = SourceSettings {
        origins: origins(&["shop.example", "*.shop.example"]),
        ..settings("shop", &["k1"], Some("s3cret"))
    };
    let sources = Sources::compile(&[shop, settings("any", &["k2"], None)]).unwrap();
    let is_taken = |key: &str, headers: &[(&str, &str)]| {
        let request = request("/v1/t", headers, "{}");
        let credentials = sources.of_request(&request, NOW).unwrap();
        sources.of_event(credentials, &request, Some(key), None).is_ok()
    };
    for headers in [
        &[("origin", "https://shop.example")][..],
        &[("origin", "http://SHOP.example:8080")],
        &[("origin", "https://a.b.shop.example")],
        &[("referer", "https://www.shop.example/thanks?x=1")],
    ] {
        assert!(is_taken("k1", headers), "{headers:?}");
    }
    for headers in [
        &[][..],
        &[("origin", "https://evil.example")],
        &[("origin", "https://evil.example"), ("referer", "https://shop.example/")],
        &[("origin", "null")],
        &[("referer", "https://evil.example/?https://shop.example/")],
    ] {
        assert!(!is_taken("k1", headers) && is_taken("k2", headers), "{headers:?}");
        let by_header = [headers, &[("x-write-key", "k1")]].concat();
        assert!(!is_taken("k1", &by_header), "{headers:?}");
    }
    // A server sends no Origin, and its signature says more.
    let signed = signed("s3cret", "1700000000000", "{}", &[]);
    let credentials = sources.of_request(&signed, NOW).unwrap();
    assert!(sources.of_event(credentials, &signed, None, None).is_ok());
}

#[test]
fn the_headers_of_a_page_are_read_only_where_a_source_asks_for_them() {
    let with =
        |origins| Sources::compile(&[SourceSettings { origins, ..settings("a", &["k"], None) }]).unwrap();
    assert!(!with(None).headers().any(|name| name == "origin"));
    let shop = OriginHost::try_from("shop.example".to_owned()).unwrap();
    let with_origins = with(Some(vec![shop]));
    assert!(["origin", "referer"].iter().all(|name| with_origins.headers().any(|read| read == *name)));
}

#[test]
fn one_signature_has_one_id_however_it_is_written() {
    let sources = sources();
    let id = |request: &Request| match sources.of_request(request, NOW) {
        Ok(Credentials::Signed { signature, .. }) => signature,
        other => panic!("{other:?}"),
    };
    let one = signed("s3cret", "1700000000000", "{}", &[]);
    let mut upper = signed("s3cret", "1700000000000", "{}", &[]);
    let hex = String::from_utf8(upper.headers[1].1.clone()).unwrap();
    upper.headers[1].1 = format!("sha256={}", hex[7..].to_uppercase()).into();
    assert_eq!(id(&one), id(&upper));
    assert_ne!(id(&one), id(&signed("s3cret", "1700000000000", "[]", &[])));
}

#[test]
fn settings_that_would_leave_a_source_in_doubt_are_refused_and_named() {
    let refused = |all: &[SourceSettings]| Sources::compile(all).unwrap_err().path;
    let good = || settings("a", &["k"], Some("s"));
    assert_eq!(refused(&[]), "sources");
    assert_eq!(refused(&[settings("", &["k"], None)]), "sources[0].id");
    assert_eq!(refused(&[good(), settings("a", &["l"], None)]), "sources[1].id");
    assert_eq!(refused(&[settings("a", &[], None)]), "sources[0]");
    assert_eq!(refused(&[SourceSettings { origins: Some(Vec::new()), ..good() }]), "sources[0].origins");
    assert_eq!(refused(&[settings("a", &["k", ""], None)]), "sources[0].keys[1]");
    assert_eq!(refused(&[settings("a", &["k k"], None)]), "sources[0].keys[0]");
    assert_eq!(refused(&[good(), settings("b", &["l", "k"], None)]), "sources[1].keys[1]");
    assert_eq!(refused(&[good(), settings("b", &[], Some("s"))]), "sources[1].signing_secret");
    assert_eq!(refused(&[settings("b", &[], Some(""))]), "sources[0].signing_secret");
}

#[test]
fn neither_settings_nor_sources_show_a_key_or_secret() {
    let settings = [settings("web", &["k1"], Some("s3cret"))];
    let shown = format!("{settings:?} {:?}", Sources::compile(&settings).unwrap());
    assert!(shown.contains("web") && !shown.contains("k1") && !shown.contains("s3cret"), "{shown}");
}

proptest! {
    #[test]
    fn no_key_but_a_configured_one_is_ever_taken(
        value in prop::collection::vec(any::<u8>(), 0..40), scheme in "Bearer |Basic |", query in "[ -~]{0,30}",
    ) {
        let mut request = request("/v1/t", &[("authorization", &scheme), ("x-write-key", "")], "{}");
        request.headers[0].1.extend(&value);
        request.headers[1].1 = value;
        request.path.extend(format!("?{query}").bytes());
        let taken = sources().of_request(&request, NOW) != Ok(Credentials::None);
        let is_configured = |key: Cow<'_, [u8]>| [&b"k1"[..], b"k2", b"k3"].contains(&&key[..]);
        prop_assert_eq!(taken, keys_of(&request).any(is_configured));
    }

    #[test]
    fn no_made_up_signature_verifies(signature in "(sha256=)?[0-9a-fA-F]{60,66}|.{0,80}", timestamp in "17000000[0-9]{5}|.{0,20}") {
        let request = request("/v1/events", &[("x-timestamp", &timestamp), ("x-signature", &signature)], "{}");
        prop_assert_eq!(sources().of_request(&request, NOW), Err(Unauthorized));
    }
}
