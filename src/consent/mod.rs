//! Whether an event may be delivered to a vendor: the visitor's consent, Global Privacy Control, and the event's own
//! `integrations` object.
//!
//! The consent of an event is what the first of these says that says anything: the event's `context.consent` or
//! `context.consentManagement`, OneTrust's cookie, Cookiebot's cookie, the IAB TCF string. A category that this source
//! does not grant is denied, whatever the sources after it say. A cookie that cannot be read says nothing.

mod cookiebot;
mod event;
mod integrations;
mod onetrust;
mod tcf;
mod vocabulary;

use std::cell::OnceCell;

pub use integrations::EventIntegrations;
pub use vocabulary::{AliasError, Categories, Category, Requirement, UnknownCategory, Vocabulary};

use crate::config::{Place, Read};
use crate::delivery::DropReason;
use onetrust::OneTrust;
use tcf::TcfString;

/// No browser keeps a longer cookie (RFC 6265 section 6.1), so none was set by a consent tool.
const MAX_COOKIE_BYTES: usize = 4096;

/// What happens to an event of which no source says anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "cli", schemars(rename_all = "lowercase"))]
pub enum WhenAbsent {
    #[default]
    Deny,
    Allow,
}

impl Read for WhenAbsent {
    fn read(place: Place<'_>) -> Self {
        place.choice(&[("deny", Self::Deny), ("allow", Self::Allow)]).unwrap_or(Self::Deny)
    }
}

/// How many of an integration's categories must be granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "cli", schemars(rename_all = "lowercase"))]
pub enum Require {
    #[default]
    All,
    Any,
}

impl Read for Require {
    fn read(place: Place<'_>) -> Self {
        place.choice(&[("all", Self::All), ("any", Self::Any)]).unwrap_or(Self::All)
    }
}

impl Require {
    fn is_met(self, requirement: Requirement, granted: Categories) -> bool {
        let required = requirement.categories();
        let granted = granted.with(Category::Essential);
        match self {
            Require::All => granted.contains_all(required),
            Require::Any => required.is_empty() || granted.intersects(required),
        }
    }
}

/// The names of the cookies that consent tools keep their answer in. An empty name: that tool is not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentCookies {
    pub onetrust: String,
    pub cookiebot: String,
    pub tcf: String,
}

impl Default for ConsentCookies {
    fn default() -> Self {
        ConsentCookies {
            onetrust: "OptanonConsent".into(),
            cookiebot: "CookieConsent".into(),
            tcf: "euconsent-v2".into(),
        }
    }
}

/// The `consent` part of the configuration, compiled.
#[derive(Clone, Debug)]
pub struct ConsentRules {
    pub when_absent: WhenAbsent,
    pub require: Require,
    pub respect_gpc: bool,
    pub cookies: ConsentCookies,
    pub vocabulary: Vocabulary,
}

impl ConsentRules {
    /// The consent that one request carries in its headers. `sec_gpc` is the value of its `Sec-GPC` header, `cookie` gives
    /// the value of a cookie by name. Values are kept, and read when a decision first needs them.
    pub fn request<'a>(
        &'a self,
        sec_gpc: Option<&[u8]>,
        mut cookie: impl FnMut(&str) -> Option<&'a [u8]>,
    ) -> RequestConsent<'a> {
        let mut cookie = |name: &str| if name.is_empty() { None } else { cookie(name) };
        RequestConsent {
            rules: self,
            sec_gpc: sec_gpc.is_some_and(|value| value.trim_ascii() == b"1"),
            onetrust: cookie(&self.cookies.onetrust),
            cookiebot: cookie(&self.cookies.cookiebot),
            tcf: cookie(&self.cookies.tcf),
            onetrust_read: OnceCell::new(),
            cookies_say: OnceCell::new(),
        }
    }
}

/// The consent in a request's headers, for all of its events. Each cookie is read at most once.
#[derive(Debug)]
pub struct RequestConsent<'a> {
    rules: &'a ConsentRules,
    sec_gpc: bool,
    onetrust: Option<&'a [u8]>,
    cookiebot: Option<&'a [u8]>,
    tcf: Option<&'a [u8]>,
    onetrust_read: OnceCell<OneTrust>,
    cookies_say: OnceCell<CookiesSay<'a>>,
}

