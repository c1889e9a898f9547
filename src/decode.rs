//! From the bytes of a captured body to JSON text, under a hard cap: the filter's own copy is unfolded, the request that
//! goes upstream keeps its encoding.

use std::io::{self, Read};

use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};

use crate::accounting::RequestIgnored;

/// The most members of one gzip body. Clients send one; each costs the set-up of a decompressor.
const MAX_GZIP_MEMBERS: usize = 16;

/// Why a request has no text to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    #[error("an unknown content encoding, or not what its encoding says")]
    Malformed,
    #[error("larger than max_body_bytes once it is decompressed")]
    TooLarge,
}

impl From<Undecodable> for RequestIgnored {
    fn from(undecodable: Undecodable) -> Self {
        match undecodable {
            Undecodable::Malformed => RequestIgnored::Malformed,
            Undecodable::TooLarge => RequestIgnored::TooLarge,
        }
    }
}

/// The text of a body.
///
/// `content_encoding` is the header's value: identity, gzip (RFC 1952, of which one body may hold several members) or
/// deflate (RFC 9110: zlib; what older clients send, without zlib's frame, is read too). No more than `max_bytes` are
/// ever decompressed. What is not UTF-8 becomes U+FFFD, so that one bad byte costs one event's field.
pub fn body(body: Vec<u8>, content_encoding: Option<&[u8]>, max_bytes: usize) -> Result<String, Undecodable> {
    let encoding = content_encoding.unwrap_or_default().trim_ascii().to_ascii_lowercase();
    let bytes = match encoding.as_slice() {
        b"" | b"identity" if body.len() > max_bytes => return Err(Undecodable::TooLarge),
        b"" | b"identity" => body,
        b"gzip" | b"x-gzip" => gunzip(&body, max_bytes)?,
        b"deflate" if has_zlib_header(&body) => {
            let mut text = Vec::new();
            unfold(ZlibDecoder::new(body.as_slice()), &mut text, max_bytes)?;
            text
        }
        b"deflate" => {
            let mut text = Vec::new();
            unfold(DeflateDecoder::new(body.as_slice()), &mut text, max_bytes)?;
            text
        }
        _ => return Err(Undecodable::Malformed),
    };
    Ok(String::from_utf8(bytes).unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned()))
}

fn gunzip(mut rest: &[u8], max_bytes: usize) -> Result<Vec<u8>, Undecodable> {
    let mut text = Vec::new();
    for _ in 0..MAX_GZIP_MEMBERS {
        rest = unfold(GzDecoder::new(rest), &mut text, max_bytes)?.into_inner();
        if rest.is_empty() {
            return Ok(text);
        }
    }
    Err(Undecodable::Malformed)
}

/// RFC 1950: compression method 8, and the first two bytes a multiple of 31.
fn has_zlib_header(body: &[u8]) -> bool {
    matches!(body, [method, flags, ..] if method & 15 == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0)
}

