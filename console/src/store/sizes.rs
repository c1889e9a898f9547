//! How large what is kept is.

use std::sync::atomic::AtomicI64;

use rusqlite::Connection;

use super::Rejection;

/// How large all records and all letters are, in bytes.
pub struct Sizes {
    pub records: AtomicI64,
    pub letters: AtomicI64,
}

impl Sizes {
    pub fn load(connection: &Connection) -> Result<Self, Rejection> {
        let sum = |table| {
            let sql = format!("SELECT coalesce(sum(bytes), 0) FROM {table}");
            connection.query_row(&sql, [], |row| row.get(0)).map(AtomicI64::new)
        };
        Ok(Self { records: sum("record")?, letters: sum("dead_letter")? })
    }
}
