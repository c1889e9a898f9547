//! The vendors and the formats of their requests. A new vendor is one file here and one line in [`VENDORS`].

mod body;
mod flashtalking;
mod podsights;
#[cfg(test)]
mod testing;
mod vendor;
mod webhook;

pub use vendor::{
    Attempt, Callout, Content, Destination, Parcel, Purpose, Shown, Unsealed, Vendor, Whole, forwardable,
    presentable,
};

/// Every vendor that an integration can name.
pub const VENDORS: [&dyn Vendor; 3] = [&flashtalking::Flashtalking, &podsights::Podsights, &webhook::Webhook];

/// Returns the vendor of that name.
pub fn find(name: &str) -> Option<&'static dyn Vendor> {
    VENDORS.into_iter().find(|vendor| vendor.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::projection::Projection;
    use crate::mapping::plan::Plan;
    use crate::mapping::targets::is_reserved;

    #[test]
    fn every_preset_of_every_vendor_compiles_against_the_vendors_targets() {
        for vendor in VENDORS {
            for (name, _) in vendor.presets() {
                let preset = vendor.preset(Some(name)).unwrap();
                let plan = Plan::compile(&preset, None, None, vendor.targets(), &mut Projection::new());
                assert!(plan.is_ok(), "{} {name}: {:?}", vendor.name(), plan.err());
            }
        }
    }

    #[test]
    fn what_a_vendors_file_reserves_is_no_target_in_any_case_nor_anything_below_it() {
        for vendor in VENDORS {
            for reserved in vendor.targets().reserved() {
                for target in [reserved.to_uppercase(), format!("{reserved}.name")] {
                    assert!(is_reserved(&target, vendor.targets()), "{} {target}", vendor.name());
                }
            }
        }
        let reserved = |vendor, target| is_reserved(target, find(vendor).unwrap().targets());
        for target in ["key", "event", "ip", "user_agent", "cachebuster"] {
            assert!(reserved("flashtalking", target) && reserved("podsights", target), "{target}");
        }
        for target in ["advertiser_id", "spotlight_id", "spotlight_group_id"] {
            assert!(reserved("flashtalking", target), "{target}");
        }
        for target in ["id", "em", "url", "keys", "custom.key", "events"] {
            assert!(!reserved("podsights", target), "{target}");
        }
    }
}
