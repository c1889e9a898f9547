-- Arm c: looks for the event's name in the body and fires two calls with fixed bodies. No JSON is read, nothing is hashed, no
-- consent is asked for, nothing is counted. It is what one writes in an afternoon, and the least that any script can cost.
--
-- The body streams by and is never held back. A name that lies across two chunks is missed.

local find = string.find
local NAME = '"event":"Order Completed"'
local FIRE_AND_FORGET = {asynchronous = true, timeout_ms = 5000}
local FLASHTALKING = {
  [":method"] = "GET",
  [":path"] = "/container/1234567;987654;5;num/?cachebuster=1&ftXRef=1&ftXValue=1&ftXCurrency=USD",
  [":authority"] = "servedby.flashtalking.com",
}
local PODSIGHTS = {
  [":method"] = "POST",
  [":path"] = "/v1/server",
  [":authority"] = "collector.podsights.com",
  ["content-type"] = "application/json",
}
local BODY = '{"key":"key","event":"purchase","id":"anon","order_id":"1","value":1,"currency":"USD"}'

function envoy_on_request(handle)
  local found = false
  for chunk in handle:bodyChunks() do
    local length = chunk:length()
    found = found or (length > 0 and find(chunk:getBytes(0, length), NAME, 1, true) ~= nil)
  end
  if found then
    handle:httpCall("flashtalking", FLASHTALKING, nil, FIRE_AND_FORGET)
    handle:httpCall("podsights", PODSIGHTS, BODY, FIRE_AND_FORGET)
  end
end
