"""The gateway and the stand-in, as the tests see them."""

import os
import uuid

import pytest
import requests

GATEWAY = "http://" + os.environ.get("GATEWAY", "127.0.0.1:10000")  # your gateway
STAND_IN = "http://" + os.environ.get("STAND_IN", "127.0.0.1:10081")  # the stand-in's API
SECONDS = 10  # how long to wait for what must come


def checked(response):
    # The stand-in's errors say what was there instead.
    assert response.ok, response.text
    return response


class Gateway:
    def purchase(self, consent, order=None):
        """Sends what the site sends, and returns the order's id. A new one: the filter drops an order that comes again."""
        order = order or f"ORD-{uuid.uuid4()}"
        event = {
            "type": "track",
            "event": "Order Completed",
            "anonymousId": f"anon-{order}",
            "messageId": f"msg-{order}",
            "properties": {
                "order_id": order,
                "revenue": 129.99,
                "currency": "USD",
                "email": "jane.doe@example.com",
            },
            "context": {"page": {"url": "https://shop.example.com/thanks"}, "consent": consent},
        }
        checked(requests.post(f"{GATEWAY}/v1/t", json=event))
        return order

    def requests(self, destination, order):
        """What the destination has received of an order so far."""
        return checked(requests.get(f"{STAND_IN}/requests/{destination}", {"order": order})).json()

    def wait_for(self, destination, order, count=1):
        """The same, once there are so many requests."""
        query = {"order": order, "count": count, "within": f"{SECONDS}s"}
        return checked(requests.get(f"{STAND_IN}/requests/{destination}", query)).json()

    def answer(self, destination, **behaviour):
        """How the destination answers from now on."""
        checked(requests.put(f"{STAND_IN}/behaviour/{destination}", json=behaviour))

    def records(self, order, **filters):
        """What the filter says of an order, once it says so, for example with vendor="podsights", outcome="dropped", reason="gpc"."""
        query = {"order": order, **filters, "within": f"{SECONDS}s"}
        return checked(requests.get(f"{STAND_IN}/records", query)).json()


@pytest.fixture
def gateway():
    """The gateway, while the stand-in remembers nothing and answers as the vendors do."""
    checked(requests.post(f"{STAND_IN}/reset"))
    yield Gateway()
    checked(requests.post(f"{STAND_IN}/reset"))
