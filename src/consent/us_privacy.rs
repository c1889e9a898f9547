//! The IAB's US Privacy string, such as `1YNN`: the cookie `usprivacy` or section 6 of a GPP string. The IAB has replaced it
//! by GPP, and consent tools still set it.

/// Returns whether the visitor has opted out of the sale of personal data.
///
/// The text has four characters, letters in either case: the version 1, whether notice was given, whether the visitor has
/// opted out, and whether the sale is covered by the IAB's agreement. The last three are `Y`, `N`, or `-` where the law does not
/// apply. Returns `None` if `text`, which may be any bytes, cannot be read as that.
pub fn opted_out(text: &[u8]) -> Option<bool> {
    let [b'1', notice, sale, agreement] = text else { return None };
    let readable = [notice, sale, agreement].iter().all(|answer| b"YNyn-".contains(answer));
    readable.then_some(sale.eq_ignore_ascii_case(&b'Y'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_character_says_whether_the_visitor_has_opted_out() {
        for (text, expected) in [
            ("1YYN", true),
            ("1YYY", true),
            ("1-Y-", true),
            ("1yyn", true),
            ("1YNN", false),
            ("1YNY", false),
            ("1nny", false),
            ("1---", false),
            ("1YN-", false),
        ] {
            assert_eq!(opted_out(text.as_bytes()), Some(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_cannot_be_read() {
        for text in [
            "", "1", "1YN", "1YNNN", "2YNN", "YYNN", "1Y?N", "1?NN", "1YN?", " 1YNN", "\"1YNN\"", "1YYN ",
            "1YÿN",
        ] {
            assert_eq!(opted_out(text.as_bytes()), None, "{text}");
        }
    }
}
