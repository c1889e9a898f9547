//! Writes members of an event as they came, without email addresses: in one pass, however deep they are nested.

use std::borrow::Cow;

use super::super::vendor::presentable;
use crate::identity::address::IpPolicy;
use crate::identity::email;
use crate::json::{self, Json, Kind, Token, Tokens};
use crate::left_out::{LeftOut, Omissions, Reason, Target};
use crate::mapping::number;
use crate::privacy::email_in;

/// Where the members of an event are written to.
///
/// A value that is an email address becomes its SHA-256, so that the visitor is still known by it. Any other value with an address
/// in it is left out, or that part of a URL, and so is a member whose key holds one.
pub struct Clean<'c, 'o> {
    pub text: &'c mut String,
    /// How much of `context.ip` may be sent.
    pub policy: IpPolicy,
    pub left_out: &'c mut Omissions<'o>,
}

/// An object or array that is being written.
struct Frame {
    is_object: bool,
    /// Where its first item begins.
    start: usize,
}

/// The keys that lead to a value, from the event on.
type Path<'a> = Vec<Cow<'a, str>>;

impl Clean<'_, '_> {
    /// Writes `"key":value`. Returns `false` if nothing of it may be sent; what is written then is of no use.
    pub fn member<'a>(&mut self, key: &'a str, value: Json<'a>) -> bool {
        let mut path = Path::new();
        self.key(&path, key) && {
            path.push(Cow::Borrowed(key));
            self.value(&mut path, value)
        }
    }

    /// Writes `"key":{...}` with these members. Returns `false` as [`Clean::member`] does.
    pub fn object(&mut self, key: &str, members: &[(Cow<'_, str>, Json<'_>)]) -> bool {
        let mut path = Path::new();
        if !self.key(&path, key) {
            return false;
        }
        path.push(Cow::Borrowed(key));
        self.text.push('{');
        let start = self.text.len();
        for (name, value) in members {
            let before = self.begin_item(start);
            let is_written = self.key(&path, name) && {
                path.push(Cow::Borrowed(name));
                let is_written = self.value(&mut path, *value);
                path.truncate(1);
                is_written
            };
            if !is_written {
                self.text.truncate(before);
            }
        }
        self.text.push('}');
        true
    }

    /// Writes the comma before an item, unless it is the first behind `start`. Returns where the item begins.
    fn begin_item(&mut self, start: usize) -> usize {
        let before = self.text.len();
        if before > start {
            self.text.push(',');
        }
        before
    }

    /// Writes `"key":`, unless it holds an address.
    fn key(&mut self, path: &Path<'_>, key: &str) -> bool {
        let Self { left_out, .. } = self;
        let is_clean = presentable(Target::Named(""), key, &mut |part| tell(path, part.reason, *left_out))
            .is_some_and(|clean| clean == *key);
        if is_clean {
            json::write_string(self.text, key);
            self.text.push(':');
        }
        is_clean
    }

    /// Writes a value, whose path ends where it began. Returns `false` if nothing of it may be sent.
    fn value<'a>(&mut self, path: &mut Path<'a>, value: Json<'a>) -> bool {
        let mut frames: Vec<Frame> = Vec::new();
        let (mut before, mut has_key) = (self.text.len(), false);
        let mut tokens = Tokens::of(value);
        while let Some(token) = tokens.next() {
            if let Token::Close = token {
                let Some(closed) = frames.pop() else { return false };
                self.text.push(if closed.is_object { '}' } else { ']' });
                match frames.last() {
                    None => return true,
                    Some(frame) if frame.is_object => _ = path.pop(),
                    Some(_) => {}
                }
                continue;
            }
            if let (false, Some(frame)) = (has_key, frames.last()) {
                before = self.begin_item(frame.start);
                if frame.is_object {
                    let Token::String(key) = token else { return false }; // not reached: it is well-formed
                    let key = key.text().unwrap_or_default();
                    has_key = self.key(path, &key);
                    match has_key {
                        true => path.push(key),
                        false => {
                            self.text.truncate(before);
                            skip_value(&mut tokens);
                        }
                    }
                    continue;
                }
            }
            has_key = false;
            let is_written = match token {
                Token::String(text) => self.string(path, text),
                Token::Scalar(scalar) => self.scalar(path, scalar),
                Token::OpenObject | Token::OpenArray if self.is_private_ip(path) => {
                    skip_rest(&mut tokens, 1);
                    false
                }
                open => {
                    let is_object = matches!(open, Token::OpenObject);
                    self.text.push(if is_object { '{' } else { '[' });
                    frames.push(Frame { is_object, start: self.text.len() });
                    continue;
                }
            };
            let Some(frame) = frames.last() else { return is_written };
            if !is_written {
                self.text.truncate(before);
            }
            if frame.is_object {
                path.pop();
            }
        }
        false
    }

    fn string(&mut self, path: &Path<'_>, string: Json<'_>) -> bool {
        let Some(text) = string.text() else { return false };
        if self.is_private_ip(path) {
            let ip = self.policy.apply_to_text(text);
            return ip.is_some_and(|ip| self.push(&ip));
        }
        if let Some(digest) = digest(path.last().map_or("", |key| key), &text) {
            return self.push(digest.as_str());
        }
        let Self { left_out, .. } = self;
        let clean = presentable(Target::Named(""), &text, &mut |part| tell(path, part.reason, *left_out));
        clean.is_some_and(|clean| self.push(&clean))
    }

    fn push(&mut self, text: &str) -> bool {
        json::write_string(self.text, text);
        true
    }

    fn scalar(&mut self, path: &Path<'_>, scalar: Json<'_>) -> bool {
        if self.is_private_ip(path) {
            return false;
        }
        if scalar.kind() == Kind::Number
            && let Err(reason) = number::finite(scalar.as_str())
        {
            tell(path, reason, self.left_out);
            return false;
        }
        self.text.push_str(scalar.as_str());
        true
    }

    /// Whether a value is an IP address that may not be sent as it is.
    fn is_private_ip(&self, path: &Path<'_>) -> bool {
        self.policy != IpPolicy::Keep && path.iter().eq(["context", "ip"])
    }
}

