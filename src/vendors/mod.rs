//! The vendors and the formats of their requests. A new vendor is one file here and one line in [`VENDORS`].

mod flashtalking;
mod podsights;
#[cfg(test)]
mod testing;
mod vendor;

pub use vendor::{Attempt, Callout, Content, Destination, Parcel, Vendor, forwardable, presentable};

/// Every vendor that an integration can name.
pub const VENDORS: [&dyn Vendor; 2] = [&flashtalking::Flashtalking, &podsights::Podsights];

/// Returns the vendor of that name.
pub fn find(name: &str) -> Option<&'static dyn Vendor> {
    VENDORS.into_iter().find(|vendor| vendor.name() == name)
}
