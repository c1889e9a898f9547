//! What all answers share: the error, and what is read of each request, its caller and its body.

mod callers;
mod error;
mod posted;

pub use callers::{Admin, Gateway, Reader, caller};
pub use error::{ApiError, ErrorBody};
pub use posted::Posted;