/// What the first cookie says that says anything.
#[derive(Debug)]
enum CookiesSay<'a> {
    Granted(Categories),
    /// What this one grants depends on the vendor.
    Tcf(TcfString<'a>),
    Nothing,
}

impl<'a> RequestConsent<'a> {
    /// The consent of one of the request's events, from the raw JSON text of its `context.consent` and
    /// `context.consentManagement`. Both None: the consent of the request alone.
    pub fn event(&self, consent: Option<&str>, consent_management: Option<&str>) -> EventConsent<'_, 'a> {
        let own = event::granted(consent, consent_management, &self.rules.vocabulary);
        EventConsent { request: self, own }
    }

    /// The header, or what OneTrust saw of the same setting in the browser: some browsers offer it to scripts only.
    fn gpc(&self) -> bool {
        self.rules.respect_gpc && (self.sec_gpc || self.onetrust().gpc)
    }

    fn onetrust(&self) -> OneTrust {
        *self.onetrust_read.get_or_init(|| {
            self.onetrust.map(|value| onetrust::read(value, &self.rules.vocabulary)).unwrap_or_default()
        })
    }

    fn cookies_say(&self) -> &CookiesSay<'a> {
        self.cookies_say.get_or_init(|| {
            let cookiebot = || cookiebot::granted(self.cookiebot?, &self.rules.vocabulary);
            if let Some(granted) = self.onetrust().granted.or_else(cookiebot) {
                return CookiesSay::Granted(granted);
            }
            self.tcf.and_then(TcfString::read).map_or(CookiesSay::Nothing, CookiesSay::Tcf)
        })
    }
}

/// The consent of one event.
#[derive(Clone, Copy, Debug)]
pub struct EventConsent<'r, 'a> {
    request: &'r RequestConsent<'a>,
    /// What the event itself grants. None: it says nothing.
    own: Option<Categories>,
}

impl EventConsent<'_, '_> {
    /// Whether the event may be delivered to a vendor. `tcf_vendor` is the vendor's id on IAB's list, None for a vendor
    /// that is not on it. Global Privacy Control holds for every vendor, also for one that requires no consent.
    pub fn for_delivery(&self, requirement: Requirement, tcf_vendor: Option<u16>) -> Result<(), DropReason> {
        if self.request.gpc() {
            return Err(DropReason::Gpc);
        }
        self.decide(requirement, self.request.rules.require, tcf_vendor)
    }

    /// Whether a cookie of our own may be set: all of what it requires is granted, and marketing is not against Global
    /// Privacy Control. A refusal other than [`DropReason::ConsentAbsent`] is the visitor's no.
    pub fn for_cookie(&self, requirement: Requirement) -> Result<(), DropReason> {
        if requirement.categories().contains(Category::Marketing) && self.request.gpc() {
            return Err(DropReason::Gpc);
        }
        self.decide(requirement, Require::All, None)
    }

    fn decide(
        &self,
        requirement: Requirement,
        require: Require,
        tcf_vendor: Option<u16>,
    ) -> Result<(), DropReason> {
        if require.is_met(requirement, Categories::NONE) {
            return Ok(());
        }
        match self.granted(tcf_vendor) {
            Some(granted) if require.is_met(requirement, granted) => Ok(()),
            Some(_) => Err(DropReason::ConsentDenied),
            None if self.request.rules.when_absent == WhenAbsent::Allow => Ok(()),
            None => Err(DropReason::ConsentAbsent),
        }
    }

    /// What the first source grants that says anything; None where none does.
    fn granted(&self, tcf_vendor: Option<u16>) -> Option<Categories> {
        self.own.or_else(|| match self.request.cookies_say() {
            CookiesSay::Granted(granted) => Some(*granted),
            CookiesSay::Tcf(string) => Some(string.granted(tcf_vendor)),
            CookiesSay::Nothing => None,
        })
    }
}

#[cfg(test)]
mod tests;
