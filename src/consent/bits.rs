//! The bits of a base64url text, in which the IAB's consent strings are written: TCF and GPP.

/// A base64url text without padding, six bits in each digit. A digit is decoded only where it is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bits<'a>(&'a [u8]);

impl<'a> Bits<'a> {
    /// Takes the text, which may be empty. Returns `None` if any byte of it is not a digit of base64url; `=` is not one.
    pub(super) fn new(text: &'a [u8]) -> Option<Self> {
        text.iter().all(|digit| sextet(*digit).is_some()).then_some(Self(text))
    }

    /// Returns how many bits the text holds, including those that pad the last digit.
    pub(super) fn len(self) -> usize {
        self.0.len() * 6
    }

    /// Returns the number in `width` bits, at most 36, from the bit `at` on. Returns `None` if the text ends before.
    pub(super) fn read(self, at: usize, width: usize) -> Option<u64> {
        let end = at + width;
        let digits = self.0.get(at / 6..end.div_ceil(6))?;
        let mut number = 0_u64;
        for digit in digits {
            number = number << 6 | u64::from(sextet(*digit)?);
        }
        let surplus = end.div_ceil(6) * 6 - end;
        Some(number >> surplus & ((1 << width) - 1))
    }
}

/// Returns the six bits of a base64url digit.
const fn sextet(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod testing {
    /// Bits on their way to a base64url text.
    #[derive(Clone, Debug, Default)]
    pub(in crate::consent) struct Writer(pub(in crate::consent) Vec<bool>);

    impl Writer {
        pub(in crate::consent) fn put(&mut self, number: u64, width: u32) {
            self.0.extend((0..width).rev().map(|bit| number >> bit & 1 == 1));
        }

        /// Fills up with zero bits to a multiple of `unit` bits and then to whole digits. Encoders differ in the unit: the
        /// specification of GPP has 6, the IAB's libraries fill up to bytes, and some decoders of TCF want 24.
        pub(in crate::consent) fn base64url(&self, unit: usize) -> String {
            const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let digits = (self.0.len().div_ceil(unit) * unit).div_ceil(6);
            let bit = |at: usize| usize::from(self.0.get(at).copied().unwrap_or(false));
            let digit = |n: usize| DIGITS[(n * 6..n * 6 + 6).fold(0, |sextet, at| sextet << 1 | bit(at))];
            (0..digits).map(|n| char::from(digit(n))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_across_digits() {
        // 000001 010101 111111
        let bits = Bits::new(b"BV_").unwrap();
        assert_eq!(bits.len(), 18);
        for (at, width, number) in
            [(0, 6, 1), (5, 2, 0b10), (6, 6, 0b01_0101), (7, 11, 0b101_0111_1111), (18, 0, 0)]
        {
            assert_eq!(bits.read(at, width), Some(number), "{width} bits from {at}");
        }
    }

    #[test]
    fn nothing_is_read_behind_the_end() {
        let bits = Bits::new(b"BV_").unwrap();
        assert_eq!((bits.read(17, 2), bits.read(18, 1), bits.read(4000, 6)), (None, None, None));
        assert_eq!(Bits::new(b"").unwrap().read(0, 1), None);
    }

    #[test]
    fn any_byte_that_is_not_a_digit_of_base64url_makes_the_text_unreadable() {
        for byte in 0..=u8::MAX {
            let is_digit = byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            assert_eq!(Bits::new(&[b'A', byte, b'A']).is_some(), is_digit, "{byte}");
        }
    }
}
