//! The values that mappings work on, borrowed from the event wherever nothing had to be changed.

use std::borrow::Cow;

use crate::json::{Json, Kind};

/// One value on its way into a vendor's request.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    Text(Cow<'a, str>),
    /// Plain decimal digits, as [`crate::mapping::number::plain`] writes them, or a client's number as it came.
    Number(Cow<'a, str>),
    Bool(bool),
    /// An object or array of the event, as it is.
    Json(Json<'a>),
    List(Vec<Value<'a>>),
    /// What `each` made of one item.
    Object(Vec<(Cow<'a, str>, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// `None` for null and the empty string: clients send both for "nothing".
    pub fn of(json: Json<'a>) -> Option<Self> {
        Some(match json.kind() {
            Kind::Null => return None,
            Kind::Bool(value) => Value::Bool(value),
            Kind::Number => Value::Number(Cow::Borrowed(json.as_str())),
            Kind::String => Value::Text(json.text().filter(|text| !text.is_empty())?),
            Kind::Array | Kind::Object => Value::Json(json),
        })
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

    /// The items of a list, or the value itself as the only one.
    pub fn into_items(self) -> Vec<Value<'a>> {
        match self {
            Value::List(items) => items,
            Value::Json(json) if json.kind() == Kind::Array => {
                json.items().into_iter().filter_map(Value::of).collect()
            }
            one => vec![one],
        }
    }
}
