//! The IAB's US Privacy string (cookie `usprivacy`), such as `1YNN`. It states no consent, only whether the visitor has opted
//! out of the sale of personal data.

use crate::consent::cookie_value::plain;
use crate::consent::source::{ConsentSource, CookieSetting, Location};
use crate::consent::statement::{OptOut, Statement};
use crate::consent::us_privacy;
use crate::consent::vocabulary::Vocabulary;

/// The cookie that holds the US Privacy string.
pub struct UsPrivacy;

impl ConsentSource for UsPrivacy {
    fn name(&self) -> &str {
        "the US Privacy string"
    }

    fn location(&self) -> Location {
        Location::Cookie(CookieSetting {
            key: "us_privacy",
            defaults: &["usprivacy"],
            documentation: "The cookie of the IAB's US Privacy string.",
        })
    }

    fn read<'a>(&self, value: &'a [u8], _: &Vocabulary) -> Statement<'a> {
        match us_privacy::opted_out(&plain(value)) {
            Some(opted_out) => Statement::not_asked().with_opt_out(OptOut::Sale, opted_out),
            None => Statement::unreadable(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opt_out_is_read_percent_encoded_and_in_quotes() {
        let vocabulary = Vocabulary::new([("marketing", ["ads"])]).unwrap();
        for (value, opted_out) in [
            ("1YYN", true),
            ("1yyn", true),
            ("%221YYN%22", true),
            ("\"1YYN\"", true),
            ("1%59YN", true),
            ("1YNN", false),
            ("1---", false),
        ] {
            let statement = UsPrivacy.read(value.as_bytes(), &vocabulary);
            assert_eq!(statement.has_opt_out(OptOut::Sale), opted_out, "{value}");
            assert!(!statement.was_asked(), "{value}");
        }
        assert!(UsPrivacy.read(b"YYN", &vocabulary).was_asked());
    }
}
