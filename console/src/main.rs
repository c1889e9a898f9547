//! The program. See docs/console.md.

use std::process::ExitCode;

use conversion_relay_console::options::{Command, Options};
use conversion_relay_console::server;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let options = match Options::parse(std::env::args_os().skip(1))? {
        Command::Run(options) => *options,
        Command::Print(text) => {
            println!("{text}");
            return Ok(());
        }
    };
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    let console = server::open(options, &|name| std::env::var(name).ok())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(server::run(console, |address| println!("console ready {scheme}://{address}")))
}
