//! `tap`: shows what becomes of each event, by the records that the filter writes, as they come.

mod admin;
mod filter;
mod follow;
mod input;
mod lines;
mod listen;
mod options;
mod record;
mod screen;
mod story;
mod summary;
mod words;

use std::io::{ErrorKind, Write};

use tokio::sync::mpsc::Receiver;

use crate::Failure;
use crate::stop::Stop;
use crate::terminal;
use admin::{Admin, Raised};
use filter::Filter;
use options::{HELP, Options};
use record::Line;
use screen::Screen;

/// Written at once, at most about this many bytes, and whenever no line is waiting.
const CHUNK_BYTES: usize = 32 * 1024;

/// Runs the command with the arguments that the parser has left.
///
/// # Errors
/// Incorrect usage, an input that can't be opened, or an admin interface that can't be reached.
pub fn run(parser: &mut lexopt::Parser, out: &mut dyn Write) -> Result<(), Failure> {
    let Some(options) = Options::read(parser)? else {
        return Ok(writeln!(out, "{HELP}")?);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(no_start)?;
    match runtime.block_on(tap(&options, out)) {
        // Whoever reads the output has seen enough.
        Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

fn no_start(error: std::io::Error) -> Failure {
    Failure::Refused(format!("cannot start: {error}"))
}

async fn tap(options: &Options, out: &mut dyn Write) -> Result<(), Failure> {
    // First of all, so that a level that is raised is restored whenever the signal comes.
    let mut stop = Stop::new().map_err(no_start)?;
    let mut lines = options.input.open().await?;
    let raised = match &options.admin {
        Some(address) => match raise(address, &mut stop).await? {
            Some(raised) => Some(raised),
            None => return Ok(()),
        },
        None => None,
    };
    let mut shown = Shown { filter: &options.filter, passed_over: PassedOver::default() };
    let mut screen = Screen::new(options.form, options.painter);
    let result = shown.follow(&mut lines, &mut screen, &mut stop, out).await;
    if let Some(raised) = raised {
        raised.restore().await;
    }
    result?;
    shown.passed_over.report();
    Ok(())
}

/// Raises the log level. `None` if the program was asked to end before.
async fn raise(address: &str, stop: &mut Stop) -> Result<Option<Raised>, Failure> {
    let refused = |error| Failure::Refused(format!("Envoy's admin interface at {address}: {error}"));
    let admin = Admin::new(address);
    let level = tokio::select! {
        level = admin.level() => level.map_err(refused)?,
        () = stop.asked() => return Ok(None),
    };
    // Not to be interrupted: it has to be known whether the level was raised.
    admin.raise(level).await.map(Some).map_err(refused)
}

/// Shows what is to be shown, and counts what is no record.
struct Shown<'f> {
    filter: &'f Filter,
    passed_over: PassedOver,
}

/// Lines that were no records.
#[derive(Default)]
struct PassedOver {
    others: u64,
    unreadable: u64,
    /// Why the first one of them was unreadable.
    first: Option<String>,
}

impl Shown<'_> {
    /// Returns when the lines have ended, or the program was asked to end.
    async fn follow(
        &mut self,
        lines: &mut Receiver<Line>,
        screen: &mut Screen,
        stop: &mut Stop,
        out: &mut dyn Write,
    ) -> std::io::Result<()> {
        let mut written = String::new();
        loop {
            let line = tokio::select! {
                biased;
                () = stop.asked() => break,
                line = lines.recv() => line,
            };
            let Some(line) = line else { break };
            self.take(line, screen, &mut written);
            // Whole lines only: nothing of a line is left over where the output is closed.
            if lines.is_empty() || written.len() > CHUNK_BYTES {
                out.write_all(written.as_bytes())?;
                out.flush()?;
                written.clear();
            }
        }
        out.write_all(written.as_bytes())?;
        out.flush()
    }

    fn take(&mut self, line: Line, screen: &mut Screen, written: &mut String) {
        match line {
            Line::Record(record, text) => {
                if self.filter.shows(&record) {
                    screen.write(&record, &text, written);
                }
            }
            Line::Other => self.passed_over.others = self.passed_over.others.saturating_add(1),
            Line::Unreadable(why) => {
                self.passed_over.unreadable = self.passed_over.unreadable.saturating_add(1);
                self.passed_over.first.get_or_insert(why);
            }
        }
    }
}

impl PassedOver {
    /// Says on standard error how many there were.
    fn report(&self) {
        let lines = |count| if count == 1 { "line" } else { "lines" };
        if self.others > 0 {
            terminal::notice(
                "tap",
                &format!("passed over {} {} without a record", self.others, lines(self.others)),
            );
        }
        if let Some(why) = &self.first {
            let why = terminal::shortened(why, 200);
            terminal::notice(
                "tap",
                &format!(
                    "could not read {} {}, the first one because: {why}",
                    self.unreadable,
                    lines(self.unreadable)
                ),
            );
        }
    }
}
