//! The statement of one source of consent about a visitor.

use std::fmt;

use super::category::{Categories, Category};

/// What a source states about one category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The visitor has consented to the category.
    Grants,
    /// The visitor has refused the category.
    Refuses,
    /// The source is silent about the category.
    Silent,
}

/// A signal of a visitor that stops every delivery to an advertising vendor, whatever else is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptOut {
    /// Global Privacy Control is on in the visitor's browser.
    Gpc,
    /// The visitor has opted out of the sale or sharing of personal data, or of targeted advertising, under a law of the US.
    Sale,
}

/// What a source states about every category, about vendors, and about opt-outs.
///
/// Essential is always granted, whatever a statement says about it.
#[derive(Debug, Default)]
pub struct Statement<'a> {
    /// Shares no category with `refused`.
    granted: Categories,
    refused: Categories,
    /// Whether the visitor was asked for consent, so that silence about a category is no permission.
    asked: bool,
    unreadable: bool,
    gpc: bool,
    sale: bool,
    vendors: Option<Box<dyn ConsentedVendors + 'a>>,
}

/// The vendors on IAB's Global Vendor List that a visitor's grants hold for.
pub trait ConsentedVendors: fmt::Debug {
    /// Returns whether they hold for the vendor with this id.
    fn contains(&self, id: u16) -> bool;
}

impl<'a> Statement<'a> {
    /// A statement that is silent about every category, of a visitor who was not asked for consent: outside the regions that
    /// need it, for example. If all sources are so, `consent.when_absent` decides.
    pub fn not_asked() -> Self {
        Self::default()
    }

    /// A statement that is silent about every category, of a visitor who was asked for consent: what no other source grants is
    /// denied.
    pub fn undecided() -> Self {
        Self { asked: true, ..Self::default() }
    }

    /// A statement that grants and refuses these categories, and is silent on the others. What is in both is refused.
    pub fn new(granted: Categories, refused: Categories) -> Self {
        Self { granted: granted.without(refused), refused, ..Self::undecided() }
    }

    /// A statement that grants these categories and refuses all others.
    pub fn granting_only(granted: Categories) -> Self {
        Self::new(granted, Categories::ALL.without(granted))
    }

    /// A statement that refuses every category. It is that of a value which can't be read: whether the visitor agreed is
    /// unclear.
    pub fn unreadable() -> Self {
        Self { unreadable: true, ..Self::granting_only(Categories::NONE) }
    }

    /// Adds an opt-out, if `recorded`.
    #[must_use]
    pub fn with_opt_out(self, opt_out: OptOut, recorded: bool) -> Self {
        match opt_out {
            OptOut::Gpc => Self { gpc: self.gpc | recorded, ..self },
            OptOut::Sale => Self { sale: self.sale | recorded, ..self },
        }
    }

    /// Limits the grants to these vendors of IAB's list, and to vendors that are not on the list.
    #[must_use]
    pub fn limited_to(self, vendors: Box<dyn ConsentedVendors + 'a>) -> Self {
        let vendors: Box<dyn ConsentedVendors + 'a> = match self.vendors {
            Some(others) => Box::new(Both(others, vendors)),
            None => vendors,
        };
        Self { vendors: Some(vendors), ..self }
    }

    /// Combines two statements of one source: what either refuses is refused.
    #[must_use]
    pub fn and(self, other: Statement<'a>) -> Self {
        let refused = self.refused.union(other.refused);
        let both = Self {
            granted: self.granted.union(other.granted).without(refused),
            refused,
            asked: self.asked | other.asked,
            unreadable: self.unreadable | other.unreadable,
            gpc: self.gpc | other.gpc,
            sale: self.sale | other.sale,
            vendors: self.vendors,
        };
        match other.vendors {
            Some(vendors) => both.limited_to(vendors),
            None => both,
        }
    }

    /// Returns the answer for a category and a vendor, given by its id on IAB's list; `None`: it is not on the list.
    pub fn answer(&self, category: Category, vendor: Option<u16>) -> Answer {
        let granted = self.granted(vendor);
        if granted.contains(category) {
            Answer::Grants
        } else if self.refused(granted).contains(category) {
            Answer::Refuses
        } else {
            Answer::Silent
        }
    }

    /// Returns the categories that are granted for a vendor, given as in [`Statement::answer`].
    pub fn granted(&self, vendor: Option<u16>) -> Categories {
        match (&self.vendors, vendor) {
            // Asked only if it matters: it may have to look through a long list.
            (Some(vendors), Some(id)) if !self.granted.is_empty() && !vendors.contains(id) => {
                Categories::NONE
            }
            _ => self.granted,
        }
    }

    /// Returns the categories that are refused for a vendor, given what is granted for it: what is granted for other vendors
    /// only is refused for this one.
    pub fn refused(&self, granted: Categories) -> Categories {
        self.refused.union(self.granted).without(granted)
    }

    /// Returns whether the visitor was asked for consent. If not, the statement is silent about every category.
    pub fn was_asked(&self) -> bool {
        self.asked
    }

    /// Returns whether the value of the source, or a part of it, can't be read.
    pub fn is_unreadable(&self) -> bool {
        self.unreadable
    }

    /// Returns whether the source has recorded an opt-out.
    pub fn has_opt_out(&self, opt_out: OptOut) -> bool {
        match opt_out {
            OptOut::Gpc => self.gpc,
            OptOut::Sale => self.sale,
        }
    }
}

