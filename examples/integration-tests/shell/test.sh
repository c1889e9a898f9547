#!/usr/bin/env bash
# Tests of a gateway with conversion-relay, beside the stand-in. Needs bash, curl and jq.
set -euo pipefail

GATEWAY=${GATEWAY:-127.0.0.1:10000}     # your gateway
STAND_IN=${STAND_IN:-127.0.0.1:10081}   # the stand-in's API
ORDER=ORD-$(date +%s%N)                 # new in each run: the filter drops an order that comes again

fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

# expect WHAT EXPECTED ACTUAL
expect() { [ "$2" = "$3" ] || fail "$1: expected $2, got $3"; }

# stand_in METHOD PATH [BODY] prints the answer. If it is an error, it says what was there instead.
stand_in() {
    curl -sS --fail-with-body -X "$1" "http://$STAND_IN$2" ${3:+--data "$3"} || fail "$1 $2"
}

# purchase ORDER CONSENT sends what the site sends.
purchase() {
    curl -sS --fail-with-body -o /dev/null "http://$GATEWAY/v1/t" -H 'Content-Type: application/json' -d '{
        "type": "track", "event": "Order Completed", "anonymousId": "anon-'"$1"'", "messageId": "msg-'"$1"'",
        "properties": {"order_id": "'"$1"'", "revenue": 129.99, "currency": "USD", "email": "jane.doe@example.com"},
        "context": {"page": {"url": "https://shop.example.com/thanks"}, "consent": '"$2"'}}' || fail "the gateway refused $1"
}

# ended ORDER VENDOR OUTCOME [REASON] waits until the filter says that this delivery has ended so, and prints its record.
ended() {
    stand_in GET "/records?order=$1&vendor=$2&outcome=$3${4:+&reason=$4}&within=10s"
}

echo "a purchase leaves once to each vendor, with its values"
stand_in POST /reset >/dev/null
purchase "$ORDER-1" '{"advertising": true, "marketing": true}'
for vendor in flashtalking podsights; do
    ended "$ORDER-1" $vendor delivered >/dev/null   # so nothing more is to come
done
flashtalking=$(stand_in GET "/requests/flashtalking?order=$ORDER-1")
podsights=$(stand_in GET "/requests/podsights?order=$ORDER-1")
expect "requests to Flashtalking" 1 "$(jq length <<<"$flashtalking")"
expect "its value" '"129.99 USD"' "$(jq '.[0].query | .ftXValue + " " + .ftXCurrency' <<<"$flashtalking")"
expect "its tag" true "$(jq '.[0].path | startswith("/container/1234567;987654;5;num/?")' <<<"$flashtalking")"
expect "requests to Podsights" 1 "$(jq length <<<"$podsights")"
expect "its event" '["purchase",129.99,"USD"]' "$(jq -c '.[0].json | [.event, .value, .currency]' <<<"$podsights")"
expect "its email" "\"$(printf jane.doe@example.com | sha256sum | cut -d' ' -f1)\"" "$(jq '.[0].json.em' <<<"$podsights")"

echo "without consent nothing leaves, because it was denied"
stand_in POST /reset >/dev/null
purchase "$ORDER-2" '{"advertising": false, "marketing": false}'
stand_in GET "/requests/collector?order=$ORDER-2&within=10s" >/dev/null   # the collector has it all the same
for vendor in flashtalking podsights; do
    ended "$ORDER-2" $vendor dropped consent_denied >/dev/null
    expect "requests to $vendor" '[]' "$(stand_in GET "/requests/$vendor?order=$ORDER-2")"
done

echo "after a 503 it is tried again"
stand_in POST /reset >/dev/null
stand_in PUT /behaviour/podsights '{"status": 503, "times": 1}' >/dev/null
purchase "$ORDER-3" '{"advertising": true, "marketing": true}'
podsights=$(stand_in GET "/requests/podsights?order=$ORDER-3&count=2&within=10s")
expect "the answers" '[503,200]' "$(jq -c 'map(.answered)' <<<"$podsights")"
expect "the second request as the first" true "$(jq '.[0].json == .[1].json' <<<"$podsights")"
expect "the attempts" '[503,200]' "$(ended "$ORDER-3" podsights delivered | jq -c '.[0].attempts | map(.status)')"
stand_in POST /reset >/dev/null

echo "all passed"
