//! The names and codes of consent categories, and the category that each belongs to.

use std::cmp::Ordering;

use thiserror::Error;

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

/// The names that are known without configuration: the canonical ones, Cookiebot's, and OneTrust's default groups
/// (C0005 is its group of social media cookies).
const BUILT_IN: [(&str, Category); 15] = [
    ("essential", Category::Essential),
    ("necessary", Category::Essential),
    ("C0001", Category::Essential),
    ("functional", Category::Functional),
    ("preferences", Category::Functional),
    ("C0003", Category::Functional),
    ("analytics", Category::Analytics),
    ("statistics", Category::Analytics),
    ("C0002", Category::Analytics),
    ("marketing", Category::Marketing),
    ("advertising", Category::Marketing),
    ("targeting", Category::Marketing),
    ("C0004", Category::Marketing),
    ("C0005", Category::Marketing),
    ("personalization", Category::Personalization),
];

/// How many codes a vocabulary can hold: one bit each in [`Choices`].
const MAX_CODES: usize = u128::BITS as usize;

/// A known name or code of a category: its position among the vocabulary's codes, below [`MAX_CODES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(u8);

/// A visitor's choices by code, as one object or cookie states them. For a repeated code the last choice counts, as in
/// `JSON.parse`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choices {
    granted: u128,
    denied: u128,
}

impl Choices {
    /// Records that a code is granted, or that it is denied.
    pub fn record(&mut self, code: Code, granted: bool) {
        let bit = 1_u128 << code.0;
        self.granted &= !bit;
        self.denied &= !bit;
        *(if granted { &mut self.granted } else { &mut self.denied }) |= bit;
    }

    /// Returns `true` while no choice is recorded.
    pub fn is_empty(&self) -> bool {
        self.granted | self.denied == 0
    }
}

/// An invalid alias. The caller prefixes the path (`consent.aliases`).
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AliasError {
    /// A key of the aliases is no name of a category.
    #[error(
        "unknown consent category `{0}`: use essential, functional, analytics, marketing or personalization, \
         with the other names of it in a list below"
    )]
    UnknownCategory(String),
    /// An alias of this category is the empty text.
    #[error("an alias of {0} is empty: remove it, or write the code that your consent tool uses")]
    Empty(&'static str),
    /// An alias has a meaning already.
    #[error("`{code}` already means {means}: remove it from the aliases of {of}")]
    Taken {
        /// The alias.
        code: String,
        /// The name of the category that it means.
        means: &'static str,
        /// The name of the category that it was to be added to.
        of: &'static str,
    },
    /// There are more names and codes, with the built-in ones, than the 128 that a vocabulary holds.
    #[error("more than {max} aliases: remove those that no event or cookie uses", max = MAX_CODES - BUILT_IN.len())]
    TooMany,
}

/// Every known name or code of a category. Compiled once; a lookup allocates nothing.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    /// Sorted by the ASCII-lowercased name, shorter ones first: most are told apart by their length alone.
    codes: Vec<(Box<[u8]>, Category)>,
    /// By category, the bits of its codes.
    members: [u128; Category::ALL.len()],
}

impl Vocabulary {
    /// The built-in codes and the configured aliases: category -> the other names of it. An alias adds a name. It cannot
    /// give a known one another meaning, because that would turn the grant of one category into the grant of another.
    pub fn new<'a, A>(aliases: impl IntoIterator<Item = (&'a str, A)>) -> Result<Self, AliasError>
    where
        A: IntoIterator<Item = &'a str>,
    {
        let mut codes: Vec<(Box<[u8]>, Category)> = Vec::with_capacity(BUILT_IN.len());
        for (name, category) in BUILT_IN {
            insert(&mut codes, name, category)?;
        }
        for (key, names) in aliases {
            let category = BUILT_IN
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(key.trim()))
                .map(|(_, category)| *category)
                .ok_or_else(|| AliasError::UnknownCategory(key.to_owned()))?;
            for name in names {
                insert(&mut codes, name.trim(), category)?;
            }
        }
        let mut members = [0; Category::ALL.len()];
        for (index, (_, category)) in codes.iter().enumerate() {
            if let Some(bits) = members.get_mut(*category as usize) {
                *bits |= 1 << index;
            }
        }
        Ok(Vocabulary { codes, members })
    }

    /// The category that a name or code means, in any ASCII case.
    pub fn category(&self, name: &[u8]) -> Option<Category> {
        let index = position(&self.codes, name).ok()?;
        self.codes.get(index).map(|(_, category)| *category)
    }

    /// Looks up a name or code, in any ASCII case, to record a choice for it. `None`: it is unknown.
    pub fn code(&self, name: &[u8]) -> Option<Code> {
        position(&self.codes, name).ok().and_then(|index| u8::try_from(index).ok()).map(Code)
    }

    /// The categories of which at least one code is granted: several codes of a category are OR-ed.
    pub fn granted(&self, choices: &Choices) -> Categories {
        self.categories_with(choices.granted)
    }

    /// The categories of which at least one code is denied and none is granted.
    pub fn denied(&self, choices: &Choices) -> Categories {
        self.categories_with(choices.denied).without(self.granted(choices))
    }

    fn categories_with(&self, bits: u128) -> Categories {
        let members = Category::ALL.into_iter().zip(self.members);
        members.filter(|(_, members)| members & bits != 0).map(|(category, _)| category).collect()
    }
}

