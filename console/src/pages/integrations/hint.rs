//! What is odd about a value, but may be right all the same.

/// Returns a hint about a value of a vendor's setting.
pub fn hint(vendor: &str, key: &str, value: &str) -> Option<&'static str> {
    let text = value.trim();
    let is_known = text.is_empty() || text == conversion_relay::settings::MASK || text.contains("${");
    let is_usual = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (vendor == "podsights" && key == "key" && !is_known && !is_usual).then_some(PIXEL_KEY)
}

const PIXEL_KEY: &str = "Podsights' pixel keys have 32 hexadecimal digits as a rule. With a mistyped one, events vanish without an error: compare it with the dashboard.";

/// Says the same where the value can't be read back.
pub const AFTERWARDS: &str = "The key that you entered is not 32 hexadecimal digits, as Podsights' pixel keys have as a rule. With a mistyped one, events vanish without an error: compare it with the dashboard.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pixel_key_that_looks_unlike_others_is_pointed_out() {
        assert!(hint("podsights", "key", "ps_pixel_key_abc123").is_some());
        for fine in ["", "***", "${PODSIGHTS_KEY}", "0123456789abcdef0123456789abcdef"] {
            assert_eq!(hint("podsights", "key", fine), None, "{fine}");
        }
        assert_eq!(hint("webhook", "path", "x"), None);
    }
}