#[cold]
fn tell(path: &Path<'_>, reason: Reason, left_out: &mut Omissions<'_>) {
    let name = ["data"].into_iter().chain(path.iter().map(|key| &**key)).collect::<Vec<_>>().join(".");
    left_out(LeftOut::new(Target::Named(&name), reason));
}

/// Skips the value that comes next.
fn skip_value(tokens: &mut Tokens<'_>) {
    if let Some(Token::OpenObject | Token::OpenArray) = tokens.next() {
        skip_rest(tokens, 1);
    }
}

/// Skips what is left of a value of which `open` brackets are open.
fn skip_rest(tokens: &mut Tokens<'_>, open: usize) {
    let mut open = open;
    while open > 0 {
        match tokens.next() {
            Some(Token::OpenObject | Token::OpenArray) => open = open.saturating_add(1),
            Some(Token::Close) => open = open.saturating_sub(1),
            Some(_) => {}
            None => return,
        }
    }
}

/// Returns the SHA-256 of a value that is an email address and nothing else. Under the key `email` that is whatever vendors get a
/// digest of.
fn digest(key: &str, text: &str) -> Option<email::EmailHash> {
    if !text.contains('@') {
        return None;
    }
    let is_email = key.eq_ignore_ascii_case("email") || is_sole_address(text.trim());
    is_email.then(|| email::hash(text)).flatten()
}

/// Whether a text is one address, with nothing around it that could be a part of something else.
fn is_sole_address(text: &str) -> bool {
    let is_foreign = |character: char| {
        character.is_whitespace() || character.is_control() || r#"<>()[]{},;:/\"'?&=#%|`"#.contains(character)
    };
    text.matches('@').count() == 1 && !text.contains(is_foreign) && email_in(text.as_bytes())
}
