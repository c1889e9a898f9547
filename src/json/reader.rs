//! Reading JSON from its text (RFC 8259), one value after the other.

use std::borrow::Cow;
use std::ops::Range;

use super::{Json, string};

/// A place in a JSON text, moving on as values are read.
///
/// `None` from any of its methods: what stands there is not that, or no JSON at all. The reader then stays near the
/// fault and is of no further use.
pub struct Reader<'a> {
    text: &'a str,
    /// What is left of `text`.
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, rest: text.as_bytes() }
    }

    /// How many bytes have been read.
    pub fn at(&self) -> usize {
        self.text.len().saturating_sub(self.rest.len())
    }

    /// The next byte that is no white space. It is not read yet.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        while let [b' ' | b'\n' | b'\t' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
        self.rest.first().copied()
    }

    /// Nothing but white space is left.
    pub fn end(&mut self) -> Option<()> {
        self.peek().is_none().then_some(())
    }

    /// One value of whatever kind. No recursion, however deeply a client nests it.
    pub fn value(&mut self) -> Option<Json<'a>> {
        self.peek()?;
        let start = self.at();
        let mut closing = Vec::new(); // of each array and object that is open
        loop {
            match self.peek()? {
                b'{' => {
                    self.step();
                    if self.peek()? != b'}' {
                        self.key()?;
                        closing.push(b'}');
                        continue;
                    }
                    self.step();
                }
                b'[' => {
                    self.step();
                    if self.peek()? != b']' {
                        closing.push(b']');
                        continue;
                    }
                    self.step();
                }
                b'"' => _ = self.string()?,
                b'-' | b'0'..=b'9' => self.number()?,
                _ => self.word()?,
            }
            // Behind a value: what it closes, or the next one.
            loop {
                let Some(close) = closing.last().copied() else {
                    return self.text.get(start..self.at()).map(Json);
                };
                if self.more(close)? {
                    if close == b'}' {
                        self.key()?;
                    }
                    break;
                }
                closing.pop();
            }
        }
    }

    /// An object: `member` is called behind each key, its escapes decoded, and has to read the value.
    pub fn object(&mut self, member: &mut dyn FnMut(&mut Self, Cow<'a, str>) -> Option<()>) -> Option<()> {
        self.take(b'{')?;
        if self.peek()? == b'}' {
            self.step();
            return Some(());
        }
        loop {
            let key = self.key()?;
            let key = self.text.get(key)?;
            member(self, string::decode(key))?;
            if !self.more(b'}')? {
                return Some(());
            }
        }
    }

    /// An array: `item` is called before each item, and has to read it.
    pub fn array(&mut self, item: &mut dyn FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(b'[')?;
        if self.peek()? == b']' {
            self.step();
            return Some(());
        }
        loop {
            item(self)?;
            if !self.more(b']')? {
                return Some(());
            }
        }
    }

    fn step(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }

    fn take(&mut self, expected: u8) -> Option<()> {
        if self.peek()? != expected {
            return None;
        }
        self.step();
        Some(())
    }

    /// Behind an item: whether another follows.
    fn more(&mut self, close: u8) -> Option<bool> {
        let more = match self.peek()? {
            b',' => true,
            byte if byte == close => false,
            _ => return None,
        };
        self.step();
        Some(more)
    }

    fn key(&mut self) -> Option<Range<usize>> {
        let key = self.string()?;
        self.take(b':')?;
        Some(key)
    }

    /// Where the text between the quotes of a string is, its escapes checked but not decoded.
    fn string(&mut self) -> Option<Range<usize>> {
        self.take(b'"')?;
        let start = self.at();
        loop {
            self.rest = behind_plain(self.rest);
            match self.rest {
                [b'"', rest @ ..] => {
                    let end = self.at();
                    self.rest = rest;
                    return Some(start..end);
                }
                [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', rest @ ..] => {
                    self.rest = rest
                }
                [b'\\', b'u', a, b, c, d, rest @ ..]
                    if [a, b, c, d].iter().all(|hex| hex.is_ascii_hexdigit()) =>
                {
                    self.rest = rest;
                }
                _ => return None,
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        if let [b'-', rest @ ..] = self.rest {
            self.rest = rest;
        }
        match self.rest {
            [b'0', rest @ ..] => self.rest = rest,
            _ => self.digits()?,
        }
        if let [b'.', rest @ ..] = self.rest {
            self.rest = rest;
            self.digits()?;
        }
        if let [b'e' | b'E', b'+' | b'-', rest @ ..] | [b'e' | b'E', rest @ ..] = self.rest {
            self.rest = rest;
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let before = self.rest.len();
        while let [b'0'..=b'9', rest @ ..] = self.rest {
            self.rest = rest;
        }
        (self.rest.len() < before).then_some(())
    }

    fn word(&mut self) -> Option<()> {
        let words: [&[u8]; 3] = [b"true", b"false", b"null"];
        self.rest = words.iter().find_map(|word| self.rest.strip_prefix(*word))?;
        Some(())
    }
}

/// The bytes of a string from the first on that is not simply a part of it: a quote, a backslash or a control character.
/// Eight at a step: most of what a client sends is inside strings.
fn behind_plain(mut bytes: &[u8]) -> &[u8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES << 7;
    // Sets the high bit of the first byte below `limit`; those behind it may be wrong.
    let below = |eight: u64, limit: u64| eight.wrapping_sub(ONES.wrapping_mul(limit)) & !eight & HIGHS;
    while let Some((eight, rest)) = bytes.split_first_chunk() {
        let eight = u64::from_le_bytes(*eight);
        let is = |byte: u8| below(eight ^ ONES.wrapping_mul(byte.into()), 1);
        let special = below(eight, 0x20) | is(b'"') | is(b'\\');
        if special != 0 {
            return bytes.get(special.trailing_zeros() as usize / 8..).unwrap_or_default();
        }
        bytes = rest;
    }
    while let [byte, rest @ ..] = bytes
        && !matches!(byte, 0..0x20 | b'"' | b'\\')
    {
        bytes = rest;
    }
    bytes
}
