//! Records: what became of each event, as the gateways say.
//!
//! The oldest go first, by age, number and size. The room that they leave in the file is used again, so the file stays as large as it
//! was when it held most.

use std::sync::atomic::Ordering::Relaxed;

use conversion_relay::accounting::DropReason;
use rusqlite::types::Value as Sql;
use rusqlite::{OptionalExtension, Row, params, params_from_iter};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{Rejection, Store};
use crate::text::bounded;

/// The most records of one answer.
pub const MAX_LIMIT: u32 = 500;

/// The most records of one event's story.
const MAX_STORY: u32 = 200;

/// How many records go in one transaction at most when they are too old or too many.
const STEP: i64 = 2_000;

/// How large all records may be, in bytes.
const MAX_BYTES: i64 = 1 << 30;

/// What a record can be found by. Long texts are cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordFacts {
    /// The gateway that wrote it; may be empty.
    pub gateway: String,
    /// The integration's name.
    pub integration: Option<String>,
    /// The event's name.
    pub event: Option<String>,
    /// How the delivery ended, or `attempt` or `ignored`.
    pub outcome: String,
    /// Why it was dropped or ignored.
    pub reason: Option<String>,
    /// The order id as the vendor gets it.
    pub order_id: Option<String>,
    /// The event's messageId.
    pub message_id: Option<String>,
}

impl RecordFacts {
    /// Reads them from a record as a gateway wrote it. `None` if it is no object. A member of another type is as good as absent.
    pub fn of(record: &Value) -> Option<Self> {
        let record = record.as_object()?;
        let event = record.get("event");
        let cut = |value: Option<&Value>| Some(bounded(value?.as_str()?).to_owned());
        let of_event = |key| cut(event.and_then(|event| event.get(key)));
        let outcome = cut(record.get("outcome")).or_else(|| cut(record.get("what")));
        Some(Self {
            gateway: cut(record.get("gateway")).unwrap_or_default(),
            integration: cut(record.get("integration")),
            event: of_event("name"),
            outcome: outcome.unwrap_or_default(),
            reason: cut(record.get("reason")),
            order_id: of_event("order_id"),
            message_id: of_event("message_id"),
        })
    }
}

/// A record that is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// What it can be found by.
    pub facts: RecordFacts,
    /// The whole, one line of JSON.
    pub text: String,
}

/// A record that is kept.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct StoredRecord {
    /// From 1 on; each record has a higher one than those before it.
    pub number: i64,
    /// When the console got it, in milliseconds of Unix time.
    pub at: i64,
    /// The record as the gateway wrote it, which conversion-relay.record.schema.json describes.
    pub record: Value,
}

/// Which records are asked for. What is absent is not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordQuery {
    /// The order id.
    pub order: Option<String>,
    /// The integration's name.
    pub integration: Option<String>,
    /// An outcome such as `delivered` or `dropped`, a reason such as `gpc`, `attempt`, `ignored`, or `lost` for every loss.
    pub outcome: Option<String>,
    /// The event's name.
    pub event: Option<String>,
    /// The gateway.
    pub gateway: Option<String>,
    /// Only records with a lower number: the cursor.
    pub before: Option<i64>,
    /// How many at most; 500 whatever is asked for.
    pub limit: u32,
}

const LOST: &str = "lost";

fn losses() -> impl Iterator<Item = &'static str> {
    DropReason::ALL.iter().filter(|reason| reason.is_loss()).map(|reason| reason.label())
}

impl RecordQuery {
    /// Whether a record with these facts is one of those that are asked for, whatever its number.
    pub fn matches(&self, record: &RecordFacts) -> bool {
        let is = |asked: &Option<String>, has: Option<&str>| {
            asked.as_deref().is_none_or(|asked| has == Some(asked))
        };
        let reason = record.reason.as_deref();
        let has_outcome = self.outcome.as_deref().is_none_or(|asked| {
            asked == record.outcome
                || reason == Some(asked)
                || (asked == LOST && reason.is_some_and(|reason| losses().any(|loss| loss == reason)))
        });
        has_outcome
            && is(&self.order, record.order_id.as_deref())
            && is(&self.integration, record.integration.as_deref())
            && is(&self.event, record.event.as_deref())
            && is(&self.gateway, Some(&record.gateway))
    }

