//! Revisions: every change is one, with its author, its time and a summary, and none is ever changed.

use rusqlite::{Connection, params};

use super::Rejection;
use crate::clock;
use crate::configuration::{Document, Refusal};

/// A change that was made.
#[derive(Clone, Debug)]
pub struct Revision {
    /// From 1 on; each change has the next one.
    pub number: u64,
    /// When, in milliseconds of Unix time.
    pub at: i64,
    /// The name of the token that made it.
    pub author: String,
    /// What was changed, in words.
    pub summary: String,
    /// The whole configuration after it, with `***` for each secret.
    pub document: Document,
}

/// A change that was made, without the configuration.
#[derive(Clone, Debug)]
pub struct RevisionFacts {
    /// From 1 on; each change has the next one.
    pub number: u64,
    /// When, in milliseconds of Unix time.
    pub at: i64,
    /// The name of the token that made it.
    pub author: String,
    /// What was changed, in words.
    pub summary: String,
}

/// Reads a row of number, time, author, summary and configuration.
pub(super) fn of_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Result<Revision, Rejection>> {
    let number: u64 = row.get::<_, u32>(0)?.into();
    let (at, author, summary) = (row.get(1)?, row.get(2)?, row.get(3)?);
    let document = read(number, &row.get::<_, String>(4)?);
    Ok(document.map(|document| Revision { number, at, author, summary, document }))
}

fn read(number: u64, text: &str) -> Result<Document, Rejection> {
    serde_json::from_str(text).map_err(|error| Rejection::Unreadable(format!("revision {number}: {error}")))
}

/// Writes the first revision, if there is none.
pub(super) fn begin(connection: &mut Connection, sealed_under: Option<&str>) -> Result<(), Rejection> {
    let transaction = connection.transaction()?;
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM revision)";
    let is_new: bool = transaction.query_row(sql, [], |row| row.get(0))?;
    if is_new {
        write(&transaction, 1, "console", "Started without integrations", &Document::empty(sealed_under))?;
    }
    Ok(transaction.commit()?)
}

/// Returns the newest revision.
pub(super) fn newest(connection: &Connection) -> Result<(u64, Document), Rejection> {
    let sql = "SELECT number, document FROM revision ORDER BY number DESC LIMIT 1";
    let (number, text): (u32, String) =
        connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((number.into(), read(number.into(), &text)?))
}

/// Writes a revision.
pub(super) fn write(
    connection: &Connection,
    number: u64,
    author: &str,
    summary: &str,
    document: &Document,
) -> Result<(), Rejection> {
    let document = serde_json::to_string(document).map_err(|error| Refusal::new("", error.to_string()))?;
    connection.execute(
        "INSERT INTO revision (number, at, author, summary, document) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![i64::try_from(number).unwrap_or(i64::MAX), clock::now(), author, summary, document],
    )?;
    Ok(())
}
