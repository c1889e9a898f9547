//! Records: what became of each event, one line of JSON for each end, each failed attempt, and each event that nobody was offered.
//!
//! They are formed only where somebody wants them, and masked when they are formed: a value stands in a record if its vendor lists it
//! as one that may be shown, or else as its type and length. The words are those of `conversion-relay preview`.

mod masking;
mod record;
mod settings;

pub use masking::{MaskedRequest, mask, mask_answer};
pub use record::{AttemptFacts, EventFacts, IdentityFacts, Record, Status, What};
pub use settings::{RecordSettings, Records, Which};
