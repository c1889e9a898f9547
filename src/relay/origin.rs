//! What the gateway that a client sent its request to knows of it and the event does not say: who the client is, where it came from,
//! its cookies and opt-outs. It goes along with an event that a queue passes on, sealed, and is believed by the gateway that opens it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::config::{Carried, Integration};
use crate::identity::{EmailHash, address, email};
use crate::request::Request;
use crate::seal::{self, Unopened};
use crate::vendors::Unsealed;

/// A request of a client as another gateway can stand in for it: no more of it than some part of the configuration reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// When the request was received, in Unix milliseconds.
    pub received_at: i64,
    /// The id of the event's source; `None`: no sources were configured.
    pub source: Option<String>,
    /// Whether the request's signature was verified.
    pub signed: bool,
    /// The client's address, as far as it may be sent.
    pub ip: Option<IpAddr>,
    /// The headers by their names. Each character of a value is a byte: clients send bytes that are no text, too.
    pub headers: Vec<(String, String)>,
    /// The parameters of the query.
    pub query: Vec<(String, String)>,
    /// The visitor's anonymous id, which may have been issued with the answer.
    pub anonymous_id: Option<String>,
    /// The digest of the email of an identify event in the same request.
    pub email: Option<String>,
    /// The integrations by which the event has left a gateway. It goes to none of them again.
    pub left_by: Vec<String>,
}

impl Origin {
    /// Returns it ready to be sealed; `None` without secrets. `random` fills with bytes that nobody can guess; false: there are none.
    pub fn unsealed<'k>(
        &self,
        carried: &'k Carried,
        random: impl FnOnce(&mut [u8]) -> bool,
    ) -> Option<Unsealed<'k>> {
        let mut nonce = [0; seal::NONCE];
        let keys = carried.keys.as_ref().filter(|_| random(&mut nonce))?;
        Some(Unsealed { keys, plain: serde_json::to_vec(self).ok()?, nonce })
    }

    /// Opens what was sealed with an event of this text. `None`: the text is no sealed origin at all.
    pub fn open(sealed: &str, event: &str, carried: &Carried) -> Option<Result<Self, Unopened>> {
        let opened = seal::open_text(carried.keys.as_ref(), sealed, event.as_bytes())?;
        Some(opened.and_then(|plain| serde_json::from_slice(&plain).map_err(|_| Unopened::Altered)))
    }

    /// Whether the event has left a gateway by this integration before.
    pub fn has_left_by(&self, integration: &Integration) -> bool {
        self.left_by.contains(&integration.identity)
    }

    /// The email of an identify event that came with it.
    pub fn email(&self) -> Option<EmailHash> {
        email::hash(self.email.as_deref()?)
    }

    /// Puts headers, address and query of the client's request in the place of the queue's.
    pub fn restore(&self, request: &mut Request) {
        request.headers = self.headers.iter().map(|(name, value)| (name.clone(), bytes_of(value))).collect();
        request.source_address = self.ip.map(|ip| address::written(ip).into_bytes()).unwrap_or_default();
        let mut query = form_urlencoded::Serializer::new(String::from("?"));
        query.extend_pairs(&self.query);
        request.path = query.finish().into_bytes();
    }
}

/// Returns bytes as a text of as many characters, those of Latin-1.
pub fn text_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn bytes_of(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(character).unwrap_or(b'?')).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_come_back_from_the_text_that_stands_for_them(bytes: Vec<u8>) {
            prop_assert_eq!(bytes_of(&text_of(&bytes)), bytes);
        }
    }
}
