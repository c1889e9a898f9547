//! Which requests are tracking requests: the paths of the clients that are already in place.

use crate::event::EventType;
use crate::event::envelope::Form;

/// A request that carries events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub form: Form,
    /// The type that the path names; the body's own `type` wins.
    pub event_type: Option<EventType>,
}

/// The tracking paths below a base path.
#[derive(Clone, Debug)]
pub struct Endpoints {
    base_path: String,
}

impl Endpoints {
    /// `base_path` is empty or begins with a slash and doesn't end with one.
    pub fn new(base_path: &str) -> Result<Self, String> {
        let legal = base_path.is_empty()
            || (base_path.starts_with('/')
                && !base_path.ends_with('/')
                && !base_path.contains(['?', '#', ' ']));
        if !legal {
            return Err(format!("expected nothing or a path like /collect, got {base_path:?}"));
        }
        Ok(Self { base_path: base_path.to_owned() })
    }

    /// The endpoint of a request path (with its query); `None` for every other request.
    pub fn find(&self, path: &[u8]) -> Option<Endpoint> {
        let path = path.strip_prefix(self.base_path.as_bytes())?;
        let path = path.split(|byte| *byte == b'?').next()?;
        let name = path.strip_prefix(b"/v1/")?;
        let single = |event_type| Endpoint { form: Form::Single, event_type: Some(event_type) };
        Some(match name {
            b"t" | b"track" => single(EventType::Track),
            b"p" | b"page" => single(EventType::Page),
            b"i" | b"identify" => single(EventType::Identify),
            b"batch" => Endpoint { form: Form::Batch, event_type: None },
            _ => return None,
        })
    }

    /// The method that an endpoint is asked with; another method is no tracking request.
    pub fn takes(&self, method: &[u8]) -> bool {
        method == b"POST"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_of_the_clients_are_known_and_no_other() {
        let endpoints = Endpoints::new("").unwrap();
        for path in ["/v1/t", "/v1/track?x=1", "/v1/p", "/v1/page", "/v1/i", "/v1/identify", "/v1/batch"] {
            assert!(endpoints.find(path.as_bytes()).is_some(), "{path}");
        }
        for path in ["", "/", "/v1/", "/v1/tracks", "/v1/t/", "/v2/t", "/v1/T", "x/v1/t"] {
            assert!(endpoints.find(path.as_bytes()).is_none(), "{path}");
        }
    }

    #[test]
    fn a_base_path_stands_before_them() {
        let endpoints = Endpoints::new("/collect").unwrap();
        assert!(endpoints.find(b"/collect/v1/t").is_some());
        assert!(endpoints.find(b"/v1/t").is_none());
        for bad in ["collect", "/collect/", "/a?b", "/"] {
            assert!(Endpoints::new(bad).is_err(), "{bad}");
        }
    }
}
