//! Whether a visitor has plainly refused, by rules that are simple on purpose and share no code with the filter.
//!
//! They know few of the forms in which a refusal comes. Where they find one, no conversion may leave to an integration that
//! requires marketing.

use percent_encoding::percent_decode;
use serde_json::Value;

use super::http::Request;

/// Which refusal is in a request, in words; `None`: none that these rules know.
pub fn of_marketing(request: &Request) -> Option<&'static str> {
    if request.header("sec-gpc").any(|value| value == b"1") {
        return Some("Sec-GPC: 1");
    }
    if cookies(request, b"OptanonConsent").any(refuses_c0004) {
        return Some("OptanonConsent without C0004");
    }
    if cookies(request, b"usprivacy").any(|value| matches!(value, [b'1', _, b'Y', ..])) {
        return Some("usprivacy with an opt-out of sale");
    }
    event_refuses(request).then_some("context.consent without marketing")
}

fn cookies<'a>(request: &'a Request, name: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    let parts = request.header("cookie").flat_map(|line| line.split(|byte| *byte == b';'));
    parts.filter_map(move |part| {
        let value = part.trim_ascii().strip_prefix(name)?;
        value.strip_prefix(b"=").map(<[u8]>::trim_ascii)
    })
}

/// `...&groups=C0001:1,C0004:0&...`, or the same with `%3A` and `%2C`.
fn refuses_c0004(value: &[u8]) -> bool {
    let groups = value.split(|byte| *byte == b'&').filter_map(|part| part.strip_prefix(b"groups="));
    groups
        .map(|groups| percent_decode(groups).collect::<Vec<u8>>())
        .any(|groups| groups.split(|byte| *byte == b',').any(|group| group == b"C0004:0"))
}

/// `"context": {"consent": {"marketing": false}}` or `advertising`, in the only event of a body in which nothing is said
/// twice.
fn event_refuses(request: &Request) -> bool {
    let Ok(body) = std::str::from_utf8(&request.body) else { return false };
    let Ok(event) = serde_json::from_str::<Value>(body) else { return false };
    let once = |key: &str| body.matches(key).count() == 1;
    let is_plain = !body.contains('\\') && once("\"context\"") && once("\"consent\"");
    let is_batch = event.get("batch").is_some() || event.get("events").is_some();
    let refuses = |category: &str| event["context"]["consent"][category] == Value::Bool(false);
    is_plain && !is_batch && (refuses("marketing") || refuses("advertising"))
}
