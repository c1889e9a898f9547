"""Tests of a gateway with conversion-relay, beside the stand-in."""

import hashlib

VENDORS = ["flashtalking", "podsights"]


def test_a_purchase_leaves_once_to_each_vendor_with_its_values(gateway):
    order = gateway.purchase(consent={"advertising": True, "marketing": True})
    for vendor in VENDORS:
        gateway.records(order, vendor=vendor, outcome="delivered")  # so nothing more is to come

    (flashtalking,) = gateway.requests("flashtalking", order)
    assert flashtalking["path"].startswith("/container/1234567;987654;5;num/?")
    assert flashtalking["query"]["ftXValue"] == "129.99"
    assert flashtalking["query"]["ftXCurrency"] == "USD"

    (podsights,) = gateway.requests("podsights", order)
    body = podsights["json"]
    assert (body["event"], body["value"], body["currency"]) == ("purchase", 129.99, "USD")
    assert body["em"] == hashlib.sha256(b"jane.doe@example.com").hexdigest()


def test_without_consent_nothing_leaves_because_it_was_denied(gateway):
    order = gateway.purchase(consent={"advertising": False, "marketing": False})
    gateway.wait_for("collector", order)  # the collector has it all the same
    for vendor in VENDORS:
        gateway.records(order, vendor=vendor, outcome="dropped", reason="consent_denied")
        assert gateway.requests(vendor, order) == []


def test_after_a_503_it_is_tried_again(gateway):
    gateway.answer("podsights", status=503, times=1)
    order = gateway.purchase(consent={"advertising": True, "marketing": True})
    first, second = gateway.wait_for("podsights", order, count=2)
    assert (first["answered"], second["answered"]) == (503, 200)
    assert first["json"] == second["json"]
    (record,) = gateway.records(order, vendor="podsights", outcome="delivered")
    assert [attempt["status"] for attempt in record["attempts"]] == [503, 200]
