//! Whether an email address is in a text.

use conversion_relay::privacy;
use percent_encoding::percent_decode_str;

/// Whether the seeds' email address, or what the filter takes for one, is in a text, encoded in percent up to twice.
pub fn has_email(text: &str) -> bool {
    let once = percent_decode_str(text).decode_utf8_lossy().into_owned();
    let twice = percent_decode_str(&once).decode_utf8_lossy().into_owned();
    [text, &once, &twice].iter().any(|text| text.contains("jane.doe@example.com"))
        || privacy::email_in(text.as_bytes())
}
