//! The gateways that ask for the configuration: which version each has, and when it was last seen.
//!
//! They ask every few seconds, so the roster is in memory. Its changes are written to the database from time to time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::Rejection;
use crate::text::bounded;

/// How many gateways are remembered. Beyond it the one that was not seen for longest is forgotten.
const MAX_GATEWAYS: usize = 10_000;

/// A gateway that was not seen for so long, in milliseconds, counts as gone.
pub const GONE_AFTER: i64 = 60_000;

/// By which way a gateway gets the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// Envoy asks by extension discovery.
    Discovery,
    /// `conversion-relay pull` asks for the file.
    Pull,
}

impl Via {
    /// Returns its name in the database and in answers.
    pub fn name(self) -> &'static str {
        match self {
            Via::Discovery => "discovery",
            Via::Pull => "pull",
        }
    }

    fn of(name: &str) -> Self {
        if name == "pull" { Via::Pull } else { Via::Discovery }
    }
}

/// What a gateway has, compared with what it should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GatewayState {
    /// The configuration in force.
    Current,
    /// Another one. It has not been seen since the configuration was changed, or is just loading it.
    Behind,
    /// Another one, although it was given the configuration in force: it refuses it. Its log says why.
    Refused,
    /// It was not seen for a minute or longer.
    Gone,
}

/// A request for the configuration. Long texts are cut.
#[derive(Clone, Copy, Debug)]
pub struct Sighting<'r> {
    /// Envoy's node id, or the name that the client gives itself.
    pub name: &'r str,
    /// By which way it asks.
    pub via: Via,
    /// Envoy's node cluster, if it has one.
    pub cluster: &'r str,
    /// The name and version of the program.
    pub software: &'r str,
    /// The version that it has; empty: none of the console's.
    pub version: &'r str,
    /// Why it refused what it was given, if it says so.
    pub error: Option<&'r str>,
}

/// A gateway as it was last seen.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct GatewaySeen {
    /// Envoy's node id, or the name that `conversion-relay pull` gives.
    pub name: String,
    /// By which way it gets the configuration.
    pub via: Via,
    /// Envoy's node cluster; may be empty.
    pub cluster: String,
    /// The name and version of the program; may be empty.
    pub software: String,
    /// The version of the configuration that it has; empty: none of the console's.
    pub version: String,
    /// The number of that revision.
    pub revision: Option<u64>,
    /// When it was first seen, in milliseconds of Unix time.
    pub first_seen: i64,
    /// When it was last seen, in milliseconds of Unix time.
    pub last_seen: i64,
    /// What it has, compared with what it should have.
    pub state: GatewayState,
    /// Why it refused what it was given, if it said so.
    pub error: Option<String>,
}

struct Entry {
    cluster: String,
    software: String,
    version: String,
    first_seen: i64,
    last_seen: i64,
    error: Option<String>,
    /// The version that it was last given, until it has it.
    given: String,
    /// Whether it is not yet in the database as it is here.
    is_dirty: bool,
}

impl Entry {
    fn state(&self, wanted: &str, now: i64) -> GatewayState {
        if now.saturating_sub(self.last_seen) >= GONE_AFTER {
            GatewayState::Gone
        } else if self.version == wanted {
            GatewayState::Current
        } else if self.error.is_some() {
            GatewayState::Refused
        } else {
            GatewayState::Behind
        }
    }
}

type Key = (String, Via);

/// The gateways that were seen.
#[derive(Default)]
pub struct Roster(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    seen: HashMap<Key, Entry>,
    forgotten: Vec<Key>,
    wanted: String,
}

/// What is shown of a gateway that asks again, without a word, with an old version, although it was given the one in force.
const SILENT: &str = "it was given this configuration and keeps another one: its log says why";

