//! What of a console is written: a file that Envoy takes, with a configuration that the filter takes.

use std::path::Path;

use serde_json::Value;

use crate::Failure;
use crate::document::{self, Found};
use crate::loading::load;

/// Checks what would stand in the file at `path`, whose content is `current` now.
///
/// # Errors
/// If Envoy or the filter would refuse it, in words.
pub fn check(text: &str, current: Option<&str>, path: &Path) -> Result<(), String> {
    let is_json = path.extension().is_some_and(|ending| ending == "json");
    if is_json && serde_json::from_str::<Value>(text).is_err() {
        return Err(format!("it is no JSON, as which Envoy reads {}", path.display()));
    }
    let found = read(text, path)?;
    // Of another name, Envoy would refuse it. What stands there may be anything.
    if let Some(before) = current.and_then(|current| read(current, path).ok())
        && before.name != found.name
    {
        let name = |found: &Found| found.name.clone().unwrap_or_default();
        return Err(format!(
            "its resource is {:?}, but that of {} is {:?}, which is what Envoy asks for",
            name(&found),
            path.display(),
            name(&before)
        ));
    }
    load(&found, &path.display().to_string()).map(drop).map_err(|failure| first_line(&failure))
}

fn read(text: &str, path: &Path) -> Result<Found, String> {
    document::of_filter_file(text, path).map_err(|failure| first_line(&failure))
}

/// Below the first line of an error about YAML is the text around it, which may be a secret.
fn first_line(failure: &Failure) -> String {
    failure.to_string().lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../../conversion-relay.yaml");

    fn refusal(text: &str) -> String {
        check(text, None, Path::new("f.yaml")).unwrap_err()
    }

    #[test]
    fn the_shipped_file_is_accepted_and_what_is_no_such_file_is_not() {
        assert_eq!(check(SHIPPED, Some(SHIPPED), Path::new("f.yaml")), Ok(()));
        let twice = SHIPPED.replace("resources:\n", "resources:\n  - {}\n");
        let untyped =
            SHIPPED.replace("envoy.config.core.v3.TypedExtensionConfig", "envoy.config.core.v3.Other");
        let gateway = include_str!("../../../envoy.yaml");
        for text in
            ["", "null", "{", "<html>", "resources: []", "integrations: []", &twice, &untyped, gateway]
        {
            assert!(!refusal(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn what_the_filter_refuses_is_refused_with_its_own_message() {
        let message = refusal(&SHIPPED.replace("consent_categories", "consent_categorys"));
        assert!(message.starts_with("f.yaml: integrations[0].consent_categorys: unknown field"), "{message}");
    }

    #[test]
    fn a_text_that_cannot_be_read_is_not_shown() {
        let broken = SHIPPED.replace("key: \"${PODSIGHTS_KEY}\"", "key: ps_literal_key: [");
        let message = refusal(&broken);
        assert!(message.contains("line ") && !message.contains("ps_literal_key"), "{message}");
    }

    #[test]
    fn another_name_than_envoy_asks_for_is_refused_once_there_is_a_file() {
        let other = SHIPPED.replace("name: conversion-relay  ", "name: another  ");
        assert_eq!(check(&other, None, Path::new("f.yaml")), Ok(()));
        assert_eq!(check(&other, Some("broken by hand"), Path::new("f.yaml")), Ok(()));
        let message = check(&other, Some(SHIPPED), Path::new("f.yaml")).unwrap_err();
        assert!(message.contains("\"another\"") && message.contains("\"conversion-relay\""), "{message}");
    }

    #[test]
    fn a_json_file_gets_json() {
        let yaml = check(SHIPPED, None, Path::new("f.json")).unwrap_err();
        assert!(yaml.contains("no JSON"), "{yaml}");
        let json = serde_saphyr::from_str::<Value>(SHIPPED).unwrap().to_string();
        assert_eq!(check(&json, None, Path::new("f.json")), Ok(()));
        assert_eq!(check(&json, None, Path::new("f.yaml")), Ok(()), "JSON is YAML");
    }
}
