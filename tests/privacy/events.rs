//! The consent that an event carries: `context.consent` and `context.consentManagement`.

use crate::codes::{self, Words};
use crate::dice::{Rng, chance, list, object, pick, quoted};
use crate::iab;
use crate::oracle::{Says, Statement};
use crate::site::Site;

/// A member of a context: its JSON as often as it is there, and what it states. No statement: it is not there, or `null`.
#[derive(Clone, Debug, Default)]
pub struct Member {
    pub texts: Vec<String>,
    pub statement: Option<Statement>,
}

impl Member {
    fn of(statement: Statement, text: String) -> Self {
        Self { texts: vec![text], statement: Some(statement) }
    }

    fn unreadable(rng: &mut Rng, texts: &[&str]) -> Self {
        Self::of(Statement::unreadable(), pick(rng, texts).to_owned())
    }

    fn null() -> Self {
        Self { texts: vec!["null".to_owned()], statement: None }
    }

    /// Twice in one object, so that it contradicts itself.
    pub fn twice(self, other: Self) -> Self {
        match (self.statement, other.statement) {
            (Some(_), Some(_)) => {
                Self { texts: [self.texts, other.texts].concat(), statement: Some(Statement::unreadable()) }
            }
            _ => self,
        }
    }
}

/// Grants in most cases, so that what is allowed is seen as often as what is not.
pub fn says(rng: &mut Rng) -> Says {
    pick(rng, &[Says::Grants, Says::Grants, Says::Grants, Says::Grants, Says::Refuses, Says::Silent])
}

/// What an object states that refuses what it leaves out.
fn stated(marketing: Says, analytics: Says) -> Statement {
    Statement::new(marketing.or_refuses(), analytics.or_refuses())
}

/// `context.consent`
pub fn consent(rng: &mut Rng, site: &Site) -> Member {
    match rng.u8(..20) {
        0 => Member::null(),
        1 => Member::unreadable(
            rng,
            &["{}", "[]", "true", "1", "\"granted\"", "{\"ad_storage\":\"granted\"}", "[true]"],
        ),
        2..=4 => strings(rng, site),
        5..=7 => two_shapes(rng, site),
        _ => {
            let (marketing, analytics) = (says(rng), says(rng));
            let words = codes::write(rng, site, Words::All, marketing, analytics);
            // An object without a word that is known refuses, as one does that leaves marketing out.
            Member::of(stated(marketing, analytics), shape(rng, words))
        }
    }
}

/// The flat object, or one below a name.
fn shape(rng: &mut Rng, words: Vec<(String, bool)>) -> String {
    let choices = choices(rng, words);
    match pick(rng, &["", "", "canonical", "categories", "categoryPreferences", "categoryPreferences"]) {
        "" => choices,
        name => object(rng, vec![(name.to_owned(), choices)]),
    }
}

fn choices(rng: &mut Rng, words: Vec<(String, bool)>) -> String {
    let choice = |rng: &mut Rng, granted: bool| {
        let refused =
            ["false", "false", "false", "\"true\"", "1", "0", "null", "\"granted\"", "[true]", "{}"];
        if granted { "true" } else { pick(rng, &refused) }.to_owned()
    };
    let members = words.into_iter().map(|(word, granted)| (word, choice(rng, granted))).collect();
    object(rng, members)
}

/// Two objects in one, as Signal's newer clients send. The second says something of everything that the first grants.
fn two_shapes(rng: &mut Rng, site: &Site) -> Member {
    let (marketing, analytics) = (says(rng), says(rng));
    let again = |rng: &mut Rng, says: Says| match says {
        Says::Grants if chance(rng, 80) => Says::Grants,
        Says::Grants => Says::Refuses,
        other => other,
    };
    let second = (again(rng, marketing), again(rng, analytics));
    let statement = stated(marketing, analytics).and(stated(second.0, second.1));
    let one = codes::write(rng, site, Words::All, marketing, analytics);
    let other = codes::write(rng, site, Words::All, second.0, second.1);
    let (one, other) = (choices(rng, one), choices(rng, other));
    let members = vec![("canonical".to_owned(), one), ("categories".to_owned(), other)];
    Member::of(statement, object(rng, members))
}

/// The strings of the IAB, alone or beside a flat object.
fn strings(rng: &mut Rng, site: &Site) -> Member {
    let mut members = Vec::new();
    let mut statement = Statement::not_asked();
    for (name, write) in [("tcf", iab::tcf as fn(&mut Rng) -> _), ("gpp", iab::gpp)] {
        if chance(rng, 60) || (name == "gpp" && members.is_empty()) {
            let (of_string, text) = write(rng);
            statement = statement.and(of_string);
            members.push((name.to_owned(), serde_json::Value::from(text).to_string()));
        }
    }
    if chance(rng, 25) {
        let (marketing, analytics) = (says(rng).or_refuses(), says(rng).or_refuses());
        statement = statement.and(stated(marketing, analytics));
        let words = codes::write(rng, site, Words::All, marketing, analytics);
        let choices = choices(rng, words);
        members.push(("canonical".to_owned(), choices));
    }
    Member::of(statement, object(rng, members))
}

/// `context.consentManagement`
pub fn consent_management(rng: &mut Rng, site: &Site) -> Member {
    match rng.u8(..12) {
        0 => Member::null(),
        1 => Member::unreadable(
            rng,
            &[
                "{}",
                "[]",
                "true",
                "\"C0004\"",
                "{\"deniedConsentIds\":[\"C0002\"]}",
                "{\"allowedConsentIds\":\"C0004\"}",
            ],
        ),
        _ => {
            let (marketing, analytics) = (says(rng), says(rng));
            let words = codes::write(rng, site, Words::All, marketing, analytics);
            let (allowed, denied): (Vec<_>, Vec<_>) = words.into_iter().partition(|(_, granted)| *granted);
            let mut members = Vec::new();
            for (name, ids) in [("allowedConsentIds", allowed), ("deniedConsentIds", denied)] {
                let ids = ids.into_iter().map(|(id, _)| id).collect();
                members.push((name.to_owned(), ids_of(rng, ids)));
            }
            if rng.bool() {
                members.push(("provider".to_owned(), "\"oneTrust\"".to_owned()));
                let strategy = pick(rng, &["\"and\"", "\"or\""]);
                members.push(("resolutionStrategy".to_owned(), strategy.to_owned()));
            }
            Member::of(stated(marketing, analytics), object(rng, members))
        }
    }
}

/// A list, or RudderStack's older object from id to name.
fn ids_of(rng: &mut Rng, ids: Vec<String>) -> String {
    if chance(rng, 70) {
        return list(rng, ids);
    }
    let members = ids.into_iter().map(|id| (id, quoted(rng, "A name"))).collect();
    object(rng, members)
}