fn insert(codes: &mut Vec<(Box<[u8]>, Category)>, name: &str, of: Category) -> Result<(), AliasError> {
    if name.is_empty() {
        return Err(AliasError::Empty(of.name()));
    }
    match position(codes, name.as_bytes()) {
        Ok(index) => match codes.get(index) {
            Some((_, means)) if *means != of => {
                Err(AliasError::Taken { code: name.to_owned(), means: means.name(), of: of.name() })
            }
            _ => Ok(()),
        },
        Err(_) if codes.len() >= MAX_CODES => Err(AliasError::TooMany),
        Err(index) => {
            codes.insert(index, (name.to_ascii_lowercase().into_bytes().into_boxed_slice(), of));
            Ok(())
        }
    }
}

/// Where a name stands among sorted codes, or where it would.
fn position(codes: &[(Box<[u8]>, Category)], name: &[u8]) -> Result<usize, usize> {
    codes.binary_search_by(|(code, _)| compare(code, name))
}

fn compare(lowercased: &[u8], name: &[u8]) -> Ordering {
    let by_length = lowercased.len().cmp(&name.len());
    by_length.then_with(|| lowercased.iter().copied().cmp(name.iter().map(u8::to_ascii_lowercase)))
}

/// An unknown category. The caller prefixes the path (`integrations[0].consent_categories`).
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "unknown consent category `{0}`: use essential, functional, analytics, marketing or personalization, or say \
     what it means under consent, e.g. `aliases: {{marketing: [{0}]}}`"
)]
pub struct UnknownCategory(pub String);

/// The categories that an integration, or a cookie of ours, needs. Empty: it needs no consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirement(Categories);

impl Requirement {
    /// Marketing and nothing else: what `remember_email` needs.
    pub const MARKETING: Requirement = Requirement(Categories::NONE.with(Category::Marketing));

    /// Names or codes, in any case, that `vocabulary` knows.
    pub fn compile<S: AsRef<str>>(names: &[S], vocabulary: &Vocabulary) -> Result<Self, UnknownCategory> {
        let mut categories = Categories::NONE;
        for name in names {
            let name = name.as_ref().trim();
            let category = vocabulary.category(name.as_bytes());
            categories = categories.with(category.ok_or_else(|| UnknownCategory(name.to_owned()))?);
        }
        Ok(Requirement(categories))
    }

    /// Returns the categories. How many of them must be granted is up to [`Require`](super::Require).
    pub const fn categories(self) -> Categories {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_aliases(aliases: &[(&str, &[&str])]) -> Result<Vocabulary, AliasError> {
        Vocabulary::new(aliases.iter().map(|(key, names)| (*key, names.iter().copied())))
    }

    #[test]
    fn every_built_in_code_means_its_category_in_any_case() {
        let vocabulary = with_aliases(&[]).unwrap();
        for (name, category) in BUILT_IN {
            for spelled in [name.to_owned(), name.to_uppercase(), name.to_lowercase()] {
                assert_eq!(vocabulary.category(spelled.as_bytes()), Some(category), "{spelled}");
            }
        }
        for unknown in ["", "C0006", "market", "marketing ", "\u{fffd}"] {
            assert_eq!(vocabulary.category(unknown.as_bytes()), None, "{unknown}");
        }
    }

    #[test]
    fn an_alias_adds_a_name_to_its_category() {
        let vocabulary =
            with_aliases(&[("Advertising", &["custom_Ads", "C0004"]), ("analytics", &["C0002"])]).unwrap();
        assert_eq!(vocabulary.category(b"CUSTOM_ADS"), Some(Category::Marketing));
        assert_eq!(vocabulary.category(b"c0004"), Some(Category::Marketing));
    }

    #[test]
    fn an_alias_of_no_category_is_refused_with_the_five_names() {
        let error = with_aliases(&[("ads", &["C0004"])]).unwrap_err();
        assert_eq!(error, AliasError::UnknownCategory("ads".into()));
        assert!(error.to_string().contains("marketing or personalization"));
    }

    #[test]
    fn an_alias_cannot_give_a_known_code_another_meaning() {
        let taken = |code: &str| AliasError::Taken { code: code.into(), means: "marketing", of: "essential" };
        assert_eq!(with_aliases(&[("essential", &["c0004"])]).unwrap_err(), taken("c0004"));
        assert_eq!(with_aliases(&[("marketing", &["x"]), ("essential", &["X"])]).unwrap_err(), taken("X"));
    }

    #[test]
    fn empty_and_too_many_aliases_are_refused() {
        assert_eq!(with_aliases(&[("marketing", &[" "])]).unwrap_err(), AliasError::Empty("marketing"));
        let names: Vec<String> = (0..=MAX_CODES - BUILT_IN.len()).map(|n| format!("ad{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(with_aliases(&[("marketing", &names)]).unwrap_err(), AliasError::TooMany);
        let vocabulary = with_aliases(&[("marketing", &names[1..])]).unwrap();
        for name in &names[1..] {
            let mut choices = Choices::default();
            choices.record(vocabulary.code(name.as_bytes()).unwrap(), true);
            assert_eq!(vocabulary.granted(&choices), Categories::NONE.with(Category::Marketing));
        }
    }

    #[test]
    fn an_unknown_requirement_says_how_to_add_an_alias() {
        let vocabulary = with_aliases(&[]).unwrap();
        let error = Requirement::compile(&["marketing", "retargeting"], &vocabulary).unwrap_err();
        assert!(error.to_string().contains("`aliases: {marketing: [retargeting]}`"), "{error}");
    }

    #[test]
    fn advertising_and_marketing_are_one_requirement() {
        let vocabulary = with_aliases(&[]).unwrap();
        for names in [&["advertising"][..], &["marketing"], &["C0004", "Targeting"]] {
            assert_eq!(Requirement::compile(names, &vocabulary), Ok(Requirement::MARKETING));
        }
    }
}
