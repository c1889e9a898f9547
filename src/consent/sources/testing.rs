//! For the tests of single sources.

use crate::consent::category::Categories;
use crate::consent::source::ConsentSource;
use crate::consent::vocabulary::Vocabulary;

/// Returns what a source reads as granted in a value; `None` where the visitor was not asked. `code` is a code for marketing beside those
/// that every vocabulary has.
pub fn granted(source: &dyn ConsentSource, value: &[u8], code: &str) -> Option<Categories> {
    let statement = source.read(value, &Vocabulary::new([("marketing", [code])]).unwrap());
    statement.was_asked().then(|| statement.granted(None))
}
