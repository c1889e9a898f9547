//! docs/configuration.md explains every key that the configuration's types read.
#![allow(clippy::unwrap_used)]

use conversion_relay::consent::CookieNames;

const PAGE: &str = include_str!("../docs/configuration.md");
const TYPES: [(&str, &str); 5] = [
    ("config/types.rs", include_str!("../src/config/types.rs")),
    ("sources.rs", include_str!("../src/sources.rs")),
    ("mapping/document.rs", include_str!("../src/mapping/document.rs")),
    ("vendors/flashtalking.rs", include_str!("../src/vendors/flashtalking.rs")),
    ("vendors/podsights.rs", include_str!("../src/vendors/podsights.rs")),
];

/// The fields of all structs in `source` that have a schema.
fn fields(source: &str) -> Vec<&str> {
    source
        .split("schemars::JsonSchema)")
        .skip(1)
        .filter_map(|rest| {
            // Attributes, then the struct up to its closing brace; an enum comes to nothing.
            let (head, body) = rest.split_once("struct ")?;
            let body = body.split_once("\n}\n")?.0;
            (!head.contains("enum ")).then_some(body.lines().skip(1))
        })
        .flatten()
        .filter_map(|line| {
            let (name, _) = line.trim().trim_start_matches("pub ").split_once(": ")?;
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_').then_some(name)
        })
        .collect()
}

/// `name` as a key: a heading, or in backquotes, alone or as a part of a path.
fn explains(name: &str) -> bool {
    [format!("`{name}`"), format!(".{name}`"), format!("`{name}."), format!("\n## {name}\n")]
        .iter()
        .any(|key| PAGE.contains(key))
}

#[test]
fn every_key_of_the_configuration_is_explained() {
    let mut unexplained = Vec::new();
    let mut found = 0;
    for (file, source) in TYPES {
        for name in fields(source) {
            found += 1;
            if !explains(name) {
                unexplained.push(format!("{name} ({file})"));
            }
        }
    }
    assert!(found > 60, "only {found} keys found: this test no longer understands the types");
    assert!(unexplained.is_empty(), "docs/configuration.md does not explain {unexplained:#?}");
}

#[test]
fn every_cookie_of_a_consent_source_is_explained_with_its_default() {
    for setting in CookieNames::settings() {
        let row = format!("| `cookies.{}` | `{}` |", setting.key, setting.default);
        assert!(PAGE.contains(&row), "docs/configuration.md lacks {row}");
    }
}
