//! Where the records come from: standard input, a log, or gateways that send them.

use std::io::{Read, stdin};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::follow::Follower;
use super::lines::{Lines, Next};
use super::listen;
use super::record::Line;
use crate::Failure;
use crate::terminal::notice;

/// Where the records come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Standard input, until it ends.
    Stdin,
    /// A log that is followed from its end.
    Log(PathBuf),
    /// Requests from gateways to this address, `HOST:PORT`.
    Listen(String),
}

/// How many lines are read ahead of the output. Beyond that the input has to wait.
const QUEUE_LINES: usize = 128;
/// How often a log is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

impl Input {
    /// Begins to read. The lines come until the input ends.
    ///
    /// # Errors
    /// If the log can't be opened, or the address can't be listened at.
    pub async fn open(&self) -> Result<Receiver<Line>, Failure> {
        let (sender, lines) = channel(QUEUE_LINES);
        match self {
            // Threads, because neither can be read without blocking. The program doesn't wait for them to end.
            Input::Stdin => {
                thread::spawn(move || read(stdin(), &sender));
            }
            Input::Log(path) => {
                let refused = |error| Failure::Refused(format!("{}: {error}", path.display()));
                let follower = Follower::at_end(path).map_err(refused)?;
                thread::spawn(move || follow(follower, &sender));
            }
            Input::Listen(address) => listen::start(address, sender).await?,
        }
        Ok(lines)
    }
}

/// Sends on what was read. Returns `false` if nobody wants any more, or nothing was there.
fn send(next: Next, lines: &Sender<Line>) -> bool {
    let line = match next {
        Next::Line(line) => Line::read(&line),
        Next::TooLong => Line::Unreadable("the line is longer than 1 MB".to_owned()),
        Next::End => return false,
    };
    lines.blocking_send(line).is_ok()
}

fn read(input: impl Read, sender: &Sender<Line>) {
    let mut input = std::io::BufReader::new(input);
    let mut lines = Lines::default();
    loop {
        match lines.next(&mut input) {
            Ok(Next::End) => {
                send(lines.rest(), sender);
                return;
            }
            Ok(next) => {
                if !send(next, sender) {
                    return;
                }
            }
            Err(error) => {
                notice("tap", &format!("standard input: {error}"));
                return;
            }
        }
    }
}

fn follow(mut log: Follower, sender: &Sender<Line>) {
    while !sender.is_closed() {
        match log.next() {
            Ok(Next::End) => thread::sleep(POLL_INTERVAL),
            Ok(next) => {
                send(next, sender);
            }
            Err(error) => {
                notice("tap", &format!("{}: {error}", log.path().display()));
                return;
            }
        }
    }
}