/// Appends what a decoder yields to `text`, which stays within `max_bytes`.
fn unfold<D: Read>(mut decoder: D, text: &mut Vec<u8>, max_bytes: usize) -> Result<D, Undecodable> {
    let room = max_bytes.saturating_sub(text.len());
    let one_over = u64::try_from(room).unwrap_or(u64::MAX).saturating_add(1);
    let bad = |_: io::Error| Undecodable::Malformed;
    let read = decoder.by_ref().take(one_over).read_to_end(text).map_err(bad)?;
    if read > room { Err(Undecodable::TooLarge) } else { Ok(decoder) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;
    use std::io::Write;

    const CAP: usize = 1000;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn raw_deflate(text: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn decoded(bytes: Vec<u8>, encoding: &str) -> Result<String, Undecodable> {
        body(bytes, Some(encoding.as_bytes()), CAP)
    }

    #[test]
    fn every_encoding_that_clients_use_gives_back_the_text() {
        let text = r#"{"event":"Order Completed"}"#;
        assert_eq!(body(text.into(), None, CAP).unwrap(), text);
        assert_eq!(decoded(text.into(), "identity").unwrap(), text);
        assert_eq!(decoded(gzip(text.as_bytes()), "gzip").unwrap(), text);
        assert_eq!(decoded(gzip(text.as_bytes()), " GZIP ").unwrap(), text);
        assert_eq!(decoded(zlib(text.as_bytes()), "deflate").unwrap(), text);
        assert_eq!(decoded(raw_deflate(text.as_bytes()), "deflate").unwrap(), text);
    }

    #[test]
    fn the_members_of_a_gzip_body_are_joined_up_to_a_bounded_number() {
        let two = [gzip(b"{\"a\":"), gzip(b"1}")].concat();
        assert_eq!(decoded(two, "gzip").unwrap(), "{\"a\":1}");
        let many = gzip(b"").repeat(MAX_GZIP_MEMBERS + 1);
        assert_eq!(decoded(many, "gzip"), Err(Undecodable::Malformed));
    }

    #[test]
    fn a_body_that_is_cut_corrupt_or_in_an_unknown_encoding_is_malformed() {
        let whole = gzip(b"{\"a\":1}");
        let mut corrupt = whole.clone();
        let crc = corrupt.len() - 8;
        corrupt[crc] ^= 1;
        for (bytes, encoding) in [
            (whole[..whole.len() - 1].to_vec(), "gzip"),
            (corrupt, "gzip"),
            ([whole.clone(), b"tail".to_vec()].concat(), "gzip"),
            (b"{}".to_vec(), "gzip"),
            (Vec::new(), "gzip"),
            (whole.clone(), "deflate"),
            (whole.clone(), "br"),
            (whole, "gzip, gzip"),
        ] {
            assert_eq!(decoded(bytes, encoding), Err(Undecodable::Malformed), "{encoding}");
        }
    }

    #[test]
    fn a_body_at_the_cap_is_read_and_one_byte_more_is_too_large() {
        for size in [CAP, CAP + 1] {
            let text = "a".repeat(size);
            let expected = if size > CAP { Err(Undecodable::TooLarge) } else { Ok(text.clone()) };
            assert_eq!(decoded(text.clone().into(), ""), expected);
            assert_eq!(decoded(gzip(text.as_bytes()), "gzip"), expected);
            assert_eq!(decoded(zlib(text.as_bytes()), "deflate"), expected);
            assert_eq!(decoded(raw_deflate(text.as_bytes()), "deflate"), expected);
            let halves = text.as_bytes().split_at(size / 2);
            assert_eq!(decoded([gzip(halves.0), gzip(halves.1)].concat(), "gzip"), expected);
        }
    }

    /// A decoder that would never end, and says how much of it was asked for.
    struct Endless(usize);

    impl Read for Endless {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            into.fill(b' ');
            self.0 += into.len();
            Ok(into.len())
        }
    }

    #[test]
    fn a_bomb_costs_at_most_the_cap() {
        let mut text = Vec::new();
        let mut endless = Endless(0);
        assert!(matches!(unfold(&mut endless, &mut text, 500_000), Err(Undecodable::TooLarge)));
        assert_eq!(endless.0, 500_001);
        assert!(text.capacity() <= 1_100_000, "{}", text.capacity());
        // A real one: 10 KB that unfold to 10 MB.
        let bomb = gzip(&vec![b' '; 10 << 20]);
        assert!(bomb.len() < 12_000, "{}", bomb.len());
        assert_eq!(body(bomb, Some(b"gzip"), 512_000), Err(Undecodable::TooLarge));
    }

    #[test]
    fn what_is_no_utf_8_becomes_a_replacement_character() {
        assert_eq!(body(b"{\"a\":\"\xff\"}".to_vec(), None, CAP).unwrap(), "{\"a\":\"\u{FFFD}\"}");
    }

    proptest! {
        #[test]
        fn any_text_survives_compression_and_any_bytes_are_refused_or_bounded(
            text in ".{0,300}", noise in proptest::collection::vec(any::<u8>(), 0..100), encoding in "gzip|deflate",
        ) {
            let packed = if encoding == "gzip" { gzip(text.as_bytes()) } else { raw_deflate(text.as_bytes()) };
            prop_assert_eq!(body(packed.clone(), Some(encoding.as_bytes()), 2000).unwrap(), text);
            let mut broken = packed;
            for (place, byte) in broken.iter_mut().zip(&noise).skip(noise.len() / 2) {
                *place ^= byte;
            }
            for hostile in [noise, broken] {
                if let Ok(text) = body(hostile, Some(encoding.as_bytes()), 50) {
                    prop_assert!(text.chars().count() <= 50);
                }
            }
        }
    }
}
