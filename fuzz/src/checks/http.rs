//! A request as text, which libFuzzer can take apart and people can read: `METHOD TARGET`, a header a line, an empty line, the
//! body.

/// A request, before its body is packed.
pub struct Request {
    pub method: Vec<u8>,
    pub target: Vec<u8>,
    /// Names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

/// `None` where the first line is no request line. A line that is no header is left out.
pub fn parse(text: &[u8]) -> Option<Request> {
    let end = text.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = match end {
        Some(end) => (text.get(..end)?, text.get(end + 2..)?),
        None => (text, &b""[..]),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let (method, target) = split_once(lines.next()?, b' ')?;
    let headers = lines.filter_map(|line| {
        let (name, value) = split_once(line, b':')?;
        Some((std::str::from_utf8(name).ok()?.to_ascii_lowercase(), value.trim_ascii().to_vec()))
    });
    Some(Request {
        method: method.to_vec(),
        target: target.to_vec(),
        headers: headers.collect(),
        body: body.to_vec(),
    })
}

impl Request {
    /// The values of all lines of a header.
    pub fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_slice())
    }
}

fn split_once(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == separator)?;
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}
