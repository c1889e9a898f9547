//! The part of the configuration that is about cookies: those that an anonymous id is read from, and the two that the
//! filter sets.

use std::time::Duration;

use super::load::Invalid;
use super::{DAY, types, within_time};
use crate::consent::{Requirement, Vocabulary};
use crate::identity::set_cookie::InvalidCookie;
use crate::identity::{CookieDomain, CookieName, Secrets, SetCookie};

/// No browser keeps a cookie longer (RFC 6265bis, section 5.5).
const LONGEST_MAX_AGE: Duration = DAY.saturating_mul(400);

/// `identity.issue_anonymous_id`, compiled.
#[derive(Debug)]
pub struct IssueAnonymousId {
    pub cookie: SetCookie,
    /// What a visitor must have granted.
    pub requirement: Requirement,
}

/// `identity.remember_email`, compiled.
#[derive(Debug)]
pub struct RememberEmail {
    pub cookie: SetCookie,
    pub secrets: Secrets,
}

impl IssueAnonymousId {
    pub(super) fn compile(
        settings: &types::IssueAnonymousId,
        read: &[CookieName],
        vocabulary: &Vocabulary,
    ) -> Result<Self, Invalid> {
        let at = |key: &str| format!("identity.issue_anonymous_id.{key}");
        let name = name(&settings.cookie, at("cookie"))?;
        if !read.contains(&name) {
            let problem = format!(
                "expected one of identity.anonymous_id_cookies, got {:?}: an id that is never read would be issued anew each time",
                settings.cookie
            );
            return Err(Invalid::new(at("cookie"), problem));
        }
        let domain = settings.domain.as_deref().map(CookieDomain::parse).transpose();
        let domain = domain.map_err(|error| Invalid::new(at("domain"), error.to_string()))?;
        let requirement = Requirement::compile(&settings.requires, vocabulary)
            .map_err(|unknown| Invalid::new(at("requires"), unknown.to_string()))?;
        let max_age = max_age(settings.max_age, &at("max_age"))?;
        Ok(Self { cookie: cookie(name, domain, max_age, at("domain"))?, requirement })
    }
}

impl RememberEmail {
    pub(super) fn compile(settings: &types::RememberEmail, ids: &[CookieName]) -> Result<Self, Invalid> {
        let at = |key: &str| format!("identity.remember_email.{key}");
        let name = name(&settings.cookie, at("cookie"))?;
        if ids.contains(&name) {
            let problem = "expected another cookie than those of identity.anonymous_id_cookies";
            return Err(Invalid::new(at("cookie"), problem));
        }
        let secrets = Secrets::new(&settings.secrets)
            .map_err(|error| Invalid::new(at("secrets"), error.to_string()))?;
        let max_age = max_age(settings.max_age, &at("max_age"))?;
        Ok(Self { cookie: cookie(name, None, max_age, at("cookie"))?, secrets })
    }
}

pub(super) fn anonymous_id_cookies(names: &[String]) -> Result<Vec<CookieName>, Invalid> {
    let mut cookies = Vec::new();
    for (at, text) in names.iter().enumerate() {
        cookies.push(name(text, format!("identity.anonymous_id_cookies[{at}]"))?);
    }
    Ok(cookies)
}

fn name(text: &str, at: String) -> Result<CookieName, Invalid> {
    CookieName::parse(text).map_err(|error| Invalid::new(at, error.to_string()))
}

fn max_age(value: Duration, at: &str) -> Result<Duration, Invalid> {
    within_time(at, value, Duration::from_secs(1), LONGEST_MAX_AGE)
}

fn cookie(
    name: CookieName,
    domain: Option<CookieDomain>,
    max_age: Duration,
    at: String,
) -> Result<SetCookie, Invalid> {
    let refused = |error: InvalidCookie| Invalid::new(at, error.to_string());
    SetCookie::new(name, domain, max_age).map_err(refused)
}
