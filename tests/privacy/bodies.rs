//! The events of requests: their JSON, or their parameters in a pixel, and what the oracle needs to know of them.

use crate::dice::{Rng, chance, object, pick, quoted};
use crate::emails::{Email, digest};
use crate::events::{self, Member};
use crate::oracle::{Selection, Statement, Told};
use crate::requests::KINDS;
use crate::site::Site;

/// A kind of event, with the vendors whose preset has it: Flashtalking, Podsights.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub event_type: &'static str,
    pub names: &'static [&'static str],
    pub wanted_by: [bool; 2],
}

/// An event.
#[derive(Clone, Debug)]
pub struct Event {
    pub kind: Kind,
    /// A value that every delivery of the event carries, and no other does.
    pub mark: String,
    pub told: Told,
    pub email: Email,
    /// What a delivery to Podsights has as `em`.
    pub em: Option<String>,
    pub json: String,
}

/// What a context says of consent.
#[derive(Clone, Debug, Default)]
pub struct Context {
    consent: Member,
    consent_management: Member,
    /// Members that say nothing of consent.
    others: Vec<(String, String)>,
    /// The whole context is there twice, with the same text.
    twice: bool,
}

impl Context {
    pub fn any(rng: &mut Rng, site: &Site, email: &Email) -> Self {
        let mut consent = if chance(rng, 55) { events::consent(rng, site) } else { Member::default() };
        if chance(rng, 3) {
            consent = consent.twice(events::consent(rng, site));
        }
        let mut consent_management =
            if chance(rng, 15) { events::consent_management(rng, site) } else { Member::default() };
        if chance(rng, 3) {
            consent_management = consent_management.twice(events::consent_management(rng, site));
        }
        let url =
            if chance(rng, 50) { email.in_url(rng) } else { "https://shop.example.com/thanks".to_owned() };
        let title = if chance(rng, 20) { email.in_text(rng) } else { "Thanks".to_owned() };
        let page = vec![("url".to_owned(), quoted(rng, &url)), ("title".to_owned(), quoted(rng, &title))];
        let others = vec![("page".to_owned(), object(rng, page)), ("locale".to_owned(), "\"de\"".to_owned())];
        Self { consent, consent_management, others, twice: chance(rng, 2) }
    }

    pub fn is_absent(&self) -> bool {
        self.others.is_empty()
    }

    /// The member `context`, as often as it is there.
    pub fn members(&self, rng: &mut Rng) -> Vec<(String, String)> {
        if self.is_absent() {
            return Vec::new();
        }
        let mut members = self.others.clone();
        for (name, member) in [("consent", &self.consent), ("consentManagement", &self.consent_management)] {
            members.extend(member.texts.iter().map(|text| (name.to_owned(), text.clone())));
        }
        let context = ("context".to_owned(), object(rng, members));
        if self.twice { vec![context.clone(), context] } else { vec![context] }
    }

    /// What is stated, where `shared` is the context of the batch. It holds for what the event's own doesn't have.
    fn statements(&self, shared: &Context) -> Vec<Statement> {
        let member = |of: fn(&Context) -> Option<Statement>| {
            let (holder, statement) = match (of(self), of(shared)) {
                (Some(own), _) => (self, own),
                (None, shared_statement) => (shared, shared_statement?),
            };
            // What is there twice contradicts itself.
            Some(if holder.twice { Statement::unreadable() } else { statement })
        };
        let both = [
            member(|context| context.consent.statement),
            member(|context| context.consent_management.statement),
        ];
        both.into_iter().flatten().collect()
    }
}

impl Event {
    pub fn any(rng: &mut Rng, site: &Site, number: u64, shared: &Context) -> Self {
        let kind = pick(rng, KINDS);
        let (email, mark) = (Email::new(rng, number), format!("mark{number}x"));
        let mut context = if chance(rng, 75) { Context::any(rng, site, &email) } else { Context::default() };
        let statements = context.statements(shared);
        let selection = selection(rng, site);
        let [of_properties, of_traits, of_context] = [0; 3].map(|_| address(rng, &email, number));
        if let Some((text, _)) = &of_context
            && !context.is_absent()
        {
            context.others.push(("traits".to_owned(), format!("{{\"email\":{}}}", quoted(rng, text))));
        }
        let of_context = of_context.filter(|_| !context.is_absent());
        let em =
            [&of_properties, &of_traits, &of_context].into_iter().flatten().find_map(|(_, em)| em.clone());
        let mut members = vec![
            ("type".to_owned(), format!("\"{}\"", kind.event_type)),
            ("messageId".to_owned(), text(rng, &email, &format!("msg-{number}"))),
            ("anonymousId".to_owned(), text(rng, &email, "anon-1")),
            ("userId".to_owned(), text(rng, &email, "user-1")),
            ("properties".to_owned(), properties(rng, &email, &mark, of_properties)),
        ];
        let name = if kind.event_type == "track" { "event" } else { "name" };
        members.push((name.to_owned(), format!("\"{}\"", pick(rng, kind.names))));
        if let Some((text, _)) = of_traits {
            members.push(("traits".to_owned(), format!("{{\"email\":{}}}", quoted(rng, &text))));
        }
        members.extend(context.members(rng));
        members.extend(integrations(rng, &selection));
        Self { kind, mark, told: Told { selection, statements }, email, em, json: object(rng, members) }
    }

