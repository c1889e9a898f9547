use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::tcf::tests::{Vendors, encode};
use super::*;

const FLASHTALKING: Option<u16> = Some(78);
const PODSIGHTS: Option<u16> = None;

/// Every spelling of marketing and of one other category, as an event, OneTrust or an alias writes it.
const MARKETING_CODES: [&str; 7] =
    ["marketing", "Advertising", "MARKETING", "targeting", "C0004", "c0005", "custom_ads"];
const ANALYTICS_CODES: [&str; 4] = ["analytics", "Statistics", "C0002", "Site_Stats"];

fn rules(when_absent: WhenAbsent, require: Require, respect_gpc: bool) -> ConsentRules {
    let aliases = [("marketing", ["C0004", "custom_ads"]), ("analytics", ["C0002", "site_stats"])];
    let vocabulary = Vocabulary::new(aliases).unwrap();
    ConsentRules { when_absent, require, respect_gpc, cookies: ConsentCookies::default(), vocabulary }
}

/// Where a visitor's answer can stand.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
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
const SOURCES: [Source; 8] = [
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
    fn write(self, answers: &[(&str, bool)]) -> String {
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

    /// Which is heard before which. The shapes of `context.consent` share one place: there the first put in stays.
    fn rank(self) -> usize {
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
struct Visit {
    consent: Option<String>,
    consent_management: Option<String>,
    onetrust: Option<String>,
    cookiebot: Option<String>,
    tcf: Option<String>,
    sec_gpc: Option<&'static str>,
}

impl Visit {
    fn put(&mut self, source: Source, text: String) {
        let place = match source {
            Source::Rudder => &mut self.consent_management,
            Source::OneTrust => &mut self.onetrust,
            Source::Cookiebot => &mut self.cookiebot,
            Source::Tcf => &mut self.tcf,
            _ => &mut self.consent,
        };
        place.get_or_insert(text);
    }

    fn saying(source: Source, answers: &[(&str, bool)]) -> Self {
        let mut visit = Visit::default();
        visit.put(source, source.write(answers));
        visit
    }

    /// Asks about this visit's one event.
    fn ask<T>(&self, rules: &ConsentRules, question: impl FnOnce(EventConsent) -> T) -> T {
        let request = rules.request(self.sec_gpc.map(str::as_bytes), |name| {
            let value = match name {
                "OptanonConsent" => &self.onetrust,
                "CookieConsent" => &self.cookiebot,
                "euconsent-v2" => &self.tcf,
                other => panic!("no such cookie: {other}"),
            };
            value.as_deref().map(str::as_bytes)
        });
        question(request.event(self.consent.as_deref(), self.consent_management.as_deref()))
    }

    fn deliver(
        &self,
        rules: &ConsentRules,
        required: &[&str],
        vendor: Option<u16>,
    ) -> Result<(), DropReason> {
        let requirement = Requirement::compile(required, &rules.vocabulary).unwrap();
        self.ask(rules, |event| event.for_delivery(requirement, vendor))
    }
}

#[test]
fn the_matrix_of_sources_spellings_gpc_absence_and_requirement() {
    let spellings = MARKETING_CODES.into_iter().flat_map(|m| ANALYTICS_CODES.map(|a| (m, a)));
    for (marketing, analytics) in spellings {
        for source in SOURCES {
            for (grants_marketing, grants_analytics) in
                [(false, false), (false, true), (true, false), (true, true)]
            {
                let mut visit =
                    Visit::saying(source, &[(marketing, grants_marketing), (analytics, grants_analytics)]);
                for when_absent in [WhenAbsent::Deny, WhenAbsent::Allow] {
                    for (require, both) in [
                        (Require::All, grants_marketing && grants_analytics),
                        (Require::Any, grants_marketing || grants_analytics),
                    ] {
                        let rules = rules(when_absent, require, true);
                        let denied_unless =
                            |granted: bool| if granted { Ok(()) } else { Err(DropReason::ConsentDenied) };
                        for (required, granted) in [
                            (&[marketing][..], grants_marketing),
                            (&["advertising"], grants_marketing),
                            (&[analytics], grants_analytics),
                            (&["personalization"], false),
                            (&[marketing, analytics], both),
                            (&["necessary"], true),
                            (&[], true),
                        ] {
                            for (sec_gpc, gpc) in [(None, false), (Some("0"), false), (Some("1"), true)] {
                                visit.sec_gpc = sec_gpc;
                                let expected =
                                    if gpc { Err(DropReason::Gpc) } else { denied_unless(granted) };
                                let decided = visit.deliver(&rules, required, FLASHTALKING);
                                assert_eq!(decided, expected, "{required:?} {require:?} {visit:?}");
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn without_any_source_when_absent_decides() {
    let visit = Visit::default();
    for require in [Require::All, Require::Any] {
        let deny = rules(WhenAbsent::Deny, require, true);
        assert_eq!(visit.deliver(&deny, &["marketing"], PODSIGHTS), Err(DropReason::ConsentAbsent));
        assert_eq!(visit.deliver(&deny, &[], PODSIGHTS), Ok(()));
        assert_eq!(visit.deliver(&deny, &["essential"], PODSIGHTS), Ok(()));
        let allow = rules(WhenAbsent::Allow, require, true);
        assert_eq!(visit.deliver(&allow, &["marketing"], PODSIGHTS), Ok(()));
        let gpc = Visit { sec_gpc: Some("1"), ..Visit::default() };
        assert_eq!(gpc.deliver(&allow, &["marketing"], PODSIGHTS), Err(DropReason::Gpc));
        assert_eq!(gpc.deliver(&allow, &[], PODSIGHTS), Err(DropReason::Gpc));
    }
}

#[test]
fn the_first_source_that_speaks_decides_and_the_others_are_not_heard() {
    let rules = rules(WhenAbsent::Allow, Require::All, true);
    for (first, source) in SOURCES.into_iter().enumerate() {
        for granted in [false, true] {
            let mut visit = Visit::saying(source, &[("marketing", granted)]);
            for later in &SOURCES[first + 1..] {
                visit.put(*later, later.write(&[("marketing", !granted)]));
            }
            let expected = if granted { Ok(()) } else { Err(DropReason::ConsentDenied) };
            assert_eq!(visit.deliver(&rules, &["marketing"], FLASHTALKING), expected, "{visit:?}");
        }
    }
}

#[test]
fn a_cookie_that_cannot_be_read_leaves_the_word_to_the_next() {
    let rules = rules(WhenAbsent::Deny, Require::All, true);
    let mut visit = Visit::saying(Source::Tcf, &[("marketing", true)]);
    visit.onetrust = Some("landingPath=NotLandingPage".into());
    visit.cookiebot = Some("-1".into());
    assert_eq!(visit.deliver(&rules, &["marketing"], FLASHTALKING), Ok(()));
    visit.tcf = Some("COvFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEE".into());
    assert_eq!(visit.deliver(&rules, &["marketing"], PODSIGHTS), Err(DropReason::ConsentAbsent));
}

#[test]
fn a_vendor_of_iabs_list_needs_consent_to_itself_and_podsights_the_purposes_only() {
    let rules = rules(WhenAbsent::Allow, Require::All, true);
    let tcf = Some(encode(&[1, 2, 3, 4, 7], &Vendors::Ranges(vec![(1, Some(77)), (79, Some(900))])));
    let visit = Visit { tcf, ..Visit::default() };
    assert_eq!(visit.deliver(&rules, &["marketing"], PODSIGHTS), Ok(()));
    assert_eq!(visit.deliver(&rules, &["marketing"], FLASHTALKING), Err(DropReason::ConsentDenied));
}

#[test]
fn gpc_holds_unless_it_is_switched_off_and_onetrust_may_be_its_witness() {
    let granted = Visit::saying(Source::Flat, &[("marketing", true)]);
    let onetrust = Some("isGpcEnabled=1&groups=C0004%3A1".to_owned());
    for visit in [Visit { sec_gpc: Some(" 1 "), ..granted.clone() }, Visit { onetrust, ..granted }] {
        let respecting = rules(WhenAbsent::Deny, Require::All, true);
        assert_eq!(visit.deliver(&respecting, &["marketing"], PODSIGHTS), Err(DropReason::Gpc));
        let ignoring = rules(WhenAbsent::Deny, Require::All, false);
        assert_eq!(visit.deliver(&ignoring, &["marketing"], PODSIGHTS), Ok(()));
    }
}

#[test]
fn a_cookie_of_ours_needs_all_of_its_categories_and_marketing_yields_to_gpc() {
    let rules = rules(WhenAbsent::Deny, Require::Any, true);
    let both = Requirement::compile(&["marketing", "analytics"], &rules.vocabulary).unwrap();
    let analytics = Requirement::compile(&["analytics"], &rules.vocabulary).unwrap();
    let cookie = |visit: &Visit, requirement| visit.ask(&rules, |event| event.for_cookie(requirement));

    let mut visit = Visit::saying(Source::OneTrust, &[("C0004", true)]);
    assert_eq!(cookie(&visit, Requirement::MARKETING), Ok(()));
    assert_eq!(cookie(&visit, both), Err(DropReason::ConsentDenied));
    visit.sec_gpc = Some("1");
    assert_eq!(cookie(&visit, Requirement::MARKETING), Err(DropReason::Gpc));
    assert_eq!(cookie(&visit, analytics), Err(DropReason::ConsentDenied));
    assert_eq!(cookie(&Visit::default(), Requirement::MARKETING), Err(DropReason::ConsentAbsent));
}

#[test]
fn a_source_without_a_cookie_name_is_not_asked() {
    let mut rules = rules(WhenAbsent::Deny, Require::All, true);
    rules.cookies.onetrust.clear();
    let request = rules.request(None, |name| {
        assert!(!name.is_empty());
        None
    });
    let decided = request.event(None, None).for_delivery(Requirement::MARKETING, PODSIGHTS);
    assert_eq!(decided, Err(DropReason::ConsentAbsent));
}

/// Any answers in one source's writing, or anything else in its place.
fn any_text(source: Source) -> impl Strategy<Value = String> {
    let codes: Vec<&str> = [&MARKETING_CODES[..], &ANALYTICS_CODES, &["personalization", "other"]].concat();
    let answers = prop::collection::vec((select(codes), any::<bool>()), 0..6);
    let written = answers.prop_map(move |answers| source.write(&answers));
    let damaged = (written.clone(), any::<prop::sample::Index>()).prop_map(|(text, at)| {
        let at = at.index(text.len() + 1);
        text[..at].to_owned()
    });
    prop_oneof![6 => written, 1 => damaged, 1 => "\\PC{0,40}", 1 => Just("null".to_owned())]
}

fn any_visit() -> impl Strategy<Value = Visit> {
    let sources = subsequence(SOURCES.to_vec(), 0..=SOURCES.len()).prop_shuffle();
    let gpc = select(vec![None, Some("0"), Some("1")]);
    (sources, gpc).prop_flat_map(|(sources, sec_gpc)| {
        let texts: Vec<_> = sources.iter().map(|source| any_text(*source)).collect();
        texts.prop_map(move |texts| {
            let mut visit = Visit { sec_gpc, ..Visit::default() };
            sources.iter().zip(texts).for_each(|(source, text)| visit.put(*source, text));
            visit
        })
    })
}

/// Whether the text of a place has what a grant of one of these codes must have, told without parsing: the code, and the
/// mark of a grant. Far coarser than the parsers, and so without their mistakes.
fn could_grant(visit: &Visit, codes: &[&str]) -> bool {
    let event = [&visit.consent, &visit.consent_management];
    let cookies = [&visit.onetrust, &visit.cookiebot];
    let names = |text: &str| codes.iter().any(|code| text.to_lowercase().contains(&code.to_lowercase()));
    let marked = |text: &str| {
        codes
            .iter()
            .any(|code| text.contains(&format!("{code}%3A1")) || text.contains(&format!("{code}:true")))
            || codes.iter().any(|code| text.contains(&format!("{code:?}:true")))
            || text.split_once("\"allowedConsentIds\"").is_some_and(|(_, allowed)| names(allowed))
    };
    let spoken: Vec<&String> = event.into_iter().flatten().filter(|text| text.trim() != "null").collect();
    match spoken.first() {
        Some(text) => marked(text),
        None => cookies.into_iter().flatten().any(|text| marked(text)) || visit.tcf.is_some(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_input_in_which_a_required_category_is_not_granted_leads_to_a_delivery(
        visit in any_visit(),
        require in select(vec![Require::All, Require::Any]),
        vendor in select(vec![FLASHTALKING, PODSIGHTS]),
        required in subsequence(vec!["marketing", "analytics", "personalization"], 1..=3),
    ) {
        let rules = rules(WhenAbsent::Deny, require, true);
        let decided = visit.deliver(&rules, &required, vendor);
        let could = |category: &&str| match *category {
            "marketing" => could_grant(&visit, &MARKETING_CODES),
            "analytics" => could_grant(&visit, &ANALYTICS_CODES),
            other => could_grant(&visit, &[other]),
        };
        let possible = match require {
            Require::All => required.iter().all(could),
            Require::Any => required.iter().any(could),
        };
        prop_assert!(decided.is_err() || (possible && visit.sec_gpc != Some("1")), "{:?}", decided);
        // Allowing what is absent changes nothing for a visitor who answered, or who has GPC on.
        let allowing = ConsentRules { when_absent: WhenAbsent::Allow, ..rules };
        let allowed = visit.deliver(&allowing, &required, vendor);
        prop_assert_eq!(allowed, if decided == Err(DropReason::ConsentAbsent) { Ok(()) } else { decided });
    }

    #[test]
    fn exactly_the_first_answer_decides_and_only_what_it_grants_is_delivered(
        said in prop::collection::vec((select(SOURCES.to_vec()), any_answers(), any_answers()), 0..5),
        required in subsequence(vec!["essential", "marketing", "analytics", "personalization"], 0..=4),
        vendor in select(vec![FLASHTALKING, PODSIGHTS, Some(79)]),
        sec_gpc in select(vec![None, Some("1")]),
        when_absent in select(vec![WhenAbsent::Deny, WhenAbsent::Allow]),
        require in select(vec![Require::All, Require::Any]),
        respect_gpc: bool,
    ) {
        let mut visit = Visit { sec_gpc, ..Visit::default() };
        for (source, marketing, analytics) in &said {
            let marketing = marketing.iter().map(|(code, granted)| (MARKETING_CODES[3 + *code], *granted));
            let analytics = analytics.iter().map(|(code, granted)| (ANALYTICS_CODES[*code], *granted));
            visit.put(*source, source.write(&marketing.chain(analytics).collect::<Vec<_>>()));
        }
        let first = said.iter().min_by_key(|(source, ..)| source.rank());
        let granted = |category: &&str| match (*category, first) {
            ("essential", _) => true,
            (_, Some((Source::Tcf, ..))) if vendor == Some(79) => false,
            ("marketing", Some((_, answers, _))) | ("analytics", Some((_, _, answers))) => answers.values().any(|it| *it),
            _ => false,
        };
        let met = match require {
            Require::All => required.iter().all(granted),
            Require::Any => required.is_empty() || required.iter().any(granted),
        };
        let expected = match (first, when_absent) {
            _ if respect_gpc && sec_gpc.is_some() => Err(DropReason::Gpc),
            _ if met => Ok(()),
            (Some(_), _) => Err(DropReason::ConsentDenied),
            (None, WhenAbsent::Allow) => Ok(()),
            (None, WhenAbsent::Deny) => Err(DropReason::ConsentAbsent),
        };
        let rules = rules(when_absent, require, respect_gpc);
        prop_assert_eq!(visit.deliver(&rules, &required, vendor), expected, "{:?}", visit);
    }
}

/// By index of a code, how it is answered: each of four codes at most once.
fn any_answers() -> impl Strategy<Value = BTreeMap<usize, bool>> {
    prop::collection::btree_map(0..4_usize, any::<bool>(), 0..4)
}
