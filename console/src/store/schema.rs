//! The tables, and how older files become like these. A migration that was released is never changed: a new one follows it.

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

use super::Rejection;

const STEPS: &[M<'static>] = &[M::up(include_str!("schema/0001.sql"))];
const MIGRATIONS: Migrations<'static> = Migrations::from_slice(STEPS);

/// Brings the file up to date.
pub fn migrate(connection: &mut Connection) -> Result<(), Rejection> {
    MIGRATIONS.to_latest(connection).map_err(|error| Rejection::Unreadable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_migrations_are_valid() {
        MIGRATIONS.validate().unwrap();
    }
}
