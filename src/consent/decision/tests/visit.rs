//! A visitor's request with one event, and how each source would write the visitor's choices.

use super::super::*;
use crate::consent::custom_cookie::CustomCookie;
use crate::consent::sources::tcf::tests::{Vendors, encode};
use crate::consent::{CookieNames, CookieSources, WhenAbsent};
use crate::settings::of_text;

pub(super) const FLASHTALKING: Option<u16> = Some(78);
pub(super) const PODSIGHTS: Option<u16> = None;

/// Spellings of marketing that name it, and of one other category, as an event, OneTrust or an alias writes them.
pub(super) const MARKETING_CODES: [&str; 6] =
    ["marketing", "Advertising", "MARKETING", "targeting", "C0004", "custom_ads"];
pub(super) const ANALYTICS_CODES: [&str; 4] = ["analytics", "Statistics", "C0002", "Site_Stats"];

/// The name of the site's own cookie.
pub(super) const OWN_COOKIE: &str = "my_consent";

pub(super) fn rules(when_absent: WhenAbsent, require: Require, respect_gpc: bool) -> ConsentRules {
    let aliases = [("marketing", ["C0004", "custom_ads"]), ("analytics", ["C0002", "site_stats"])];
    let vocabulary = Vocabulary::new(aliases).unwrap();
    let own = format!(
        r#"{{"cookie": "{OWN_COOKIE}", "format": "json", "granted": {{"marketing": {MARKETING_CODES:?}, "analytics": {ANALYTICS_CODES:?}}}}}"#
    );
    let own = CustomCookie::compile(&of_text(&own).unwrap(), &vocabulary, "").unwrap();
    let cookies = CookieSources::new(&CookieNames::default(), vec![own]);
    ConsentRules { when_absent, require, respect_gpc, cookies, vocabulary }
}

/// Where a visitor's choices can stand. All of these state consent; the others only opt-outs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Source {
    Flat,
    Canonical,
    Categories,
    CategoryPreferences,
    TcfOfEvent,
    Rudder,
    OneTrust,
    Cookiebot,
    Didomi,
    Own,
    Tcf,
}

pub(super) const SOURCES: [Source; 11] = [
    Source::Flat,
    Source::Canonical,
    Source::Categories,
    Source::CategoryPreferences,
    Source::TcfOfEvent,
    Source::Rudder,
    Source::OneTrust,
    Source::Cookiebot,
    Source::Didomi,
    Source::Own,
    Source::Tcf,
];

