//! Compiles isbot's patterns into `list.rs`: the parts of a pattern that is one or more literal texts.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What a pattern says, as `list.rs` writes it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Compiled {
    /// Whether the text must begin the User-Agent.
    pub at_start: bool,
    pub text: String,
    pub before: String,
    pub after: String,
}

/// Compiles one pattern; `None` if it is more than literal texts and has to be written by hand.
pub fn compile(pattern: &str) -> Option<Vec<Compiled>> {
    let (at_start, rest) = pattern.strip_prefix('^').map_or((false, pattern), |rest| (true, rest));
    let (before, rest) = before(rest)?;
    let (after, body) = after(rest)?;
    let compiled = texts(body)?.into_iter().map(|text| {
        // Beside anything but a letter, a digit or an underscore, `\b` would mean the opposite.
        let is_word =
            |character: Option<char>| character.is_some_and(|one| one.is_ascii_alphanumeric() || one == '_');
        let holds = (!before.contains("Boundary") || is_word(text.chars().next()))
            && (!after.contains("Boundary") || is_word(text.chars().last()));
        holds.then(|| Compiled { at_start, text, before: before.clone(), after: after.clone() })
    });
    compiled.collect()
}

/// The condition that a pattern begins with.
fn before(pattern: &str) -> Option<(String, &str)> {
    if let Some((letter, rest)) = pattern.strip_prefix("(?:^|[^").and_then(|rest| rest.split_once("])")) {
        return Some((not(letter)?, rest));
    }
    if let Some(rest) = pattern.strip_prefix("(?<!") {
        let (inside, rest) = group(rest)?;
        return Some((not(inside)?, rest));
    }
    if let Some(rest) = pattern.strip_prefix(r"\b\w+") {
        return Some(("Before::Word".to_owned(), rest));
    }
    Some(match pattern.strip_prefix(r"\b") {
        Some(rest) => ("Before::Boundary".to_owned(), rest),
        None => ("Before::Anything".to_owned(), pattern),
    })
}

/// The condition that a pattern ends with.
fn after(pattern: &str) -> Option<(String, &str)> {
    for (end, after) in
        [(r"(?:\b|_)", "After::BoundaryOrUnderscore"), (r"\b", "After::Boundary"), (r"\d", "After::Digit")]
    {
        if let Some(body) = pattern.strip_suffix(end) {
            return Some((after.to_owned(), body));
        }
    }
    match pattern.split_once("(?!") {
        Some((body, rest)) => {
            let (inside, behind) = group(rest)?;
            behind.is_empty().then_some(())?;
            Some((not(inside)?.replace("Before", "After"), body))
        }
        None => Some(("After::Anything".to_owned(), pattern)),
    }
}

/// Splits behind the bracket that closes a group which is open already.
fn group(text: &str) -> Option<(&str, &str)> {
    let mut open = 1_usize;
    let (end, _) = text.char_indices().find(|(_, character)| {
        match character {
            '(' => open += 1,
            ')' => open -= 1,
            _ => {}
        }
        open == 0
    })?;
    Some((&text[..end], &text[end + 1..]))
}

/// `a|b`, perhaps within a further pair of brackets.
fn not(alternatives: &str) -> Option<String> {
    let inner = alternatives.strip_prefix("(?:").and_then(|rest| rest.strip_suffix(')'));
    let mut all = Vec::new();
    for one in inner.unwrap_or(alternatives).split('|') {
        all.extend(literals(one)?);
    }
    Some(format!("Before::Not(&{all:?})"))
}

/// The texts that a pattern matches; `None` if there is one that `list.rs` can't find by its first two bytes.
fn texts(pattern: &str) -> Option<Vec<String>> {
    literals(pattern).filter(|texts| texts.iter().all(|text| text.len() >= 2))
}

/// What a pattern of literal characters, `[ab]` and `a?` matches; `None`: there is more in it.
fn literals(pattern: &str) -> Option<Vec<String>> {
    let mut texts = vec![String::new()];
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        let choices = match character {
            '\\' => vec![characters.next().filter(char::is_ascii_punctuation)?],
            '[' => {
                let class: String = characters.by_ref().take_while(|one| *one != ']').collect();
                let is_plain = !class.is_empty()
                    && !class.contains(['\\', '^'])
                    && !class.trim_matches('-').contains('-');
                class.chars().filter(|_| is_plain).collect()
            }
            '(' | ')' | '{' | '}' | '*' | '+' | '?' | '.' | '^' | '$' | '|' => return None,
            literal => vec![literal],
        };
        let is_optional = characters.next_if_eq(&'?').is_some();
        let longer =
            |text: &String| choices.iter().map(move |one| format!("{text}{one}")).collect::<Vec<_>>();
        let with: Vec<String> = texts.iter().flat_map(longer).collect();
        if with.is_empty() {
            return None;
        }
        if is_optional {
            texts.extend(with);
        } else {
            texts = with;
        }
    }
    texts.iter().all(|text| !text.is_empty()).then_some(texts)
}

/// Writes `list.rs`. `by_hand` are the patterns that it leaves to functions; the error names one that nobody knows what to do
/// with.
pub fn list(patterns: &[String], by_hand: &[&str]) -> Result<String, String> {
    let mut compiled = Vec::new();
    for pattern in patterns.iter().filter(|pattern| !by_hand.contains(&pattern.as_str())) {
        compiled.extend(compile(pattern).ok_or_else(|| format!("src/bots/shapes.rs lacks {pattern}"))?);
    }
    for known in by_hand {
        if !patterns.iter().any(|pattern| pattern == known) {
            return Err(format!("src/bots/shapes.rs has {known}, which isbot has no longer"));
        }
    }
    let mut list = HEAD.to_owned();
    for (at_start, name, what) in [
        (true, "starts", "The entries that begin a User-Agent"),
        (false, "parts", "The entries that stand anywhere in a User-Agent"),
    ] {
        let mut by_first_two: BTreeMap<(char, char), Vec<&Compiled>> = BTreeMap::new();
        for one in compiled.iter().filter(|one| one.at_start == at_start) {
            let mut characters = one.text.chars().chain(['?', '?']);
            let two = characters.next().zip(characters.next()).unwrap_or_default();
            by_first_two.entry(two).or_default().push(one);
        }
        _ = writeln!(
            list,
            "\n/// {what}, by their first two bytes.\npub fn {name}(first_two: [u8; 2]) -> &'static [Part] {{\n    match first_two {{"
        );
        for ((first, second), mut parts) in by_first_two {
            parts.sort();
            parts.dedup();
            let parts: Vec<String> = parts.into_iter().map(written).collect();
            _ = writeln!(list, "        [b{first:?}, b{second:?}] => const {{ &[{}] }},", parts.join(", "));
        }
        list.push_str("        _ => &[],\n    }\n}\n");
    }
    Ok(list)
}

fn written(Compiled { text, before, after, .. }: &Compiled) -> String {
    match (before.as_str(), after.as_str()) {
        ("Before::Anything", "After::Anything") => format!("any({text:?})"),
        _ => format!("Part {{ text: {text:?}, before: {before}, after: {after} }}"),
    }
}

const HEAD: &str = "//! isbot's list, compiled. Generated by `scripts/update-bots`: do not edit.

use super::part::{After, Before, Part, any};
";
