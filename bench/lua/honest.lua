-- Arm d: the filter's job in Lua, as well as Envoy's Lua can do it. The event's JSON is parsed, consent is checked, the email is
-- hashed, and both vendors get the requests that the filter would send them.
--
-- Written for LuaJIT: bytes are read through the FFI, so that the loops compile; strings are made once, by `sub`; tables that
-- do not depend on the request are made at load time; SHA-256 works on 32-bit integers in arrays of its own.
--
-- The trade that Envoy's Lua forces: a call either suspends the tracked request until the vendor has answered, or it is
-- asynchronous and its answer is thrown away. This script never delays a visitor, so it takes the second. Then only Envoy can count
-- what failed, as cluster.flashtalking.upstream_rq_5xx, _timeout, _pending_overflow and so on; the script counts what it
-- refuses itself. There can be no retry, no queue, no limit of open calls and no deduplication over workers. And since the answer
-- of the collector comes later, a request counts whether the collector accepts it or not. Lua has no inflate either: a
-- gzip body is counted and left.
--
-- Left out although Lua could do it, which makes this arm cheaper than it should be: Cookiebot's and TCF's cookies and the
-- other shapes of consent, the age of an event, the search for email addresses in URLs and names, leads, the other clients'
-- paths, and counters of what went well.

local ffi = require("ffi")
local bit = require("bit")
local char, find, format, gsub, lower, match, sub, upper =
  string.char, string.find, string.format, string.gsub, string.lower, string.match, string.sub, string.upper
local band, bnot, bor, bxor, lshift, ror, rshift, tohex =
  bit.band, bit.bnot, bit.bor, bit.bxor, bit.lshift, bit.ror, bit.rshift, bit.tohex
local concat, tonumber, tostring, type = table.concat, tonumber, tostring, type

local KEY = "ps_pixel_key_abc123"
local LARGEST_BODY = 512000
local TRACKING = {
  ["/v1/t"] = true, ["/v1/track"] = true, ["/v1/p"] = true, ["/v1/page"] = true,
  ["/v1/b"] = true, ["/v1/batch"] = true, ["/beacon/v1/batch"] = true,
}

-- JSON -----------------------------------------------------------------------------------------------------------------

local text, bytes -- the document, and its bytes; a Lua string ends in a zero byte, so reading one too many is harmless
local DEEPEST = 64

local function malformed() error("malformed", 0) end

local function skip(at)
  local c = bytes[at]
  while c == 32 or c == 10 or c == 13 or c == 9 do
    at = at + 1
    c = bytes[at]
  end
  return at
end

