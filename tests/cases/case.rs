//! A case as it stands in a file: docs/adding-a-case.md describes each field.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::Request;

/// Requests that a public bug report is about, and what is to reach the vendors.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub id: String,
    /// What was reported, in a line or two.
    pub report: String,
    /// Where: public addresses.
    pub source: String,
    /// What the next person to change the case should know.
    #[expect(dead_code, reason = "for people who read the file")]
    note: Option<String>,
    /// The plugin configuration. Without `integrations` it has FT and PS.
    #[serde(default)]
    configuration: BTreeMap<String, Value>,
    /// What FT and PS require.
    consent_categories: Option<Vec<String>>,
    #[serde(default)]
    pub gateway: Surroundings,
    #[serde(default)]
    head_encoding: HeadEncoding,
    requests: Vec<Sent>,
    pub expect: Expectation,
}

/// How the gateway differs from the shipped one.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Surroundings {
    /// Proxies in front of the gateway whose X-Forwarded-For is believed.
    pub trusted_hops: u32,
    /// A filter before this one that decompresses gzip bodies.
    pub decompressor: bool,
    /// Envoy follows the collector's redirects itself.
    pub internal_redirects: bool,
    /// The clients count as internal, so that Envoy obeys their `x-envoy-*` headers instead of removing them.
    pub internal_clients: bool,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
enum HeadEncoding {
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// Each character is one byte.
    #[serde(rename = "latin-1")]
    Latin1,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    /// How the collector answers from this request on, in the stand-in's terms.
    collector: Option<Value>,
    /// Request line and headers, an empty line, and the body.
    http: String,
    /// Names in `http`, and what is sent in their place.
    #[serde(default)]
    replace: BTreeMap<String, Replacement>,
    compress: Option<Format>,
    /// A body that is no text.
    body_base64: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Replacement {
    text: String,
    #[serde(default = "once")]
    times: usize,
}

fn once() -> usize {
    1
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    Gzip,
    /// With zlib's header and checksum.
    Zlib,
    /// Without.
    Deflate,
}

/// What is to leave the gateway.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// In words.
    pub outcome: String,
    /// How many requests Flashtalking receives; absent: any number.
    pub flashtalking: Option<usize>,
    pub podsights: Option<usize>,
    /// How many reach the collector, where that says whether the case was played as it is meant.
    pub collector: Option<usize>,
    /// Texts, each of which is in some vendor's request.
    #[serde(default)]
    pub contains: Vec<String>,
    /// Texts that are in no vendor's request.
    #[serde(default)]
    pub absent: Vec<String>,
}

/// One request, ready to be sent.
pub struct Step {
    pub collector: Option<Value>,
    pub request: Request,
}

impl Case {
    /// The cases of a file.
    ///
    /// # Errors
    /// Names the file, and the line of what is wrong in it.
    pub fn read(path: &Path) -> Result<Vec<Self>, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// The cases of a text, one to a YAML document.
    ///
    /// # Errors
    /// Says what is wrong, and in which line.
    pub fn parse(yaml: &str) -> Result<Vec<Self>, String> {
        serde_saphyr::from_multiple(yaml).map_err(|error| error.to_string())
    }

    /// The whole plugin configuration.
    pub fn configuration(&self) -> Value {
        let mut integrations = json!([
            {
                "name": "FT",
                "vendor": "flashtalking",
                "config": {"advertiser_id": 1_234_567, "spotlight_id": 987_654, "spotlight_group_id": 5},
            },
            {"name": "PS", "vendor": "podsights", "config": {"key": "k"}},
        ]);
        if let Some(categories) = &self.consent_categories {
            for integration in integrations.as_array_mut().into_iter().flatten() {
                integration["consent_categories"] = json!(categories);
            }
        }
        let mut configuration = json!(self.configuration);
        if configuration.get("integrations").is_none() {
            configuration["integrations"] = integrations;
        }
        configuration
    }

    /// # Errors
    /// Says which request cannot be sent, and why.
    pub fn steps(&self) -> Result<Vec<Step>, String> {
        let requests = self.requests.iter().zip(1..);
        requests
            .map(|(sent, number)| {
                let request = sent.request(self.head_encoding);
                let request = request.map_err(|error| format!("request {number}: {error}"))?;
                Ok(Step { collector: sent.collector.clone(), request })
            })
            .collect()
    }
}

impl Sent {
    fn request(&self, encoding: HeadEncoding) -> Result<Request, String> {
        let (head, body) = self.http.split_once("\n\n").unwrap_or((&self.http, ""));
        let mut lines = head.lines();
        let (method, target) =
            lines.next().and_then(|line| line.split_once(' ')).ok_or("no `METHOD path`")?;
        let mut request = Request::new(method, &self.replaced(target));
        let mut chunked = false;
        for line in lines {
            let (name, value) = line.split_once(':').ok_or_else(|| format!("no header: {line:?}"))?;
            let value = self.replaced(value.strip_prefix(' ').unwrap_or(value));
            chunked |= name.eq_ignore_ascii_case("transfer-encoding") && value == "chunked";
            request = request.header(name, encoding.bytes(&value)?);
        }
        let body = self.body(body)?;
        let has_body = !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH");
        Ok(match (has_body, chunked) {
            (false, _) => request,
            (true, false) => request.body(body),
            (true, true) => request.chunks(body.chunks(100)),
        })
    }

    fn replaced(&self, text: &str) -> String {
        self.replace.iter().fold(text.to_owned(), |text, (name, replacement)| {
            text.replace(name, &replacement.text.repeat(replacement.times))
        })
    }

    fn body(&self, text: &str) -> Result<Vec<u8>, String> {
        if let Some(encoded) = &self.body_base64 {
            return BASE64_STANDARD.decode(encoded).map_err(|error| format!("body_base64: {error}"));
        }
        let body = self.replaced(text).into_bytes();
        let packed = match self.compress {
            None => Ok(body),
            Some(Format::Gzip) => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(&body).and_then(|()| encoder.finish())
            }
            Some(Format::Zlib) => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(&body).and_then(|()| encoder.finish())
            }
            Some(Format::Deflate) => {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(&body).and_then(|()| encoder.finish())
            }
        };
        packed.map_err(|error| format!("compress: {error}"))
    }
}

impl HeadEncoding {
    fn bytes(self, text: &str) -> Result<Vec<u8>, String> {
        match self {
            Self::Utf8 => Ok(text.as_bytes().to_vec()),
            Self::Latin1 => text
                .chars()
                .map(|character| u8::try_from(character).map_err(|_| format!("{character:?} is not Latin-1")))
                .collect(),
        }
    }
}
