//! The configuration for an Envoy that asks by extension discovery (ECDS) over REST, every two seconds or so.

use std::borrow::Cow;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::clock;
use crate::console::Shared;
use crate::store::{Sighting, Via};
use crate::web::{ApiError, Gateway, Posted};

/// A DiscoveryRequest, as far as it is read. All but its extensions is optional in what Envoy sends, and it names its fields in one
/// of the two ways of protobuf's JSON.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked<'a> {
    #[serde(borrow, alias = "versionInfo")]
    version_info: Option<Cow<'a, str>>,
    #[serde(borrow)]
    node: Node<'a>,
    #[serde(borrow, alias = "resourceNames")]
    resource_names: Vec<Cow<'a, str>>,
    #[serde(borrow, alias = "errorDetail")]
    error_detail: Option<Problem<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Node<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    cluster: Cow<'a, str>,
    #[serde(borrow, alias = "userAgentName")]
    user_agent_name: Cow<'a, str>,
    #[serde(borrow, alias = "userAgentVersion")]
    user_agent_version: Cow<'a, str>,
    #[serde(alias = "userAgentBuildVersion")]
    user_agent_build_version: Build,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Build {
    version: Semantic,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Semantic {
    #[serde(alias = "majorNumber")]
    major_number: u32,
    #[serde(alias = "minorNumber")]
    minor_number: u32,
    patch: u32,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem<'a> {
    #[serde(borrow)]
    message: Cow<'a, str>,
}

impl Node<'_> {
    fn software(&self) -> String {
        let Semantic { major_number, minor_number, patch } = &self.user_agent_build_version.version;
        match (&*self.user_agent_name, &*self.user_agent_version) {
            ("", _) => String::new(),
            (name, "") if (*major_number, *minor_number, *patch) == (0, 0, 0) => name.to_owned(),
            (name, "") => format!("{name} {major_number}.{minor_number}.{patch}"),
            (name, version) => format!("{name} {version}"),
        }
    }
}

/// Answers an Envoy that asks for the filter's configuration: 304 if it has the one in force. There is always one: Envoy would refuse
/// an answer without it, and a gateway that delivers nothing any more needs one that says so.
pub async fn answer(
    State(console): State<Shared>,
    Gateway(caller): Gateway,
    Posted(body): Posted,
) -> Result<Response, ApiError> {
    let asked: Asked<'_> = serde_json::from_slice(&body)
        .map_err(|error| ApiError::malformed(format!("expected a DiscoveryRequest in JSON: {error}")))?;
    let name = console.fleet.plugin().name();
    if !asked.resource_names.is_empty() && !asked.resource_names.iter().any(|asked| asked == name) {
        let message =
            format!("expected resource_names with {name:?}, the name of the plugin file's resource");
        return Err(ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", message));
    }
    let served = console.fleet.served(&console.store);
    let version = asked.version_info.as_deref().unwrap_or_default();
    let sighting = Sighting {
        name: if asked.node.id.is_empty() { &caller.name } else { &asked.node.id },
        via: Via::Discovery,
        cluster: &asked.node.cluster,
        software: &asked.node.software(),
        version,
        error: asked.error_detail.as_ref().map(|problem| &*problem.message),
    };
    console.store.roster().saw(&sighting, &served.version, clock::now());
    if version == served.version {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    Ok(json(served.discovery.clone()))
}

/// Returns an answer of JSON text.
pub fn json(text: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_in_both_ways_of_naming_fields_and_with_nothing_in_it() {
        let snake = r#"{"version_info":"1-a","node":{"id":"gw","cluster":"edge","user_agent_name":"envoy",
            "user_agent_build_version":{"version":{"major_number":1,"minor_number":40},"metadata":{}},"extensions":[{}]},
            "resource_names":["conversion-relay"],"error_detail":{"code":13,"message":"no"},"type_url":"t"}"#;
        let camel = r#"{"versionInfo":"1-a","node":{"id":"gw","cluster":"edge","userAgentName":"envoy",
            "userAgentBuildVersion":{"version":{"majorNumber":1,"minorNumber":40}}},
            "resourceNames":["conversion-relay"],"errorDetail":{"message":"no"}}"#;
        for text in [snake, camel] {
            let asked: Asked<'_> = serde_json::from_str(text).unwrap();
            assert_eq!(asked.version_info.as_deref(), Some("1-a"));
            assert_eq!(asked.node.software(), "envoy 1.40.0");
            assert_eq!(asked.resource_names, ["conversion-relay"]);
            assert_eq!(asked.error_detail.unwrap().message, "no");
        }
        let nothing: Asked<'_> = serde_json::from_str("{}").unwrap();
        assert_eq!(nothing.node.software(), "");
    }
}
