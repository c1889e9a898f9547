use serde_json::Value;

use crate::config::Compiled;
use crate::event::names::Dialects;

/// One integration of each vendor, given by what stands in it beside name, vendor and config.
fn flashtalking(more: &str) -> String {
    format!(
        "{{name: ft, vendor: flashtalking, config: {{advertiser_id: 1, spotlight_id: 2, spotlight_group_id: 3}}, {more}}}"
    )
}

fn podsights(more: &str) -> String {
    format!("{{name: ps, vendor: podsights, config: {{key: k}}, {more}}}")
}

fn load(integrations: &[String]) -> Result<Compiled, String> {
    let config: Value =
        serde_saphyr::from_str(&format!("integrations: [{}]", integrations.join(", "))).unwrap();
    Compiled::load(config.to_string().as_bytes(), &|_| None).map_err(|invalid| invalid.to_string())
}

fn refusal(integration: String) -> String {
    load(&[integration]).err().unwrap_or_else(|| "not refused".to_owned())
}

/// The vendor's name for an event and its targets; none: not sent.
fn planned(integration: String, event: &str) -> Option<(String, Vec<String>)> {
    let config = load(&[integration]).unwrap();
    let planned = config.integrations[0].plan.find(event, &Dialects::of(event))?;
    Some((planned.vendor_event.into_owned(), planned.fields.targets()))
}

/// `field_mappings` of one event's mappings.
fn order(mappings: &str) -> String {
    format!("field_mappings: {{version: 2, events: {{Order Completed: {{mappings: [{mappings}]}}}}}}")
}

