mod encoded;

use super::*;
use proptest::prelude::*;

#[track_caller]
fn assert_address(text: &str) {
    assert!(email_in(text.as_bytes()), "no address seen in {text:?}");
}

#[track_caller]
fn assert_no_address(text: &str) {
    assert!(!email_in(text.as_bytes()), "an address seen in {text:?}");
    assert_eq!(scrub(text), Scrubbed::Clean, "{text:?}");
}

#[track_caller]
fn assert_cut(url: &str, expected: &str) {
    assert_eq!(scrub(url), Scrubbed::Cut(expected.to_owned()), "{url:?}");
}

#[test]
fn an_address_is_seen_whatever_its_form() {
    for text in [
        "jane@example.com",
        "JANE.DOE@EXAMPLE.COM",
        "jane+newsletter@example.co.uk",
        "jane_doe-1@mail-7.example.com",
        "o'hara@example.ie",
        "\"jane doe\"@example.com",
        "jane(at home)@example.com",
        "jane@[192.0.2.1]",
        "jane@192.0.2.1",
        "jane@example.x",
        "jané@exämple.com",
        "用户@例子.广告",
        "用户@例子。广告",
        "jane@xn--exmple-cua.com",
        "bounce+jane=example.com@lists.example.org",
    ] {
        assert_address(text);
        assert_eq!(scrub(text), Scrubbed::Dropped, "{text:?}");
    }
}

#[test]
fn an_address_is_seen_within_other_text() {
    for text in [
        "write to jane@example.com, please",
        "<jane@example.com>",
        "mailto:jane@example.com",
        "Jane Doe <jane@example.com>.",
        "{\"email\":\"jane@example.com\"}",
        "Mozilla/5.0 (compatible; bot/1.0; jane@example.com)",
        "id=jane@example.com;other=1",
        "@@jane@example.com",
        "a@b jane@example.com",
        "jane@example.com!",
    ] {
        assert_address(text);
    }
}

#[test]
fn an_address_is_seen_through_two_layers_of_percent_encoding() {
    for text in [
        "jane%40example.com",
        "jane%40example%2Ecom",
        "%6A%61%6E%65%40%65%78%61%6d%70%6c%65%2e%63%6f%6d",
        "jane%2540example.com",
        "jane@example%252Ecom",
        "jane%%34%30example.com",
        "jane%4%30example.com",
        "jane%ef%bc%a0example.com",
        "a%20b jane%40example.com",
        "jane%EF%BC%A0example.com",
        "jane%25EF%25BC%25A0example.com",
        "jan%E9@example.com",
    ] {
        assert_address(text);
    }
    assert_no_address("jane%252540example.com");
}

#[test]
fn the_fullwidth_at_sign_is_an_at_sign() {
    assert_address("jane＠example.com");
    assert_address("jane﹫example．com");
}

#[test]
fn where_a_rule_cannot_tell_privacy_wins() {
    assert_address("shoe@2x.png");
    assert_address("react@18.2");
}

#[test]
fn what_is_no_mailbox_is_left_alone() {
    for text in [
        "",
        "@",
        "a@",
        "@b",
        "@name",
        "2 @ 9.99 each",
        "thanks @jane.doe",
        "/@first.last/video/7",
        "https://social.example/@first.last/1?u=@first.last&n=2#@first.last",
        "jane@intranet",
        "jane@",
        "jane@.",
        "jane@example. The end",
        "100% natural",
        "100%",
        "%4",
        "%40",
        "%40name",
        "%2540",
    ] {
        assert_no_address(text);
    }
}

#[test]
fn an_ordinary_url_is_left_alone() {
    for url in [
        "https://shop.example.com/checkout/thanks?order=ORD-1&utm_source=spring%20sale&utm_campaign=a+b#top",
        "http://[2001:db8::1]:8443/a/b;color=red;size=9/c?x[]=1&x[]=2",
        "https://example.com:443",
        "https://example.com?",
        "https://bücher.example/straße/%C3%A4?q=100%25&r=%zz#ﬁn",
        "//cdn.example.com/a.js",
        "/cart?step=2",
        "/",
        "///",
        "android-app://com.example.shop/",
    ] {
        assert_no_address(url);
    }
}