/// The vendors that are in both lists.
#[derive(Debug)]
struct Both<'a>(Box<dyn ConsentedVendors + 'a>, Box<dyn ConsentedVendors + 'a>);

impl ConsentedVendors for Both<'_> {
    fn contains(&self, id: u16) -> bool {
        self.0.contains(id) && self.1.contains(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKETING: Categories = Categories::NONE.with(Category::Marketing);
    const ANALYTICS: Categories = Categories::NONE.with(Category::Analytics);

    #[derive(Debug)]
    struct Only(u16);

    impl ConsentedVendors for Only {
        fn contains(&self, id: u16) -> bool {
            self.0 == id
        }
    }

    fn answers(statement: &Statement<'_>, vendor: Option<u16>) -> [Answer; 3] {
        [Category::Marketing, Category::Analytics, Category::Functional]
            .map(|category| statement.answer(category, vendor))
    }

    #[test]
    fn each_category_is_granted_refused_or_passed_over_in_silence() {
        use Answer::{Grants, Refuses, Silent};
        for (statement, expected, asked) in [
            (Statement::new(MARKETING, ANALYTICS), [Grants, Refuses, Silent], true),
            (Statement::new(MARKETING, MARKETING), [Refuses, Silent, Silent], true),
            (Statement::granting_only(MARKETING), [Grants, Refuses, Refuses], true),
            (Statement::unreadable(), [Refuses; 3], true),
            (Statement::undecided(), [Silent; 3], true),
            (Statement::not_asked(), [Silent; 3], false),
        ] {
            assert_eq!(answers(&statement, None), expected, "{statement:?}");
            assert_eq!(statement.was_asked(), asked, "{statement:?}");
        }
    }

    #[test]
    fn an_opt_out_says_nothing_about_categories() {
        for opt_out in [OptOut::Gpc, OptOut::Sale] {
            let statement = Statement::not_asked().with_opt_out(opt_out, true).with_opt_out(opt_out, false);
            assert_eq!(answers(&statement, None), [Answer::Silent; 3]);
            assert!(statement.has_opt_out(opt_out) && !statement.was_asked());
        }
        assert!(!Statement::undecided().with_opt_out(OptOut::Gpc, true).has_opt_out(OptOut::Sale));
    }

    #[test]
    fn of_two_statements_the_refusal_wins_and_grants_add_up() {
        let granting = || Statement::new(MARKETING, Categories::NONE);
        let refusing = || Statement::new(ANALYTICS, MARKETING);
        for both in [granting().and(refusing()), refusing().and(granting())] {
            assert_eq!(answers(&both, None), [Answer::Refuses, Answer::Grants, Answer::Silent]);
        }
        for both in [granting().and(Statement::not_asked()), Statement::not_asked().and(granting())] {
            assert_eq!(answers(&both, None), [Answer::Grants, Answer::Silent, Answer::Silent]);
            assert!(both.was_asked());
        }
        let opted_out = || Statement::not_asked().with_opt_out(OptOut::Sale, true);
        assert!(granting().and(opted_out()).has_opt_out(OptOut::Sale));
        assert!(opted_out().and(granting()).has_opt_out(OptOut::Sale));
    }

    #[test]
    fn grants_that_are_limited_to_vendors_are_refusals_for_the_others_on_iabs_list() {
        let limited = || Statement::new(MARKETING, ANALYTICS).limited_to(Box::new(Only(78)));
        let statement = limited();
        for (vendor, marketing) in
            [(Some(78), Answer::Grants), (Some(79), Answer::Refuses), (None, Answer::Grants)]
        {
            let expected = [marketing, Answer::Refuses, Answer::Silent];
            assert_eq!(answers(&statement, vendor), expected, "{vendor:?}");
        }
        let twice = limited().and(Statement::new(MARKETING, Categories::NONE).limited_to(Box::new(Only(79))));
        for vendor in [78, 79] {
            assert_eq!(twice.answer(Category::Marketing, Some(vendor)), Answer::Refuses);
        }
    }
}
