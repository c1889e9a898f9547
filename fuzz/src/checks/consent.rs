//! A value that says what a visitor allows: a cookie's, or the JSON of a member of an event's `context`.

use conversion_relay::config::Compiled;
use conversion_relay::consent::statement::Answer;
use conversion_relay::consent::{BySource, Category, Requirement, SOURCES};

pub const MEMORY: usize = 256 << 10;

/// Flashtalking's number on IAB's list.
const VENDOR: Option<u16> = Some(78);

/// Cookies of a site's own, one of each format.
const CONFIGURATION: &str = r#"{"integrations": [], "consent": {"custom": [
    {"cookie": "json", "format": "json", "granted": {"marketing": ["ads", "categories.ads"]}},
    {"cookie": "list", "format": "list", "granted": {"marketing": ["ads"]}},
    {"cookie": "query", "format": "query", "granted": {"marketing": ["ads"]}}]}}"#;

/// Every source of consent can read any bytes, reads them alike twice, and grants a vendor nothing that it does not grant
/// everybody. A site's own cookie grants nothing without the id that it is granted by.
pub fn check(input: &[u8]) -> bool {
    thread_local! {
        static RULES: Compiled = Compiled::load(CONFIGURATION.as_bytes(), &|_| None).expect("a configuration");
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
        for cookie in ["json", "list", "query"] {
            let request =
                rules.consent.request(std::iter::empty(), std::iter::once((cookie.as_bytes(), input)));
            let event = request.event(&BySource::of(|_| None));
            let decision = event.for_delivery(Requirement::MARKETING, VENDOR);
            // Percent-encoded or escaped, the id may be written in other bytes.
            let could_grant = ["ads", "%", "\\"].iter().any(|part| contains(input, part.as_bytes()));
            assert!(could_grant || !decision.is_permitted(), "{cookie} grants without the id");
            read |= decision.is_permitted();
        }
        read
    })
}

fn contains(input: &[u8], part: &[u8]) -> bool {
    input.windows(part.len()).any(|window| window == part)
}
