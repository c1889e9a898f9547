//! Tests of a gateway with conversion-relay, beside the stand-in.

use gateway_tests::Gateway;
use serde_json::json;

const VENDORS: [&str; 2] = ["flashtalking", "podsights"];
/// SHA-256 of jane.doe@example.com.
const EMAIL: &str = "86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d";

#[test]
fn a_purchase_leaves_once_to_each_vendor_with_its_values() {
    let gateway = Gateway::new();
    let order = gateway.purchase(json!({"advertising": true, "marketing": true}));
    for vendor in VENDORS {
        gateway.ended(vendor, &order, "outcome=delivered"); // so nothing more is to come
    }

    let flashtalking = gateway.requests("flashtalking", &order);
    assert_eq!(flashtalking.len(), 1);
    assert!(flashtalking[0]["path"].as_str().unwrap().starts_with("/container/1234567;987654;5;num/?"));
    assert_eq!(flashtalking[0]["query"]["ftXValue"], "129.99");
    assert_eq!(flashtalking[0]["query"]["ftXCurrency"], "USD");

    let podsights = gateway.requests("podsights", &order);
    assert_eq!(podsights.len(), 1);
    let body = &podsights[0]["json"];
    assert_eq!(json!([body["event"], body["value"], body["currency"]]), json!(["purchase", 129.99, "USD"]));
    assert_eq!(body["em"], EMAIL);
}

#[test]
fn without_consent_nothing_leaves_because_it_was_denied() {
    let gateway = Gateway::new();
    let order = gateway.purchase(json!({"advertising": false, "marketing": false}));
    gateway.wait_for("collector", &order, 1); // the collector has it all the same
    for vendor in VENDORS {
        gateway.ended(vendor, &order, "outcome=dropped&reason=consent_denied");
        assert!(gateway.requests(vendor, &order).is_empty());
    }
}

#[test]
fn after_a_503_it_is_tried_again() {
    let gateway = Gateway::new();
    gateway.answer("podsights", json!({"status": 503, "times": 1}));
    let order = gateway.purchase(json!({"advertising": true, "marketing": true}));
    let attempts = gateway.wait_for("podsights", &order, 2);
    assert_eq!(json!([attempts[0]["answered"], attempts[1]["answered"]]), json!([503, 200]));
    assert_eq!(attempts[0]["json"], attempts[1]["json"]);
    let record = &gateway.ended("podsights", &order, "outcome=delivered")[0];
    assert_eq!(json!([record["attempts"][0]["status"], record["attempts"][1]["status"]]), json!([503, 200]));
}
