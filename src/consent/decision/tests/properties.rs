use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;

/// Any choices in one source's writing, or anything else in its place.
fn any_value(source: Source) -> impl Strategy<Value = String> {
    let codes: Vec<&str> = [&MARKETING_CODES[..], &ANALYTICS_CODES, &["personalization", "other"]].concat();
    let choices = prop::collection::vec((select(codes), any::<bool>()), 0..6);
    let written = choices.prop_map(move |choices| source.write(&choices));
    let damaged = (written.clone(), any::<prop::sample::Index>()).prop_map(|(text, at)| {
        let at = at.index(text.len() + 1);
        text[..at].to_owned()
    });
    prop_oneof![6 => written, 1 => damaged, 1 => "\\PC{0,40}", 1 => Just("null".to_owned())]
}

fn any_visit() -> impl Strategy<Value = Visit> {
    let sources = subsequence(SOURCES.to_vec(), 0..=4).prop_shuffle();
    let gpc = select(vec![None, Some("0"), Some("1")]);
    (sources, gpc).prop_flat_map(|(sources, sec_gpc)| {
        let values: Vec<_> = sources.iter().map(|source| any_value(*source)).collect();
        values.prop_map(move |values| {
            let mut visit = Visit::default();
            sources.iter().zip(values).for_each(|(source, value)| visit.put(*source, value));
            match sec_gpc {
                Some(value) => visit.with_header("sec-gpc", value),
                None => visit,
            }
        })
    })
}

/// Whether a value has what a grant of one of these codes must have, told without parsing: the code, and the mark of a grant.
/// Far coarser than the parsers, and so without their mistakes.
fn could_grant(place: &str, value: &str, codes: &[&str]) -> bool {
    let names = |text: &str| codes.iter().any(|code| text.to_lowercase().contains(&code.to_lowercase()));
    match place {
        // In base64url.
        "euconsent-v2" | "didomi_token" => true,
        "consent" if value.contains("\"tcf\"") => true,
        "consentManagement" => {
            value.split_once("\"allowedConsentIds\"").is_some_and(|(_, allowed)| names(allowed))
        }
        _ => codes.iter().any(|code| {
            let quoted = format!("{code:?}:true");
            [format!("{code}%3A1"), format!("{code}:true"), quoted].iter().any(|mark| value.contains(mark))
        }),
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
        let denying = rules(WhenAbsent::Deny, require, true);
        let decided = visit.deliver(&denying, &required, vendor);
        let values = || visit.members.iter().chain(&visit.cookies);
        let could = |category: &&str| {
            let codes = match *category {
                "marketing" => &MARKETING_CODES[..],
                "analytics" => &ANALYTICS_CODES,
                _ => &["personalization"],
            };
            values().any(|(place, value)| could_grant(place, value, codes))
        };
        let possible = match require {
            Require::All => required.iter().all(could),
            Require::Any => required.iter().any(could),
        };
        let gpc = visit.headers.contains(&("sec-gpc", "1"));
        prop_assert!(decided.is_err() || (possible && !gpc), "{:?}", decided);
        // Allowing what is absent changes nothing for a visitor who chose, or who has GPC on.
        let allowing = rules(WhenAbsent::Allow, require, true);
        let allowed = visit.deliver(&allowing, &required, vendor);
        prop_assert_eq!(allowed, if decided == Err(DropReason::ConsentAbsent) { Ok(()) } else { decided });
    }

    #[test]
    fn a_category_is_granted_if_some_source_grants_it_and_none_refuses_it(
        said in prop::collection::vec((select(SOURCES.to_vec()), any_choices(MARKETING_CODES.len()), any_choices(ANALYTICS_CODES.len())), 0..5),
        required in subsequence(vec!["essential", "marketing", "analytics"], 0..=3),
        vendor in select(vec![FLASHTALKING, PODSIGHTS, Some(79)]),
        sec_gpc: bool,
        allow: bool,
        require in select(vec![Require::All, Require::Any]),
        respect_gpc: bool,
    ) {
        let mut visit = Visit::default();
        // What each source that got a place grants of marketing and of analytics; None: it is silent.
        let mut answers: Vec<[Option<bool>; 2]> = Vec::new();
        for (source, marketing, analytics) in &said {
            let places = visit.members.len() + visit.cookies.len();
            let choices = [(marketing, &MARKETING_CODES[..]), (analytics, &ANALYTICS_CODES)];
            let written = choices.iter().flat_map(|(choices, codes)| choices.iter().map(|(code, granted)| (codes[*code], *granted)));
            visit.put(*source, source.write(&written.collect::<Vec<_>>()));
            if visit.members.len() + visit.cookies.len() > places {
                answers.push(answer(*source, marketing, analytics, vendor));
            }
        }
        if sec_gpc {
            visit = visit.with_header("sec-gpc", "1");
        }
        let granted = |category: &&str| {
            let at = usize::from(*category == "analytics");
            *category == "essential"
                || answers.iter().any(|answer| answer[at] == Some(true)) && answers.iter().all(|answer| answer[at] != Some(false))
        };
        let met = match require {
            Require::All => required.iter().all(granted),
            Require::Any => required.is_empty() || required.iter().any(granted),
        };
        let expected = match answers.is_empty() {
            _ if respect_gpc && sec_gpc => Err(DropReason::Gpc),
            _ if met => Ok(()),
            false => DENIED,
            true if allow => Ok(()),
            true => Err(DropReason::ConsentAbsent),
        };
        let rules = rules(if allow { WhenAbsent::Allow } else { WhenAbsent::Deny }, require, respect_gpc);
        prop_assert_eq!(visit.deliver(&rules, &required, vendor), expected, "{:?}", visit);
    }
}

/// By index of a code, how it is answered: each code at most once.
fn any_choices(codes: usize) -> impl Strategy<Value = BTreeMap<usize, bool>> {
    prop::collection::btree_map(0..codes, any::<bool>(), 0..4)
}

/// What a source says of marketing and of analytics by these choices, worked out by rules of its own.
fn answer(
    source: Source,
    marketing: &BTreeMap<usize, bool>,
    analytics: &BTreeMap<usize, bool>,
    vendor: Option<u16>,
) -> [Option<bool>; 2] {
    let any = |choices: &BTreeMap<usize, bool>| choices.values().any(|granted| *granted);
    let all = |choices: &BTreeMap<usize, bool>| choices.values().all(|granted| *granted);
    if matches!(source, Source::Tcf | Source::TcfOfEvent) {
        let listed = vendor != Some(79);
        return [marketing, analytics].map(|choices| Some(any(choices) && listed));
    }
    // Every code of marketing here names it; of analytics the first two do, and one of the other two is enough.
    let by_names = (!marketing.is_empty()).then(|| all(marketing));
    let named: Vec<bool> =
        analytics.iter().filter(|(code, _)| **code < 2).map(|(_, granted)| *granted).collect();
    let of_analytics = if source == Source::Own {
        (!analytics.is_empty()).then(|| all(analytics))
    } else if named.is_empty() {
        (!analytics.is_empty()).then(|| any(analytics))
    } else {
        Some(named.iter().all(|granted| *granted))
    };
    let answers = [by_names, of_analytics];
    // OneTrust's groups are silent on what has no group; the others refuse what they leave out.
    if source == Source::OneTrust { answers } else { answers.map(|granted| Some(granted.unwrap_or(false))) }
}