impl Roster {
    /// Reads those that were seen before.
    pub(super) fn load(connection: &Connection) -> Result<Self, Rejection> {
        let mut statement = connection
            .prepare("SELECT name, via, cluster, software, version, first_seen, last_seen FROM gateway")?;
        let rows = statement.query_map([], |row| {
            let entry = Entry {
                cluster: row.get(2)?,
                software: row.get(3)?,
                version: row.get(4)?,
                first_seen: row.get(5)?,
                last_seen: row.get(6)?,
                error: None,
                given: String::new(),
                is_dirty: false,
            };
            Ok(((row.get(0)?, Via::of(&row.get::<_, String>(1)?)), entry))
        })?;
        let seen = rows.collect::<Result<_, _>>()?;
        Ok(Self(Mutex::new(Inner { seen, ..Inner::default() })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes which version the gateways should have.
    pub fn want(&self, version: &str) {
        set(&mut self.lock().wanted, version);
    }

    /// Notes that a gateway asked at this time. It gets the version `wanted` unless it has it.
    pub fn saw(&self, sighting: &Sighting<'_>, wanted: &str, now: i64) {
        let key = (bounded(sighting.name).to_owned(), sighting.via);
        let mut inner = self.lock();
        set(&mut inner.wanted, wanted);
        if !inner.seen.contains_key(&key) {
            inner.make_room();
        }
        let entry = inner.seen.entry(key).or_insert_with(|| Entry {
            cluster: String::new(),
            software: String::new(),
            version: String::new(),
            first_seen: now,
            last_seen: now,
            error: None,
            given: String::new(),
            is_dirty: true,
        });
        entry.is_dirty = true;
        entry.last_seen = now;
        set(&mut entry.cluster, bounded(sighting.cluster));
        set(&mut entry.software, bounded(sighting.software));
        set(&mut entry.version, bounded(sighting.version));
        let keeps_another = entry.version != wanted && entry.given == wanted;
        entry.error = sighting
            .error
            .filter(|_| entry.version != wanted)
            .or(keeps_another.then_some(SILENT))
            .map(|error| bounded(error).to_owned());
        // A gateway that has it and asks without it later has started again.
        set(&mut entry.given, if entry.version == wanted { "" } else { wanted });
    }

    /// Writes what has changed since the last time.
    pub(super) fn save(&self, writer: &mut Connection) -> Result<(), Rejection> {
        let (rows, forgotten) = {
            let mut inner = self.lock();
            let dirty = inner.seen.iter_mut().filter(|(_, entry)| entry.is_dirty);
            let rows: Vec<_> = dirty
                .map(|((name, via), entry)| {
                    entry.is_dirty = false;
                    let texts = [name, &entry.cluster, &entry.software, &entry.version].map(String::clone);
                    (texts, *via, entry.first_seen, entry.last_seen)
                })
                .collect();
            (rows, std::mem::take(&mut inner.forgotten))
        };
        if rows.is_empty() && forgotten.is_empty() {
            return Ok(());
        }
        let transaction = writer.transaction()?;
        for (name, via) in forgotten {
            transaction
                .prepare_cached("DELETE FROM gateway WHERE name = ?1 AND via = ?2")?
                .execute(params![name, via.name()])?;
        }
        for ([name, cluster, software, version], via, first_seen, last_seen) in rows {
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO gateway (name, via, cluster, software, version, first_seen, last_seen)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![name, via.name(), cluster, software, version, first_seen, last_seen])?;
        }
        Ok(transaction.commit()?)
    }

    /// Returns the gateways that were seen, by their names, as they are at this time (milliseconds of Unix time), while this revision is
    /// in force.
    pub(super) fn seen(&self, revision: u64, now: i64) -> Vec<GatewaySeen> {
        let inner = self.lock();
        // Right after a change nobody can have it, and the roster may not know its version yet.
        let wanted = if revision_of(&inner.wanted) == Some(revision) { inner.wanted.as_str() } else { "-" };
        let seen = inner.seen.iter().map(|((name, via), entry)| GatewaySeen {
            name: name.clone(),
            via: *via,
            cluster: entry.cluster.clone(),
            software: entry.software.clone(),
            version: entry.version.clone(),
            revision: revision_of(&entry.version),
            first_seen: entry.first_seen,
            last_seen: entry.last_seen,
            state: entry.state(wanted, now),
            error: entry.error.clone(),
        });
        let mut seen: Vec<_> = seen.collect();
        drop(inner);
        seen.sort_by(|a, b| (&a.name, a.via.name()).cmp(&(&b.name, b.via.name())));
        seen
    }
}

impl Inner {
    fn make_room(&mut self) {
        while self.seen.len() >= MAX_GATEWAYS {
            let oldest = self.seen.iter().min_by_key(|(_, entry)| entry.last_seen);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else { return };
            self.seen.remove(&key);
            if self.forgotten.len() < MAX_GATEWAYS {
                self.forgotten.push(key);
            }
        }
    }
}

fn set(text: &mut String, to: &str) {
    if text != to {
        to.clone_into(text);
    }
}

/// Returns the number of the revision that a version of the configuration begins with.
pub fn revision_of(version: &str) -> Option<u64> {
    version.split_once('-')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sighting<'r>(name: &'r str, version: &'r str) -> Sighting<'r> {
        Sighting {
            name,
            via: Via::Discovery,
            cluster: "edge",
            software: "envoy 1.40.0",
            version,
            error: None,
        }
    }

    fn state(roster: &Roster, name: &str, now: i64) -> GatewayState {
        let inner = roster.lock();
        inner.seen[&(name.to_owned(), Via::Discovery)].state(&inner.wanted, now)
    }

    #[test]
    fn a_gateway_is_behind_until_it_has_what_it_was_given_and_refuses_it_if_it_asks_with_another_again() {
        let roster = Roster::default();
        roster.saw(&sighting("a", ""), "1-x", 0);
        assert_eq!(state(&roster, "a", 0), GatewayState::Behind);
        roster.saw(&sighting("a", "1-x"), "1-x", 1);
        assert_eq!(state(&roster, "a", 1), GatewayState::Current);
        roster.saw(&sighting("a", "1-x"), "2-y", 2);
        assert_eq!(state(&roster, "a", 2), GatewayState::Behind);
        roster.saw(&sighting("a", "1-x"), "2-y", 3);
        assert_eq!(state(&roster, "a", 3), GatewayState::Refused);
        roster.saw(&sighting("a", "1-x"), "3-z", 4);
        assert_eq!(state(&roster, "a", 4), GatewayState::Behind, "of the next change nothing is known yet");
        roster.saw(&sighting("a", "3-z"), "3-z", 5);
        assert_eq!(state(&roster, "a", 5), GatewayState::Current);
        assert_eq!(state(&roster, "a", 5 + GONE_AFTER), GatewayState::Gone);
        roster.saw(&sighting("a", ""), "3-z", 6);
        assert_eq!(state(&roster, "a", 6), GatewayState::Behind, "it has started again");
    }

    #[test]
    fn the_gateway_that_was_not_seen_for_longest_is_forgotten_once_there_are_too_many() {
        let roster = Roster::default();
        for (now, number) in (0..).zip(0..=MAX_GATEWAYS) {
            roster.saw(&sighting(&number.to_string(), ""), "1-x", now);
        }
        let inner = roster.lock();
        assert_eq!(inner.seen.len(), MAX_GATEWAYS);
        assert_eq!(inner.forgotten, [("0".to_owned(), Via::Discovery)]);
    }

    #[test]
    fn a_version_names_its_revision() {
        assert_eq!(revision_of("12-abc-def"), Some(12));
        for other in ["", "12", "x-1", "-1"] {
            assert_eq!(revision_of(other), None, "{other}");
        }
    }
}