    fn condition(&self) -> (String, Vec<Sql>) {
        let (mut condition, mut values) = ("TRUE".to_owned(), Vec::new());
        let columns = [
            ("order_id", &self.order),
            ("integration", &self.integration),
            ("event", &self.event),
            ("gateway", &self.gateway),
        ];
        for (column, asked) in columns {
            if let Some(asked) = asked {
                condition.push_str(&format!(" AND {column} = ?"));
                values.push(Sql::from(bounded(asked).to_owned()));
            }
        }
        match self.outcome.as_deref() {
            Some(LOST) => {
                let reasons: Vec<String> = losses().map(|label| format!("'{label}'")).collect();
                condition.push_str(&format!(" AND reason IN ({})", reasons.join(", ")));
            }
            Some(asked) => {
                condition.push_str(" AND (outcome = ? OR reason = ?)");
                values.extend([Sql::from(asked.to_owned()), Sql::from(asked.to_owned())]);
            }
            None => {}
        }
        if let Some(before) = self.before {
            condition.push_str(" AND number < ?");
            values.push(before.into());
        }
        (condition, values)
    }
}

impl Store {
    /// Keeps records that came at this time, in one transaction. Returns the number of the first one; the others follow it.
    pub fn add_records(&self, records: &[NewRecord], at: i64) -> Result<i64, Rejection> {
        let mut writer = self.writer();
        let transaction = writer.transaction()?;
        let mut first = None;
        {
            let mut facts = transaction.prepare_cached(
                "INSERT INTO record (at, bytes, gateway, integration, event, outcome, reason, order_id, message_id)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?;
            let mut text =
                transaction.prepare_cached("INSERT INTO record_text (number, record) VALUES (?1, ?2)")?;
            for record in records {
                let bytes = i64::try_from(record.text.len()).unwrap_or(i64::MAX);
                let RecordFacts { gateway, integration, event, outcome, reason, order_id, message_id } =
                    &record.facts;
                let number = facts.insert(params![
                    at,
                    bytes,
                    gateway,
                    integration,
                    event,
                    outcome,
                    reason,
                    order_id,
                    message_id
                ])?;
                text.execute(params![number, record.text])?;
                first.get_or_insert(number);
            }
        }
        transaction.commit()?;
        let bytes: usize = records.iter().map(|record| record.text.len()).sum();
        self.sizes.records.fetch_add(i64::try_from(bytes).unwrap_or(i64::MAX), Relaxed);
        Ok(first.unwrap_or_default())
    }

    /// Returns the records that are asked for, newest first.
    pub fn records(&self, query: &RecordQuery) -> Result<Vec<StoredRecord>, Rejection> {
        let (condition, mut values) = query.condition();
        values.push(query.limit.min(MAX_LIMIT).into());
        self.select(&condition, "DESC", values)
    }

    /// Returns the record with this number.
    pub fn record(&self, number: i64) -> Result<StoredRecord, Rejection> {
        let found = self.select("number = ?", "DESC", vec![number.into(), 1_u32.into()])?;
        found.into_iter().next().ok_or_else(|| Rejection::NotFound(format!("record {number}")))
    }

    /// Returns the whole story of one event, oldest first: all records with the message id of this one, or the order id where there is
    /// none, of whatever integration and gateway. An event with neither has only this record. At most 200.
    pub fn story(&self, number: i64) -> Result<Vec<StoredRecord>, Rejection> {
        let ids = self
            .history()
            .query_row("SELECT message_id, order_id FROM record WHERE number = ?1", [number], |row| {
                Ok((row.get::<_, Option<String>>(0)?, row.get::<_, Option<String>>(1)?))
            })
            .optional()?;
        let (condition, id) = match ids {
            Some((Some(message), _)) => ("message_id = ?", message),
            Some((None, Some(order))) => ("order_id = ?", order),
            _ => return Ok(vec![self.record(number)?]),
        };
        self.select(condition, "ASC", vec![id.into(), MAX_STORY.into()])
    }

    fn select(&self, condition: &str, order: &str, values: Vec<Sql>) -> Result<Vec<StoredRecord>, Rejection> {
        let sql = format!(
            "SELECT number, at, record_text.record FROM
                (SELECT number, at FROM record WHERE {condition} ORDER BY number {order} LIMIT ?)
             JOIN record_text USING (number) ORDER BY number {order}"
        );
        let history = self.history();
        let mut statement = history.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(values), of_row)?;
        rows.map(|row| row?).collect()
    }

