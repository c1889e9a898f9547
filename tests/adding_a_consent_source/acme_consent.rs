use conversion_relay::consent::cookie_value::percent_decoded;
use conversion_relay::consent::source::{ConsentSource, CookieSetting, Location};
use conversion_relay::consent::statement::{OptOut, Statement};
use conversion_relay::consent::vocabulary::{Choices, Vocabulary};
use conversion_relay::json::{Json, Kind};

/// The cookie of Acme Consent: percent-encoded JSON such as `{"purposes":{"advertising":"yes","statistics":"no"},"gpc":false}`.
pub struct AcmeConsent;

impl ConsentSource for AcmeConsent {
    fn name(&self) -> &str {
        "Acme Consent's cookie"
    }

    fn location(&self) -> Location {
        Location::Cookie(CookieSetting {
            key: "acme",
            defaults: &["acme_consent"],
            documentation: "Acme Consent's cookie.",
        })
    }

    /// Only the string `yes` grants a purpose. The cookie is silent on purposes that the banner did not ask about.
    fn read<'a>(&self, value: &'a [u8], vocabulary: &Vocabulary) -> Statement<'a> {
        let decoded = percent_decoded(value);
        let cookie = std::str::from_utf8(&decoded).ok().and_then(|text| Json::parse(text).ok());
        let Some(purposes) = cookie.and_then(|cookie| cookie.get("purposes")) else {
            return Statement::unreadable();
        };
        let mut choices = Choices::default();
        for (purpose, choice) in purposes.members() {
            if let Some(code) = vocabulary.code(purpose.as_bytes()) {
                choices.record(code, choice.text().as_deref() == Some("yes"));
            }
        }
        let gpc =
            cookie.and_then(|cookie| cookie.get("gpc")).is_some_and(|gpc| gpc.kind() == Kind::Bool(true));
        Statement::new(vocabulary.granted(&choices), vocabulary.denied(&choices))
            .with_opt_out(OptOut::Gpc, gpc)
    }
}
