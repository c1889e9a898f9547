//! `pull`: keeps the file that Envoy loads the filter from as the console has it.
//!
//! Envoy could fetch its configuration from the console itself, but an Envoy that starts while the console is down would then run
//! without the filter. A file outlives both. Whatever goes wrong, the file stays as it is, and Envoy goes on with it.

mod accept;
mod console;
mod file;
mod options;
mod tls;

use std::io::Write;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::Failure;
use crate::stop::Stop;
use crate::terminal::{clean, notice};
use console::{Answer, Console, FetchError};
use file::{FilterFile, Origin};
use options::{HELP, Options};

/// The longest wait between two tries while something is wrong.
const MAX_RETRY_INTERVAL: Duration = Duration::from_secs(30);

/// Why the file is not as the console has it.
#[derive(Debug, thiserror::Error)]
enum PullError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The filter would refuse it, or Envoy would.
    #[error("the console's configuration is refused: {0}")]
    Refused(String),
    #[error("{0}")]
    File(#[from] file::FileError),
}

/// What one poll has led to.
#[derive(Debug, PartialEq, Eq)]
enum Pulled {
    /// The file was as the console has it.
    Unchanged,
    /// It was replaced.
    Written,
}

/// Runs the command with the arguments that the parser has left.
///
/// # Errors
/// Incorrect usage, certificates that can't be read, or with `--once` whatever keeps the file from being current.
pub fn run(parser: &mut lexopt::Parser, out: &mut dyn Write) -> Result<(), Failure> {
    let Some(options) = Options::read(parser)? else {
        return Ok(writeln!(out, "{HELP}")?);
    };
    let no_start = |error: std::io::Error| Failure::Refused(format!("cannot start: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(no_start)?;
    let result = runtime.block_on(async {
        let mut stop = Stop::new().map_err(no_start)?;
        let puller = Puller::new(&options)?;
        tokio::select! {
            biased;
            () = stop.asked() => Ok(()),
            result = puller.run(&options) => result,
        }
    });
    // Neither a name that is being looked up nor a configuration that is being checked holds up the end.
    runtime.shutdown_background();
    result
}

struct Puller {
    console: Console,
    file: FilterFile,
    origin: Origin,
}

impl Puller {
    fn new(options: &Options) -> Result<Self, Failure> {
        let console = Console::new(options)?;
        let origin = Origin { console: options.url.to_string(), gateway: options.gateway.clone() };
        Ok(Self { console, file: FilterFile::new(options.file.clone()), origin })
    }

    async fn run(&self, options: &Options) -> Result<(), Failure> {
        if options.sends_token_in_clear() {
            notice("pull", "the token goes to another machine in clear: use https");
        }
        let mut progress = Progress::default();
        loop {
            let result = self.pull().await;
            let wait = progress.next_wait(&result, options.every);
            let shown = options.file.display();
            match result {
                Err(error) if options.once => return Err(Failure::Refused(clean(&error.to_string()))),
                result => {
                    if let Some(line) = progress.line(result, &shown) {
                        notice("pull", &line);
                    }
                }
            }
            if options.once {
                return Ok(());
            }
            sleep(wait).await;
        }
    }

    /// Asks the console once, and writes what it has.
    async fn pull(&self) -> Result<Pulled, PullError> {
        let current = self.file.read()?;
        let etag = current.as_deref().and_then(|content| self.file.etag_of(content, &self.origin));
        let (body, new_etag) = match self.console.fetch(etag.as_deref()).await? {
            Answer::Unchanged => return Ok(Pulled::Unchanged),
            Answer::Configuration { body, etag } => (body, etag),
        };
        // Envoy isn't bothered with a file that says the same, and what stands there was accepted when it was written.
        if current.as_deref() == Some(body.as_bytes()) {
            self.file.remember(body.as_bytes(), new_etag, &self.origin);
            return Ok(Pulled::Unchanged);
        }
        let path = self.file.path().to_owned();
        let checked = spawn_blocking(move || {
            let current = current.as_deref().and_then(|content| std::str::from_utf8(content).ok());
            accept::check(&body, current, &path).map(|()| body)
        });
        let body = match checked.await {
            Ok(checked) => checked.map_err(PullError::Refused)?,
            Err(_) => return Err(PullError::Refused("it can't be checked".to_owned())),
        };
        self.file.write(body.as_bytes())?;
        self.file.remember(body.as_bytes(), new_etag, &self.origin);
        Ok(Pulled::Written)
    }
}

/// What the last poll has led to, so that only changes are told.
#[derive(Default)]
struct Progress {
    state: State,
    failures: u32,
}

#[derive(Default, PartialEq, Eq)]
enum State {
    #[default]
    Unknown,
    Current,
    /// What is wrong. All ways of not being reached are one.
    Failing(String),
}

impl Progress {
    /// Returns how long to wait for the next poll: after failures longer and longer, but not shorter than usual.
    fn next_wait(&mut self, result: &Result<Pulled, PullError>, every: Duration) -> Duration {
        self.failures = if result.is_ok() { 0 } else { self.failures.saturating_add(1) };
        let doubled = every.saturating_mul(2_u32.saturating_pow(self.failures));
        doubled.min(MAX_RETRY_INTERVAL).max(every)
    }

    /// Returns the line that tells of the result, if it is news.
    fn line(&mut self, result: Result<Pulled, PullError>, file: &dyn std::fmt::Display) -> Option<String> {
        let state = match &result {
            Ok(_) => State::Current,
            Err(PullError::Fetch(error)) if error.is_outage() => State::Failing(String::new()),
            Err(error) => State::Failing(error.to_string()),
        };
        let before = std::mem::replace(&mut self.state, state);
        match result {
            Ok(Pulled::Written) => Some(format!("{file} is written anew")),
            Ok(Pulled::Unchanged) => (before != State::Current).then(|| format!("{file} is current")),
            Err(error) => (before != self.state).then(|| format!("{error}; {file} stays as it is")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outage() -> Result<Pulled, PullError> {
        Err(FetchError::Silent.into())
    }

    #[test]
    fn while_something_is_wrong_the_waits_double_up_to_half_a_minute() {
        let mut progress = Progress::default();
        let every = Duration::from_secs(2);
        let waits: Vec<u64> = (0..6).map(|_| progress.next_wait(&outage(), every).as_secs()).collect();
        assert_eq!(waits, [4, 8, 16, 30, 30, 30]);
        assert_eq!(progress.next_wait(&Ok(Pulled::Unchanged), every), every);
        assert_eq!(progress.next_wait(&outage(), Duration::from_secs(60)).as_secs(), 60);
        (0..100).for_each(|_| _ = progress.next_wait(&outage(), every));
    }

    #[test]
    fn only_changes_are_told() {
        let mut progress = Progress::default();
        let mut told = |result| progress.line(result, &"f.yaml").is_some();
        assert!(told(Ok(Pulled::Unchanged)));
        assert!(!told(Ok(Pulled::Unchanged)));
        assert!(told(Ok(Pulled::Written)) && told(Ok(Pulled::Written)));
        assert!(told(outage()));
        assert!(!told(outage()));
        assert!(!told(Err(FetchError::Unreachable(std::io::ErrorKind::ConnectionRefused.into()).into())));
        assert!(
            told(Err(PullError::Refused("a".to_owned()))) && told(Err(PullError::Refused("b".to_owned())))
        );
        assert!(!told(Err(PullError::Refused("b".to_owned()))));
        assert!(told(Ok(Pulled::Unchanged)));
    }
}