#[test]
fn an_error_names_its_place_and_the_fix() {
    let mapping = |mapping: &str| {
        let text = refusal(flashtalking(&order(&format!("{{value: a, target: U1}}, {mapping}"))));
        text.strip_prefix("integrations[0].field_mappings.events[\"Order Completed\"].mappings[1]")
            .unwrap_or(&text)
            .to_owned()
    };
    for (bad, expected) in [
        (
            "{source: event, target: U2, transform: upper}",
            r#".transform: unknown transform "upper", did you mean "uppercase"?"#,
        ),
        ("{source: prop.x, target: U2}", r#".source: unknown source "prop.x", did you mean "properties.x"?"#),
        (
            "{source: request.header.Authorization, target: U2}",
            r#".source: "request.header.Authorization" contains credentials and can't be a source"#,
        ),
        (
            "{source: traits.phoneNumber, target: U2}",
            r#".source: "traits.phoneNumber": this vendor must not receive email addresses or phone numbers, even hashed"#,
        ),
        (
            "{source: [event, properties.e_mail], target: U2, transform: sha256}",
            r#".source: "properties.e_mail": this vendor must not receive email addresses or phone numbers, even hashed"#,
        ),
        (
            "{source: event, target: ftxvalue}",
            r#".target: unknown parameter "ftxvalue", did you mean "ftXValue"?"#,
        ),
        ("{source: event, target: U21}", r#".target: custom variables are U1 to U20, got "U21""#),
        ("{source: event, target: u3}", r#".target: custom variables are U1 to U20, got "u3""#),
        ("{source: event, target: cachebuster}", r#".target: "cachebuster" is set by the filter itself"#),
        ("{source: event, target: spotlight_id}", r#".target: "spotlight_id" is set by the filter itself"#),
        (
            "{source: event, target: 'U2&x'}",
            r#".target: expected a Spotlight parameter like ftXRef or U1, got "U2&x""#,
        ),
        (
            "{source: event, target: U1}",
            r#".target: "U1" is mapped twice here: give one mapping a list of sources"#,
        ),
        ("{value: abc, target: ftXValue}", r#".value: invalid value "abc" for "ftXValue""#),
        ("{target: U2}", ": expected a source or a value"),
        ("{source: event, value: 1, target: U2}", ": expected a source or a value, got both"),
        (
            "{source: timestamp, target: U2, transform: date_format}",
            ".format: date_format needs a format: epoch_s, epoch_ms, rfc3339 or date",
        ),
        ("{source: timestamp, target: U2, format: date}", ".format: format is only allowed with date_format"),
        (
            "{source: properties.products, target: U2, each: [{source: sku, target: a}]}",
            ".each: this vendor does not accept objects: use join, count or sum",
        ),
        ("{source: [], target: U2}", ".source: expected a path, got an empty list"),
    ] {
        assert_eq!(mapping(bad), expected, "{bad}");
    }
}

#[test]
fn em_takes_nothing_but_an_email_address_or_its_digest() {
    for (mapping, expected) in [
        ("{value: n/a, target: em}", r#".value: invalid value "n/a" for "em""#),
        (
            "{source: event, target: em.a}",
            r#".target: "em" is the SHA-256 of an email address and has no members, got "em.a""#,
        ),
    ] {
        let text = refusal(podsights(&order(mapping)));
        assert!(text.ends_with(expected), "{text}");
    }
}

#[test]
fn a_place_below_each_global_and_the_events_list_is_named_too() {
    let each = order(
        "{source: properties.products, target: line_items, each: [{source: sku, target: id}, {source: a, target: b.c}]}",
    );
    for (integration, expected) in [
        (
            podsights(&each),
            "field_mappings.events[\"Order Completed\"].mappings[0].each[1].target: expected a plain name like product_id, got \"b.c\"",
        ),
        (
            podsights("field_mappings: {version: 2, global: {mappings: [{source: event, target: key.x}]}}"),
            "field_mappings.global.mappings[0].target: \"key.x\" is set by the filter itself",
        ),
        (
            podsights("events: [Order Complete]"),
            "events[0]: no mapping sends \"Order Complete\"; did you mean \"Order Completed\"?",
        ),
        (
            flashtalking("field_mappings: {version: 2, events: {page: {vendor_event_name: x}}}"),
            "field_mappings.events[\"page\"].vendor_event_name: this vendor has no event names",
        ),
    ] {
        assert_eq!(refusal(integration), format!("integrations[0].{expected}"));
    }
}

#[test]
fn a_users_mapping_replaces_the_presets_for_its_target_and_leaves_the_others() {
    let ours = flashtalking(&order(
        "{source: properties.plan, target: U2}, {value: 5, target: ftXValue}, {value: x, target: zz}, {value: n, target: ftXName}",
    ));
    let targets = ["ftXRef", "ftXValue", "ftXCurrency", "ftXName", "U2", "zz"].map(str::to_owned).to_vec();
    assert_eq!(planned(ours, "orderCompleted").unwrap().1, targets);
}

#[test]
fn defaults_decide_about_events_that_are_not_named() {
    let document = |defaults: &str| {
        podsights(&format!(
            "field_mappings: {{version: 2, {defaults} global: {{mappings: [{{value: 1, target: a}}]}}, events: {{Order Completed: {{}}, page: {{enabled: false}}}}}}"
        ))
    };
    let event = |defaults: &str, event: &str| planned(document(defaults), event).map(|(name, _)| name);
    for (defaults, signed_up, video) in [
        ("", Some("signup"), None),
        ("defaults: {action: drop},", None, None),
        ("defaults: {action: send},", Some("signup"), Some("video_played")),
    ] {
        assert_eq!(event(defaults, "purchase").as_deref(), Some("purchase"), "{defaults}");
        assert_eq!(event(defaults, "Signed Up").as_deref(), signed_up, "{defaults}");
        assert_eq!(event(defaults, "Video Played").as_deref(), video, "{defaults}");
        assert_eq!(event(defaults, "page"), None, "disabled: {defaults}");
        assert_eq!(event(defaults, "?!"), None, "no name: {defaults}");
    }
}

#[test]
fn an_exact_name_wins_over_a_dialect_and_ga4s_lead_builds_on_the_presets() {
    let two = "field_mappings: {version: 2, events: {purchase: {vendor_event_name: ga4}, Order Completed: {vendor_event_name: segment}}}";
    assert_eq!(planned(podsights(two), "purchase").unwrap().0, "ga4");
    assert_eq!(planned(podsights(two), "order_completed").unwrap().0, "segment");
    let lead = "field_mappings: {version: 2, events: {generate_lead: {mappings: [{value: 1, target: U1}]}}}";
    assert_eq!(planned(flashtalking(lead), "generate_lead").unwrap().1, ["ftXValue", "ftXCurrency", "U1"]);
    assert_eq!(planned(flashtalking(lead), "Lead Generated").unwrap().1, ["ftXValue", "ftXCurrency"]);
}

#[test]
fn events_restricts_an_integration_to_these() {
    let only = flashtalking("events: [purchase]");
    assert!(planned(only.clone(), "Order Completed").is_some());
    assert!(planned(only, "page").is_none());
}

#[test]
fn two_spotlights_of_the_same_ids_may_not_share_an_event() {
    let second = |more: &str| flashtalking(more).replace("name: ft,", "name: other,");
    let lead = "events: [Lead Submitted], field_mappings: {version: 2, events: {Lead Submitted: {}}}";
    for (first, other, double) in [
        ("", "", true),
        ("events: [Order Completed]", "events: [purchase]", true),
        ("events: [Order Completed]", "events: [page]", false),
        ("events: [Order Completed]", "enabled: false", false),
        ("events: [Lead Generated]", lead, true), // GA4's generate_lead is both
        (
            "events: [page]",
            "field_mappings: {version: 2, defaults: {action: send}, events: {page: {enabled: false}}}",
            false,
        ),
    ] {
        let loaded = load(&[flashtalking(first), second(other)]);
        assert_eq!(loaded.is_err(), double, "{first} / {other}: {:?}", loaded.err());
    }
}
