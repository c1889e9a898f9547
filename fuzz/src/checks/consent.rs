//! A value that says what a visitor allows: a cookie's, or the JSON of a member of an event's `context`.

use conversion_relay::config::Compiled;
use conversion_relay::consent::statement::Answer;
use conversion_relay::consent::{Category, SOURCES};

pub const MEMORY: usize = 256 << 10;

/// Flashtalking's number on IAB's list.
const VENDOR: Option<u16> = Some(78);

/// Every source of consent can read any bytes, reads them alike twice, and grants a vendor nothing that it does not grant
/// everybody.
pub fn check(input: &[u8]) -> bool {
    thread_local! {
        static RULES: Compiled = Compiled::load(br#"{"integrations": []}"#, &|_| None).expect("a configuration");
    }
    RULES.with(|rules| {
        let vocabulary = &rules.consent.vocabulary;
        let mut read = false;
        for source in SOURCES {
            let (statement, again) = (source.read(input, vocabulary), source.read(input, vocabulary));
            let everybody = statement.answer(Category::Marketing, None);
            let vendor = statement.answer(Category::Marketing, VENDOR);
            assert_eq!(vendor, again.answer(Category::Marketing, VENDOR), "{}", source.name());
            assert!(
                vendor != Answer::Grants || everybody == Answer::Grants,
                "{} grants one vendor what it does not grant",
                source.name()
            );
            read |= everybody == Answer::Grants;
        }
        read
    })
}
