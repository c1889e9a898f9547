//! The tokens of a JSON value, one after the other: for whoever writes a value anew in one pass, however deep it is nested.

use super::Json;

/// One token of a well-formed value. Commas and colons are left out: they follow from the others.
#[derive(Clone, Copy, Debug)]
pub enum Token<'a> {
    /// `{`
    OpenObject,
    /// `[`
    OpenArray,
    /// `}` or `]`
    Close,
    /// A string, also a key of an object.
    String(Json<'a>),
    /// A number, `true`, `false` or `null`.
    Scalar(Json<'a>),
}

/// The tokens of a value. It is no parser: what is not well-formed gives some tokens or other, and an end.
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    /// Returns the tokens of a value.
    pub fn of(value: Json<'a>) -> Self {
        Self { rest: value.as_str() }
    }

    /// Takes the first `length` bytes of what is left.
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let separates = |byte: char| matches!(byte, ' ' | '\t' | '\r' | '\n' | ',' | ':');
        self.rest = self.rest.trim_start_matches(separates);
        let token = match self.rest.as_bytes().first()? {
            b'{' => Token::OpenObject,
            b'[' => Token::OpenArray,
            b'}' | b']' => Token::Close,
            b'"' => return Some(Token::String(Json::known(self.take(string_length(self.rest))))),
            _ => {
                let ends = |byte: char| separates(byte) || matches!(byte, '{' | '[' | '}' | ']' | '"');
                let length = self.rest.find(ends).unwrap_or(self.rest.len());
                return Some(Token::Scalar(Json::known(self.take(length))));
            }
        };
        self.take(1);
        Some(token)
    }
}

/// How long the string is that a text begins with, its quotes included; up to the text's end where it has none.
fn string_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1_usize;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at = at.saturating_add(found).saturating_add(1);
        match bytes.get(at.saturating_sub(1)) {
            Some(b'\\') => at = at.saturating_add(1),
            _ => return at,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tokens(text: &str) -> Vec<String> {
        let written = |token| match token {
            Token::OpenObject => "{".to_owned(),
            Token::OpenArray => "[".to_owned(),
            Token::Close => "close".to_owned(),
            Token::String(json) | Token::Scalar(json) => json.as_str().to_owned(),
        };
        Tokens::of(Json::known(text)).map(written).collect()
    }

    #[test]
    fn a_value_is_taken_apart_in_its_order() {
        let text = r#" { "a" : [1, -2.5e3,true ,null,"x\"}\\"] ,"b":{} }"#;
        let expected = [
            "{",
            r#""a""#,
            "[",
            "1",
            "-2.5e3",
            "true",
            "null",
            r#""x\"}\\""#,
            "close",
            r#""b""#,
            "{",
            "close",
            "close",
        ];
        assert_eq!(tokens(text), expected);
    }

    proptest! {
        #[test]
        fn any_text_ends(text in "\\PC{0,40}|[\\[\\]{}\":,\\\\a1é ]{0,40}") {
            prop_assert!(tokens(&text).len() <= text.len());
        }
    }
}
