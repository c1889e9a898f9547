//! A request's `:path`.

use conversion_relay::endpoints::Endpoints;

pub const MEMORY: usize = 64 << 10;

/// A path is an endpoint or not, and its query never decides which.
pub fn check(input: &[u8]) -> bool {
    let mut found = false;
    for base_path in ["", "/collect"] {
        let endpoints = Endpoints::new(base_path).expect("a valid prefix");
        let path = [base_path.as_bytes(), input].concat();
        let bare = path.split(|byte| *byte == b'?').next().unwrap_or_default();
        let endpoint = endpoints.find(&path);
        assert_eq!(endpoint, endpoints.find(bare));
        found |= endpoint.is_some();
    }
    found
}
