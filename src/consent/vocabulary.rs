//! The names and codes of consent categories, and the category that each belongs to.

use std::cmp::Ordering;

use thiserror::Error;

use super::category::{Categories, Category};

/// How a code relates to its category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rank {
    /// It names the category itself. Where such codes are present they decide, and one refusal among them refuses.
    Name,
    /// It belongs to the category. Granting one of several such codes is enough.
    Member,
}

/// The names that are known without configuration: the canonical ones, Cookiebot's, and OneTrust's default groups.
///
/// C0004 is OneTrust's group of targeting cookies, so it names marketing; C0005, its group of social media cookies, does not.
const BUILT_IN: [(&str, Category, Rank); 15] = [
    ("essential", Category::Essential, Rank::Name),
    ("necessary", Category::Essential, Rank::Name),
    ("C0001", Category::Essential, Rank::Member),
    ("functional", Category::Functional, Rank::Name),
    ("preferences", Category::Functional, Rank::Name),
    ("C0003", Category::Functional, Rank::Member),
    ("analytics", Category::Analytics, Rank::Name),
    ("statistics", Category::Analytics, Rank::Name),
    ("C0002", Category::Analytics, Rank::Member),
    ("marketing", Category::Marketing, Rank::Name),
    ("advertising", Category::Marketing, Rank::Name),
    ("targeting", Category::Marketing, Rank::Name),
    ("C0004", Category::Marketing, Rank::Name),
    ("C0005", Category::Marketing, Rank::Member),
    ("personalization", Category::Personalization, Rank::Name),
];

/// Returns the rank of an alias: a site's own code for marketing names advertising, because a site has such a code for nothing
/// else. Its codes for other categories are often groups within them.
fn rank_of_alias(category: Category) -> Rank {
    if category == Category::Marketing { Rank::Name } else { Rank::Member }
}

/// How many codes a vocabulary can hold: one bit each in [`Choices`].
const MAX_CODES: usize = u128::BITS as usize;

/// A known name or code of a category: its position among the vocabulary's codes, below [`MAX_CODES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(u8);

/// A visitor's choices by code, as one object or cookie states them. A code that is both granted and denied is denied,
/// whichever comes first: which of the two is newer can't be told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choices {
    granted: u128,
    denied: u128,
}

impl Choices {
    /// Records that a code is granted, or that it is denied.
    pub fn record(&mut self, code: Code, granted: bool) {
        let bit = 1_u128 << code.0;
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
    codes: Vec<Known>,
    /// By category, the bits of its codes.
    by_category: [CodesOfCategory; Category::ALL.len()],
}

/// A known name or code.
#[derive(Clone, Debug)]
struct Known {
    /// In lowercase.
    name: Box<[u8]>,
    category: Category,
    rank: Rank,
}

/// The bits of a category's codes.
#[derive(Clone, Copy, Debug, Default)]
struct CodesOfCategory {
    all: u128,
    /// Those that name the category itself.
    names: u128,
}

impl CodesOfCategory {
    /// Returns whether the choices grant the category, or `None` if they say nothing about it.
    fn is_granted(self, choices: &Choices) -> Option<bool> {
        let (granted, denied) = (choices.granted & self.all, choices.denied & self.all);
        if (granted | denied) & self.names != 0 {
            return Some(denied & self.names == 0);
        }
        // A code that is granted and denied counts as denied, and so not among those of which one is enough.
        (granted | denied != 0).then_some(granted & !denied != 0)
    }
}

impl Vocabulary {
    /// The built-in codes and the configured aliases: category -> the other names of it. An alias adds a name. It cannot
    /// give a known one another meaning, because that would turn the grant of one category into the grant of another.
    pub fn new<'a, A>(aliases: impl IntoIterator<Item = (&'a str, A)>) -> Result<Self, AliasError>
    where
        A: IntoIterator<Item = &'a str>,
    {
        let mut codes = Vec::with_capacity(BUILT_IN.len());
        for (name, category, rank) in BUILT_IN {
            insert(&mut codes, name, category, rank)?;
        }
        for (key, names) in aliases {
            let category = BUILT_IN
                .iter()
                .find(|(name, ..)| name.eq_ignore_ascii_case(key.trim()))
                .map(|(_, category, _)| *category)
                .ok_or_else(|| AliasError::UnknownCategory(key.to_owned()))?;
            for name in names {
                insert(&mut codes, name.trim(), category, rank_of_alias(category))?;
            }
        }
        let mut by_category = [CodesOfCategory::default(); Category::ALL.len()];
        for (index, known) in codes.iter().enumerate() {
            if let Some(bits) = by_category.get_mut(known.category as usize) {
                bits.all |= 1 << index;
                bits.names |= u128::from(known.rank == Rank::Name) << index;
            }
        }
        Ok(Vocabulary { codes, by_category })
    }

    /// The category that a name or code means, in any ASCII case.
    pub fn category(&self, name: &[u8]) -> Option<Category> {
        let index = position(&self.codes, name).ok()?;
        self.codes.get(index).map(|known| known.category)
    }

    /// Looks up a name or code, in any ASCII case, to record a choice for it. `None`: it is unknown.
    pub fn code(&self, name: &[u8]) -> Option<Code> {
        position(&self.codes, name).ok().and_then(|index| u8::try_from(index).ok()).map(Code)
    }

    /// Returns the categories that the choices grant: no code that names the category is denied, and if there is none, one of
    /// its other codes is granted.
    pub fn granted(&self, choices: &Choices) -> Categories {
        self.categories_where(|codes| codes.is_granted(choices) == Some(true))
    }

    /// Returns the categories that the choices deny: those that they say something about and don't grant.
    pub fn denied(&self, choices: &Choices) -> Categories {
        self.categories_where(|codes| codes.is_granted(choices) == Some(false))
    }

    fn categories_where(&self, holds: impl Fn(CodesOfCategory) -> bool) -> Categories {
        let all = Category::ALL.into_iter().zip(self.by_category);
        all.filter(|(_, codes)| holds(*codes)).map(|(category, _)| category).collect()
    }
}

