//! The command line tool. See docs/cli.md.

use std::io::{Write, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut out = stdout().lock();
    let done = conversion_relay_cli::run(std::env::args_os().skip(1), &mut out);
    match done.and_then(|()| Ok(out.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
