//! Which targets a mapping may have.

use super::transform::Transform;
use crate::event::names::snake_case;

/// A vendor's rules for targets, used when a document is compiled.
pub trait Targets {
    /// Returns the targets that the filter sets itself, in lowercase. A mapping must not set them, nor anything below them.
    fn reserved(&self) -> &'static [&'static str];

    /// Refuses a target with the reason and the fix. Those that are [reserved](Targets::reserved) are refused already.
    fn check(&self, target: &str) -> Result<(), String>;

    /// Returns the sort key of a target among the others; equal ones keep the document's order.
    fn order(&self, target: &str) -> usize;

    /// Returns the transform that always applies to a target, whatever a mapping says; `None`: it accepts any value.
    fn kind(&self, target: &str) -> Option<Transform>;

    /// Whether values for a target may be shown to somebody: in a preview, if they are left out for their form, or in a log.
    /// Not those that can be about a person, nor free text. Members of objects are dotted.
    fn may_be_quoted(&self, target: &str) -> bool;

    /// Returns `false` if no email and no phone number, hashed or not, may be a source.
    fn takes_contact_data(&self) -> bool;

    /// Returns `false` if values are only text, numbers and booleans, so that `each` is not allowed.
    fn takes_objects(&self) -> bool;

    /// Returns `false` if the vendor's requests name no event, so that `vendor_event_name` is not allowed.
    fn names_events(&self) -> bool;
}

/// Whether a target, or the first part of a dotted one, is set by the filter itself. Letter case does not matter.
pub fn is_reserved(target: &str, targets: &dyn Targets) -> bool {
    let first = target.split('.').next().unwrap_or_default();
    targets.reserved().iter().any(|reserved| reserved.eq_ignore_ascii_case(first))
}

/// Whether a path names an email address or a phone number. Errs on the side of privacy: a vendor that must not get them must
/// not get them hashed either, and a hash can't be recognized by its value.
pub fn names_contact_data(path: &str) -> bool {
    path.split(['.', '[']).any(|part| {
        let part = snake_case(part).replace('_', "");
        ["email", "phone", "msisdn"].iter().any(|word| part.contains(word))
            || ["em", "mail", "tel", "mobile", "mobilenumber"].contains(&part.as_str())
    })
}

/// Whether a path leads to what happened rather than to whom: a property that does not name a person or a way to reach one.
pub fn is_impersonal(path: &str) -> bool {
    let of_a_person = |name: &str| {
        let name = snake_case(name);
        ["user", "customer", "anonymous", "name", "address", "ip"]
            .iter()
            .any(|word| name.split('_').any(|part| part == *word))
    };
    let of_the_event = path == "timestamp" || path.starts_with("properties.");
    of_the_event && !names_contact_data(path) && !path.split(['.', '[']).any(of_a_person)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contact_data_is_known_in_every_spelling() {
        for path in [
            "properties.email",
            "traits.E-Mail",
            "context.traits.e_mail",
            "traits.phoneNumber",
            "properties.em",
        ] {
            assert!(names_contact_data(path), "{path}");
        }
        for path in ["properties.item", "properties.theme", "context.telemetry.id", "properties.hotel"] {
            assert!(!names_contact_data(path), "{path}");
        }
    }

    #[test]
    fn only_properties_that_name_no_person_are_impersonal() {
        for path in ["properties.revenue", "properties.products[0].price", "timestamp"] {
            assert!(is_impersonal(path), "{path}");
        }
        for path in [
            "traits.plan",
            "user_id",
            "client.user_agent",
            "request.cookie.plan",
            "properties.email",
            "properties.userId",
            "properties.customer[0].total",
            "properties.first_name",
            "properties.ip",
        ] {
            assert!(!is_impersonal(path), "{path}");
        }
    }
}
