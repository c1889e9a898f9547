//! The section `identity`: where an anonymous id and a client come from, and the two cookies that the filter sets.

use serde::Deserialize;
use serde_inline_default::serde_inline_default;
use smart_default::SmartDefault;

use super::client::ClientFromContext;
use super::remember;
use super::set_cookie::{CookieDomain, CookieName, SetCookie};
use crate::consent::{Requirement, Vocabulary};
use crate::seal::Keys;
use crate::settings::{DAY, Invalid, SECOND, Secret, Time};

/// How the visitor of an event is identified.
#[derive(Clone, Debug, Deserialize, SmartDefault)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Identity"))]
#[serde(deny_unknown_fields, default)]
pub struct IdentitySettings {
    /// The cookies that may hold the anonymous id if the event has none; the first that is present is used.
    #[default(names(&["_dfid", "ajs_anonymous_id", "rl_anonymous_id"]))]
    pub anonymous_id_cookies: Vec<CookieName>,
    /// When an event's `context.ip` and `context.userAgent` are trusted instead of the request's.
    pub client_from_context: ClientFromContext,
    /// Issues a visitor without an anonymous id a UUID, in an HttpOnly cookie on the response to an accepted tracking
    /// request; that request's own events carry it already.
    pub issue_anonymous_id: Option<IssueAnonymousIdSettings>,
    /// Keeps the digest of an `identify`'s email, encrypted, in the visitor's browser, so that a later purchase carries it:
    /// see [consent](consent.md#remembering-an-email).
    pub remember_email: Option<RememberEmailSettings>,
}

/// The longest `max_age`: no browser keeps a cookie longer (RFC 6265bis, section 5.5).
const LONGEST: u64 = 400 * DAY;

/// The cookie for an issued anonymous id.
#[derive(Clone, Debug, Deserialize, SmartDefault)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "IssueAnonymousId"))]
#[serde(deny_unknown_fields, default)]
pub struct IssueAnonymousIdSettings {
    /// The cookie's name. Must be one of `anonymous_id_cookies`.
    #[default(name("_dfid"))]
    pub cookie: CookieName,
    /// The cookie's domain, like `.example.com`, which includes its subdomains. Absent: only the gateway's own host.
    pub domain: Option<CookieDomain>,
    /// How long the browser keeps it. Browsers keep no cookie longer than 400 days.
    #[default(Time::literal::<LONGEST>())]
    pub max_age: Time<SECOND, LONGEST>,
    /// The consent categories that a visitor must have granted, all of them.
    #[default(vec!["marketing".to_owned()])]
    pub requires: Vec<String>,
}

/// The cookie for a remembered email's digest.
#[serde_inline_default]
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "RememberEmail"))]
#[serde(deny_unknown_fields)]
pub struct RememberEmailSettings {
    /// The cookie's name. Must not be one of `anonymous_id_cookies`.
    #[serde_inline_default(name("_cr_em"))]
    pub cookie: CookieName,
    /// Secrets as `${NAME}`, each 32 bytes or more, such as `openssl rand -base64 32` prints. The first encrypts, all decrypt: to
    /// rotate, put a new one first, and remove the old one after `max_age`. All gateways of a fleet need the same secrets.
    pub secrets: Vec<Secret>,
    /// How long the browser keeps it.
    #[serde_inline_default(Time::literal::<{ 30 * DAY }>())]
    pub max_age: Time<SECOND, LONGEST>,
}

/// `identity.issue_anonymous_id`, compiled.
#[derive(Debug)]
pub struct IssueAnonymousId {
    /// The cookie that the issued id is set in.
    pub cookie: SetCookie,
    /// The consent that a visitor must have granted.
    pub requirement: Requirement,
}

/// `identity.remember_email`, compiled.
#[derive(Debug)]
pub struct RememberEmail {
    /// The cookie that the encrypted digest of the email is set in.
    pub cookie: SetCookie,
    /// The keys that the digest is encrypted and decrypted with.
    pub keys: Keys,
}

impl IdentitySettings {
    /// Compiles `issue_anonymous_id`. `None`: it is off.
    pub fn issue_anonymous_id(&self, vocabulary: &Vocabulary) -> Result<Option<IssueAnonymousId>, Invalid> {
        let Some(settings) = &self.issue_anonymous_id else { return Ok(None) };
        let at = |key: &str| format!("identity.issue_anonymous_id.{key}");
        let IssueAnonymousIdSettings { cookie: name, domain, max_age, requires } = settings;
        if !self.anonymous_id_cookies.contains(name) {
            let problem = format!(
                "expected one of identity.anonymous_id_cookies, got {:?}: otherwise the id would never be read, and a new one issued each time",
                name.as_str()
            );
            return Err(Invalid::new(at("cookie"), problem));
        }
        let requirement = Requirement::compile(requires, vocabulary)
            .map_err(|unknown| Invalid::new(at("requires"), unknown.to_string()))?;
        let cookie = SetCookie::new(name.clone(), domain.clone(), max_age.get());
        let cookie = cookie.map_err(|error| Invalid::new(at("domain"), error.to_string()))?;
        Ok(Some(IssueAnonymousId { cookie, requirement }))
    }

    /// Compiles `remember_email`. `None`: it is off.
    pub fn remember_email(&self) -> Result<Option<RememberEmail>, Invalid> {
        let Some(settings) = &self.remember_email else { return Ok(None) };
        let invalid =
            |key: &str, problem: String| Invalid::new(format!("identity.remember_email.{key}"), problem);
        if self.anonymous_id_cookies.contains(&settings.cookie) {
            let problem = "expected another cookie than those of identity.anonymous_id_cookies";
            return Err(invalid("cookie", problem.to_owned()));
        }
        let keys =
            remember::keys(&settings.secrets).map_err(|error| invalid("secrets", error.to_string()))?;
        let cookie = SetCookie::new(settings.cookie.clone(), None, settings.max_age.get());
        let cookie = cookie.map_err(|error| invalid("cookie", error.to_string()))?;
        Ok(Some(RememberEmail { cookie, keys }))
    }
}

fn name(text: &'static str) -> CookieName {
    CookieName::literal(text)
}

fn names(texts: &[&'static str]) -> Vec<CookieName> {
    texts.iter().copied().map(name).collect()
}
