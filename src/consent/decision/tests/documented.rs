//! The tables of docs/consent.md are true: what each example of a source says, and the decision for every combination.

use super::*;
use crate::json::Json;

const PAGE: &str = include_str!("../../../../docs/consent.md");

/// What a source says in an example of the page.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Says {
    Grants,
    Refuses,
    Silent,
    NotAsked,
    Gpc,
    Sale,
}

/// An example of a source.
#[derive(Clone, Debug)]
struct Example {
    /// The source and, for the event, the member of its context.
    source: String,
    says: Says,
    /// By itself.
    visit: Visit,
}

/// The rows of a table of the page, each as its cells without backticks.
fn table(name: &str) -> Vec<Vec<&'static str>> {
    let (_, behind) = PAGE.split_once(&format!("<!-- {name}: begin -->")).unwrap();
    let (table, _) = behind.split_once(&format!("<!-- {name}: end -->")).unwrap();
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(2);
    let cells = |row: &'static str| {
        row.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect()
    };
    rows.map(cells).collect()
}

fn documented_rules(when_absent: WhenAbsent) -> ConsentRules {
    let own =
        r#"{"custom": [{"cookie": "my_consent", "format": "list", "granted": {"marketing": ["ads"]}}]}"#;
    let settings: crate::consent::ConsentSettings = crate::settings::of_text(own).unwrap();
    ConsentRules { when_absent, ..settings.rules().unwrap() }
}

fn examples() -> Vec<Example> {
    let example = |row: Vec<&'static str>| {
        let [source, example, says] = row[..] else { panic!("{row:?}") };
        let says = match says {
            "grants" => Says::Grants,
            "refuses" => Says::Refuses,
            "silent" => Says::Silent,
            "not asked" => Says::NotAsked,
            "Global Privacy Control" => Says::Gpc,
            "opt-out of sale" => Says::Sale,
            other => panic!("{other}"),
        };
        let (place, visit) = match source {
            "event" => {
                let members = Json::parse(example).unwrap().members();
                let (name, value) = members.first().unwrap();
                let member =
                    ["consent", "consentManagement"].into_iter().find(|known| known == name).unwrap();
                let members = vec![(member, value.as_str().to_owned())];
                (member, Visit { members, ..Visit::default() })
            }
            cookie => {
                let (name, value) = example.split_once('=').unwrap();
                (cookie, Visit::default().with_cookie(name, value))
            }
        };
        Example { source: place.to_owned(), says, visit }
    };
    table("sources").into_iter().map(example).collect()
}

/// The decision that the page's table of combinations gives, and whether `when_absent` is `allow`.
fn decision(examples: &[&Example], allow: bool) -> Result<(), DropReason> {
    let any = |says| examples.iter().any(|example| example.says == says);
    let yes_or_no = |yes| if yes { "yes" } else { "no" };
    let opt_out = match (any(Says::Gpc), any(Says::Sale)) {
        (true, _) => "Global Privacy Control",
        (false, true) => "of sale",
        (false, false) => "none",
    };
    let asked = any(Says::Grants) || any(Says::Refuses) || any(Says::Silent);
    let signals = [
        opt_out,
        yes_or_no(any(Says::Refuses)),
        yes_or_no(any(Says::Grants)),
        yes_or_no(asked),
        if allow { "allow" } else { "deny" },
    ];
    let table = table("combinations");
    let fits =
        |row: &&Vec<&str>| row.iter().zip(signals).all(|(cell, signal)| *cell == "-" || *cell == signal);
    let rows: Vec<_> = table.iter().filter(fits).collect();
    assert_eq!(rows.len(), 1, "{signals:?} is in {rows:?}");
    match rows[0][5] {
        "delivered" => Ok(()),
        label => Err(*DropReason::ALL.iter().find(|reason| reason.label() == label).unwrap()),
    }
}

#[test]
fn each_example_says_what_the_page_says() {
    for example in examples() {
        for allow in [false, true] {
            let rules = documented_rules(if allow { WhenAbsent::Allow } else { WhenAbsent::Deny });
            let decided = example.visit.deliver(&rules, &["marketing"], FLASHTALKING);
            assert_eq!(decided, decision(&[&example], allow), "{example:?}");
        }
    }
}

#[test]
fn the_decision_of_every_combination_of_up_to_three_sources_is_that_of_the_page() {
    let examples = examples();
    let rules = [(false, WhenAbsent::Deny), (true, WhenAbsent::Allow)]
        .map(|(allow, when)| (allow, documented_rules(when)));
    let differ = |one: &Example, other: &Example| one.source != other.source;
    let mut combinations = 0;
    for (nth, first) in examples.iter().enumerate() {
        for (mth, second) in examples.iter().enumerate().skip(nth).filter(|(_, second)| differ(first, second))
        {
            for third in examples[mth..].iter().filter(|third| differ(first, third)) {
                // The second once more stands for none: a combination of two.
                let three = [first, second, third];
                let combined = if differ(second, third) {
                    &three[..]
                } else if std::ptr::eq(second, third) {
                    &three[..2]
                } else {
                    continue;
                };
                let mut visit = Visit::default();
                for example in combined {
                    visit.members.extend(example.visit.members.iter().cloned());
                    visit.cookies.extend(example.visit.cookies.iter().cloned());
                }
                for (allow, rules) in &rules {
                    let decided = visit.deliver(rules, &["marketing"], FLASHTALKING);
                    assert_eq!(decided, decision(combined, *allow), "{combined:?}");
                }
                combinations += 1;
            }
        }
    }
    assert!(combinations > 5000, "{combinations}");
}
