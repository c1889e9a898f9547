//! The vendor of docs/adding-a-vendor.md: it compiles, its preset does, and the page shows this very code.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "adding_a_vendor/acme.rs"]
mod acme;

use acme::{Account, Acme};
use conversion_relay::event::projection::Projection;
use conversion_relay::mapping::plan::Plan;
use conversion_relay::mapping::targets::is_reserved;
use conversion_relay::settings::Secret;
use conversion_relay::vendors::{Attempt, Destination, Parcel, Vendor};

const PAGE: &str = include_str!("../docs/adding-a-vendor.md");

#[test]
fn the_page_shows_the_code_and_the_preset_that_are_tested_here() {
    for shown in [include_str!("adding_a_vendor/acme.rs"), include_str!("adding_a_vendor/acme-default.json")]
    {
        assert!(PAGE.contains(shown), "docs/adding-a-vendor.md lacks, or has otherwise:\n{shown}");
    }
}

#[test]
fn the_preset_compiles_against_the_targets_of_its_vendor() {
    let vendor: &dyn Vendor = &Acme;
    let preset = vendor.preset(None).unwrap();
    assert!(Plan::compile(&preset, None, None, vendor.targets(), &mut Projection::new()).is_ok());
}

#[test]
fn what_the_vendor_sets_itself_is_no_target() {
    assert!(is_reserved("token", Acme.targets()) && !is_reserved("order", Acme.targets()));
}

#[test]
fn a_target_that_the_vendor_does_not_have_is_refused_with_those_it_has() {
    let complaint = Acme.targets().check("colour").unwrap_err();
    assert!(complaint.contains("order, value or currency"), "{complaint}");
}

#[cfg(feature = "schema")]
#[test]
fn its_form_in_the_console_has_names_labels_and_placeholders() {
    let schema = conversion_relay::config::schema::of_vendor(&Acme);
    assert_eq!(schema["title"], "Acme Ads");
    assert_eq!(schema["x-summary"], "Counts conversions of Acme's ads");
    let token = &schema["properties"]["token"];
    assert_eq!((&token["title"], &token["examples"][0]), (&"Token".into(), &"${ACME_TOKEN}".into()));
    assert_eq!(
        (&token["writeOnly"], &schema["properties"]["cluster"]["x-advanced"]),
        (&true.into(), &true.into())
    );
}

fn account(token: &str) -> Account {
    Account { token: Secret::new(token), cluster: "acme".into(), authority: "a".into() }
}

fn parcel() -> Parcel {
    Parcel { content: "order=A1".into(), user_agent: Some("a browser".into()), ..Parcel::default() }
}

#[test]
fn a_callout_has_the_newest_token_and_a_fresh_nonce() {
    let (old, new, parcel) = (account("old"), account("new"), parcel());
    assert_eq!(old.callout(&parcel, &Attempt::sent(1)).path, "/c?token=old&nonce=1&order=A1");
    assert_eq!(new.callout(&parcel, &Attempt::sent(2)).path, "/c?token=new&nonce=2&order=A1");
    assert_eq!(new.callout(&parcel, &Attempt::sent(2)).headers, [("user-agent", "a browser")]);
}

#[test]
fn a_token_in_the_path_is_shown_to_nobody() {
    let (account, parcel) = (account("acme_token_77"), parcel());
    let callout = account.callout(&parcel, &Attempt::shown(1));
    assert_eq!(callout.log_line(&|member| Acme.is_personal(member)), "GET /c?token=***&nonce=1&order=A1 ");
    assert!(!format!("{callout:?}").contains("acme_token_77"));
}
