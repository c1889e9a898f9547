//! Changes of the configuration, and the revisions that they made; compiling one, and its secrets.

use std::sync::Arc;

use conversion_relay::config::Compiled;
use rusqlite::{OptionalExtension, TransactionBehavior, params};
use serde_json::{Map, Value};

use super::current::{Current, Etag};
use super::revisions::{Revision, RevisionFacts, of_row, write};
use super::{Rejection, Store, secrets};
use crate::configuration::{Collection, Document, Refusal, judge};
use crate::text::bounded;

/// A configuration that is being changed.
pub struct Draft<'s> {
    /// As it is in force.
    pub current: &'s Current,
    /// As it shall be. It may hold secrets, and `***` for those that stay.
    pub document: Document,
}

impl Draft<'_> {
    /// Returns the object with this id, if `if_match` (absent: whatever it is) names its state.
    pub fn expect(
        &self,
        collection: Collection,
        id: &str,
        if_match: Option<&str>,
    ) -> Result<Map<String, Value>, Rejection> {
        let not_found = || Rejection::NotFound(format!("{} {:?}", collection.noun(), bounded(id)));
        let (object, etag) = self.current.find(collection, id).ok_or_else(not_found)?;
        is_current(&etag, if_match, collection.noun())?;
        Ok(object.clone())
    }

    /// Refuses an `if_match` (absent: fine) that doesn't name the state of the settings.
    pub fn expect_settings(&self, if_match: Option<&str>) -> Result<(), Rejection> {
        is_current(&self.current.settings_etag(), if_match, "configuration")
    }
}

fn is_current(etag: &Etag, if_match: Option<&str>, what: &str) -> Result<(), Rejection> {
    if if_match.is_none_or(|if_match| etag.is_named_by(if_match)) {
        return Ok(());
    }
    Err(Rejection::Conflict(format!("somebody else has changed the {what} since you read it: read it again")))
}

/// What a change has led to.
pub struct Changed<T> {
    /// What the caller's edit returned.
    pub value: T,
    /// The configuration in force now.
    pub current: Arc<Current>,
}

impl Store {
    /// Changes the configuration: `edit` changes the draft and returns a summary. The filter judges what comes out; once this
    /// returns `Ok`, it is on the disk and in force. What changes nothing makes no revision.
    pub fn change<T>(
        &self,
        author: &str,
        edit: impl FnOnce(&mut Draft<'_>) -> Result<(T, String), Rejection>,
    ) -> Result<Changed<T>, Rejection> {
        let mut writer = self.writer();
        let current = self.current();
        let mut draft = Draft { current: &current, document: current.document.clone() };
        let (value, summary) = edit(&mut draft)?;
        let before = current.open_secrets(&self.at_rest)?;
        let judged = judge(&draft.document, &before, &self.environment)?;
        if judged.document == current.document && judged.secrets == before {
            return Ok(Changed { value, current });
        }
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let number = current.revision.saturating_add(1);
        write(&transaction, number, author, &summary, &judged.document)?;
        let secrets = (&before, &judged.secrets);
        secrets::replace(&transaction, &judged.document, secrets, number, &self.at_rest, &self.environment)?;
        let new = Arc::new(Current::of(&transaction, number, judged.document, &self.environment)?);
        transaction.commit()?;
        self.current.send_replace(Arc::clone(&new));
        Ok(Changed { value, current: new })
    }

    /// Returns an earlier revision.
    pub fn revision(&self, number: u64) -> Result<Revision, Rejection> {
        let reader = self.reader();
        let mut statement = reader
            .prepare_cached("SELECT number, at, author, summary, document FROM revision WHERE number = ?1")?;
        let row = statement.query_row([i64::try_from(number).unwrap_or(i64::MAX)], of_row).optional()?;
        row.ok_or_else(|| Rejection::NotFound(format!("revision {number}")))?
    }

    /// Returns at most `limit` revisions before a number (absent: the newest), newest first.
    pub fn revisions(&self, before: Option<u64>, limit: u32) -> Result<Vec<Revision>, Rejection> {
        let before = before.and_then(|number| i64::try_from(number).ok()).unwrap_or(i64::MAX);
        let reader = self.reader();
        let mut statement = reader.prepare_cached(
            "SELECT number, at, author, summary, document FROM revision WHERE number < ?1 ORDER BY number DESC LIMIT ?2",
        )?;
        let rows = statement.query_map(params![before, limit], of_row)?;
        rows.map(|row| row?).collect()
    }

    /// Returns the same without their configurations.
    pub fn revision_facts(&self, before: Option<u64>, limit: u32) -> Result<Vec<RevisionFacts>, Rejection> {
        let before = before.and_then(|number| i64::try_from(number).ok()).unwrap_or(i64::MAX);
        let reader = self.reader();
        let mut statement = reader.prepare_cached(
            "SELECT number, at, author, summary FROM revision WHERE number < ?1 ORDER BY number DESC LIMIT ?2",
        )?;
        let rows = statement.query_map(params![before, limit], |row| {
            let number = row.get::<_, u32>(0)?.into();
            Ok(RevisionFacts { number, at: row.get(1)?, author: row.get(2)?, summary: row.get(3)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Compiles a configuration as the gateways will. Secrets that are kept are not put into it.
    pub fn compile(&self, configuration: &Value) -> Result<Compiled, Refusal> {
        self.environment.load(configuration)
    }

    /// Returns the text of the secret at a place of the configuration in force, such as `sources[id=src_a].keys[0]`.
    pub fn secret(&self, place: &str) -> Result<Option<conversion_relay::settings::Secret>, Rejection> {
        self.current().open_secret(place, &self.at_rest)
    }
}
