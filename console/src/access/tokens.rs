//! Tokens, each with a name and a role.

use std::fmt;
use std::str::FromStr;

use conversion_relay::settings::Secret;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// The shortest token, in bytes.
const MIN_TOKEN: usize = 16;

/// What the owner of a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything.
    Admin,
    /// Reading, and previews.
    Viewer,
    /// A gateway: fetching the configuration, and handing in records and dead letters.
    Gateway,
}

impl FromStr for Role {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "admin" => Ok(Role::Admin),
            "viewer" => Ok(Role::Viewer),
            "gateway" => Ok(Role::Gateway),
            _ => Err(()),
        }
    }
}

/// The owner of a token. The author of a revision is its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The token's name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The token's number among all.
    pub index: usize,
}

/// Why a list of tokens is refused. No message shows a token.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTokens {
    /// The number of the first entry that has another form.
    #[error("token {0}: expected name:role:token, with the role admin, viewer or gateway")]
    Form(usize),
    /// A token is too short. Its owner's name.
    #[error("the token of {0}: expected at least {MIN_TOKEN} bytes, such as `openssl rand -hex 24` prints")]
    TooShort(String),
    /// Two have one name, so an author would stand for two people.
    #[error("two tokens are named {0}: expected a name of its own for each")]
    SameName(String),
    /// Two names have one token.
    #[error("{0} and {1} have the same token: expected one of its own for each")]
    SameToken(String, String),
}

struct Known {
    caller: Caller,
    digest: [u8; 32],
}

/// All tokens. Only their digests are kept.
pub struct Tokens(Vec<Known>);

impl Tokens {
    /// Reads `name:role:token,...`.
    pub fn parse(list: &Secret) -> Result<Self, InvalidTokens> {
        let mut tokens = Self(Vec::new());
        let entries = list.expose().split(',').map(str::trim).filter(|entry| !entry.is_empty());
        for (index, entry) in entries.enumerate() {
            let malformed = || InvalidTokens::Form(index.saturating_add(1));
            let mut parts = entry.splitn(3, ':').map(str::trim);
            let (Some(name), Some(role), Some(token)) = (parts.next(), parts.next(), parts.next()) else {
                return Err(malformed());
            };
            let role = role.parse().map_err(|()| malformed())?;
            if name.is_empty() {
                return Err(malformed());
            }
            tokens.add(name, role, token)?;
        }
        Ok(tokens)
    }

    /// Adds a token of 16 bytes or more.
    pub fn add(&mut self, name: &str, role: Role, token: &str) -> Result<(), InvalidTokens> {
        if token.len() < MIN_TOKEN {
            return Err(InvalidTokens::TooShort(name.to_owned()));
        }
        let digest = digest(token);
        for known in &self.0 {
            if known.caller.name == name {
                return Err(InvalidTokens::SameName(name.to_owned()));
            }
            if known.digest == digest {
                return Err(InvalidTokens::SameToken(known.caller.name.clone(), name.to_owned()));
            }
        }
        let caller = Caller { name: name.to_owned(), role, index: self.0.len() };
        self.0.push(Known { caller, digest });
        Ok(())
    }

    /// Whether there is no token at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of tokens.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the first token's owner with that role.
    pub fn first(&self, role: Role) -> Option<&Caller> {
        self.0.iter().map(|known| &known.caller).find(|caller| caller.role == role)
    }

    /// Returns the owner of a token. It takes the same time whichever it is, and for a wrong one.
    pub fn find(&self, token: &str) -> Option<&Caller> {
        let digest = digest(token);
        let mut found = u64::MAX;
        for (index, known) in (0_u64..).zip(&self.0) {
            let same: Choice = known.digest.ct_eq(&digest);
            found.conditional_assign(&index, same);
        }
        self.0.get(usize::try_from(found).ok()?).map(|known| &known.caller)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|known| &known.caller)).finish()
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADMIN: &str = "an-admin-token-0123";
    const GATEWAY: &str = "a-gateway:token-0123";

    fn parse(list: &str) -> Result<Tokens, InvalidTokens> {
        Tokens::parse(&Secret::new(list))
    }

    #[test]
    fn a_token_belongs_to_its_name_and_role_and_may_hold_a_colon() {
        let tokens = parse(&format!("alice:admin:{ADMIN}, edge:gateway:{GATEWAY}")).unwrap();
        let caller = |token| tokens.find(token).map(|caller| (caller.name.as_str(), caller.role));
        assert_eq!(caller(ADMIN), Some(("alice", Role::Admin)));
        assert_eq!(caller(GATEWAY), Some(("edge", Role::Gateway)));
        for wrong in ["", "an-admin-token-012", "an-admin-token-0123 ", "alice"] {
            assert_eq!(caller(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_list_that_could_mean_something_else_is_refused_and_no_token_is_shown() {
        for (list, expected) in [
            ("alice:admin", InvalidTokens::Form(1)),
            (&*format!("alice:admin:{ADMIN},bob:owner:{GATEWAY}"), InvalidTokens::Form(2)),
            (&*format!(":admin:{ADMIN}"), InvalidTokens::Form(1)),
            ("alice:admin:short", InvalidTokens::TooShort("alice".into())),
            (&*format!("a:admin:{ADMIN},a:viewer:{GATEWAY}"), InvalidTokens::SameName("a".into())),
            (&*format!("a:admin:{ADMIN},b:viewer:{ADMIN}"), InvalidTokens::SameToken("a".into(), "b".into())),
        ] {
            let refused = parse(list).unwrap_err();
            assert!(!refused.to_string().contains("token-0123"), "{refused}");
            assert_eq!(refused, expected);
        }
        assert!(!format!("{:?}", parse(&format!("a:admin:{ADMIN}")).unwrap()).contains(ADMIN));
    }
}
