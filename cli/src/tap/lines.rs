//! Lines of bounded length, from an input that may stop in the middle of one and go on later.

use std::io::{BufRead, Result};

/// The longest line that is kept. A record has a few kilobytes, a quarter of a megabyte at most.
const MAX_BYTES: usize = 1024 * 1024;

/// Puts lines together.
#[derive(Debug, Default)]
pub struct Lines {
    /// Of the line that has not ended yet.
    part: Vec<u8>,
    /// Whether that line is too long, so that the rest of it is thrown away.
    is_too_long: bool,
}

/// What reading led to.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A line, without its end. Bytes that are no UTF-8 are replaced.
    Line(String),
    /// A line that is too long to be kept.
    TooLong,
    /// For now there is no more.
    End,
}

impl Lines {
    /// Reads on to the next line's end.
    ///
    /// # Errors
    /// Those of the input.
    pub fn next(&mut self, input: &mut impl BufRead) -> Result<Next> {
        loop {
            let bytes = match input.fill_buf() {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                bytes => bytes?,
            };
            if bytes.is_empty() {
                return Ok(Next::End);
            }
            let (line, ends) = match bytes.iter().position(|byte| *byte == b'\n') {
                Some(end) => (bytes.get(..end).unwrap_or_default(), true),
                None => (bytes, false),
            };
            if line.len() > MAX_BYTES.saturating_sub(self.part.len()) {
                self.is_too_long = true;
                self.part = Vec::new();
            }
            if !self.is_too_long {
                self.part.extend_from_slice(line);
            }
            let used = line.len().saturating_add(usize::from(ends));
            input.consume(used);
            if ends {
                return Ok(self.finish());
            }
        }
    }

    /// Takes what there is as a line, at the end of the input. [`Next::End`] if there is nothing.
    pub fn rest(&mut self) -> Next {
        if self.part.is_empty() && !self.is_too_long { Next::End } else { self.finish() }
    }

    fn finish(&mut self) -> Next {
        let part = std::mem::take(&mut self.part);
        if std::mem::take(&mut self.is_too_long) {
            return Next::TooLong;
        }
        Next::Line(String::from_utf8_lossy(&part).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_comes_in_parts_is_one_line() {
        let mut lines = Lines::default();
        assert_eq!(lines.next(&mut &b"ab"[..]).unwrap(), Next::End);
        assert_eq!(lines.next(&mut &b"c\n"[..]).unwrap(), Next::Line("abc".into()));
        assert_eq!(lines.rest(), Next::End);
        assert_eq!(lines.next(&mut &b"d\xff"[..]).unwrap(), Next::End);
        assert_eq!(lines.rest(), Next::Line("d\u{fffd}".into()));
    }

    #[test]
    fn a_line_without_an_end_takes_no_memory_beyond_the_bound_and_the_next_one_is_read() {
        let mut lines = Lines::default();
        let part = vec![b'x'; MAX_BYTES / 2 + 1];
        for _ in 0..8 {
            assert_eq!(lines.next(&mut &part[..]).unwrap(), Next::End);
            assert!(lines.part.len() <= MAX_BYTES);
        }
        let mut input = &b"\nnext\n"[..];
        assert_eq!(lines.next(&mut input).unwrap(), Next::TooLong);
        assert_eq!(lines.next(&mut input).unwrap(), Next::Line("next".into()));
    }
}
