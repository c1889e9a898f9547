//! Decodes the bytes of a captured body to JSON text, with a hard limit: the filter's own copy is decompressed, the request
//! to the upstream keeps its encoding.
//!
//! The decompressor is miniz_oxide, which flate2 uses too; flate2 itself would add 33 KB to the module and save two dozen
//! lines of gzip framing.

use crc::{CRC_32_ISO_HDLC, Crc};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_PARSE_ZLIB_HEADER, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use crate::accounting::RequestIgnored;

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// The maximum number of members in one gzip body. Clients send one; each costs the set-up of a decompressor.
const MAX_GZIP_MEMBERS: usize = 16;

/// The initial capacity for a decompressed body, in bytes.
const FIRST_ROOM: usize = 1024;

/// Why a body can't be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// The content encoding is unknown, or the body is not encoded that way.
    #[error("an unknown content encoding, or not what its encoding says")]
    Malformed,
    /// The decoded body is larger than the limit.
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

/// Returns the text of a body.
///
/// `content_encoding` is the header's value: identity, gzip (RFC 1952, of which one body may hold several members) or
/// deflate (RFC 9110: zlib; what older clients send, without zlib's frame, is read too). No more than `max_bytes` are
/// ever decompressed. A byte order mark before the text is left out. What is not UTF-8 becomes U+FFFD, so that one bad byte
/// costs one event's field.
pub fn body(body: Vec<u8>, content_encoding: Option<&[u8]>, max_bytes: usize) -> Result<String, Undecodable> {
    let mut bytes = bytes(body, content_encoding, max_bytes)?;
    if bytes.starts_with(BYTE_ORDER_MARK.as_bytes()) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    Ok(String::from_utf8(bytes).unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned()))
}

/// Returns the bytes of a body, decompressed as [`body`] does it.
pub fn bytes(
    body: Vec<u8>,
    content_encoding: Option<&[u8]>,
    max_bytes: usize,
) -> Result<Vec<u8>, Undecodable> {
    let encoding = content_encoding.unwrap_or_default().trim_ascii().to_ascii_lowercase();
    match encoding.as_slice() {
        b"" | b"identity" if body.len() > max_bytes => Err(Undecodable::TooLarge),
        b"" | b"identity" => Ok(body),
        b"gzip" | b"x-gzip" => gunzip(&body, max_bytes),
        b"deflate" => {
            let framed = has_zlib_header(&body);
            let mut text = Vec::new();
            inflate(&body, framed, &mut text, max_bytes)?;
            Ok(text)
        }
        _ => Err(Undecodable::Malformed),
    }
}

/// UTF-8's byte order mark, which clients on .NET and PowerShell write before a JSON text.
const BYTE_ORDER_MARK: &str = "\u{FEFF}";

/// Returns the text behind its byte order mark, if it begins with one (RFC 8259, section 8.1).
pub fn without_byte_order_mark(text: &str) -> &str {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

fn gunzip(mut rest: &[u8], max_bytes: usize) -> Result<Vec<u8>, Undecodable> {
    let mut text = Vec::new();
    for _ in 0..MAX_GZIP_MEMBERS {
        let start = text.len();
        let packed = after_gzip_header(rest).ok_or(Undecodable::Malformed)?;
        let read = inflate(packed, false, &mut text, max_bytes)?;
        let trailer = packed.get(read..).and_then(<[u8]>::split_first_chunk);
        let Some((&[c0, c1, c2, c3, s0, s1, s2, s3], next)) = trailer else {
            return Err(Undecodable::Malformed);
        };
        let member = text.get(start..).unwrap_or_default();
        if u32::from_le_bytes([c0, c1, c2, c3]) != CRC.checksum(member)
            || usize::try_from(u32::from_le_bytes([s0, s1, s2, s3])) != Ok(member.len())
        {
            return Err(Undecodable::Malformed);
        }
        if next.is_empty() {
            return Ok(text);
        }
        rest = next;
    }
    Err(Undecodable::Malformed)
}

/// What comes after the header of a gzip member (RFC 1952, section 2.3).
fn after_gzip_header(member: &[u8]) -> Option<&[u8]> {
    const HEADER_CRC: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    const RESERVED: u8 = 0xE0;
    let (fixed, mut rest) = member.split_first_chunk::<10>()?;
    let [0x1F, 0x8B, 8, flags, ..] = *fixed else { return None };
    if flags & RESERVED != 0 {
        return None;
    }
    if flags & EXTRA != 0 {
        let (length, after) = rest.split_first_chunk()?;
        rest = after.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = rest.get(end.saturating_add(1)..)?;
        }
    }
    if flags & HEADER_CRC != 0 { rest.get(2..) } else { Some(rest) }
}

/// RFC 1950: compression method 8, and the first two bytes a multiple of 31.
fn has_zlib_header(body: &[u8]) -> bool {
    matches!(body, [method, flags, ..] if method & 15 == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0)
}

