//! Dead letters: deliveries that were lost, until they are replayed or too old.

use std::sync::atomic::Ordering::Relaxed;

use rusqlite::types::Value as Sql;
use rusqlite::{OptionalExtension, Row, Transaction, params, params_from_iter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::records::{MAX_LIMIT, Oldest};
use super::{Rejection, Store};
use crate::clock;
use crate::text::bounded;

/// How many are kept. Beyond that the oldest are dropped.
pub const MAX_LETTERS: i64 = 100_000;

/// How large all letters may be, in bytes.
const MAX_BYTES: i64 = 1 << 30;

/// What stands in a letter in the clear. Long texts are cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct LetterFacts {
    /// The letter's own id.
    pub id: String,
    /// The integration's name.
    pub integration: Option<String>,
    /// Its vendor.
    pub vendor: Option<String>,
    /// The event's name.
    pub event: Option<String>,
    /// Why the delivery was lost.
    pub reason: Option<String>,
    /// How often it was tried.
    pub attempts: Option<u32>,
    /// What the vendor answered last.
    pub last_status: Option<String>,
    /// The SHA-256 of the order id, in hexadecimal digits.
    pub order_digest: Option<String>,
}

/// A letter that is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLetter {
    /// What stands in it in the clear.
    pub facts: LetterFacts,
    /// The letter as it came.
    pub text: String,
}

/// How a replay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The delivery is settled.
    Delivered,
    /// The gateway could not settle it in time. It may be replayed again.
    GivenBack,
    /// The vendor or the gateway refused it for good.
    Refused,
    /// No gateway answered.
    Unreachable,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Outcome::Delivered => "delivered",
            Outcome::GivenBack => "given_back",
            Outcome::Refused => "refused",
            Outcome::Unreachable => "unreachable",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Outcome::Delivered, Outcome::GivenBack, Outcome::Refused, Outcome::Unreachable]
            .into_iter()
            .find(|outcome| outcome.name() == name)
    }
}

/// The last replay of a letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Replay {
    /// When, in milliseconds of Unix time.
    pub at: i64,
    /// The name of the token that asked for it.
    pub by: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The same in words.
    pub detail: String,
}

/// A letter that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct StoredLetter {
    /// From 1 on; each letter has a higher one than those before it.
    pub number: i64,
    /// When the console got it, in milliseconds of Unix time.
    pub at: i64,
    /// What stands in it in the clear.
    #[serde(flatten)]
    pub facts: LetterFacts,
    /// Whether a replay is wanted that has not ended.
    pub is_waiting: bool,
    /// How often it was replayed.
    pub replays: u32,
    /// The last replay.
    pub replay: Option<Replay>,
}

/// Which letters are asked for. What is absent is not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LetterQuery {
    /// The integration's name.
    pub integration: Option<String>,
    /// Why the delivery was lost.
    pub reason: Option<String>,
    /// How the last replay ended.
    pub outcome: Option<Outcome>,
    /// Only letters with a lower number: the cursor.
    pub before: Option<i64>,
    /// How many at most; 500 whatever is asked for.
    pub limit: u32,
}

/// A letter whose replay is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The letter's number.
    pub number: i64,
    /// The letter as it came.
    pub text: String,
    /// Whether it was asked for by its id, and not among others.
    pub is_single: bool,
}

const COLUMNS: &str = "number, at, id, integration, vendor, event, reason, attempts, last_status, order_digest, wanted, \
     replays, replayed_at, replayed_by, result, detail";

impl LetterQuery {
    fn condition(&self) -> (String, Vec<Sql>) {
        let (mut condition, mut values) = ("TRUE".to_owned(), Vec::new());
        let outcome = self.outcome.map(|outcome| outcome.name().to_owned());
        for (column, asked) in
            [("integration", &self.integration), ("reason", &self.reason), ("result", &outcome)]
        {
            if let Some(asked) = asked {
                condition.push_str(&format!(" AND {column} = ?"));
                values.push(Sql::from(asked.clone()));
            }
        }
        if let Some(before) = self.before {
            condition.push_str(" AND number < ?");
            values.push(before.into());
        }
        (condition, values)
    }
}

