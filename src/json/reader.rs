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
    /// How many bytes have been read.
    at: usize,
    /// What closes each array and object that [`Reader::skip`] is in.
    closing: Vec<u8>,
    /// The string read last: what is between its quotes, and whether that has escapes.
    inner: Range<usize>,
    escapes: bool,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0, closing: Vec::new(), inner: 0..0, escapes: false }
    }

    /// How many bytes have been read.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The next byte that is no white space. It is not read yet.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        loop {
            match self.byte()? {
                b' ' | b'\n' | b'\t' | b'\r' => self.step(),
                byte => return Some(byte),
            }
        }
    }

    /// Nothing but white space is left.
    pub fn end(&mut self) -> Option<()> {
        self.peek().is_none().then_some(())
    }

    /// One value of whatever kind.
    pub fn value(&mut self) -> Option<Json<'a>> {
        self.peek()?;
        let start = self.at;
        self.skip()?;
        self.text.get(start..self.at).map(Json)
    }

    /// The same without giving it. No recursion, however deeply a client nests it.
    pub fn skip(&mut self) -> Option<()> {
        match self.peek()? {
            b'{' | b'[' => self.nested(),
            first => self.scalar(first),
        }
    }

    /// An array or object.
    fn nested(&mut self) -> Option<()> {
        let outside = self.closing.len();
        loop {
            let inside = match self.peek()? {
                b'{' => self.enter(b'}')?,
                b'[' => self.enter(b']')?,
                first => self.scalar(first).map(|()| false)?,
            };
            if inside {
                continue;
            }
            // Behind a value: out of everything that ends here.
            loop {
                if self.closing.len() == outside {
                    return Some(());
                }
                let close = self.closing.last().copied()?;
                if self.more(close)? {
                    if close == b'}' {
                        self.key()?;
                    }
                    break;
                }
                self.closing.pop();
            }
        }
    }

    /// Into an array or object, in front of its first value; false: it is empty, and read.
    fn enter(&mut self, close: u8) -> Option<bool> {
        self.step();
        if self.peek()? == close {
            self.step();
            return Some(false);
        }
        self.closing.push(close);
        if close == b'}' {
            self.key()?;
        }
        Some(true)
    }

    /// A value that begins with this byte and holds no other.
    #[inline]
    fn scalar(&mut self, first: u8) -> Option<()> {
        match first {
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.word(),
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
            self.key()?;
            let key = self.text.get(self.inner.clone())?;
            member(self, if self.escapes { string::decode(key) } else { Cow::Borrowed(key) })?;
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

    #[inline(always)]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline(always)]
    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    #[inline]
    fn take(&mut self, expected: u8) -> Option<()> {
        if self.peek()? != expected {
            return None;
        }
        self.step();
        Some(())
    }

    /// Behind an item: whether another follows.
    #[inline]
    fn more(&mut self, close: u8) -> Option<bool> {
        let more = match self.peek()? {
            b',' => true,
            byte if byte == close => false,
            _ => return None,
        };
        self.step();
        Some(more)
    }

    fn key(&mut self) -> Option<()> {
        if self.peek()? != b'"' {
            return None;
        }
        self.string()?;
        self.take(b':')
    }

    /// The string that begins here, its escapes checked but not decoded; `inner` and `escapes` are about it then.
    fn string(&mut self) -> Option<()> {
        let start = self.at.saturating_add(1);
        self.at = start;
        self.escapes = false;
        loop {
            self.at = string::behind_plain(self.text.as_bytes(), self.at);
            match self.byte()? {
                b'"' => {
                    self.inner = start..self.at;
                    self.step();
                    return Some(());
                }
                b'\\' => {
                    self.escapes = true;
                    self.escape()?;
                }
                _ => return None,
            }
        }
    }

    #[inline(never)] // rare, and so not in the way of what isn't
    fn escape(&mut self) -> Option<()> {
        let length = match self.text.as_bytes().get(self.at..)? {
            [_, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [_, b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|hex| hex.is_ascii_hexdigit()) => 6,
            _ => return None,
        };
        self.at = self.at.saturating_add(length);
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        if self.byte() == Some(b'-') {
            self.step();
        }
        match self.byte()? {
            b'0' => self.step(),
            _ => self.digits()?,
        }
        if self.byte() == Some(b'.') {
            self.step();
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.step();
            if let Some(b'+' | b'-') = self.byte() {
                self.step();
            }
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let before = self.at;
        while let Some(b'0'..=b'9') = self.byte() {
            self.step();
        }
        (self.at > before).then_some(())
    }

    fn word(&mut self) -> Option<()> {
        let length = match self.text.as_bytes().get(self.at..)? {
            [b't', b'r', b'u', b'e', ..] | [b'n', b'u', b'l', b'l', ..] => 4,
            [b'f', b'a', b'l', b's', b'e', ..] => 5,
            _ => return None,
        };
        self.at = self.at.saturating_add(length);
        Some(())
    }
}