local ESCAPES = {b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/"}

local function utf8(code)
  if code < 0x80 then return char(code) end
  if code < 0x800 then return char(0xC0 + rshift(code, 6), 0x80 + band(code, 63)) end
  if code < 0x10000 then
    return char(0xE0 + rshift(code, 12), 0x80 + band(rshift(code, 6), 63), 0x80 + band(code, 63))
  end
  return char(0xF0 + rshift(code, 18), 0x80 + band(rshift(code, 12), 63), 0x80 + band(rshift(code, 6), 63),
    0x80 + band(code, 63))
end

local function unescape(raw)
  raw = gsub(raw, "\\u([dD][89abAB]%x%x)\\u([dD][c-fC-F]%x%x)", function(high, low)
    return utf8(0x10000 + lshift(band(tonumber(high, 16), 0x3FF), 10) + band(tonumber(low, 16), 0x3FF))
  end)
  return (gsub(raw, "\\(.)(%x?%x?%x?%x?)", function(escape, digits)
    if escape ~= "u" then return (ESCAPES[escape] or malformed()) .. digits end
    return #digits == 4 and utf8(tonumber(digits, 16)) or malformed()
  end))
end

local function read_string(from)
  local at = from
  local c = bytes[at]
  local escaped = false
  while c ~= 34 do
    if c == 92 then
      escaped = true
      at = at + 1
    elseif c < 32 then
      malformed()
    end
    at = at + 1
    c = bytes[at]
  end
  local raw = sub(text, from + 1, at)
  return escaped and unescape(raw) or raw, at + 1
end

local function read_number(from)
  local at = from + 1
  local c = bytes[at]
  while (c >= 48 and c <= 57) or c == 46 or c == 101 or c == 69 or c == 43 or c == 45 do
    at = at + 1
    c = bytes[at]
  end
  return tonumber(sub(text, from + 1, at)) or malformed(), at
end

local read_value

local function read_object(at, depth)
  local object = {}
  at = skip(at)
  if bytes[at] == 125 then return object, at + 1 end
  while true do
    if bytes[at] ~= 34 then malformed() end
    local key
    key, at = read_string(at + 1)
    at = skip(at)
    if bytes[at] ~= 58 then malformed() end
    object[key], at = read_value(skip(at + 1), depth)
    at = skip(at)
    local c = bytes[at]
    if c == 125 then return object, at + 1 end
    if c ~= 44 then malformed() end
    at = skip(at + 1)
  end
end

local function read_array(at, depth)
  local array, length = {}, 0
  at = skip(at)
  if bytes[at] == 93 then return array, at + 1 end
  while true do
    length = length + 1
    array[length], at = read_value(at, depth)
    at = skip(at)
    local c = bytes[at]
    if c == 93 then return array, at + 1 end
    if c ~= 44 then malformed() end
    at = skip(at + 1)
  end
end

function read_value(at, depth)
  local c = bytes[at]
  if c == 34 then return read_string(at + 1) end
  if c == 123 or c == 91 then
    if depth == 0 then malformed() end
    if c == 123 then return read_object(at + 1, depth - 1) end
    return read_array(at + 1, depth - 1)
  end
  if c == 45 or (c >= 48 and c <= 57) then return read_number(at) end
  if c == 116 and sub(text, at + 1, at + 4) == "true" then return true, at + 4 end
  if c == 102 and sub(text, at + 1, at + 5) == "false" then return false, at + 5 end
  if c == 110 and sub(text, at + 1, at + 4) == "null" then return nil, at + 4 end -- to a mapping, null is absent
  malformed()
end

local function decode(document)
  text, bytes = document, ffi.cast("const uint8_t *", document)
  local value, at = read_value(skip(0), DEEPEST)
  if skip(at) ~= #document then malformed() end
  return value
end

local CONTROL = {['"'] = '\\"', ["\\"] = "\\\\"}
for code = 0, 31 do CONTROL[char(code)] = format("\\u%04x", code) end

local function quoted(value)
  if find(value, '[%c"\\]') then value = gsub(value, '[%z\1-\31"\\]', CONTROL) end
  return '"' .. value .. '"'
end

-- SHA-256 (FIPS 180-4) ---------------------------------------------------------------------------------------------------

local K = ffi.new("int32_t[64]")
local FIRST = ffi.new("int32_t[8]")
do -- the fractions of the square and cube roots of the first primes
  local found, candidate = 0, 2
  while found < 64 do
    local prime = true
    for divisor = 2, math.floor(math.sqrt(candidate)) do prime = prime and candidate % divisor ~= 0 end
    if prime then
      local cube, square = candidate ^ (1 / 3), candidate ^ 0.5
      K[found] = bit.tobit(math.floor((cube - math.floor(cube)) * 4294967296))
      if found < 8 then FIRST[found] = bit.tobit(math.floor((square - math.floor(square)) * 4294967296)) end
      found = found + 1
    end
    candidate = candidate + 1
  end
end

local W = ffi.new("int32_t[64]")
local H = ffi.new("int32_t[8]")
local BLOCK = ffi.new("uint8_t[512]")

local function compress(block)
  for i = 0, 15 do
    local at = block + 4 * i
    W[i] = bor(lshift(BLOCK[at], 24), lshift(BLOCK[at + 1], 16), lshift(BLOCK[at + 2], 8), BLOCK[at + 3])
  end
  for i = 16, 63 do
    local x, y = W[i - 15], W[i - 2]
    W[i] = bit.tobit(W[i - 16] + bxor(ror(x, 7), ror(x, 18), rshift(x, 3)) + W[i - 7]
      + bxor(ror(y, 17), ror(y, 19), rshift(y, 10)))
  end
  local a, b, c, d, e, f, g, h = H[0], H[1], H[2], H[3], H[4], H[5], H[6], H[7]
  for i = 0, 63 do
    local one = bit.tobit(h + bxor(ror(e, 6), ror(e, 11), ror(e, 25)) + bxor(band(e, f), band(bnot(e), g)) + K[i] + W[i])
    local two = bit.tobit(bxor(ror(a, 2), ror(a, 13), ror(a, 22)) + bxor(band(a, b), band(a, c), band(b, c)))
    h, g, f, e = g, f, e, bit.tobit(d + one)
    d, c, b, a = c, b, a, bit.tobit(one + two)
  end
  H[0], H[1], H[2], H[3] = bit.tobit(H[0] + a), bit.tobit(H[1] + b), bit.tobit(H[2] + c), bit.tobit(H[3] + d)
  H[4], H[5], H[6], H[7] = bit.tobit(H[4] + e), bit.tobit(H[5] + f), bit.tobit(H[6] + g), bit.tobit(H[7] + h)
end

-- Of at most 320 bytes: no email address is longer.
local function sha256(message)
  local length = #message
  local padded = math.floor((length + 8) / 64) * 64 + 64
  ffi.fill(BLOCK, padded)
  ffi.copy(BLOCK, message, length)
  BLOCK[length] = 0x80
  BLOCK[padded - 2], BLOCK[padded - 1] = rshift(length * 8, 8), band(length * 8, 255)
  ffi.copy(H, FIRST, 32)
  for block = 0, padded - 64, 64 do compress(block) end
  return tohex(H[0]) .. tohex(H[1]) .. tohex(H[2]) .. tohex(H[3])
    .. tohex(H[4]) .. tohex(H[5]) .. tohex(H[6]) .. tohex(H[7])
end

local function hashed(email)
  if type(email) ~= "string" then return nil end
  email = lower(match(email, "^%s*(.-)%s*$"))
  if #email > 320 then return nil end
  if #email == 64 and find(email, "^%x+$") then return email end
  return find(email, "^.+@[^@]+$") and sha256(email) or nil
end

-- Consent --------------------------------------------------------------------------------------------------------------

local CODES = {
  marketing = true, advertising = true, targeting = true, C0004 = true, C0005 = true, Marketing = true, Advertising = true,
}

-- Whether marketing is granted; nil where nothing is said about it.
local function of_event(context)
  local consent = context.consent
  if type(consent) ~= "table" then return nil end
  if type(consent.categoryPreferences) == "table" then consent = consent.categoryPreferences
  elseif type(consent.canonical) == "table" then consent = consent.canonical end
  local granted = false
  for name, value in pairs(consent) do
    if CODES[name] then
      if value ~= true then return false end
      granted = true
    end
  end
  return granted
end

local function of_cookie(cookie)
  local optanon = cookie and match(cookie, "OptanonConsent=([^;]*)")
  if not optanon then return nil end
  local groups = match(optanon, "groups=([^&]*)")
  if not groups then return nil end
  groups = gsub(gsub(groups, "%%3[aA]", ":"), "%%2[cC]", ",")
  return find("," .. groups .. ",", ",C0004:1,", 1, true) ~= nil and not find(optanon, "AwaitingReconsent=true", 1, true)
end

-- The vendors' requests ------------------------------------------------------------------------------------------------

local ENCODED = {}
for code = 0, 255 do ENCODED[char(code)] = format("%%%02X", code) end

local function encoded(value)
  if find(value, "[^%w%-_%.!~%*'%(%)]") then return (gsub(value, "[^%w%-_%.!~%*'%(%)]", ENCODED)) end
  return value
end

local function plain(number) return format("%.14g", number) end

local function number(value)
  if type(value) == "number" then return plain(value) end
  return type(value) == "string" and find(value, "^%d+%.?%d*$") and value or nil
end

local function currency(value)
  return type(value) == "string" and #value == 3 and find(value, "^%a+$") and upper(value) or nil
end

local function present(value)
  if value == nil or value == "" then return nil end
  return type(value) == "number" and plain(value) or tostring(value)
end

local FIRE_AND_FORGET = {asynchronous = true, timeout_ms = 5000, send_xff = false}
local SPOTLIGHT = "/container/1234567;987654;5;num/?cachebuster="
local PAGES = "/container/1234567;987655;5;num/?cachebuster="

local function flashtalking(visitor, tag, query)
  local cachebuster = format("%d", math.random(1, 9007199254740991))
  visitor.handle:httpCall("flashtalking", {
    [":method"] = "GET",
    [":path"] = tag .. cachebuster .. query,
    [":authority"] = "servedby.flashtalking.com",
    ["x-forwarded-for"] = visitor.ip,
    ["user-agent"] = visitor.user_agent,
    ["cookie"] = visitor.ftrack,
  }, nil, FIRE_AND_FORGET)
end

local PODSIGHTS = {
  [":method"] = "POST",
  [":path"] = "/v1/server",
  [":authority"] = "collector.podsights.com",
  ["content-type"] = "application/json",
}

local function podsights(visitor, event, name, members)
  local body = '{"key":' .. quoted(KEY) .. ',"event":"' .. name .. '"'
  local id = event.anonymousId or visitor.anonymous_id
  if id then body = body .. ',"id":' .. quoted(id) end
  local em = visitor.email
  if em then body = body .. ',"em":"' .. em .. '"' end
  body = body .. ',"ip":"' .. visitor.ip .. '"'
  if visitor.user_agent then body = body .. ',"user_agent":' .. quoted(visitor.user_agent) end
  local page = event.context.page
  local url = page and page.url or visitor.referer
  if url then body = body .. ',"url":' .. quoted(url) end
  visitor.handle:httpCall("podsights", PODSIGHTS, body .. members .. "}", FIRE_AND_FORGET)
end

local function member(name, value) return value and ',"' .. name .. '":' .. quoted(value) or "" end
local function member_number(name, value) return value and ',"' .. name .. '":' .. value or "" end

local function line_items(products)
  local items, quantity = {}, nil
  for i = 1, #products do
    local product = products[i]
    local count = tonumber(product.quantity)
    if count then quantity = (quantity or 0) + count end
    local item = member_number("value", number(product.price or product.value))
      .. member_number("quantity", count and plain(count))
      .. member("product_id", present(product.product_id or product.productId or product.sku or product.item_id))
      .. member("product_name", present(product.name or product.item_name))
      .. member("product_type", present(product.category))
      .. member("product_vendor", present(product.brand))
      .. member("variant_id", present(product.variant_id or product.variantId))
      .. member("variant_name", present(product.variant))
    items[i] = "{" .. sub(item, 2) .. "}"
  end
  return "[" .. concat(items, ",") .. "]", quantity
end

local function order(visitor, event)
  local p = event.properties
  local id = present(p.order_id or p.orderId or p.transaction_id or p.checkout_id)
  local value = number(p.revenue or p.total or p.value or p.subtotal or p.price)
  local code = currency(p.currency)
  flashtalking(visitor, SPOTLIGHT, (id and "&ftXRef=" .. encoded(id) or "")
    .. (value and "&ftXValue=" .. value or "") .. (code and "&ftXCurrency=" .. code or ""))
  local new = p.is_new_customer
  local members = member("order_id", id) .. member_number("value", value) .. member("currency", code)
    .. member("discount_code", present(p.discount_code or p.discountCode or p.coupon))
    .. (type(new) == "boolean" and ',"is_new_customer":' .. tostring(new) or "")
  local products = p.products or p.items
  if products and #products > 0 then
    local items, quantity = line_items(products)
    members = members .. member_number("quantity", quantity and plain(quantity)) .. ',"line_items":' .. items
  end
  podsights(visitor, event, "purchase", members)
end

local function added(visitor, event)
  local p = event.properties
  podsights(visitor, event, "addtocart", member_number("value", number(p.price or p.value))
    .. member("currency", currency(p.currency))
    .. member("product_id", present(p.product_id or p.productId or p.sku or p.item_id))
    .. member("product_name", present(p.name or p.item_name)) .. member("product_type", present(p.category))
    .. member("product_vendor", present(p.brand)) .. member("variant_id", present(p.variant_id or p.variantId))
    .. member("variant_name", present(p.variant)) .. member_number("quantity", number(p.quantity)))
end

local function signed_up(visitor, event) podsights(visitor, event, "signup", "") end

local function page(visitor, event)
  local of = event.context.page or event.properties
  local path = of.path or (of.url and match(of.url, "^%a+://[^/?#]+([^?#]*)"))
  flashtalking(visitor, PAGES, path and "&U1=" .. encoded(path) or "")
end

local SENDS = {order_completed = order, purchase = order, product_added = added, add_to_cart = added, signed_up = signed_up,
  sign_up = signed_up}

-- The request ----------------------------------------------------------------------------------------------------------

local function count(handle, name) handle:stats():counter("conversions." .. name):inc(1) end

-- `Order Completed`, `order-completed` and `orderCompleted` are one event. Each spelling is worked out once.
local KNOWN, remembered = {}, 0
local function action(event)
  if event.type == "page" then return page end
  local name = event.event
  if type(name) ~= "string" then return nil end
  local known = KNOWN[name]
  if known == nil then
    known = SENDS[lower(gsub(gsub(name, "[%s%-]+", "_"), "(%l)(%u)", "%1_%2"))] or false
    if remembered < 1000 then KNOWN[name], remembered = known, remembered + 1 end
  end
  return known
end

local EMPTY = {}

local function relay(visitor, event)
  if type(event) ~= "table" then malformed() end
  local act = action(event)
  if not act then return end
  event.properties, event.context = event.properties or EMPTY, event.context or EMPTY
  local granted = of_event(event.context)
  if granted == nil then granted = of_cookie(visitor.cookie) end
  if visitor.gpc or not granted then
    return count(visitor.handle, visitor.gpc and "gpc" or granted == nil and "consent_absent" or "consent_denied")
  end
  if act ~= page then
    local traits = event.traits or EMPTY
    visitor.email = hashed(event.properties.email or traits.email or (event.context.traits or EMPTY).email)
  end
  act(visitor, event)
end

local function relay_all(visitor, document)
  local decoded = decode(document)
  local batch = decoded.batch
  if not batch then return relay(visitor, decoded) end
  local context = decoded.context
  for i = 1, #batch do
    local event = batch[i]
    if context and type(event) == "table" and not event.context then event.context = context end
    if not pcall(relay, visitor, event) then count(visitor.handle, "failed") end
  end
end

function envoy_on_request(handle)
  local headers = handle:headers()
  if headers:get(":method") ~= "POST" then return end
  local path = headers:get(":path")
  local query = find(path, "?", 1, true)
  if not TRACKING[query and sub(path, 1, query - 1) or path] then return end
  if headers:get("content-encoding") then return count(handle, "undecodable") end
  local cookie = headers:get("cookie")
  local address = handle:streamInfo():downstreamRemoteAddress()
  local visitor = {
    handle = handle,
    ip = match(address, "^%[?(.-)%]?:%d+$"),
    user_agent = headers:get("user-agent"),
    referer = headers:get("referer"),
    gpc = headers:get("sec-gpc") == "1",
    cookie = cookie,
    anonymous_id = cookie and match(cookie, "_dfid=([^;]*)"),
    ftrack = cookie and match(cookie, "FTrack=[^;]*"),
  }
  -- Chunks stream by; the request is never held back for more than the moment that this takes.
  local chunks, received, length = {}, 0, 0
  for chunk in handle:bodyChunks() do
    local more = chunk:length()
    length = length + more
    if more > 0 and length <= LARGEST_BODY then
      received = received + 1
      chunks[received] = chunk:getBytes(0, more)
    end
  end
  if length > LARGEST_BODY then return count(handle, "too_large") end
  if not pcall(relay_all, visitor, received == 1 and chunks[1] or concat(chunks)) then count(handle, "failed") end
  text, bytes = nil, nil
end
