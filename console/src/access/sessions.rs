//! Sessions of people with a browser. They are kept in memory alone, so a restart signs everybody out.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::tokens::Caller;
use crate::random;

/// How long a session lasts, in milliseconds.
pub const SESSION_TIME: i64 = 12 * 3_600_000;

/// How long a sign-in link is valid, in milliseconds.
pub const LINK_TIME: i64 = 10 * 60_000;

/// How many sessions there are at most. One more ends the one that would end next.
const MAX_SESSIONS: usize = 1_000;

/// How many sign-in links there are at most.
const MAX_LINKS: usize = 10;

/// How often an address may try to sign in, in a minute.
const TRIES: NonZeroU32 = match NonZeroU32::new(20) {
    Some(number) => number,
    None => NonZeroU32::MIN,
};

/// How many addresses are told apart. Further ones share one limit.
const MAX_ADDRESSES: usize = 10_000;

/// Somebody who has signed in.
#[derive(Clone)]
pub struct Session {
    /// Who it is.
    pub caller: Caller,
    /// What each form of this session carries, so that no other site can send one.
    pub form_token: String,
    /// When the session ends, in milliseconds of Unix time.
    pub ends: i64,
}

impl Session {
    /// Whether a form was made for this session. It takes the same time for each wrong token of the right length.
    pub fn has_made(&self, form_token: &str) -> bool {
        self.form_token.as_bytes().ct_eq(form_token.as_bytes()).into()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("caller", &self.caller).finish_non_exhaustive()
    }
}

/// Secrets are looked up by their digests, so that the time it takes says nothing about them.
type ByDigest<T> = BTreeMap<[u8; 32], T>;

#[derive(Default)]
struct Kept {
    sessions: ByDigest<Session>,
    links: ByDigest<(Caller, i64)>,
}

/// All sessions.
pub struct Sessions {
    kept: Mutex<Kept>,
    tries: DefaultKeyedRateLimiter<IpAddr>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { kept: Mutex::default(), tries: RateLimiter::keyed(Quota::per_minute(TRIES)) }
    }
}

impl Sessions {
    /// Begins a session and returns its id, which is a secret. The error says that there is no randomness.
    pub fn begin(&self, caller: Caller, now: i64) -> Result<String, String> {
        let (id, form_token) = (random::token()?, random::token()?);
        let session = Session { caller, form_token, ends: now.saturating_add(SESSION_TIME) };
        let mut kept = self.kept();
        kept.sessions.retain(|_, session| session.ends > now);
        if kept.sessions.len() >= MAX_SESSIONS {
            let next = kept.sessions.iter().min_by_key(|(_, session)| session.ends).map(|(key, _)| *key);
            next.and_then(|key| kept.sessions.remove(&key));
        }
        kept.sessions.insert(digest(&id), session);
        Ok(id)
    }

    /// Returns the session of that id, unless it has ended.
    pub fn find(&self, id: &str, now: i64) -> Option<Session> {
        self.kept().sessions.get(&digest(id)).filter(|session| session.ends > now).cloned()
    }

    /// Ends a session.
    pub fn end(&self, id: &str) {
        self.kept().sessions.remove(&digest(id));
    }

    /// Returns a code that signs that caller in once, within [`LINK_TIME`]. The error says that there is no randomness.
    pub fn link(&self, caller: Caller, now: i64) -> Result<String, String> {
        let code = random::token()?;
        let mut kept = self.kept();
        kept.links.retain(|_, (_, ends)| *ends > now);
        if kept.links.len() < MAX_LINKS {
            kept.links.insert(digest(&code), (caller, now.saturating_add(LINK_TIME)));
        }
        Ok(code)
    }

    /// Takes a code, which is worth nothing afterwards, and returns whom it signs in.
    pub fn redeem(&self, code: &str, now: i64) -> Option<Caller> {
        self.kept().links.remove(&digest(code)).filter(|(_, ends)| *ends > now).map(|(caller, _)| caller)
    }

    /// Whether somebody at that address (`None`: unknown) may try to sign in now. It takes one of the tries of this minute.
    pub fn may_try(&self, address: Option<IpAddr>) -> bool {
        if self.tries.len() >= MAX_ADDRESSES {
            self.tries.retain_recent();
        }
        let shared = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let full = self.tries.len() >= MAX_ADDRESSES;
        let key = address.filter(|_| !full).map_or(shared, network);
        self.tries.check_key(&key).is_ok()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns what stands for all addresses that one host has: a /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Role;

    fn caller(name: &str) -> Caller {
        Caller { name: name.to_owned(), role: Role::Admin, index: 0 }
    }

    #[test]
    fn a_session_ends_in_time_or_when_it_is_told_to_and_no_two_are_alike() {
        let sessions = Sessions::default();
        let first = sessions.begin(caller("alice"), 0).unwrap();
        let second = sessions.begin(caller("alice"), 0).unwrap();
        assert_ne!(first, second);
        let [one, other] = [&first, &second].map(|id| sessions.find(id, 0).unwrap());
        assert!(one.has_made(&one.form_token) && !one.has_made(&other.form_token) && !one.has_made(""));
        assert!(sessions.find(&first, SESSION_TIME - 1).is_some());
        assert!(sessions.find(&first, SESSION_TIME).is_none());
        sessions.end(&second);
        assert!(sessions.find(&second, 0).is_none());
        assert!(sessions.find("", 0).is_none());
        assert!(!format!("{one:?}").contains(&one.form_token));
    }

    #[test]
    fn there_are_never_more_sessions_than_room_and_the_one_that_would_end_next_goes_first() {
        let sessions = Sessions::default();
        let oldest = sessions.begin(caller("alice"), 0).unwrap();
        let others: Vec<String> =
            (1..).take(MAX_SESSIONS).map(|now| sessions.begin(caller("bob"), now).unwrap()).collect();
        assert!(sessions.find(&oldest, 1).is_none());
        assert!(others.iter().all(|id| sessions.find(id, 1).is_some()));
        assert_eq!(sessions.kept().sessions.len(), MAX_SESSIONS);
    }

    #[test]
    fn a_link_signs_in_once_and_in_time() {
        let sessions = Sessions::default();
        let code = sessions.link(caller("alice"), 0).unwrap();
        assert_eq!(sessions.redeem(&code, LINK_TIME - 1), Some(caller("alice")));
        assert_eq!(sessions.redeem(&code, LINK_TIME - 1), None);
        let late = sessions.link(caller("alice"), 0).unwrap();
        assert_eq!(sessions.redeem(&late, LINK_TIME), None);
    }

    #[test]
    fn an_address_has_so_many_tries_a_minute_and_the_addresses_of_one_host_share_them() {
        let sessions = Sessions::default();
        let tries =
            |address: &str| (0..50).filter(|_| sessions.may_try(Some(address.parse().unwrap()))).count();
        assert_eq!(tries("192.0.2.1"), 20);
        assert_eq!(tries("192.0.2.2"), 20);
        assert_eq!(tries("2001:db8::1"), 20);
        assert_eq!(tries("2001:db8::2"), 0);
    }
}
