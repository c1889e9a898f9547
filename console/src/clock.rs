//! The time, and how it is written.

use std::time::SystemTime;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Returns Unix time in milliseconds.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Returns Unix time in milliseconds as `2026-11-29T12:00:00.000Z` has it.
pub fn rfc3339(milliseconds: i64) -> String {
    let nanoseconds = i128::from(milliseconds).saturating_mul(1_000_000);
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(&Rfc3339).unwrap_or_default()
}