fn insert(codes: &mut Vec<Known>, name: &str, of: Category, rank: Rank) -> Result<(), AliasError> {
    if name.is_empty() {
        return Err(AliasError::Empty(of.name()));
    }
    match position(codes, name.as_bytes()) {
        Ok(index) => match codes.get(index) {
            Some(Known { category, .. }) if *category != of => {
                Err(AliasError::Taken { code: name.to_owned(), means: category.name(), of: of.name() })
            }
            _ => Ok(()),
        },
        Err(_) if codes.len() >= MAX_CODES => Err(AliasError::TooMany),
        Err(index) => {
            codes.insert(
                index,
                Known { name: name.to_ascii_lowercase().into_bytes().into(), category: of, rank },
            );
            Ok(())
        }
    }
}

/// Where a name stands among sorted codes, or where it would.
fn position(codes: &[Known], name: &[u8]) -> Result<usize, usize> {
    codes.binary_search_by(|known| compare(&known.name, name))
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
        for (name, category, _) in BUILT_IN {
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

    /// What the choices grant and deny, written `C0004:1 C0005:0`.
    fn read(choices: &str) -> (Categories, Categories) {
        let vocabulary =
            with_aliases(&[("marketing", &["ads", "retargeting"]), ("analytics", &["heatmaps"])]).unwrap();
        let mut recorded = Choices::default();
        for choice in choices.split_whitespace() {
            let (code, granted) = choice.split_once(':').unwrap();
            recorded.record(vocabulary.code(code.as_bytes()).unwrap(), granted == "1");
        }
        (vocabulary.granted(&recorded), vocabulary.denied(&recorded))
    }

    #[test]
    fn a_code_that_names_advertising_decides_alone_and_one_refusal_among_such_codes_refuses() {
        let marketing = Categories::NONE.with(Category::Marketing);
        for granted in ["C0004:1", "C0005:1", "C0004:1 C0005:0", "marketing:1 ads:1", "ads:1 C0005:0"] {
            assert_eq!(read(granted), (marketing, Categories::NONE), "{granted}");
        }
        for denied in [
            "C0004:0",
            "C0005:0",
            "C0004:0 C0005:1",
            "marketing:1 advertising:0",
            "C0004:1 targeting:0",
            "ads:1 retargeting:0",
            "C0004:1 ads:0",
            "C0004:1 C0004:0",
            "C0004:0 C0004:1",
            "C0005:1 C0005:0",
        ] {
            assert_eq!(read(denied), (Categories::NONE, marketing), "{denied}");
        }
    }

    #[test]
    fn of_several_codes_that_belong_to_another_category_one_is_enough_and_its_names_decide_alone() {
        let analytics = Categories::NONE.with(Category::Analytics);
        for granted in ["C0002:1", "C0002:0 heatmaps:1", "analytics:1 C0002:0"] {
            assert_eq!(read(granted), (analytics, Categories::NONE), "{granted}");
        }
        for denied in ["C0002:0 heatmaps:0", "statistics:0 C0002:1", "analytics:1 statistics:0"] {
            assert_eq!(read(denied), (Categories::NONE, analytics), "{denied}");
        }
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
