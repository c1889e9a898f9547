//! The consent categories, and sets of them.

/// The five canonical consent categories. The names of sites, consent tools and standards are mapped to these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// What a site can't work without. It needs no consent.
    Essential,
    /// Conveniences, such as a visitor's preferences.
    Functional,
    /// Statistics about how a site is used.
    Analytics,
    /// Advertising and the measurement of its success.
    Marketing,
    /// Content that is selected for the visitor.
    Personalization,
}

impl Category {
    /// Every category, in the order of their discriminants.
    pub const ALL: [Category; 5] = [
        Category::Essential,
        Category::Functional,
        Category::Analytics,
        Category::Marketing,
        Category::Personalization,
    ];

    /// The canonical name, as configurations and events write it.
    pub const fn name(self) -> &'static str {
        match self {
            Category::Essential => "essential",
            Category::Functional => "functional",
            Category::Analytics => "analytics",
            Category::Marketing => "marketing",
            Category::Personalization => "personalization",
        }
    }
}

/// A set of categories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Categories(u8);

impl Categories {
    /// No category.
    pub const NONE: Categories = Categories(0);
    /// Every category.
    pub const ALL: Categories = Categories((1 << Category::ALL.len()) - 1);

    /// This set and `category`.
    #[must_use]
    pub const fn with(self, category: Category) -> Categories {
        Categories(self.0 | 1 << category as u8)
    }

    /// Returns the categories that are in either set.
    #[must_use]
    pub const fn union(self, other: Categories) -> Categories {
        Categories(self.0 | other.0)
    }

    /// This set but for what is in `other`.
    #[must_use]
    pub const fn without(self, other: Categories) -> Categories {
        Categories(self.0 & !other.0)
    }

    /// Whether `category` is in the set.
    pub const fn contains(self, category: Category) -> bool {
        self.0 & 1 << category as u8 != 0
    }

    /// Whether every category of `other` is in the set. True of an empty `other`.
    pub const fn contains_all(self, other: Categories) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the sets have a category in common.
    pub const fn intersects(self, other: Categories) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns the categories that are in both sets.
    #[must_use]
    pub const fn intersection(self, other: Categories) -> Categories {
        Categories(self.0 & other.0)
    }

    /// Returns the first category of the set, in the order of [`Category::ALL`].
    pub fn first(self) -> Option<Category> {
        Category::ALL.into_iter().find(|category| self.contains(*category))
    }

    /// Whether the set has no category.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Category> for Categories {
    fn from_iter<I: IntoIterator<Item = Category>>(categories: I) -> Self {
        categories.into_iter().fold(Categories::NONE, Categories::with)
    }
}
