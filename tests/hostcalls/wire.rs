//! How a map of headers is written in the ABI: the number of pairs, the lengths of each, then names and values, each followed
//! by a zero. All numbers are 32 bits, little-endian.

use wasmi::Error;

/// Names and values, in their order.
pub type Headers = Vec<(String, Vec<u8>)>;

pub fn write(headers: &Headers) -> Vec<u8> {
    let mut bytes = length(headers.len()).to_vec();
    for (name, value) in headers {
        bytes.extend(length(name.len()));
        bytes.extend(length(value.len()));
    }
    for (name, value) in headers {
        for part in [name.as_bytes(), value] {
            bytes.extend(part);
            bytes.push(0);
        }
    }
    bytes
}

pub fn read(bytes: &[u8]) -> Result<Headers, Error> {
    let cut_short = || Error::new("a map of headers that is cut short");
    let number = |at: usize| {
        let bytes = bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(|bytes| u32::from_le_bytes(bytes) as usize).ok_or_else(cut_short)
    };
    let count = number(0)?;
    let mut at = 4 + 8 * count;
    let mut part = |size: usize| {
        let part = bytes.get(at..at + size).ok_or_else(cut_short)?.to_vec();
        at += size + 1;
        Ok::<_, Error>(part)
    };
    let pair = |nth: usize| {
        let (name, value) = (part(number(4 + 8 * nth)?)?, part(number(8 + 8 * nth)?)?);
        Ok((String::from_utf8(name).map_err(|_| Error::new("a name of a header that is no text"))?, value))
    };
    (0..count).map(pair).collect()
}

/// Returns the value of the first header of that name.
pub fn find<'a>(headers: &'a Headers, name: &str) -> Option<&'a [u8]> {
    headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap().to_le_bytes()
}
