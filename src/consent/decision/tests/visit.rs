//! A visitor's request with one event, and what each of today's sources would hold.

use super::super::*;
use crate::consent::CookieNames;
use crate::consent::sources::tcf::tests::{Vendors, encode};

pub(super) const FLASHTALKING: Option<u16> = Some(78);
pub(super) const PODSIGHTS: Option<u16> = None;

/// Every spelling of marketing and of one other category, as an event, OneTrust or an alias writes it.
pub(super) const MARKETING_CODES: [&str; 7] =
    ["marketing", "Advertising", "MARKETING", "targeting", "C0004", "c0005", "custom_ads"];
pub(super) const ANALYTICS_CODES: [&str; 4] = ["analytics", "Statistics", "C0002", "Site_Stats"];

pub(super) fn rules(when_absent: WhenAbsent, require: Require, respect_gpc: bool) -> ConsentRules {
    let aliases = [("marketing", ["C0004", "custom_ads"]), ("analytics", ["C0002", "site_stats"])];
    let vocabulary = Vocabulary::new(aliases).unwrap();
    ConsentRules { when_absent, require, respect_gpc, cookies: CookieNames::default(), vocabulary }
}

/// Where a visitor's answer can stand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Source {
    Flat,
    Canonical,
    Categories,
    CategoryPreferences,
    Rudder,
    OneTrust,
    Cookiebot,
    Tcf,
}

/// All sources, as the specification orders them.
pub(super) const SOURCES: [Source; 8] = [
    Source::Flat,
    Source::Canonical,
    Source::Categories,
    Source::CategoryPreferences,
    Source::Rudder,
    Source::OneTrust,
    Source::Cookiebot,
    Source::Tcf,
];

impl Source {
    /// How this source writes these answers. TCF has no codes: it grants the purposes of marketing if one of its codes is granted.
    pub(super) fn write(self, answers: &[(&str, bool)]) -> String {
        let list = |separator: &str, write: &dyn Fn(&(&str, bool)) -> String| {
            answers.iter().map(write).collect::<Vec<_>>().join(separator)
        };
        let ids = |granted: bool| {
            let ids = answers.iter().filter(|(_, answer)| *answer == granted);
            ids.map(|(code, _)| format!("{code:?}")).collect::<Vec<_>>().join(",")
        };
        let booleans = list(",", &|(code, granted)| format!("{code:?}:{granted}"));
        match self {
            Source::Flat => format!("{{{booleans}}}"),
            Source::Canonical => format!(r#"{{"canonical":{{{booleans}}}}}"#),
            Source::Categories => format!(r#"{{"method":"banner","categories":{{{booleans}}}}}"#),
            Source::CategoryPreferences => format!(r#"{{"categoryPreferences":{{{booleans}}}}}"#),
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
            Source::Tcf => {
                let granted =
                    |codes: &[&str]| answers.iter().any(|(code, granted)| *granted && codes.contains(code));
                let marketing = if granted(&MARKETING_CODES) { &[1, 2, 3, 4, 7][..] } else { &[1, 3, 4, 7] };
                let analytics = if granted(&ANALYTICS_CODES) { &[8, 9][..] } else { &[8] };
                encode(&[marketing, analytics].concat(), &Vendors::Ranges(vec![(78, None)]))
            }
        }
    }

    /// What a decision calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Source::Flat | Source::Canonical | Source::Categories | Source::CategoryPreferences => {
                "the event's context.consent"
            }
            Source::Rudder => "the event's context.consentManagement",
            Source::OneTrust => "OneTrust's cookie",
            Source::Cookiebot => "Cookiebot's cookie",
            Source::Tcf => "the IAB TCF string",
        }
    }

    /// Which is heard before which. The shapes of `context.consent` share one place: there the first put in stays.
    pub(super) fn rank(self) -> usize {
        match self {
            Source::Flat | Source::Canonical | Source::Categories | Source::CategoryPreferences => 0,
            Source::Rudder => 1,
            Source::OneTrust => 2,
            Source::Cookiebot => 3,
            Source::Tcf => 4,
        }
    }
}

/// A whole input: at most one text for each place, and the switches.
#[derive(Clone, Debug, Default)]
pub(super) struct Visit {
    pub(super) consent: Option<String>,
    pub(super) consent_management: Option<String>,
    pub(super) onetrust: Option<String>,
    pub(super) cookiebot: Option<String>,
    pub(super) tcf: Option<String>,
    pub(super) sec_gpc: Option<&'static str>,
}

impl Visit {
    pub(super) fn put(&mut self, source: Source, text: String) {
        let place = match source {
            Source::Rudder => &mut self.consent_management,
            Source::OneTrust => &mut self.onetrust,
            Source::Cookiebot => &mut self.cookiebot,
            Source::Tcf => &mut self.tcf,
            _ => &mut self.consent,
        };
        place.get_or_insert(text);
    }

    pub(super) fn saying(source: Source, answers: &[(&str, bool)]) -> Self {
        let mut visit = Visit::default();
        visit.put(source, source.write(answers));
        visit
    }

    /// Asks about this visit's one event.
    pub(super) fn ask<T>(&self, rules: &ConsentRules, question: impl FnOnce(EventConsent) -> T) -> T {
        let request = rules.request(self.sec_gpc.map(str::as_bytes), |name| {
            let value = match name {
                "OptanonConsent" => &self.onetrust,
                "CookieConsent" => &self.cookiebot,
                "euconsent-v2" => &self.tcf,
                other => panic!("no such cookie: {other}"),
            };
            value.as_deref().map(str::as_bytes)
        });
        let members = BySource::of(|source| match *source.location().context()?.first()? {
            "consent" => self.consent.as_deref(),
            "consentManagement" => self.consent_management.as_deref(),
            other => panic!("no such member: {other}"),
        });
        question(request.event(&members))
    }

    /// Decides on a delivery that requires these categories.
    pub(super) fn decide(&self, rules: &ConsentRules, required: &[&str], vendor: Option<u16>) -> Decision {
        let requirement = Requirement::compile(required, &rules.vocabulary).unwrap();
        self.ask(rules, |event| event.for_delivery(requirement, vendor))
    }

    pub(super) fn deliver(
        &self,
        rules: &ConsentRules,
        required: &[&str],
        vendor: Option<u16>,
    ) -> Result<(), DropReason> {
        self.decide(rules, required, vendor).outcome
    }
}