impl Store {
    /// Keeps letters that came at this time, in one transaction. Once this returns `Ok`, they are on the disk. One whose id is known is
    /// not kept again. Returns how many were new.
    pub fn add_letters(&self, letters: &[NewLetter], at: i64) -> Result<usize, Rejection> {
        let mut writer = self.writer();
        let transaction = writer.transaction()?;
        let (mut new, mut bytes) = (0_usize, 0_i64);
        for letter in letters {
            if add(&transaction, letter, at)? {
                new = new.saturating_add(1);
                bytes = bytes.saturating_add(i64::try_from(letter.text.len()).unwrap_or(i64::MAX));
            }
        }
        transaction.commit()?;
        self.sizes.letters.fetch_add(bytes, Relaxed);
        Ok(new)
    }

    /// Returns the letters that are asked for, newest first.
    pub fn letters(&self, query: &LetterQuery) -> Result<Vec<StoredLetter>, Rejection> {
        let (condition, mut values) = query.condition();
        values.push(query.limit.min(MAX_LIMIT).into());
        let sql = format!("SELECT {COLUMNS} FROM dead_letter WHERE {condition} ORDER BY number DESC LIMIT ?");
        let history = self.history();
        let mut statement = history.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(values), of_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns the letter with this id.
    pub fn letter(&self, id: &str) -> Result<StoredLetter, Rejection> {
        let sql = format!("SELECT {COLUMNS} FROM dead_letter WHERE id = ?1");
        let found = self.history().prepare_cached(&sql)?.query_row([id], of_row).optional()?;
        found.ok_or_else(|| Rejection::NotFound(format!("dead letter {:?}", bounded(id))))
    }

    /// Notes that this letter is to be replayed, before all others.
    pub fn want_replay(&self, id: &str, by: &str) -> Result<(), Rejection> {
        let sql = "UPDATE dead_letter SET wanted = 2, wanted_by = ?2 WHERE id = ?1";
        match self.writer().execute(sql, [id, by])? {
            0 => Err(Rejection::NotFound(format!("dead letter {:?}", bounded(id)))),
            _ => Ok(()),
        }
    }

    /// Notes that all letters like these are to be replayed which no replay has delivered, whatever `before` and `limit` are. Returns
    /// how many.
    pub fn want_replays(&self, query: &LetterQuery, by: &str) -> Result<usize, Rejection> {
        let all = LetterQuery { before: None, ..query.clone() };
        let (condition, values) = all.condition();
        let sql = format!(
            "UPDATE dead_letter SET wanted = 1, wanted_by = ? WHERE wanted = 0 AND result IS NOT 'delivered' AND {condition}"
        );
        let values = std::iter::once(Sql::from(by.to_owned())).chain(values);
        Ok(self.writer().execute(&sql, params_from_iter(values))?)
    }

    /// Takes back all wishes for replays. Returns how many. One that is on its way goes on.
    pub fn unwant_replays(&self) -> Result<usize, Rejection> {
        let sql = "UPDATE dead_letter SET wanted = 0, wanted_by = NULL WHERE wanted > 0";
        Ok(self.writer().execute(sql, [])?)
    }

    /// Returns how many replays are wanted.
    pub fn replays_wanted(&self) -> Result<u64, Rejection> {
        let sql = "SELECT count(*) FROM dead_letter WHERE wanted > 0";
        let count: i64 = self.history().query_row(sql, [], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// Returns the letter that is to be replayed next.
    pub fn next_replay(&self) -> Result<Option<Wanted>, Rejection> {
        let sql = "SELECT number, letter, wanted FROM dead_letter JOIN dead_letter_text USING (number)
                   WHERE wanted > 0 ORDER BY wanted DESC, number LIMIT 1";
        let of_row = |row: &Row<'_>| {
            Ok(Wanted { number: row.get(0)?, text: row.get(1)?, is_single: row.get::<_, i64>(2)? == 2 })
        };
        Ok(self.history().query_row(sql, [], of_row).optional()?)
    }

    /// Keeps how the replay of a letter ended. With `is_over` it is not wanted any longer.
    pub fn replayed(
        &self,
        number: i64,
        outcome: Outcome,
        detail: &str,
        is_over: bool,
    ) -> Result<(), Rejection> {
        let sql = "UPDATE dead_letter SET replays = replays + 1, replayed_at = ?2, replayed_by = coalesce(wanted_by, replayed_by),
                   result = ?3, detail = ?4, wanted = CASE WHEN ?5 THEN 0 ELSE wanted END WHERE number = ?1";
        self.writer().execute(sql, params![number, clock::now(), outcome.name(), detail, is_over])?;
        Ok(())
    }

    /// Removes some of the letters that came before a time (in milliseconds of Unix time), or are too many or too large together. Returns
    /// how many of them were too old, and how many were dropped to make room; both zero: nothing is left to be removed.
    pub fn remove_old_letters(&self, before: i64) -> Result<(usize, usize), Rejection> {
        let size = self.sizes.letters.load(Relaxed);
        let oldest = self.oldest("dead_letter", before, MAX_LETTERS, size.saturating_sub(MAX_BYTES))?;
        let Some(Oldest { last, bytes }) = oldest else { return Ok((0, 0)) };
        let mut writer = self.writer();
        let transaction = writer.transaction()?;
        let sql = "DELETE FROM dead_letter WHERE number <= ?1 AND at < ?2";
        let old = transaction.execute(sql, [last, before])?;
        let dropped = transaction.execute("DELETE FROM dead_letter WHERE number <= ?1", [last])?;
        transaction.execute("DELETE FROM dead_letter_text WHERE number <= ?1", [last])?;
        transaction.commit()?;
        self.sizes.letters.fetch_sub(bytes, Relaxed);
        Ok((old, dropped))
    }
}

fn add(transaction: &Transaction<'_>, letter: &NewLetter, at: i64) -> Result<bool, Rejection> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO dead_letter (id, at, bytes, integration, vendor, event, reason, attempts, last_status, order_digest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (id) DO NOTHING",
    )?;
    let LetterFacts { id, integration, vendor, event, reason, attempts, last_status, order_digest } =
        &letter.facts;
    let bytes = i64::try_from(letter.text.len()).unwrap_or(i64::MAX);
    let facts =
        params![id, at, bytes, integration, vendor, event, reason, attempts, last_status, order_digest];
    if statement.execute(facts)? == 0 {
        return Ok(false);
    }
    let number = transaction.last_insert_rowid();
    transaction
        .prepare_cached("INSERT INTO dead_letter_text (number, letter) VALUES (?1, ?2)")?
        .execute(params![number, letter.text])?;
    Ok(true)
}

fn of_row(row: &Row<'_>) -> rusqlite::Result<StoredLetter> {
    let outcome: Option<String> = row.get(14)?;
    let replay = match outcome.as_deref().and_then(Outcome::of) {
        Some(outcome) => Some(Replay {
            at: row.get::<_, Option<i64>>(12)?.unwrap_or_default(),
            by: row.get::<_, Option<String>>(13)?.unwrap_or_default(),
            outcome,
            detail: row.get::<_, Option<String>>(15)?.unwrap_or_default(),
        }),
        None => None,
    };
    Ok(StoredLetter {
        number: row.get(0)?,
        at: row.get(1)?,
        facts: LetterFacts {
            id: row.get(2)?,
            integration: row.get(3)?,
            vendor: row.get(4)?,
            event: row.get(5)?,
            reason: row.get(6)?,
            attempts: row.get(7)?,
            last_status: row.get(8)?,
            order_digest: row.get(9)?,
        },
        is_waiting: row.get::<_, i64>(10)? > 0,
        replays: row.get(11)?,
        replay,
    })
}