#[test]
fn a_url_loses_the_path_segments_with_an_address() {
    assert_cut("https://example.com/users/jane@example.com/orders", "https://example.com/users/orders");
    assert_cut("https://example.com/users/jane%2540example.com/", "https://example.com/users/");
    assert_cut("https://example.com/jane@example.com", "https://example.com/");
    assert_cut("https://example.com/p;to=jane@example.com;x=1/q", "https://example.com/q");
    assert_cut("/users/jane@example.com", "/users");
    assert_cut("/jane@example.com", "/");
    assert_cut("//example.com/jane@example.com/a", "//example.com/a");
}

#[test]
fn a_path_never_turns_into_a_host() {
    assert_cut("/jane@example.com//evil.example/x", "/evil.example/x");
}

#[test]
fn a_url_loses_the_query_parameters_with_an_address() {
    assert_cut("https://example.com/?a=1&email=jane%40example.com&b=2", "https://example.com/?a=1&b=2");
    assert_cut("https://example.com/a?jane@example.com", "https://example.com/a");
    assert_cut("https://example.com?jane@example.com=1&&x#end", "https://example.com?&x#end");
    assert_cut(
        "/sign-in?next=https%3A%2F%2Fexample.com%2F%3Fe%3Djane%2540example.com&lang=de",
        "/sign-in?lang=de",
    );
}

#[test]
fn a_url_loses_a_fragment_with_an_address() {
    assert_cut("https://example.com/a?b=1#jane@example.com", "https://example.com/a?b=1");
    assert_cut("/a#/reset?email=jane@example.com", "/a");
}

#[test]
fn a_url_loses_its_user_information() {
    assert_cut("https://jane@example.com/", "https://example.com/");
    assert_cut("https://jane@example.com", "https://example.com");
    assert_cut("https://jane:secret@intranet:8443/a?b#c", "https://intranet:8443/a?b#c");
    assert_cut("https://jane@corp.example:x@[2001:db8::1]/", "https://[2001:db8::1]/");
    assert_cut("//jane:secret@example.com/a", "//example.com/a");
}

#[test]
fn a_url_with_an_address_for_a_host_is_dropped() {
    assert_eq!(scrub("https://jane%40example.com/"), Scrubbed::Dropped);
    assert_eq!(scrub("https://jane＠example.com/a"), Scrubbed::Dropped);
}

#[test]
fn an_encoded_url_or_a_bare_query_with_an_address_is_no_url_and_dropped_whole() {
    assert_eq!(scrub("https%3A%2F%2Fexample.com%2F%3Fe%3Djane%40example.com"), Scrubbed::Dropped);
    assert_eq!(scrub("?e=jane@example.com&a=1"), Scrubbed::Dropped);
    assert_eq!(scrub("1a://x/jane@example.com"), Scrubbed::Dropped);
}

