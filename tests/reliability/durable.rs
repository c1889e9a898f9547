//! The rows that are about crashes and long outages: with nothing but the queue in memory, and with a durable engine,
//! syslog-ng, that pushes to the acknowledged route.

mod engine_down;
mod kills;
mod lanes;
mod letters;
mod outcome;

use crate::rows::{Row, row};

pub const ROWS: &[Row] = &[
    row("ten SIGKILLs without hand-off", kills::without_hand_off),
    row("ten SIGKILLs with hand-off", kills::with_hand_off),
    row("one vendor down for a minute, behind the engine", lanes::one_down),
    row("the engine down, the collector answers", engine_down::collector_answers),
    row("the engine down, clients wait for it", engine_down::clients_wait),
    row("dead letters of a ten-minute outage", letters::replayed),
];
