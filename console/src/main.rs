//! The program. See docs/console.md.

use std::process::ExitCode;

use anyhow::Context;
use conversion_relay_console::access::Role;
use conversion_relay_console::clock;
use conversion_relay_console::console::Console;
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
    let link = if console.options.print_sign_in_link { Some(sign_in_code(&console)?) } else { None };
    runtime.block_on(server::run(console, |address| {
        println!("console ready {scheme}://{address}");
        if let Some(code) = link {
            println!("sign in once, within 10 minutes: {scheme}://{address}/sign-in?code={code}");
        }
    }))
}

fn sign_in_code(console: &Console) -> anyhow::Result<String> {
    let admin = console.tokens.first(Role::Admin).context("--print-sign-in-link: no token is an admin's")?;
    console.sessions.link(admin.clone(), clock::now()).map_err(anyhow::Error::msg)
}