/// `%XX` for the characters that encodeURIComponent would encode, or for all of them.
fn encoded(text: &str, all: bool) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte);
    text.bytes()
        .map(|byte| if keep(byte) && !all { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// An independent, deliberately crude decoder: the test must not share the code that it tests.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let hex = text.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit())) {
            Some(hex) if text[at] == b'%' => {
                out.push(u8::from_str_radix(hex, 16).unwrap());
                at += 3;
            }
            _ => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    out
}

fn shows(text: &str, address: &str) -> bool {
    let find = |text: &[u8]| String::from_utf8_lossy(text).to_lowercase().contains(&address.to_lowercase());
    let once = decoded(text.as_bytes());
    find(text.as_bytes()) || find(&once) || find(&decoded(&once))
}

fn addresses() -> impl Strategy<Value = String> {
    let local = "[a-z0-9][a-z0-9._%+-]{0,12}|[A-Z]{1,8}\\+[a-z0-9]{1,5}|\"[a-z ]{1,8}\"|[äöüé用户]{1,4}";
    let domain =
        "[a-z0-9-]{1,10}(\\.[a-z]{2,6}){1,2}|[A-Z]{1,8}\\.COM|[äöü]{1,4}\\.de|xn--[a-z0-9]{3,8}\\.com";
    (local, domain).prop_map(|(local, domain)| format!("{local}@{domain}"))
}

/// The address as it is, percent-encoded once or twice, sparingly or every byte.
fn written_addresses() -> impl Strategy<Value = (String, String)> {
    (addresses(), 0..5_u8).prop_map(|(address, form)| {
        let written = match form {
            0 => address.clone(),
            1 => encoded(&address, false),
            2 => encoded(&address, true),
            3 => encoded(&encoded(&address, false), false),
            _ => encoded(&encoded(&address, true), false),
        };
        (address, written)
    })
}

fn places() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "{}",
        "order for {}, express",
        "https://example.com/{}",
        "https://example.com/a/{}/b?c=1",
        "https://example.com/a?x=1&email={}&y=2#z",
        "https://example.com/a?{}=1",
        "https://example.com/a#{}",
        "https://{}/a",
        "https://u:{}@example.com/",
        "//example.com/{}/",
        "/account/{}/edit?{}#{}",
        "/{}//x",
        "Mozilla/5.0 (X11; {})",
        "id-{}-1",
    ])
    .prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn no_address_is_left_wherever_it_was_put((address, written) in written_addresses(), place in places()) {
        let value = place.replace("{}", &written);
        match scrub(&value) {
            Scrubbed::Clean => prop_assert!(false, "{value:?} passed"),
            Scrubbed::Dropped => {}
            Scrubbed::Cut(url) => prop_assert!(!shows(&url, &address), "{value:?} left {url:?}"),
        }
    }

    #[test]
    fn what_is_sent_of_any_text_holds_no_address(text in any_text()) {
        match scrub(&text) {
            Scrubbed::Clean => prop_assert!(!email_in(text.as_bytes())),
            Scrubbed::Dropped => {}
            Scrubbed::Cut(url) => {
                prop_assert!(!email_in(url.as_bytes()), "{text:?} left {url:?}");
                prop_assert_eq!(scrub(&url), Scrubbed::Clean);
                prop_assert!(url.len() < text.len());
                prop_assert_eq!(url.starts_with("//"), text.starts_with("//"));
            }
        }
    }

    #[test]
    fn the_fast_path_passes_no_hidden_at_sign(text in prop_oneof![any_text(), "[%0245eEfFa]{0,12}"]) {
        if !address::can_hold_one(text.as_bytes()) {
            let once = decoded(text.as_bytes());
            let twice = decoded(&once);
            prop_assert!(![text.as_bytes(), &once, &twice].iter().any(|text| text.contains(&b'@') || text.contains(&0xEF)));
        }
    }

    #[test]
    fn a_url_without_an_address_is_never_touched(
        scheme in "https?|ftp|android-app",
        host in "[a-z0-9.-]{1,12}|\\[2001:db8::[0-9a-f]{1,4}\\]|[äöü]{1,4}\\.de",
        port in "(:[0-9]{1,5})?",
        path in "(/[a-zA-Z0-9._~%!$&'()*+,;=:äöü-]{0,8}){0,4}",
        query in "(\\?utm_[a-z]{1,8}=[a-zA-Z0-9._~%+/:;äöü-]{0,12}(&[a-z\\[\\]]{1,4}=[a-z0-9%]{0,6}){0,3})?",
        fragment in "(#[a-zA-Z0-9/?:=&._-]{0,8})?",
    ) {
        let url = format!("{scheme}://{host}{port}{path}{query}{fragment}");
        // `%40` can be among the generated escapes; whatever has no at sign behind it has to pass.
        let twice = decoded(&decoded(url.as_bytes()));
        prop_assume!(!twice.contains(&b'@') && !decoded(url.as_bytes()).contains(&b'@'));
        prop_assert_eq!(scrub(&url), Scrubbed::Clean);
    }

    #[test]
    fn bytes_that_are_no_text_are_looked_at_too(before in any::<Vec<u8>>(), after in any::<Vec<u8>>()) {
        let text = [&before[..], b" jane@example.com ", &after[..]].concat();
        prop_assert!(email_in(&text));
    }
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "(https://|//|/|)?([a-z@＠%/?&#=.:40 25。ä\\[\"+]){0,40}",
        "(https:/)?(/(a@b\\.c|%40|%2540|@|@c\\.d|x|\\?|#|&)){0,12}",
    ]
}
