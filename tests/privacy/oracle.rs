//! What docs/consent.md allows, decided from descriptions and never from texts.
//!
//! The generator describes what every source of consent states, and writes the source's text from that description. So there is no
//! parser here which could make the filter's mistakes, and nothing of the filter is used.

/// A category of consent. The others are in no integration of the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Always granted.
    Essential,
    Analytics,
    Marketing,
}

/// What a source says of a category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    Grants,
    Refuses,
    Silent,
}

impl Says {
    /// Returns what a source says that refuses what it leaves out.
    pub fn or_refuses(self) -> Self {
        if self == Says::Silent { Says::Refuses } else { self }
    }
}

/// What one source states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    pub marketing: Says,
    pub analytics: Says,
    /// Flashtalking alone is refused: a TCF string without vendor 78, or with a restriction of it. A vendor that is not granted
    /// may not process anything for which consent is needed, so this concerns every category.
    pub flashtalking_refused: bool,
    /// The source shows that the visitor was asked, even if it is silent.
    pub asked: bool,
    pub gpc: bool,
    pub sale_opt_out: bool,
}

impl Statement {
    pub fn new(marketing: Says, analytics: Says) -> Self {
        Self {
            marketing,
            analytics,
            flashtalking_refused: false,
            asked: true,
            gpc: false,
            sale_opt_out: false,
        }
    }

    /// Of a source that is there and can't be read.
    pub fn unreadable() -> Self {
        Self::new(Says::Refuses, Says::Refuses)
    }

    /// Of a source that says that the visitor was not asked.
    pub fn not_asked() -> Self {
        Self { asked: false, ..Self::new(Says::Silent, Says::Silent) }
    }

    /// Of two sources in one place: one refusal refuses.
    pub fn and(self, other: Self) -> Self {
        let both = |one, other| match (one, other) {
            (Says::Refuses, _) | (_, Says::Refuses) => Says::Refuses,
            (Says::Grants, _) | (_, Says::Grants) => Says::Grants,
            _ => Says::Silent,
        };
        Self {
            marketing: both(self.marketing, other.marketing),
            analytics: both(self.analytics, other.analytics),
            flashtalking_refused: self.flashtalking_refused || other.flashtalking_refused,
            asked: self.asked || other.asked,
            gpc: self.gpc || other.gpc,
            sale_opt_out: self.sale_opt_out || other.sale_opt_out,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    Flashtalking,
    Podsights,
    /// Which sends whole events.
    Webhook,
}

/// An integration, as far as the decision depends on it.
#[derive(Clone, Debug)]
pub struct Integration {
    pub name: &'static str,
    pub vendor: Vendor,
    pub categories: &'static [Category],
    /// The company's own system: opt-outs from advertising don't hold for it.
    pub is_own: bool,
}

/// The section `consent` of a configuration, as far as the decision depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub when_absent: WhenAbsent,
    pub require_all: bool,
    pub respect_gpc: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenAbsent {
    Deny,
    Allow,
    /// Allowed where the gateway's header says so.
    Header,
}

/// The event's `integrations` object. A name is that of an integration or of a vendor.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    pub all: Option<bool>,
    pub named: Vec<(&'static str, bool)>,
}

/// What the request says, beside its events.
#[derive(Clone, Debug, Default)]
pub struct Visit {
    /// `Sec-GPC: 1`
    pub gpc: bool,
    /// The gateway's header names a country that is allowed.
    pub allowed_country: bool,
    /// A cookie holds Flashtalking's own opt-out.
    pub flashtalking_opt_out: bool,
    pub cookies: Vec<Statement>,
}

/// What an event says.
#[derive(Clone, Debug)]
pub struct Told {
    pub selection: Selection,
    pub statements: Vec<Statement>,
}

/// The label of the reason for which a delivery is dropped. `None`: it is allowed.
pub fn drop_reason(
    policy: Policy,
    integration: &Integration,
    visit: &Visit,
    told: &Told,
) -> Option<&'static str> {
    if excluded(&told.selection, integration) {
        return Some("disabled_by_event");
    }
    let statements: Vec<Statement> = visit.cookies.iter().chain(&told.statements).copied().collect();
    let any = |is: &dyn Fn(&Statement) -> bool| statements.iter().any(is);
    if !integration.is_own && policy.respect_gpc && (visit.gpc || any(&|statement| statement.gpc)) {
        return Some("gpc");
    }
    if !integration.is_own && any(&|statement| statement.sale_opt_out) {
        return Some("sale_opt_out");
    }
    let asked = any(&|statement| statement.asked);
    let absent_is_allowed = match policy.when_absent {
        WhenAbsent::Deny => false,
        WhenAbsent::Allow => true,
        WhenAbsent::Header => visit.allowed_country,
    };
    let mut allowed = integration.categories.iter().map(|category| {
        let says: Vec<Says> =
            statements.iter().map(|statement| says(statement, *category, integration.vendor)).collect();
        if *category == Category::Essential {
            return true;
        }
        !says.contains(&Says::Refuses) && (says.contains(&Says::Grants) || (!asked && absent_is_allowed))
    });
    let allowed = match (integration.categories, policy.require_all) {
        ([], _) => true,
        (_, true) => allowed.all(|allowed| allowed),
        (_, false) => allowed.any(|allowed| allowed),
    };
    if !allowed {
        return Some(if asked { "consent_denied" } else { "consent_absent" });
    }
    let opted_out = integration.vendor == Vendor::Flashtalking && visit.flashtalking_opt_out;
    opted_out.then_some("opted_out")
}

fn says(statement: &Statement, category: Category, vendor: Vendor) -> Says {
    match category {
        Category::Essential => Says::Grants,
        _ if vendor == Vendor::Flashtalking && statement.flashtalking_refused => Says::Refuses,
        Category::Analytics => statement.analytics,
        Category::Marketing => statement.marketing,
    }
}

fn excluded(selection: &Selection, integration: &Integration) -> bool {
    let vendor = match integration.vendor {
        Vendor::Flashtalking => "Flashtalking",
        Vendor::Podsights => "Podsights",
        Vendor::Webhook => "Webhook",
    };
    let named = selection.named.iter().find(|(name, _)| *name == vendor || *name == integration.name);
    !named.map(|(_, wanted)| *wanted).or(selection.all).unwrap_or(true)
}
