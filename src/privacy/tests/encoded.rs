use base64::prelude::*;
use proptest::prelude::*;

use super::*;

#[test]
fn a_url_loses_the_parts_that_hold_an_address_in_base64() {
    // printf jane.doe@example.com | base64
    const JANE: &str = "amFuZS5kb2VAZXhhbXBsZS5jb20";
    assert_cut(
        &format!("https://shop.example/welcome/{JANE}=?step=3"),
        "https://shop.example/welcome?step=3",
    );
    assert_cut(&format!("/a/{JANE}/b"), "/a/b");
    assert_cut(&format!("https://shop.example/?u={JANE}%3D&x=1"), "https://shop.example/?x=1");
    assert_cut(&format!("https://shop.example/?u={JANE}%253D#top"), "https://shop.example/#top");
    assert_cut(&format!("https://shop.example/?{JANE}="), "https://shop.example/");
    assert_cut(&format!("https://shop.example/#/reset/{JANE}"), "https://shop.example/");
    assert_cut(&format!("https://shop.example/#a=1&u={JANE}="), "https://shop.example/");
    assert_cut(&format!("/?next=https%3A%2F%2Fshop.example%2Fwelcome%2F{JANE}%3D&x=1"), "/?x=1");
    for text in [
        &br#"{"id":7,"email":"jane@example.com"}"#[..],
        b"??> ~~ jane@example.com", // its base64 has a slash and a plus sign
        b"jane%40example.com",
        b"jan\xe9@example.com", // Latin-1, as a browser's btoa writes it
        b"a@b.cd",
        &[&[b' '; 1034][..], b"jane@example.com"].concat(), // the longest that is decoded
    ] {
        let base64 = encoded(&BASE64_STANDARD.encode(text), false);
        assert_cut(&format!("/?u={base64}&x=1"), "/?x=1");
        assert_cut(&format!("/a/{}/b", BASE64_URL_SAFE_NO_PAD.encode(text)), "/a/b");
        assert_cut(&format!("/a/{}/b", BASE64_URL_SAFE.encode(text)), "/a/b");
    }
    // A JSON Web Token: header, claims and signature.
    let token = ["{\"alg\":\"none\"}", "{\"email\":\"jane@example.com\"}", "signature"];
    let token = token.map(|part| BASE64_URL_SAFE_NO_PAD.encode(part)).join(".");
    assert_cut(&format!("/?token={token}&x=1"), "/?x=1");
}

#[test]
fn base64_without_an_address_in_it_and_base64_that_is_not_in_a_url_stay() {
    let random: Vec<u8> = (0..800_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for text in [
        &b"order 7 of 2 items @ 9.99 each"[..],
        b"@jane.doe",
        &[b"jane@example.com", &random[..16]].concat(), // no text
        &[b"jane@example.com", &[b' '; 1200][..]].concat(), // too long
        &random,
    ] {
        assert_no_address(&format!("https://shop.example/a?id={}", BASE64_URL_SAFE.encode(text)));
    }
    for url in
        ["/checkout/thank-you/", "/?gclid=Cj0KCQjw-aTPBhDKARIsAJmWf_A&fbclid=IwAR2_x0Yt", "/a@b/products/"]
    {
        assert_no_address(url);
    }
    assert_no_address("amFuZS5kb2VAZXhhbXBsZS5jb20=");
}

/// Places in URLs, and what is left of each without the part with the placeholder.
const PLACES_IN_URLS: [(&str, &str); 9] = [
    ("https://example.com/{}", "https://example.com/"),
    ("https://example.com/a/{}/b?c=1", "https://example.com/a/b?c=1"),
    ("https://example.com/a;u={};x=1/b", "https://example.com/b"),
    ("https://example.com/a?x=1&u={}&y=2#z", "https://example.com/a?x=1&y=2#z"),
    ("https://example.com/?{}", "https://example.com/"),
    ("//example.com/a#{}", "//example.com/a"),
    ("/account/{}/edit?{}#{}", "/account/edit"),
    ("/a#/reset?x=1&u={}", "/a"),
    ("/sign-in?next=https%3A%2F%2Fexample.com%2Fwelcome%2F{}%3Fstep%3D3&x=1", "/sign-in?x=1"),
];

fn places_in_urls() -> impl Strategy<Value = String> {
    prop::sample::select(&PLACES_IN_URLS[..]).prop_map(|(place, _)| place.to_owned())
}

fn place_without(place: &str) -> String {
    PLACES_IN_URLS.iter().find(|(known, _)| *known == place).unwrap().1.to_owned()
}

proptest! {
    #[test]
    fn no_address_is_left_wherever_a_url_had_it_in_base64(
        address in addresses(), around in "[ -~]{0,20}", form in 0..6_u8, place in places_in_urls(),
    ) {
        let text = format!("{around} {address} {around}");
        let base64 = match form {
            0 => BASE64_URL_SAFE.encode(&text),
            1 => BASE64_URL_SAFE_NO_PAD.encode(&text),
            2 => encoded(&BASE64_STANDARD.encode(&text), false),
            3 => encoded(&BASE64_STANDARD_NO_PAD.encode(&text), true),
            4 => encoded(&encoded(&BASE64_STANDARD.encode(&text), false), false),
            _ => encoded(&BASE64_URL_SAFE.encode(encoded(&text, false)), false),
        };
        let url = place.replace("{}", &base64);
        match scrub(&url) {
            Scrubbed::Cut(rest) => prop_assert_eq!(rest, place_without(&place), "{}", url),
            kept => prop_assert!(false, "{url:?} left {kept:?}"),
        }
    }

    #[test]
    fn a_url_with_base64_of_anything_else_is_never_touched(mut bytes: Vec<u8>, text in "[ -?A-~äöü]{0,40}", place in places_in_urls()) {
        // In random bytes an address may occur by chance too: if they happen to be a text, or the part of them before a slash is.
        let is_text = |byte: &u8| byte.is_ascii_whitespace() || !char::from(*byte).is_control();
        let by_chance = std::str::from_utf8(&bytes).is_ok()
            || bytes.iter().all(is_text)
            || BASE64_STANDARD.encode(&bytes).contains('/');
        if by_chance {
            bytes.retain(|byte| *byte != b'@');
        }
        for bytes in [&bytes[..], text.as_bytes()] {
            for base64 in [BASE64_URL_SAFE.encode(bytes), encoded(&BASE64_STANDARD.encode(bytes), false)] {
                prop_assert_eq!(scrub(&place.replace("{}", &base64)), Scrubbed::Clean);
            }
        }
    }
}
