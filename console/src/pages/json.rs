//! JSON for people: a line for each member, and every digit and the order as they are.

/// Returns JSON with line breaks and indentation. What is no JSON comes back with some, too, but never loses a character other than
/// white space between values.
pub fn indented(json: &str) -> String {
    let mut out = String::with_capacity(json.len().saturating_mul(2));
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    let mut characters = json.chars().peekable();
    while let Some(character) = characters.next() {
        if in_text {
            out.push(character);
            in_text = escaped || character != '"';
            escaped = !escaped && character == '\\';
            continue;
        }
        match character {
            '{' | '[' => {
                while characters.next_if(char::is_ascii_whitespace).is_some() {}
                out.push(character);
                match characters.next_if(|next| matches!(next, '}' | ']')) {
                    Some(end) => out.push(end),
                    None => {
                        depth = depth.saturating_add(1);
                        new_line(&mut out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(character);
            }
            ',' => {
                out.push(character);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            space if space.is_ascii_whitespace() => {}
            other => {
                in_text = other == '"';
                out.push(other);
            }
        }
    }
    out
}

/// The indentation goes no deeper than this, so that a text is never much longer than what it is made of.
const MAX_DEPTH: usize = 32;

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth.min(MAX_DEPTH)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stand_in_their_order_with_all_their_digits() {
        let json = r#"{"b":1.500,"a":[1, {"x":"a,b:{\"}"}],"c":[],"d":{ }}"#;
        let expected = "{\n  \"b\": 1.500,\n  \"a\": [\n    1,\n    {\n      \"x\": \"a,b:{\\\"}\"\n    }\n  ],\n  \"c\": [],\n  \"d\": {}\n}";
        assert_eq!(indented(json), expected);
    }

    #[test]
    fn what_is_no_json_does_no_harm() {
        for odd in ["", "}]},:", "\"open", "{\"a\\", &"[".repeat(10_000)] {
            let all = |text: &str| text.chars().filter(|one| !one.is_whitespace()).collect::<String>();
            assert_eq!(all(&indented(odd)), all(odd));
        }
    }
}
