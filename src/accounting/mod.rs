//! Accounting: everything that is counted or logged, and the names under which it is.
//!
//! For every integration, over the life of a VM: matched = delivered + dropped + dry_run + given_back + pending. Pending is the difference
//! of the counters; there is no gauge, because all VMs of a process would share it. `dead_lettered` counts some of the dropped ones
//! again, so it is no part of the sum.
//!
//! Every other module can count, so nothing here imports another module of the crate.

mod labels;
mod ledger;
pub mod names;
mod notice;
mod outcome;

pub use labels::{CalloutStatus, DropReason, EventIgnored, Note, RequestIgnored};
pub use ledger::{DeliveryLedger, IntegrationRef, Ledger};
pub use notice::{Notice, Refusal, RetryReason};
pub use outcome::Outcome;