    /// Whether the preset of this vendor has the event. The webhooks' has all.
    pub fn is_wanted(&self, vendor: crate::oracle::Vendor) -> bool {
        self.kind.wanted_by.get(vendor as usize).copied().unwrap_or(true)
    }
}

/// What may stand where an email is expected: its text, and the digest that it leads to if it is one.
fn address(rng: &mut Rng, email: &Email, number: u64) -> Option<(String, Option<String>)> {
    match rng.u8(..10) {
        0..=3 => Some((email.typed(rng), Some(email.digest()))),
        4 => {
            let digest = digest(&format!("other{number}@example.com"));
            Some((if rng.bool() { digest.to_uppercase() } else { digest.clone() }, Some(digest)))
        }
        5 => Some((pick(rng, &["n/a", "", "none"]).to_owned(), None)),
        _ => None,
    }
}

/// A text that should be something else, and now and then is an address.
fn text(rng: &mut Rng, email: &Email, otherwise: &str) -> String {
    let text = if chance(rng, 15) { email.in_text(rng) } else { otherwise.to_owned() };
    quoted(rng, &text)
}

fn properties(rng: &mut Rng, email: &Email, mark: &str, address: Option<(String, Option<String>)>) -> String {
    let mut members = vec![("mark".to_owned(), format!("\"{mark}\""))];
    if let Some((text, _)) = address {
        members.push(("email".to_owned(), quoted(rng, &text)));
    }
    let order = format!("ORD-{mark}");
    let order_id = pick(rng, &["order_id", "orderId", "transaction_id", "checkout_id"]);
    for (name, otherwise) in [
        (order_id, order.as_str()),
        ("title", "Thanks"),
        ("name", "Shoe"),
        ("coupon", "SPRING"),
        ("category", "shoes"),
        ("brand", "Acme"),
        ("method", "google"),
        ("currency", "EUR"),
        ("product_id", "sku-1"),
    ] {
        if chance(rng, 50) {
            members.push((name.to_owned(), text(rng, email, otherwise)));
        }
    }
    for name in ["url", "path", "link"] {
        if chance(rng, 25) {
            let url = email.in_url(rng);
            members.push((name.to_owned(), quoted(rng, &url)));
        }
    }
    if chance(rng, 40) {
        let product = [("name", "Shoe"), ("product_id", "sku-1"), ("brand", "Acme")]
            .map(|(name, otherwise)| (name.to_owned(), text(rng, email, otherwise)));
        members.push(("products".to_owned(), format!("[{}]", object(rng, product.to_vec()))));
    }
    members.push(("revenue".to_owned(), "49.90".to_owned()));
    object(rng, members)
}

/// Which integrations the sender wants: `All`, and a name for some vendors.
fn selection(rng: &mut Rng, site: &Site) -> Selection {
    if chance(rng, 85) {
        return Selection::default();
    }
    let mut selection = Selection { all: chance(rng, 60).then(|| rng.bool()), named: Vec::new() };
    for (vendor, of_vendor) in
        ["Flashtalking", "Podsights", "Webhook"].into_iter().zip(site.integrations.chunks(2))
    {
        // A name of both would contradict itself.
        if chance(rng, 30) {
            selection.named.push((vendor, rng.bool()));
        } else if chance(rng, 30) {
            selection.named.push((pick(rng, &[of_vendor[0].name, of_vendor[1].name]), rng.bool()));
        }
    }
    selection
}

fn integrations(rng: &mut Rng, selection: &Selection) -> Option<(String, String)> {
    let named = selection.named.iter().copied().chain(selection.all.map(|all| ("All", all)));
    let members: Vec<(String, String)> = named
        .map(|(name, wanted)| {
            let choice = if wanted { pick(rng, &["true", "true", "{\"a\":1}"]) } else { "false" };
            // `All` is read in any case as well.
            (crate::dice::any_case(rng, name), choice.to_owned())
        })
        .collect();
    (!members.is_empty()).then(|| ("integrations".to_owned(), object(rng, members)))
}

/// An event in the parameters of a pixel, in which nothing is said of consent.
pub fn parameters(rng: &mut Rng, number: u64) -> (Event, Vec<(String, String)>) {
    let kind = pick(rng, KINDS);
    let (email, mark) = (Email::new(rng, number), format!("mark{number}x"));
    let mut parameters = vec![("e", pick(rng, kind.names).to_owned()), ("p.mark", mark.clone())];
    let mut em = None;
    for name in ["p.email", "t.email"] {
        if let Some((text, digest)) = address(rng, &email, number) {
            em = em.or(digest);
            parameters.push((name, text));
        }
    }
    for (name, otherwise) in [
        ("aid", "anon-1"),
        ("uid", "user-1"),
        ("mid", "msg-1"),
        ("p.title", "Thanks"),
        ("p.coupon", "SPRING"),
    ] {
        if chance(rng, 60) {
            let value = if chance(rng, 20) { email.in_text(rng) } else { otherwise.to_owned() };
            parameters.push((name, value));
        }
    }
    if chance(rng, 50) {
        parameters.push(("p.url", email.in_url(rng)));
    }
    rng.shuffle(&mut parameters);
    let parameters = parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let told = Told { selection: Selection::default(), statements: Vec::new() };
    (Event { kind, mark, told, email, em, json: String::new() }, parameters)
}
