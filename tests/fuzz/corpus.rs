//! What real clients send, to be broken. Sources are the clients' public documentation and source.

/// Request targets: every dialect of pixels, keys in queries, URLs with what must not leave.
pub const PATHS: &[&str] = &[
    "/v1/t",
    "/v1/batch",
    "/beacon/v1/batch?writeKey=dk_live_abc123",
    "/api/s/s2s/track",
    "/v1/events",
    "/v1/pixel/track?wk=dk_live_abc123&e=Order+Completed&uid=u1&aid=a1&p.order_id=ORD-001&p.revenue=129.99&p.product.name=caf%C3%A9&t.email=jane.doe%40example.com&ts=1700000000000&mid=m1&cb=42",
    "/v1/pixel/track?writeKey=dk_live_abc123&event=Order%20Completed&userId=u1&anonymousId=RS_ENC_v3_ImExIg%3D%3D&messageId=m2&timestamp=1700000000&properties.order_id=ORD-002&properties.revenue=5&traits.email=jane.doe%40example.com&context.ip=203.0.113.0&context.consent.marketing=true&integrations.Podsights=false",
    "/v1/pixel/track?data=eyJldmVudCI6Ik9yZGVyIENvbXBsZXRlZCIsInByb3BlcnRpZXMiOnsicmV2ZW51ZSI6MTIuNX19",
    "/v1/pixel/page?data=%7B%22name%22%3A%22Home%22%2C%22properties%22%3A%7B%22path%22%3A%22%2Fa%22%7D%7D",
    "https://shop.example.com/done/jane.doe@example.com?mail=jane.doe%40example.com&x=1#jane.doe%2540example.com",
];

/// Bodies of analytics.js, Datafly.js, RudderStack, Jitsu and servers.
pub const BODIES: &[&str] = &[
    r#"{"type":"track","event":"Order Completed","messageId":"m1","anonymousId":"a1","timestamp":"2026-01-01T00:00:00.000Z","properties":{"order_id":"ORD-001","revenue":129.99,"total":"1e2","currency":"EUR","email":"jane.doe@example.com","products":[{"product_id":"p1","name":"Shoes \ud83d\ude00","price":99.99,"quantity":1},{"sku":"s","price":"15","quantity":"2"}]},"context":{"page":{"url":"https://shop.example.com/done?mail=jane.doe@example.com","path":"/done"},"consent":{"categoryPreferences":{"Advertising":true}},"traits":{"email":"jane.doe@example.com"},"ip":"203.0.113.9","userAgent":"Mozilla/5.0"},"integrations":{"All":true}}"#,
    r#"{"batch":[{"type":"track","event":"purchase","properties":{"value":5,"currency":"usd"}},{"type":"page","properties":{"url":"https://a.example/b?c=d"}},{"type":"identify","traits":{"email":"jane.doe@example.com"}}],"context":{"consent":{"marketing":true},"library":{"name":"analytics-python"}},"writeKey":"dk_live_abc123","sentAt":"2026-01-01T00:00:01Z"}"#,
    r#"{"type":"track","event":"Order Completed","messageId":12,"anonymousId":"RS_ENC_v3_IlJTX0VOQ192M19JbUV4SWc9PSI=","userId":"RudderEncrypt:U2Fs","timestamp":1767225600.5,"properties":{"order_id":34,"revenue":5},"context":{"ip":"203.0.113.0","direct":true,"library":{"name":"analytics-go"}},"integrations":{"Spotify Pixel":false}}"#,
    r#"[{"event":"Signed Up","properties":{"method":"email"}},{"event":"add_to_cart","properties":{"price":1.50,"product_id":7}}]"#,
    r#"{"events":[{"event":"Lead Submitted","properties":{"value":"12","type":"b2b"},"originalTimestamp":"2026-01-01T00:00:00+02:00"},7,null,{"event":"generate_lead"}]}"#,
    r#"{"type":"page","name":"\ud83d","properties":{"path":"/caf\u00e9","title":"\u0000\r\n"},"context":{"consentManagement":{"allowedConsentIds":["C0004"],"deniedConsentIds":[],"provider":"oneTrust"}}}"#,
];

/// `Cookie` lines of browsers with consent tools.
pub const COOKIES: &[&str] = &[
    "_dfid=1f0e6a3c-6c39-4a3d-9a55-000000000001; OptanonConsent=isGpcEnabled=0&datestamp=x&groups=C0001%3A1%2CC0002%3A0%2CC0004%3A1&AwaitingReconsent=false",
    "CookieConsent={stamp:%27abc%27%2Cnecessary:true%2Cpreferences:false%2Cstatistics:true%2Cmarketing:true%2Cmethod:%27explicit%27%2Cver:1%2Cutc:1700000000000%2Cregion:%27fr%27}",
    "euconsent-v2=COvFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEEUACCKAAA; FTrack=abc123",
    "flashtalkingad1=\"GUID=1\"; ajs_anonymous_id=%22a1%22; rl_anonymous_id=RS_ENC_v3_ImExIg%3D%3D; FTrack=x",
    "OptanonConsent=groups=1:1,2:1,4:0; optout=1; flashtalkingad1=optout=1",
];