    /// Removes some of the records that came before a time (in milliseconds of Unix time), or are more than `keep`, or too large
    /// together. Returns how many; zero: nothing is left to be removed.
    pub fn remove_old_records(&self, before: i64, keep: u64) -> Result<usize, Rejection> {
        let keep = i64::try_from(keep).unwrap_or(i64::MAX);
        let size = self.sizes.records.load(Relaxed);
        let oldest = self.oldest("record", before, keep, size.saturating_sub(MAX_BYTES))?;
        let Some(Oldest { last, bytes }) = oldest else { return Ok(0) };
        let mut writer = self.writer();
        let transaction = writer.transaction()?;
        let removed = transaction.execute("DELETE FROM record WHERE number <= ?1", [last])?;
        transaction.execute("DELETE FROM record_text WHERE number <= ?1", [last])?;
        transaction.commit()?;
        self.sizes.records.fetch_sub(bytes, Relaxed);
        Ok(removed)
    }

    /// Returns the rows of a table that are to go in the next step: they are too old, or there are more than `keep` rows, or they are
    /// among the first ones with so many bytes.
    pub(super) fn oldest(
        &self,
        table: &'static str,
        before: i64,
        keep: i64,
        mut too_large: i64,
    ) -> Result<Option<Oldest>, Rejection> {
        let history = self.history();
        // Rows are numbered without gaps, and the first ones are the first to go.
        let sql = format!("SELECT coalesce(max(number), 0) FROM {table}");
        let newest: i64 = history.prepare_cached(&sql)?.query_row([], |row| row.get(0))?;
        let first_kept = newest.saturating_sub(keep).saturating_add(1);
        let sql = format!("SELECT number, at, bytes FROM {table} ORDER BY number LIMIT {STEP}");
        let mut statement = history.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        let mut oldest = None;
        let mut bytes = 0_i64;
        while let Some(row) = rows.next()? {
            let last: i64 = row.get(0)?;
            let is_old = row.get::<_, i64>(1)? < before;
            if !is_old && last >= first_kept && too_large <= 0 {
                break;
            }
            bytes = bytes.saturating_add(row.get(2)?);
            too_large = too_large.saturating_sub(row.get(2)?);
            oldest = Some(Oldest { last, bytes });
        }
        Ok(oldest)
    }
}

/// The first rows of a table.
pub(super) struct Oldest {
    /// The number of the last one of them.
    pub last: i64,
    /// How large they are together, in bytes.
    pub bytes: i64,
}

fn of_row(row: &Row<'_>) -> rusqlite::Result<Result<StoredRecord, Rejection>> {
    let (number, at) = (row.get(0)?, row.get(1)?);
    let text: String = row.get(2)?;
    let record = serde_json::from_str(&text);
    Ok(record
        .map(|record| StoredRecord { number, at, record })
        .map_err(|error| Rejection::Unreadable(format!("record {number}: {error}"))))
}
