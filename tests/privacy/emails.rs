//! Email addresses that occur once, the ways to write them, and the search for them in what leaves.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

use crate::dice::{Rng, any_case, chance, encoded, pick};

/// How often what leaves is percent-decoded: once for the request itself, and twice as the rule says.
const DECODINGS: usize = 3;

/// An address of one event of one request.
#[derive(Clone, Debug)]
pub struct Email {
    /// In lowercase.
    pub address: String,
    /// What of it nothing else can contain: the address without what is in front of a plus or a dot.
    unique: String,
}

impl Email {
    /// `number` makes it differ from all others.
    pub fn new(rng: &mut Rng, number: u64) -> Self {
        let domain = pick(rng, &["example.com", "mail.example.org", "post.example.co.uk", "x.museum"]);
        let unique = format!("q{number}z@{domain}");
        Self { address: format!("{}{unique}", pick(rng, &["", "jane.", "jane+", "j_d-"])), unique }
    }

    pub fn digest(&self) -> String {
        digest(&self.address)
    }

    /// The address as a form has it: with letters in another case, and blanks around it.
    pub fn typed(&self, rng: &mut Rng) -> String {
        let blank = pick(rng, &["", "", " ", "\t"]);
        format!("{blank}{}{blank}", any_case(rng, &self.address))
    }

    /// A text with the address in it.
    pub fn in_text(&self, rng: &mut Rng) -> String {
        let address = any_case(rng, &self.address);
        match rng.u8(..6) {
            0 => format!("Jane Doe <{address}>"),
            1 => format!("mailto:{address}"),
            2 => encoded(&address, 1),
            3 => encoded(&address, 2),
            4 => format!("order of {address}, paid"),
            _ => address,
        }
    }

    /// A URL with the address in its user information, path, query or fragment, or in several of them.
    pub fn in_url(&self, rng: &mut Rng) -> String {
        let part = |rng: &mut Rng, percent: u8| chance(rng, percent).then(|| self.in_part(rng));
        let (path, query, fragment) = (part(rng, 30), part(rng, 60), part(rng, 15));
        let user = if chance(rng, 5) { format!("{}@", encoded(&self.address, 1)) } else { String::new() };
        let host = pick(
            rng,
            &["https://shop.example.com", "http://shop.example.com:8080", "//shop.example.com", ""],
        );
        let host = if host.is_empty() { String::new() } else { host.replacen("//", &format!("//{user}"), 1) };
        let mut url = format!("{host}/thanks");
        path.iter().for_each(|path| url += &format!("/{path}"));
        url += "/done?step=3";
        if let Some(query) = query {
            let name = pick(rng, &["email", "u", "token", "next"]);
            url += &format!("&{name}={query}");
        }
        fragment.iter().for_each(|fragment| url += &format!("#{}{fragment}", pick(rng, &["", "mail="])));
        url
    }

    /// A whole segment of a path, or a whole value of a parameter.
    fn in_part(&self, rng: &mut Rng) -> String {
        let address = any_case(rng, &self.address);
        let json = format!("{{\"email\":\"{address}\",\"step\":3}}");
        let hidden = if rng.bool() { &address } else { &json };
        match rng.u8(..8) {
            0 => encoded(&STANDARD.encode(hidden), 1),
            1 => encoded(&STANDARD_NO_PAD.encode(hidden), 1),
            2 => URL_SAFE.encode(hidden),
            3 => URL_SAFE_NO_PAD.encode(hidden),
            4 => encoded(&address, 1),
            5 => encoded(&address, 2),
            6 => encoded(&format!("https://shop.example.com/?e={address}"), 1),
            _ => address,
        }
    }

    /// Whether the address can be read in a text, in any case, as it is, percent-encoded, or in base64.
    pub fn is_in(&self, decoded: &[String]) -> bool {
        decoded.iter().any(|text| text.contains(&self.unique))
    }
}

/// The SHA-256 of a text, in lowercase hex.
pub fn digest(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns everything that a text says to somebody who decodes it, in lowercase.
pub fn readings(text: &str) -> Vec<String> {
    let mut readings = Vec::new();
    let mut text = text.to_owned();
    for _ in 0..=DECODINGS {
        readings.push(text.to_lowercase());
        base64_tokens(&text, &mut readings);
        let decoded = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if decoded == text {
            break;
        }
        text = decoded;
    }
    readings
}

/// Decodes whatever looks like base64, of either alphabet.
fn base64_tokens(text: &str, readings: &mut Vec<String>) {
    let is_token = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-' | '_');
    // A slash is a letter of base64, and what separates the segments of a path.
    let with_slash =
        text.split(|letter| !is_token(letter) && letter != '/').filter(|token| token.contains('/'));
    for token in text.split(|letter| !is_token(letter)).chain(with_slash).filter(|token| token.len() >= 8) {
        let token = token.replace('-', "+").replace('_', "/");
        // A last letter that is alone holds no byte.
        let whole = if token.len() % 4 == 1 { &token[..token.len() - 1] } else { &token };
        let decoded = LENIENT.decode(whole).unwrap_or_default();
        readings.push(String::from_utf8_lossy(&decoded).to_lowercase());
    }
}

/// Takes a last letter whose spare bits are not zero.
const LENIENT: base64::engine::GeneralPurpose = base64::engine::GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    base64::engine::GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone),
);

#[test]
fn an_address_is_found_however_it_was_written() {
    for seed in 0..2000 {
        let rng = &mut Rng::with_seed(seed);
        let email = Email::new(rng, seed);
        let (text, part) = (email.in_text(rng), email.in_part(rng));
        for text in [
            text,
            format!("/container/1;2;3/?U1={}", encoded(&part, 1)),
            format!("https://x.example/{part}?a=b"),
        ] {
            assert!(email.is_in(&readings(&text)), "{text}");
            assert!(!Email::new(rng, seed + 1).is_in(&readings(&text)), "{text}");
        }
    }
}
