//! The patterns of isbot's list that are no literal texts, written by hand. Each takes a User-Agent in lowercase.
//!
//! A pattern stands beside its function as isbot writes it. Where isbot changes one, `scripts/update-bots` says so.

use super::part::is_word;

/// A pattern as isbot writes it, and what decides in its place.
pub type Shape = (&'static str, fn(&[u8]) -> bool);

/// All of them, those first that are cheap.
pub const ALL: &[Shape] = &[
    // Deviates: browsers of Baidu have one behind a slash.
    (r"\|", |text| pairs(text).any(|(before, byte)| byte == b'|' && before != Some(b'/'))),
    (r"^[<\(;]", begins_like_a_fragment),
    (r"^\d+\b", |text| {
        let (digits, rest) = split(text, u8::is_ascii_digit);
        !digits.is_empty() && !rest.first().is_some_and(is_word)
    }),
    (r"^[^ ]{50,}$", is_long_and_without_blanks),
    (r"^\w*search\b", |text| split(text, is_word).0.ends_with(b"search")),
    (r"^\w+/[\w\(\)]*$", |text| {
        name_before_slash(text, is_word)
            .is_some_and(|rest| rest.iter().all(|byte| is_word(byte) || matches!(byte, b'(' | b')')))
    }),
    (r"^[\w\-]+/[\w]+$", |text| {
        let is_name = |byte: &u8| is_word(byte) || *byte == b'-';
        name_before_slash(text, is_name).is_some_and(|rest| !rest.is_empty() && rest.iter().all(is_word))
    }),
    (r"^\w+/\d\.\d\s\([\w@]+\)$", |text| {
        let rest = name_before_slash(text, is_word).and_then(version_and_blank);
        let inside = rest.and_then(|rest| rest.strip_prefix(b"(")?.strip_suffix(b")"));
        inside.is_some_and(|name| !name.is_empty() && name.iter().all(|byte| is_word(byte) || *byte == b'@'))
    }),
    (r"^mozilla/\d\.\d\s[\w\.-]+$", |text| {
        text.strip_prefix(b"mozilla/")
            .and_then(version_and_blank)
            .is_some_and(|rest| !rest.is_empty() && rest.iter().all(is_of_a_name))
    }),
    (r"^mozilla/\d\.\d\s\((?:compatible;)?(?:\s?[\w\d-.]+\/\d+\.\d+)?\)$", is_mozilla_with_one_product),
    (r";\s\w+;$", |text| {
        let rest = text.strip_suffix(b";").unwrap_or_default();
        let (word, before) = split_end(rest, is_word);
        !word.is_empty() && before.strip_suffix(b" ").is_some_and(|before| before.ends_with(b";"))
    }),
    (r"@[a-z][\w-]+\.", holds_a_domain),
    (r"^[\w \.\-\(?:\):%]+(?:/v?\d+(?:\.\d+)?(?:\.\d{1,10})*?)?(?:,|$)", is_name_with_a_version),
];

/// Deviates: the browser of DuckDuckGo loses the beginning of its User-Agent now and then.
fn begins_like_a_fragment(text: &[u8]) -> bool {
    match text.first() {
        Some(b'<') => true,
        Some(b'(' | b';') => memchr::memmem::find(text, b") applewebkit/").is_none(),
        _ => false,
    }
}

/// Fifty characters or more, none of them a blank.
fn is_long_and_without_blanks(text: &[u8]) -> bool {
    let continues_a_character = |byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
    memchr::memchr(b' ', text).is_none()
        && text.iter().filter(|byte| !continues_a_character(byte)).nth(49).is_some()
}

/// `mozilla/5.0 (compatible; name/1.0)`, of which everything between the brackets may be missing.
fn is_mozilla_with_one_product(text: &[u8]) -> bool {
    let rest = text.strip_prefix(b"mozilla/").and_then(version_and_blank);
    let Some(inside) = rest.and_then(|rest| rest.strip_prefix(b"(")?.strip_suffix(b")")) else {
        return false;
    };
    let inside = inside.strip_prefix(b"compatible;").unwrap_or(inside);
    if inside.is_empty() {
        return true;
    }
    let Some(version) = name_before_slash(inside.strip_prefix(b" ").unwrap_or(inside), is_of_a_name) else {
        return false;
    };
    let (major, rest) = split(version, u8::is_ascii_digit);
    let minor = rest.strip_prefix(b".").unwrap_or_default();
    !major.is_empty() && !minor.is_empty() && minor.iter().all(u8::is_ascii_digit)
}

/// `@example.`: a bot says where to complain.
fn holds_a_domain(text: &[u8]) -> bool {
    memchr::memchr_iter(b'@', text).any(|at| {
        let domain = text.get(at.saturating_add(1)..).unwrap_or_default();
        let (name, rest) = split(domain, |byte| is_word(byte) || *byte == b'-');
        name.len() > 1 && name.first().is_some_and(u8::is_ascii_lowercase) && rest.starts_with(b".")
    })
}

/// A name, with or without a version, that is all or ends at a comma: `name/1.2.3`, `some name (x)`.
fn is_name_with_a_version(text: &[u8]) -> bool {
    let of_name =
        |byte: &u8| is_word(byte) || matches!(byte, b' ' | b'.' | b'-' | b'(' | b'?' | b':' | b')' | b'%');
    let (name, rest) = split(text, of_name);
    let ends = |rest: &[u8]| matches!(rest.first(), None | Some(b','));
    if name.is_empty() || ends(rest) {
        return !name.is_empty();
    }
    let Some(version) = rest.strip_prefix(b"/") else { return false };
    let (major, mut rest) = split(version.strip_prefix(b"v").unwrap_or(version), u8::is_ascii_digit);
    // The first number behind a dot may be of any length, the others have at most ten digits.
    let mut longest = usize::MAX;
    while let Some(behind) = rest.strip_prefix(b".") {
        let (minor, behind) = split(behind, u8::is_ascii_digit);
        if minor.is_empty() || minor.len() > longest {
            return false;
        }
        (rest, longest) = (behind, 10);
    }
    !major.is_empty() && ends(rest)
}

/// What follows a slash and a name in front of it.
fn name_before_slash(text: &[u8], of_name: impl Fn(&u8) -> bool) -> Option<&[u8]> {
    let (name, rest) = split(text, of_name);
    rest.strip_prefix(b"/").filter(|_| !name.is_empty())
}

/// What follows a version of two digits and a blank: `5.0 `.
fn version_and_blank(text: &[u8]) -> Option<&[u8]> {
    match text {
        [b'0'..=b'9', b'.', b'0'..=b'9', b' ', rest @ ..] => Some(rest),
        _ => None,
    }
}

fn is_of_a_name(byte: &u8) -> bool {
    is_word(byte) || matches!(byte, b'.' | b'-')
}

/// Splits a text behind the bytes at its beginning that are of a class.
fn split(text: &[u8], of_class: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !of_class(byte)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, &[]))
}

/// The bytes at the end of a text that are of a class, and what is before them.
fn split_end(text: &[u8], of_class: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let end = text.iter().rposition(|byte| !of_class(byte)).map_or(0, |at| at.saturating_add(1));
    text.split_at_checked(end).map_or((text, &[]), |(before, class)| (class, before))
}

/// Each byte, with the one before it.
fn pairs(text: &[u8]) -> impl Iterator<Item = (Option<u8>, u8)> {
    let before = std::iter::once(None).chain(text.iter().copied().map(Some));
    before.zip(text.iter().copied())
}
