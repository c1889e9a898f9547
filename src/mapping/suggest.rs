//! "did you mean": suggests a similar name for an unknown one.

/// The minimum Jaro-Winkler similarity (0 to 1) for a suggestion.
const MIN_SIMILARITY: f64 = 0.75;

/// The known name that is most like `name`, if any is.
pub fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let name = name.to_ascii_lowercase();
    let (mut nearest, mut most) = (None, MIN_SIMILARITY);
    for known in known {
        let likeness = strsim::jaro_winkler(&name, &known.to_ascii_lowercase());
        if likeness > most {
            (nearest, most) = (Some(*known), likeness);
        }
    }
    nearest
}

/// `unknown transform "upper", did you mean "uppercase"?`, or all the names there are.
pub fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(near) => format!("unknown {what} {name:?}, did you mean {near:?}?"),
        None => format!("unknown {what} {name:?}: expected one of {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_a_far_one_is_not() {
        let known = ["lowercase", "uppercase", "trim", "integer"];
        for (name, near) in [
            ("upper", Some("uppercase")),
            ("LowerCase", Some("lowercase")),
            ("int", Some("integer")),
            ("tirm", Some("trim")),
            ("base64", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, &known), near, "{name}");
        }
        assert_eq!(
            unknown("transform", "xyz", &["a", "b"]),
            "unknown transform \"xyz\": expected one of a, b"
        );
    }
}
