use conversion_relay::consent::cookie_value::percent_decoded;
use conversion_relay::consent::source::{ConsentSource, CookieSetting, Location};
use conversion_relay::consent::statement::Statement;
use conversion_relay::consent::vocabulary::{Choices, Vocabulary};
use conversion_relay::json::{Json, Kind};

/// The cookie of Acme Consent: percent-encoded JSON such as `{"purposes":{"advertising":"yes","statistics":"no"},"gpc":false}`.
pub struct AcmeConsent;

impl ConsentSource for AcmeConsent {
    fn name(&self) -> &'static str {
        "Acme Consent's cookie"
    }

    fn location(&self) -> Location {
        Location::Cookie(CookieSetting {
            key: "acme",
            default: "acme_consent",
            documentation: "Acme Consent's cookie.",
        })
    }

    /// Only the string `yes` grants a purpose. The cookie is silent on purposes that the banner did not ask about, and on
    /// everything if it cannot be read.
    fn read<'a>(&self, value: &'a [u8], vocabulary: &Vocabulary) -> Statement<'a> {
        let decoded = percent_decoded(value);
        let Ok(text) = std::str::from_utf8(&decoded) else { return Statement::silent() };
        let Ok(cookie) = Json::parse(text) else { return Statement::silent() };
        let mut choices = Choices::default();
        for (purpose, choice) in cookie.get("purposes").map(Json::members).unwrap_or_default() {
            if let Some(code) = vocabulary.code(purpose.as_bytes()) {
                choices.record(code, choice.text().as_deref() == Some("yes"));
            }
        }
        let gpc = cookie.get("gpc").is_some_and(|gpc| gpc.kind() == Kind::Bool(true));
        Statement::new(vocabulary.granted(&choices), vocabulary.denied(&choices)).with_gpc(gpc)
    }
}
