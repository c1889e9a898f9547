//! Secrets at rest. Each is sealed twice: under the console's secret, so that it can be sealed anew, and for the gateways.

use std::collections::BTreeMap;

use conversion_relay::sealed::SealingKeys;
use conversion_relay::settings::Secret;
use rusqlite::{Connection, Transaction, params};

use super::Rejection;
use crate::configuration::{Document, Environment, SecretsByPlace};
use crate::random;

/// A secret as it is kept.
pub struct KeptSecret {
    /// In which revision it was set.
    pub revision: u64,
    /// Sealed for the gateways.
    pub for_gateways: String,
    at_rest: String,
    sealed_for: String,
}

impl KeptSecret {
    /// Returns its text.
    pub fn open(&self, place: &str, at_rest: &SealingKeys) -> Result<Secret, Rejection> {
        let opened = at_rest.open(&self.at_rest, place).map(Secret::new);
        opened.map_err(|_| {
            Rejection::Unreadable(format!("the secret at {place} can't be opened by this CONSOLE_SECRET"))
        })
    }
}

/// Reads all secrets, by place.
pub fn all(connection: &Connection) -> Result<BTreeMap<String, KeptSecret>, Rejection> {
    let mut statement =
        connection.prepare_cached("SELECT place, revision, at_rest, sealed_for, for_gateways FROM secret")?;
    let rows = statement.query_map([], |row| {
        let kept = KeptSecret {
            revision: row.get::<_, u32>(1)?.into(),
            at_rest: row.get(2)?,
            sealed_for: row.get(3)?,
            for_gateways: row.get(4)?,
        };
        Ok((row.get(0)?, kept))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Keeps the secrets of a new revision, and forgets all others. One that is the same as before stays as it is sealed.
pub fn replace(
    transaction: &Transaction<'_>,
    document: &Document,
    (before, after): (&SecretsByPlace, &SecretsByPlace),
    revision: u64,
    at_rest: &SealingKeys,
    environment: &Environment,
) -> Result<(), Rejection> {
    for place in before.keys().filter(|place| !after.contains_key(*place)) {
        transaction.execute("DELETE FROM secret WHERE place = ?1", [place])?;
    }
    let changed = after.iter().filter(|(place, secret)| before.get(*place) != Some(secret));
    let changed: Vec<(&String, &Secret)> = changed.collect();
    if changed.is_empty() {
        return Ok(());
    }
    let for_gateways = environment.sealing_keys(&document.to_value())?;
    for (place, secret) in changed {
        write(transaction, (place, secret), revision, at_rest, &for_gateways)?;
    }
    Ok(())
}

/// Seals anew for the gateways whatever was sealed for them under another secret than their first one of today.
pub fn seal_anew(
    connection: &mut Connection,
    document: &Document,
    at_rest: &SealingKeys,
    environment: &Environment,
) -> Result<(), Rejection> {
    let secrets = all(connection)?;
    if secrets.is_empty() {
        return Ok(());
    }
    let for_gateways = environment.sealing_keys(&document.to_value())?;
    let transaction = connection.transaction()?;
    for (place, kept) in secrets {
        if kept.sealed_for != for_gateways.id() {
            let secret = kept.open(&place, at_rest)?;
            write(&transaction, (&place, &secret), kept.revision, at_rest, &for_gateways)?;
        }
    }
    Ok(transaction.commit()?)
}

fn write(
    transaction: &Transaction<'_>,
    (place, secret): (&str, &Secret),
    revision: u64,
    at_rest: &SealingKeys,
    for_gateways: &SealingKeys,
) -> Result<(), Rejection> {
    let seal = |keys: &SealingKeys| {
        let nonce = random::bytes().map_err(Rejection::Unreadable)?;
        keys.seal(secret.expose(), place, nonce)
            .ok_or_else(|| Rejection::Unreadable("too long a secret".to_owned()))
    };
    transaction.execute(
        "INSERT OR REPLACE INTO secret (place, revision, at_rest, sealed_for, for_gateways) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![place, i64::try_from(revision).unwrap_or(i64::MAX), seal(at_rest)?, for_gateways.id(), seal(for_gateways)?],
    )?;
    Ok(())
}
