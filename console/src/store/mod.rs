//! What the console keeps, in one SQLite file: revisions of the configuration, secrets, gateways, records and dead letters.
//!
//! A change is one transaction, and is on the disk before it is answered. The file's journal is a write-ahead log, so readers never
//! wait for a writer.

mod changes;
mod current;
mod database;
mod gateways;
#[cfg(test)]
mod history_tests;
mod letters;
mod records;
mod rejection;
mod revisions;
mod schema;
mod secrets;
mod sizes;
#[cfg(test)]
mod tests;

pub use changes::{Changed, Draft};
pub use current::{Current, Etag};
pub use database::Store;
pub use gateways::{GatewaySeen, GatewayState, Roster, Sighting, Via, revision_of};
pub use letters::{LetterFacts, LetterQuery, NewLetter, Outcome, Replay, StoredLetter, Wanted};
pub use records::{NewRecord, RecordFacts, RecordQuery, StoredRecord};
pub use rejection::Rejection;
pub use revisions::{Revision, RevisionFacts};