/// What events say about consent and integrations.
pub const CONSENTS: &[&str] = &[
    r#"{"consent":{"categoryPreferences":{"Advertising":true,"Analytics":false}},"integrations":{"All":false,"Podsights":{}}}"#,
    r#"{"consent":{"analytics":true,"marketing":true,"functional":true},"integrations":{"Podsights Production":false}}"#,
    r#"{"consent":{"canonical":{"marketing":true},"categories":{"C0004":true,"C0005":false}}}"#,
    r#"{"consentManagement":{"allowedConsentIds":["C0004","marketing"],"deniedConsentIds":["C0002"],"provider":"oneTrust","resolutionStrategy":"and"}}"#,
    r#"{"consent":{}}"#,
];

/// As SDKs write them, and as they shouldn't.
pub const TIMESTAMPS: &[&str] = &[
    "2026-01-01T00:00:00.000Z",
    "2026-01-01T00:00:00+02:00",
    "2026-01-01 00:00:00.123456789",
    "2026-01-01",
    "1700000000000",
    "1700000000",
];

/// Plugin configurations with what those of the cases lack: every section, and secrets from the environment.
pub const CONFIGURATIONS: &[&str] = &[
    r#"{"endpoints":{"base_path":"/collect","reply":"local","max_event_age":"24h"},"sources":[{"id":"src_1","keys":["k"],"signing_secret":"${SECRET}"}],"identity":{"client_from_context":"always","issue_anonymous_id":{"cookie":"_dfid","domain":".example.com","max_age":"400d","requires":["marketing"]},"remember_email":{"cookie":"_cr_em","secrets":["${SECRET}${SECRET}"],"max_age":"30d"}},"consent":{"when_absent":"deny","require":"all","respect_gpc":true,"cookies":{"onetrust":"OptanonConsent"},"aliases":{"marketing":["C0004"]}},"deduplication":{"window":"10m"},"delivery":{"timeout":"5s","max_attempts":8,"max_age":"1h","backoff":{"base":"1s","max":"5m"},"max_in_flight":64,"queue":{"max_deliveries":10000,"max_bytes":16777216}},"integrations":[]}"#,
    r#"{"integrations":[{"name":"P","vendor":"podsights","source_id":"src_1","config":{"key":"${SECRET}","cluster":"podsights","authority":"collector.podsights.com"},"consent_categories":["marketing"],"field_mappings":{"version":2,"defaults":{"action":"send"},"global":{"mappings":[{"source":["properties.plan","traits.plan"],"target":"u1","value_map":{"pro":"P","*":"other"}}]},"events":{"page":{"enabled":false},"Order Completed":{"vendor_event_name":"purchase","mappings":[{"source":"properties.products[*].quantity","target":"quantity","transform":"sum"}]}}}}]}"#,
    r#"{"integrations":[{"name":"${SECRET}","vendor":"${SECRET}","enabled":"${UNSET}"}],"${SECRET}":1}"#,
    r#"{"secrets":["${SECRET}"],"sources":[{"id":"src_1","signing_secret":"sealed:v1:here"}],"integrations":[{"id":"int_1","name":"P","vendor":"podsights","config":{"key":"sealed:v1:here"}},{"name":"sealed:v1:here","vendor":"webhook","preset":"cloudevents","config":{"cluster":"c","authority":"c.internal","path":"/in","headers":{"x-api-key":"sealed:v1:here"}}}]}"#,
];

/// Answers of vendors: status, Retry-After, Location.
pub const ANSWERS: &[&str] = &[
    "200",
    "204\n",
    "302\n\nhttps://third-party.example/pixel?id=1",
    "301\n\n//other.example:8443",
    "429\n120",
    "503\nSun, 06 Nov 1994 08:49:37 GMT",
    "503\nSunday, 06-Nov-94 08:49:37 GMT\n/here",
    "408\n99999999999999999999",
    "501\n-1",
    "99\n1.5",
];

/// What has broken parsers before, put in anywhere.
pub const TOKENS: &[&str] = &[
    "\"",
    "\\",
    "\\ud83d",
    "\\u0000",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "1e999",
    "-0",
    "0.1e-7",
    "99999999999999999999",
    "%",
    "%0",
    "%00",
    "%0d%0a",
    "%F0%9F%98%80",
    "%25",
    "+",
    "&",
    "=",
    ";",
    "\r\n",
    "\0",
    "\t",
    " ",
    ".",
    "..",
    "?",
    "#",
    "/",
    "//",
    "@",
    "jane.doe@example.com",
    "jane.doe%40example.com",
    "\"batch\":[",
    "\"events\":",
    "\"context\":",
    "\"consent\":",
    "groups=",
    "optout=1",
    "\u{FFFD}",
    "é",
    "😀",
    "'",
    "`",
    "~",
    "p.",
    "p.a.b.c",
    "[[[[[[[[[[[[[[[[",
    "{\"a\":{\"a\":{\"a\":",
];
