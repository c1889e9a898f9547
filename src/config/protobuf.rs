//! Reads a serialized `google.protobuf.Struct`, which is how Envoy hands a YAML configuration over.
//!
//! A page of wire format instead of `prost` and `prost-types`, whose code for messages that never come was 25 KB of
//! the module; in the tests prost writes what this reads. Field numbers and wire types are those of
//! <https://github.com/protocolbuffers/protobuf/blob/main/src/google/protobuf/struct.proto> and
//! <https://protobuf.dev/programming-guides/encoding/>.

use serde_json::{Map, Value};

/// Up to here every whole number has a double of its own.
const MOST_EXACT: f64 = 9e15;

/// Values inside values. No configuration comes near it, and the VM's stack holds it easily.
const DEEPEST: usize = 64;

/// The object that `message` holds; `None` if it is no Struct.
pub(super) fn object(message: &[u8]) -> Option<Value> {
    read_struct(message, DEEPEST)
}

fn read_struct(message: &[u8], depth: usize) -> Option<Value> {
    let mut members = Map::new();
    each_field(message, &mut |number, field| {
        let (1, Field::Bytes(entry)) = (number, field) else { return Some(()) };
        let (mut key, mut value) = (String::new(), Value::Null);
        each_field(entry, &mut |number, field| {
            match (number, field) {
                (1, Field::Bytes(bytes)) => key = text(bytes)?,
                (2, Field::Bytes(bytes)) => value = read_value(bytes, depth)?,
                _ => {}
            }
            Some(())
        })?;
        members.insert(key, value);
        Some(())
    })?;
    Some(Value::Object(members))
}

fn read_value(message: &[u8], depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    let mut value = Value::Null;
    each_field(message, &mut |number, field| {
        value = match (number, field) {
            (1, Field::Number(_)) => Value::Null,
            (2, Field::Double(double)) => read_number(double),
            (3, Field::Bytes(bytes)) => Value::String(text(bytes)?),
            (4, Field::Number(number)) => Value::Bool(number != 0),
            (5, Field::Bytes(bytes)) => read_struct(bytes, depth)?,
            (6, Field::Bytes(bytes)) => read_list(bytes, depth)?,
            _ => return Some(()),
        };
        Some(())
    })?;
    Some(value)
}

fn read_list(message: &[u8], depth: usize) -> Option<Value> {
    let mut items = Vec::new();
    each_field(message, &mut |number, field| {
        if let (1, Field::Bytes(bytes)) = (number, field) {
            items.push(read_value(bytes, depth)?);
        }
        Some(())
    })?;
    Some(Value::Array(items))
}

/// A Struct knows doubles only: 5 comes as 5.0.
fn read_number(double: f64) -> Value {
    if double.fract() == 0.0 && double.abs() < MOST_EXACT { (double as i64).into() } else { double.into() }
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

/// What a field holds, by its wire type.
enum Field<'m> {
    Number(u64),
    Double(f64),
    Bytes(&'m [u8]),
}

/// Calls `take` with the number and content of every field. `None` if the message is malformed or `take` gives up.
fn each_field<'m>(mut message: &'m [u8], take: &mut dyn FnMut(u64, Field<'m>) -> Option<()>) -> Option<()> {
    while !message.is_empty() {
        let key = varint(&mut message)?;
        let field = match key & 7 {
            0 => Field::Number(varint(&mut message)?),
            1 => {
                let (double, rest) = message.split_first_chunk()?;
                message = rest;
                Field::Double(f64::from_le_bytes(*double))
            }
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                let (bytes, rest) = message.split_at_checked(length)?;
                message = rest;
                Field::Bytes(bytes)
            }
            _ => return None,
        };
        let number = key >> 3;
        if number == 0 {
            return None;
        }
        take(number, field)?;
    }
    Some(())
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