impl Source {
    /// How this source writes these choices. TCF has no codes: it grants the purposes of marketing if one of its codes is granted.
    pub(super) fn write(self, choices: &[(&str, bool)]) -> String {
        let list = |separator: &str, write: &dyn Fn(&(&str, bool)) -> String| {
            choices.iter().map(write).collect::<Vec<_>>().join(separator)
        };
        let ids = |granted: bool| {
            let ids = choices.iter().filter(|(_, choice)| *choice == granted);
            ids.map(|(code, _)| format!("{code:?}")).collect::<Vec<_>>().join(",")
        };
        let booleans = list(",", &|(code, granted)| format!("{code:?}:{granted}"));
        match self {
            Source::Flat | Source::Own => format!("{{{booleans}}}"),
            Source::Canonical => format!(r#"{{"canonical":{{{booleans}}}}}"#),
            Source::Categories => format!(r#"{{"method":"banner","categories":{{{booleans}}}}}"#),
            Source::CategoryPreferences => format!(r#"{{"categoryPreferences":{{{booleans}}}}}"#),
            Source::TcfOfEvent => format!(r#"{{"tcf":"{}"}}"#, Source::Tcf.write(choices)),
            Source::Rudder => {
                format!(r#"{{"deniedConsentIds":[{}],"allowedConsentIds":[{}]}}"#, ids(false), ids(true))
            }
            Source::OneTrust => {
                let groups = list("%2C", &|(code, granted)| format!("{code}%3A{}", u8::from(*granted)));
                format!("version=6&groups={groups}&isGpcEnabled=0")
            }
            Source::Cookiebot => {
                let members = list(",", &|(code, granted)| format!("{code}:{granted}"));
                format!("{{stamp:'x',necessary:true,{members},method:'explicit'}}")
            }
            Source::Didomi => {
                let token = format!(
                    r#"{{"purposes":{{"enabled":["cookies",{}],"disabled":[{}]}}}}"#,
                    ids(true),
                    ids(false)
                );
                use base64::prelude::{BASE64_STANDARD, Engine};
                BASE64_STANDARD.encode(token.replace(",]", "]"))
            }
            Source::Tcf => {
                let granted =
                    |codes: &[&str]| choices.iter().any(|(code, granted)| *granted && codes.contains(code));
                let marketing = if granted(&MARKETING_CODES) { &[1, 2, 3, 4, 7][..] } else { &[1, 3, 4, 7] };
                let analytics = if granted(&ANALYTICS_CODES) { &[8, 9][..] } else { &[8] };
                encode(&[marketing, analytics].concat(), &Vendors::Ranges(vec![(78, None)]))
            }
        }
    }

    /// What a decision calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Source::OneTrust => "OneTrust's cookie",
            Source::Cookiebot => "Cookiebot's cookie",
            Source::Didomi => "Didomi's cookie",
            Source::Own => "the cookie my_consent",
            Source::Tcf => "the IAB TCF string",
            Source::Rudder => "the event's context.consentManagement",
            _ => "the event's context.consent",
        }
    }

    /// The name of its cookie, or that of its member of the event's `context`.
    fn place(self) -> Result<&'static str, &'static str> {
        match self {
            Source::OneTrust => Ok("OptanonConsent"),
            Source::Cookiebot => Ok("CookieConsent"),
            Source::Didomi => Ok("didomi_token"),
            Source::Own => Ok(OWN_COOKIE),
            Source::Tcf => Ok("euconsent-v2"),
            Source::Rudder => Err("consentManagement"),
            _ => Err("consent"),
        }
    }
}

/// The signals of a request and its event.
#[derive(Clone, Debug, Default)]
pub(super) struct Visit {
    /// At most one for each member.
    pub(super) members: Vec<(&'static str, String)>,
    pub(super) cookies: Vec<(&'static str, String)>,
    pub(super) headers: Vec<(&'static str, &'static str)>,
}

impl Visit {
    /// Adds a value in the place of a source. If it is a member of the event that is there already, nothing is added.
    pub(super) fn put(&mut self, source: Source, value: String) {
        match source.place() {
            Ok(cookie) => self.cookies.push((cookie, value)),
            Err(member) if self.members.iter().any(|(name, _)| *name == member) => {}
            Err(member) => self.members.push((member, value)),
        }
    }

    pub(super) fn saying(source: Source, choices: &[(&str, bool)]) -> Self {
        let mut visit = Visit::default();
        visit.put(source, source.write(choices));
        visit
    }

    pub(super) fn with_cookie(mut self, name: &'static str, value: &str) -> Self {
        self.cookies.push((name, value.to_owned()));
        self
    }

    pub(super) fn with_header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Asks about this visit's one event.
    pub(super) fn ask<T>(
        &self,
        rules: &ConsentRules,
        question: impl FnOnce(&EventConsent<'_, '_>) -> T,
    ) -> T {
        let headers = self.headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        let cookies = self.cookies.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let request = rules.request(headers, cookies);
        let members = BySource::of(|source| {
            let member = source.location().context()?.first()?;
            self.members.iter().find(|(name, _)| name == member).map(|(_, value)| value.as_str())
        });
        question(&request.event(&members))
    }

    /// Decides on a delivery that requires these categories.
    pub(super) fn deliver(
        &self,
        rules: &ConsentRules,
        required: &[&str],
        vendor: Option<u16>,
    ) -> Result<(), DropReason> {
        let requirement = Requirement::compile(required, &rules.vocabulary).unwrap();
        self.ask(rules, |event| event.for_delivery(requirement, vendor).outcome)
    }

    /// Explains the decision on a delivery that requires marketing.
    pub(super) fn explain(&self, rules: &ConsentRules, vendor: Option<u16>) -> String {
        self.ask(rules, |event| event.for_delivery(Requirement::MARKETING, vendor).basis.to_string())
    }

    /// Decides on a cookie of ours.
    pub(super) fn set_cookie(&self, rules: &ConsentRules, required: &[&str]) -> Result<(), DropReason> {
        let requirement = Requirement::compile(required, &rules.vocabulary).unwrap();
        self.ask(rules, |event| event.for_cookie(requirement).outcome)
    }
}
