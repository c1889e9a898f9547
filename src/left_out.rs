//! What is left out of a vendor's request, and why: the words in which a preview says it.

use std::fmt;

use crate::accounting::Note;
use crate::privacy::{Scrubbed, scrub};

/// Why a value was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Is not a number in JSON's grammar.
    NotANumber,
    /// Is a negative number.
    BelowZero,
    /// -0.
    MinusZero,
    /// A number but for a plus sign or leading zeros.
    Prefixed,
    /// Is a number of 10^15 or more.
    TooLarge,
    /// Has more than 17 significant digits, or is too near to zero to be written without an exponent.
    TooManyDigits,
    /// Is not a currency code: three letters, as in ISO 4217.
    NotACurrency,
    /// Is neither `true` nor `false`.
    NotABoolean,
    /// Is not a date or time that [`parse_timestamp`](crate::timestamp::parse_timestamp) reads.
    NotADate,
    /// Names no host, where the host of a URL is asked for.
    NotAUrl,
    /// Is not an email address, nor the SHA-256 of one.
    NotAnEmail,
    /// Is not an IP address.
    NotAnIp,
    /// Is not UTF-8.
    NotText,
    /// No cookie that could hold it has it in a form that can be read, or any more.
    UnreadableCookie,
    /// Nothing is left of it after its transforms.
    Empty,
    /// A list or an object where the target takes a single value.
    NotSingle,
    /// Is not an object, where a list's items are made into objects.
    NotAnObject,
    /// A list that is to be added up has an item that is not a number.
    ItemNotANumber,
    /// None of a list's items can be used.
    NoItem,
    /// Is not in the mapping's `value_map`, which has no `*` either.
    NotInValueMap,
    /// Has an email address in it.
    Email,
    /// A URL is sent without the parts of it that hold an email address or a user name.
    PartOfUrl,
    /// Has control characters in it.
    ControlCharacters,
    /// Has more bytes than this.
    TooLong(u32),
    /// The path would have more bytes than this.
    PathFull(u32),
    /// The body would have more bytes than this.
    BodyFull(u32),
    /// Has more levels of lists and objects than this.
    TooDeep(u8),
}

impl Reason {
    fn note(self) -> Note {
        match self {
            Reason::PathFull(_) => Note::PathCut,
            _ => Note::ValueLeftOut,
        }
    }

    /// Whether the value was left out for its form alone. Only then may it be quoted, and the reason reads well behind "is".
    fn is_about_form(self) -> bool {
        matches!(
            self,
            Reason::NotANumber
                | Reason::BelowZero
                | Reason::MinusZero
                | Reason::Prefixed
                | Reason::TooLarge
                | Reason::TooManyDigits
                | Reason::NotACurrency
                | Reason::NotABoolean
                | Reason::NotADate
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::NotANumber => "not a number",
            Reason::BelowZero => "below zero",
            Reason::MinusZero => "zero with a minus sign",
            Reason::Prefixed => "written with a plus sign or leading zeros",
            Reason::TooLarge => "too large a number",
            Reason::TooManyDigits => "a number with too many digits",
            Reason::NotACurrency => "not a currency of three letters",
            Reason::NotABoolean => "neither true nor false",
            Reason::NotADate => "not a date or time",
            Reason::NotAUrl => "not a whole URL, so it has no host",
            Reason::NotAnEmail => "not an email address",
            Reason::NotAnIp => "not an IP address",
            Reason::NotText => "not UTF-8",
            Reason::UnreadableCookie => "its cookie cannot be read, or is no longer valid",
            Reason::Empty => "nothing is left of it",
            Reason::NotSingle => "a list or an object, where a single value is expected",
            Reason::NotAnObject => "not an object",
            Reason::ItemNotANumber => "the list has an item that cannot be added up",
            Reason::NoItem => "the list has no item that can be used",
            Reason::NotInValueMap => "not in value_map",
            Reason::Email => "an email address",
            Reason::PartOfUrl => "the part of the URL with an email address or a user name",
            Reason::ControlCharacters => "control characters",
            Reason::TooLong(most) => return write!(f, "longer than {most} bytes"),
            Reason::PathFull(most) => return write!(f, "no room: a path has at most {most} bytes"),
            Reason::BodyFull(most) => return write!(f, "no room: a body has at most {most} bytes"),
            Reason::TooDeep(most) => {
                return write!(f, "lists and objects in it are nested deeper than {most} levels");
            }
        })
    }
}

/// The part of a vendor's request that a value was meant for.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// A parameter of the query, or a member of the body.
    Named(&'a str),
    /// A member of an object.
    Member(&'a Target<'a>, &'a str),
    /// One item of a list.
    Item(&'a Target<'a>),
    /// A header, by its name.
    Header(&'a str),
    /// A cookie, by its name.
    Cookie(&'a str),
}

/// As mappings write it: `ftXValue`, `custom.plan`.
impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Named(name) => f.write_str(name),
            Target::Member(object, name) => write!(f, "{object}.{name}"),
            Target::Item(list) => write!(f, "an item of {list}"),
            Target::Header(name) => write!(f, "the header {name}"),
            Target::Cookie(name) => write!(f, "the cookie {name}"),
        }
    }
}

/// One value that was left out. Small, and made without allocating: the words are made for whoever asks for them.
#[derive(Clone, Copy)]
pub struct LeftOut<'a> {
    /// Where the value would have been sent.
    pub target: Target<'a>,
    /// Why it was left out.
    pub reason: Reason,
    /// Whether another source had a value that can be used, so that the target has one all the same.
    is_passed_over: bool,
    /// Returns the value for a quotation.
    quote: Option<&'a dyn Fn() -> Option<String>>,
}

