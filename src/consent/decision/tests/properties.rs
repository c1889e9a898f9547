use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::super::*;
use super::visit::{
    ANALYTICS_CODES, FLASHTALKING, MARKETING_CODES, PODSIGHTS, SOURCES, Source, Visit, rules,
};

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
