//! The statement of one source of consent about a visitor.

use std::fmt;

use super::vocabulary::{Categories, Category};

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

/// What a source states about every category, about Global Privacy Control and about vendors.
///
/// Essential is always granted, whatever a statement says about it.
#[derive(Debug, Default)]
pub struct Statement<'a> {
    /// Shares no category with `refused`.
    granted: Categories,
    refused: Categories,
    gpc: bool,
    vendors: Option<Box<dyn ConsentedVendors + 'a>>,
}

/// The vendors on IAB's Global Vendor List that a visitor consents to.
pub trait ConsentedVendors: fmt::Debug {
    /// Returns whether the visitor consents to the vendor with this id.
    fn contains(&self, id: u16) -> bool;
}

impl<'a> Statement<'a> {
    /// A statement that is silent about every category.
    pub fn silent() -> Self {
        Self::default()
    }

    /// A statement that grants and refuses these categories, and is silent on the others. What is in both is refused.
    pub fn new(granted: Categories, refused: Categories) -> Self {
        Self { granted: granted.without(refused), refused, gpc: false, vendors: None }
    }

    /// A statement that grants these categories and refuses all others.
    pub fn granting_only(granted: Categories) -> Self {
        Self::new(granted, Categories::ALL.without(granted))
    }

    /// Adds whether the consent tool recorded that Global Privacy Control is on.
    #[must_use]
    pub fn with_gpc(self, gpc: bool) -> Self {
        Self { gpc, ..self }
    }

    /// Limits the grants to these vendors of IAB's list, and to vendors that are not on the list.
    #[must_use]
    pub fn limited_to(self, vendors: Box<dyn ConsentedVendors + 'a>) -> Self {
        Self { vendors: Some(vendors), ..self }
    }

    /// Returns the answer for a category and a vendor, given by its id on IAB's list; `None`: it is not on the list.
    pub fn answer(&self, category: Category, vendor: Option<u16>) -> Answer {
        if self.granted(vendor).contains(category) {
            Answer::Grants
        } else if self.granted.union(self.refused).contains(category) {
            Answer::Refuses
        } else {
            Answer::Silent
        }
    }

    /// Returns the categories that are granted for a vendor, given as in [`Statement::answer`].
    pub fn granted(&self, vendor: Option<u16>) -> Categories {
        match (&self.vendors, vendor) {
            (Some(vendors), Some(id)) if !vendors.contains(id) => Categories::NONE,
            _ => self.granted,
        }
    }

    /// Returns whether the statement is silent about every category. It may still have recorded Global Privacy Control.
    pub fn is_silent(&self) -> bool {
        self.granted.union(self.refused).is_empty()
    }

    /// Returns whether the consent tool recorded that Global Privacy Control is on.
    pub fn gpc(&self) -> bool {
        self.gpc
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

    #[test]
    fn a_category_is_granted_or_refused_or_the_source_is_silent_on_it() {
        let statement = Statement::new(MARKETING, ANALYTICS);
        assert_eq!(statement.answer(Category::Marketing, None), Answer::Grants);
        assert_eq!(statement.answer(Category::Analytics, None), Answer::Refuses);
        assert_eq!(statement.answer(Category::Functional, None), Answer::Silent);
        assert!(!statement.is_silent());
    }

    #[test]
    fn a_refusal_outweighs_a_grant_of_the_same_category() {
        let statement = Statement::new(MARKETING, MARKETING);
        assert_eq!(statement.answer(Category::Marketing, None), Answer::Refuses);
        assert!(statement.granted(None).is_empty());
    }

    #[test]
    fn a_source_that_grants_only_some_categories_refuses_all_others() {
        for category in Category::ALL {
            let expected = if category == Category::Marketing { Answer::Grants } else { Answer::Refuses };
            assert_eq!(Statement::granting_only(MARKETING).answer(category, None), expected);
            let none = Statement::granting_only(Categories::NONE);
            assert_eq!(none.answer(category, None), Answer::Refuses, "{category:?}");
            assert!(!none.is_silent());
        }
    }

    #[test]
    fn a_silent_source_may_still_have_recorded_gpc() {
        let statement = Statement::silent().with_gpc(true);
        assert!(statement.is_silent() && statement.gpc());
        for category in Category::ALL {
            assert_eq!(statement.answer(category, None), Answer::Silent);
        }
    }

    #[test]
    fn grants_that_are_limited_to_vendors_are_refusals_for_the_others_on_iabs_list() {
        let statement = Statement::new(MARKETING, ANALYTICS).limited_to(Box::new(Only(78)));
        for (vendor, marketing) in
            [(Some(78), Answer::Grants), (Some(79), Answer::Refuses), (None, Answer::Grants)]
        {
            assert_eq!(statement.answer(Category::Marketing, vendor), marketing, "{vendor:?}");
            assert_eq!(statement.answer(Category::Analytics, vendor), Answer::Refuses);
            assert_eq!(statement.answer(Category::Functional, vendor), Answer::Silent);
        }
    }
}