/// Whoever is told of each value that is left out.
pub type Omissions<'o> = dyn FnMut(LeftOut<'_>) + 'o;

impl<'a> LeftOut<'a> {
    /// A value that nobody may see.
    pub fn new(target: Target<'a>, reason: Reason) -> Self {
        Self { target, reason, is_passed_over: false, quote: None }
    }

    /// A value that may be [quoted](text_quoted) if it was left out for its form.
    pub fn quotable(target: Target<'a>, reason: Reason, quote: &'a dyn Fn() -> Option<String>) -> Self {
        Self { target, reason, is_passed_over: false, quote: Some(quote) }
    }

    /// The same, passed over where another source has a usable value.
    pub fn passed_over_if(self, is_passed_over: bool) -> Self {
        Self { is_passed_over: self.is_passed_over || is_passed_over, ..self }
    }

    /// Returns what it is counted as. What was passed over is not missing from the request.
    pub fn note(&self) -> Option<Note> {
        (!self.is_passed_over).then(|| self.reason.note())
    }

    /// Returns target and reason in words: `ftXValue left out: "1,299.00" is not a number`. `may_be_quoted` says of a target
    /// whether its values may be shown.
    pub fn explained(&self, may_be_quoted: impl FnOnce(&str) -> bool) -> String {
        let target = self.target.to_string();
        let quote = self.quote.filter(|_| self.reason.is_about_form() && may_be_quoted(&target));
        let fate = if self.is_passed_over { "passed over" } else { "left out" };
        match quote.and_then(|quote| quote()) {
            Some(value) => format!("{target} {fate}: {value} is {}", self.reason),
            None => format!("{target} {fate}: {}", self.reason),
        }
    }
}

/// How many characters of a value are quoted.
const LONGEST_QUOTATION: usize = 40;

/// Quotes a text: shortened, and with its control characters escaped. `None` if there is an email address in it.
pub fn text_quoted(text: &str) -> Option<String> {
    if scrub(text) != Scrubbed::Clean {
        return None;
    }
    Some(format!("{:?}", shortened(text)))
}

/// Quotes a number: shortened.
pub fn number_quoted(digits: &str) -> String {
    shortened(digits)
}

fn shortened(text: &str) -> String {
    let mut characters = text.chars();
    let mut start: String = characters.by_ref().take(LONGEST_QUOTATION).collect();
    if characters.next().is_some() {
        start.push('…');
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(reason: Reason, value: &str, may_be_quoted: bool) -> String {
        let quote = || text_quoted(value);
        LeftOut::quotable(Target::Named("ftXValue"), reason, &quote).explained(|_| may_be_quoted)
    }

    #[test]
    fn a_value_is_quoted_only_for_its_form_and_only_where_its_target_allows_it() {
        assert_eq!(
            explained(Reason::NotANumber, "1,299.00", true),
            r#"ftXValue left out: "1,299.00" is not a number"#
        );
        assert_eq!(explained(Reason::NotANumber, "1,299.00", false), "ftXValue left out: not a number");
        assert_eq!(explained(Reason::NotInValueMap, "1,299.00", true), "ftXValue left out: not in value_map");
        assert_eq!(explained(Reason::Email, "1,299.00", true), "ftXValue left out: an email address");
    }

    #[test]
    fn an_email_address_and_a_user_of_a_url_are_never_quoted() {
        for private in ["jane@example.com", "https://jane:secret@shop.example/", "1 jane%40example.com"] {
            assert_eq!(
                explained(Reason::NotANumber, private, true),
                "ftXValue left out: not a number",
                "{private}"
            );
        }
    }

    #[test]
    fn what_another_source_makes_up_for_is_passed_over_and_not_counted() {
        let refused = LeftOut::new(Target::Named("ftXValue"), Reason::NotANumber);
        let passed_over = refused.passed_over_if(true);
        assert_eq!(refused.note(), Some(Note::ValueLeftOut));
        assert_eq!(passed_over.note(), None);
        assert_eq!(passed_over.explained(|_| true), "ftXValue passed over: not a number");
    }

    #[test]
    fn a_quotation_is_short_and_has_no_control_characters() {
        assert_eq!(text_quoted("a\r\nb\u{1b}[31m\u{202e}").unwrap(), r#""a\r\nb\u{1b}[31m\u{202e}""#);
        assert_eq!(text_quoted(&"1".repeat(40)).unwrap(), format!("\"{}\"", "1".repeat(40)));
        assert_eq!(text_quoted(&"1".repeat(5_000)).unwrap(), format!("\"{}…\"", "1".repeat(40)));
    }

    #[test]
    fn a_target_is_called_what_mappings_and_browsers_call_it() {
        let custom = Target::Named("custom");
        for (target, text) in [
            (Target::Member(&custom, "plan"), "custom.plan left out: longer than 4096 bytes"),
            (Target::Item(&custom), "an item of custom left out: longer than 4096 bytes"),
            (Target::Header("User-Agent"), "the header User-Agent left out: longer than 4096 bytes"),
            (Target::Cookie("FTrack"), "the cookie FTrack left out: longer than 4096 bytes"),
        ] {
            assert_eq!(LeftOut::new(target, Reason::TooLong(4096)).explained(|_| true), text);
        }
    }
}
