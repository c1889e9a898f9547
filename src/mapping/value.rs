//! The values that mappings process, borrowed from the event wherever possible.

use std::borrow::Cow;

use super::number;
use crate::json::{Json, Kind};
use crate::left_out::Reason;

/// One value on its way into a vendor's request.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// A finite number in JSON's grammar: plain digits, or what a client sent beyond the range of [`number::plain`].
    Number(Cow<'a, str>),
    /// A boolean.
    Bool(bool),
    /// An object or array of the event, as it is.
    Json(Json<'a>),
    /// Several values, as a path with `[*]` finds them.
    List(Vec<Value<'a>>),
    /// What `each` made of one item.
    Object(Vec<(Cow<'a, str>, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// `None` for null, the empty string and the empty list: clients send all three for "nothing". An error for a number that
    /// is not finite.
    pub fn of(json: Json<'a>) -> Option<Result<Self, Reason>> {
        Some(Ok(match json.kind() {
            Kind::Null => return None,
            Kind::Bool(value) => Value::Bool(value),
            Kind::Number => return Some(number::finite(json.as_str()).map(Value::Number)),
            Kind::String => Value::Text(json.text().filter(|text| !text.is_empty())?),
            Kind::Array if is_empty(json) => return None,
            Kind::Array | Kind::Object => Value::Json(json),
        }))
    }

    /// The same value without a copy of its text.
    pub fn reborrow(&self) -> Value<'_> {
        match self {
            Value::Text(text) => Value::Text(Cow::Borrowed(text)),
            Value::Number(digits) => Value::Number(Cow::Borrowed(digits)),
            other => other.clone(),
        }
    }

    /// The text of a scalar; `None` for lists and objects.
    pub fn scalar(&self) -> Option<Cow<'_, str>> {
        match self {
            Value::Text(text) | Value::Number(text) => Some(Cow::Borrowed(text)),
            Value::Bool(true) => Some(Cow::Borrowed("true")),
            Value::Bool(false) => Some(Cow::Borrowed("false")),
            Value::Json(_) | Value::List(_) | Value::Object(_) => None,
        }
    }

    /// The items of a list, or the value itself as the only one. Calls `refused` for each item that is no value.
    pub fn into_items(self, refused: &mut dyn FnMut(Reason)) -> Vec<Value<'a>> {
        match self {
            Value::List(items) => items,
            Value::Json(json) if json.kind() == Kind::Array => {
                let items = json.items().into_iter().filter_map(Value::of);
                items.filter_map(|item| item.map_err(&mut *refused).ok()).collect()
            }
            one => vec![one],
        }
    }
}

fn is_empty(array: Json<'_>) -> bool {
    let inner = array.as_str().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.is_some_and(|inner| inner.trim_ascii().is_empty())
}
