//! What a run writes into docs/.

use std::path::Path;

/// Puts `text` between the two markers of that name in a Markdown file.
pub fn write(path: &Path, marker: &str, text: &str) {
    let old = std::fs::read_to_string(path).expect("cannot read");
    let (begin, end) = (format!("<!-- {marker}: begin -->"), format!("<!-- {marker}: end -->"));
    let (before, rest) = old.split_once(&begin).expect("the first marker");
    let (_, after) = rest.split_once(&end).expect("the second marker");
    std::fs::write(path, format!("{before}{begin}\n{text}{end}{after}")).expect("cannot write");
    println!("written: {}", path.display());
}