/// Appends a decompressed deflate stream to `text`, up to `max_bytes` in all. Returns the number of compressed bytes.
fn inflate(packed: &[u8], zlib: bool, text: &mut Vec<u8>, max_bytes: usize) -> Result<usize, Undecodable> {
    let framing = if zlib { TINFL_FLAG_PARSE_ZLIB_HEADER } else { 0 };
    let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF | framing;
    // One byte more than the cap tells what is too large from what just fits.
    let most = max_bytes.saturating_add(1);
    let start = text.len();
    let (mut read, mut written) = (0usize, 0usize);
    let mut state = Box::<DecompressorOxide>::default();
    loop {
        let room = text.len().max(packed.len()).saturating_mul(2).max(FIRST_ROOM);
        text.resize(room.min(most), 0);
        let input = packed.get(read..).unwrap_or_default();
        let output = text.get_mut(start..).unwrap_or_default();
        let (status, more_read, more_written) = decompress(&mut state, input, output, written, flags);
        read = read.saturating_add(more_read);
        written = written.saturating_add(more_written);
        let size = start.saturating_add(written);
        match status {
            TINFLStatus::Done if size <= max_bytes => {
                text.truncate(size);
                return Ok(read);
            }
            TINFLStatus::HasMoreOutput if text.len() < most => {}
            TINFLStatus::Done | TINFLStatus::HasMoreOutput => return Err(Undecodable::TooLarge),
            _ => return Err(Undecodable::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::MultiGzDecoder;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use flate2::{Compression, GzBuilder};
    use proptest::prelude::*;
    use std::io::{Read, Write};

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
    fn a_byte_order_mark_before_the_text_is_skipped_in_every_encoding() {
        let (text, marked) = ("{\"event\":\"\u{FEFF}\"}", "\u{FEFF}{\"event\":\"\u{FEFF}\"}");
        assert_eq!(body(marked.into(), None, CAP).unwrap(), text);
        assert_eq!(decoded(gzip(marked.as_bytes()), "gzip").unwrap(), text);
        assert_eq!(decoded(zlib(marked.as_bytes()), "deflate").unwrap(), text);
        assert_eq!(body("\u{FEFF}".into(), None, CAP).unwrap(), "");
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

    #[test]
    fn a_bomb_costs_at_most_the_cap() {
        // 10 KB that unfold to 10 MB, as dense as deflate can be; more of it would only be more of the same.
        let bomb = raw_deflate(&vec![b' '; 10 << 20]);
        assert!(bomb.len() < 12_000, "{}", bomb.len());
        let mut text = Vec::new();
        assert_eq!(inflate(&bomb, false, &mut text, 512_000), Err(Undecodable::TooLarge));
        assert!(text.capacity() <= 2 * 512_001, "{}", text.capacity());
        assert_eq!(body(gzip(&vec![b' '; 10 << 20]), Some(b"gzip"), 512_000), Err(Undecodable::TooLarge));
    }

    #[test]
    fn every_optional_field_of_a_gzip_header_is_passed_over() {
        let full = GzBuilder::new()
            .extra(b"more")
            .filename("a.json")
            .comment("why")
            .write(Vec::new(), Compression::fast());
        let packed = |mut encoder: GzEncoder<Vec<u8>>| {
            encoder.write_all(b"{}").unwrap();
            encoder.finish().unwrap()
        };
        let full = packed(full);
        assert_eq!(decoded(full.clone(), "gzip").unwrap(), "{}");
        for cut in 0..full.len() {
            assert_eq!(decoded(full[..cut].to_vec(), "gzip"), Err(Undecodable::Malformed), "{cut}");
        }
        // With a checksum of the header, which no Rust encoder writes: flag 2, two bytes after the fixed ten.
        let plain = gzip(b"{}");
        let with_crc = [&[0x1F, 0x8B, 8, 2], &plain[4..10], &[0, 0], &plain[10..]].concat();
        assert_eq!(decoded(with_crc, "gzip").unwrap(), "{}");
        let reserved = [&[0x1F, 0x8B, 8, 0x20], &plain[4..]].concat();
        assert_eq!(decoded(reserved, "gzip"), Err(Undecodable::Malformed));
    }

    #[test]
    fn a_second_member_cannot_reach_back_into_the_first() {
        // Fixed Huffman, one match of length 3 at distance 1, with nothing before it.
        let reaches_back = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0, 0x03, 0x02, 0x00, 0, 0, 0, 0, 3, 0, 0, 0];
        let both = [&gzip(b"aaa")[..], &reaches_back].concat();
        assert_eq!(decoded(both, "gzip"), Err(Undecodable::Malformed));
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
            prop_assert_eq!(body(packed.clone(), Some(encoding.as_bytes()), 2000).unwrap(), without_byte_order_mark(&text));
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

        #[test]
        fn gzip_is_read_as_flate2_reads_it(
            parts in proptest::collection::vec(".{0,200}", 0..3), place in any::<prop::sample::Index>(), bits in 0u8..4,
        ) {
            let mut packed: Vec<u8> = parts.iter().flat_map(|part| gzip(part.as_bytes())).collect();
            if !packed.is_empty() {
                let place = place.index(packed.len());
                packed[place] ^= bits;
            }
            let mut expected = String::new();
            let read = MultiGzDecoder::new(packed.as_slice()).read_to_string(&mut expected);
            if let Ok(text) = body(packed, Some(b"gzip"), 10_000) {
                prop_assert_eq!(read.is_ok(), true);
                prop_assert_eq!(text, without_byte_order_mark(&expected));
            } else {
                prop_assert!(parts.is_empty() || bits != 0);
            }
        }
    }
}
