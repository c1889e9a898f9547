//! A body of JSON, written from the values of a vendor's targets.

use super::vendor::{presentable, tell_unusable};
use crate::json::{self, Json, Kind};
use crate::left_out::{LeftOut, Omissions, Reason, Target};
use crate::mapping::value::Value;

/// The most parts of a dotted target.
const MAX_TARGET_DEPTH: usize = 8;

/// Whether a target is a dotted path of a body, each of whose parts `is_name`.
pub fn is_body_path(target: &str, is_name: &dyn Fn(&str) -> bool) -> bool {
    target.split('.').all(is_name) && target.split('.').count() <= MAX_TARGET_DEPTH
}

/// The members of a body, written one after the other: `,"event":"purchase",...`. A member that would make it too large is
/// left out, and so is every string with an email address in it.
pub struct Body<'b, 'o> {
    text: String,
    /// The largest body in bytes, and the part of it that is reserved for what is not written here.
    limit: usize,
    reserved: usize,
    left_out: &'b mut Omissions<'o>,
}

/// Objects of an event nested deeper than this are left out. Writing them is a recursion of this depth.
const DEEPEST: u8 = 16;

impl<'b, 'o> Body<'b, 'o> {
    /// Returns a body without members. `limit` is its largest size in bytes, of which `reserved` are not for members.
    pub fn new(limit: usize, reserved: usize, left_out: &'b mut Omissions<'o>) -> Self {
        Self { text: String::with_capacity(512), limit, reserved, left_out }
    }

    /// Returns the rest of an object that begins with another member: `,"event":"purchase"}`.
    pub fn into_rest(self) -> String {
        let mut rest = self.text;
        rest.push('}');
        rest
    }

    /// Returns the whole object: `{"event":"purchase"}`.
    pub fn into_object(self) -> String {
        format!("{{{}}}", self.text.strip_prefix(',').unwrap_or_default())
    }

    /// Writes `,"name":` and then what `write` writes, or neither if `write` returns false.
    pub fn member(&mut self, name: &str, write: impl FnOnce(&mut Self, Target<'_>) -> bool) {
        let target = Target::Named(name);
        let before = self.text.len();
        self.text.push(',');
        self.string(name);
        self.text.push(':');
        if !write(self, target) {
            self.text.truncate(before);
        } else if self.text.len() > self.limit.saturating_sub(self.reserved) {
            self.text.truncate(before);
            self.leave_out(target, Reason::BodyFull(self.limit as u32));
        }
    }

    /// Writes a member whose text holds nothing of the visitor's.
    pub fn plain(&mut self, name: &str, text: &str) {
        self.member(name, |body, _| body.string(text));
    }

    /// A member that came from the visitor.
    pub fn text(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.member(name, |body, target| body.presentable(target, text));
        }
    }

    /// A JSON string, escaped.
    fn string(&mut self, text: &str) -> bool {
        json::write_string(&mut self.text, text);
        true
    }

    /// Tells why a value of the visitor's is unusable, if it is.
    pub fn tell_unusable(&mut self, name: &str, reason: Option<Reason>, has_another: bool) {
        tell_unusable(Target::Named(name), reason, has_another, self.left_out);
    }

    fn leave_out(&mut self, target: Target<'_>, reason: Reason) {
        (self.left_out)(LeftOut::new(target, reason));
    }

    fn presentable(&mut self, target: Target<'_>, text: &str) -> bool {
        presentable(target, text, self.left_out).is_some_and(|text| self.string(&text))
    }

    /// Writes a value, which stands `depth` levels deep. Returns `false` if nothing of it may be sent.
    pub fn value(&mut self, target: Target<'_>, value: &Value<'_>, depth: u8) -> bool {
        if depth > DEEPEST {
            self.leave_out(target, Reason::TooDeep(DEEPEST));
            return false;
        }
        let below = depth.saturating_add(1);
        match value {
            Value::Text(text) => self.presentable(target, text),
            Value::Number(number) => {
                self.text.push_str(number);
                true
            }
            Value::Bool(value) => {
                self.text.push_str(if *value { "true" } else { "false" });
                true
            }
            Value::List(items) => {
                self.enclosed(['[', ']'], items, |body, item| body.value(target, item, below));
                true
            }
            Value::Object(members) => {
                self.enclosed(['{', '}'], members, |body, (name, value)| {
                    body.nested(Target::Member(&target, name), name, value, below)
                });
                true
            }
            Value::Json(json) => match json.kind() {
                Kind::Array => {
                    self.enclosed(['[', ']'], &json.items(), |body, item| body.json(target, *item, below));
                    true
                }
                _ => {
                    let members = json.members();
                    self.enclosed(['{', '}'], &members, |body, (name, json)| {
                        presentable(target, name, body.left_out).is_some_and(|clean| clean == *name)
                            && body.string(name)
                            && body.colon()
                            && body.json(target, *json, below)
                    });
                    true
                }
            },
        }
    }

    fn nested(&mut self, target: Target<'_>, name: &str, value: &Value<'_>, depth: u8) -> bool {
        self.string(name) && self.colon() && self.value(target, value, depth)
    }

    fn json(&mut self, target: Target<'_>, json: Json<'_>, depth: u8) -> bool {
        match Value::of(json) {
            None => false,
            Some(Ok(value)) => self.value(target, &value, depth),
            Some(Err(reason)) => {
                self.leave_out(target, reason);
                false
            }
        }
    }

    fn colon(&mut self) -> bool {
        self.text.push(':');
        true
    }

    /// Writes items between brackets, except those for which `write` returns false.
    fn enclosed<T>(
        &mut self,
        [open, close]: [char; 2],
        items: &[T],
        mut write: impl FnMut(&mut Self, &T) -> bool,
    ) {
        self.text.push(open);
        let first = self.text.len();
        for item in items {
            let before = self.text.len();
            if before > first {
                self.text.push(',');
            }
            if !write(self, item) {
                self.text.truncate(before);
            }
        }
        self.text.push(close);
    }
}
