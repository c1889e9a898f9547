//! The options of `tap`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use lexopt::prelude::*;

use super::filter::Filter;
use super::input::Input;
use super::screen::Form;
use crate::Failure;
use crate::terminal::{Painter, notice};

/// What `tap --help` prints.
pub const HELP: &str = "\
usage: conversion-relay tap [--admin ADDR] [--log FILE] [OPTION]...
       conversion-relay tap --listen ADDR [OPTION]...

Shows what becomes of each event, as it happens: one line for each delivery that ends, each attempt that failed, and each event that
was ignored. It reads the records that the filter writes to Envoy's log, at debug level, or sends to a cluster.

Where they come from:
  (nothing)             Envoy's log on standard input; other lines are passed over. Records alone, one a line, do as well.
                        With a terminal as standard input: the gateway that `make run` has started in this folder.
  --log FILE            Envoy's log in a file, followed from its end, through rotation
  --admin HOST:PORT     raises the level of Envoy's logger \"wasm\" to debug for as long as the tap runs. Envoy's admin interface
                        does not give the log out, so the log still has to come from standard input or from --log.
  --listen HOST:PORT    takes the records from the gateways: be the cluster that they are configured to send them to.
                        A port alone is one of 127.0.0.1; port 0 is any free one.

What is shown (each may be given several times; one of them has to fit):
  --integration NAME    as it is configured, or as the metrics have it: Podsights_Production
  --outcome OUTCOME     delivered, lost, retry, given_back, not_wanted, dry_run or ignored; dropped, which is lost or not_wanted;
                        or a reason, such as consent_denied
  --event NAME          in any spelling: 'Order Completed', order_completed, purchase
  --order ID

How:
  -v, --verbose         all that a record says, below its line
  --json                the records themselves, one a line
  --color WHEN          auto (on a terminal, unless NO_COLOR is set), always or never
  -h, --help

It ends with its input, or with Ctrl-C. Records hold no contact data, but order and message ids: they are personal data.";

/// What `tap` is to do.
#[derive(Debug)]
pub struct Options {
    /// Where the records come from.
    pub input: Input,
    /// The address of Envoy's admin interface, if the log level is to be raised.
    pub admin: Option<String>,
    /// Which records are shown.
    pub filter: Filter,
    /// What is written of each.
    pub form: Form,
    /// Whether it has colours.
    pub painter: Painter,
}

/// What stands in the arguments.
#[derive(Default)]
struct Given {
    log: Option<PathBuf>,
    listen: Option<String>,
    admin: Option<String>,
    filter: Filter,
    verbose: bool,
    json: bool,
    colour: Option<String>,
}

impl Options {
    /// Reads the arguments after `tap`. `None` if they ask for help.
    ///
    /// # Errors
    /// Incorrect usage.
    pub fn read(parser: &mut lexopt::Parser) -> Result<Option<Self>, Failure> {
        let mut given = Given::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Short('h') | Long("help") => return Ok(None),
                Long("log") => given.log = Some(parser.value()?.into()),
                Long("listen") => given.listen = Some(parser.value()?.string()?),
                Long("admin") => given.admin = Some(parser.value()?.string()?),
                Long("integration") => given.filter.integrations.push(parser.value()?.string()?),
                Long("outcome") => {
                    given.filter.outcome(&parser.value()?.string()?).map_err(Failure::Usage)?;
                }
                Long("event") => given.filter.events.push(parser.value()?.string()?),
                Long("order") => given.filter.orders.push(parser.value()?.string()?),
                Short('v') | Long("verbose") => given.verbose = true,
                Long("json") => given.json = true,
                Long("color" | "colour") => given.colour = Some(parser.value()?.string()?),
                other => return Err(other.unexpected().into()),
            }
        }
        given.options().map(Some)
    }
}

impl Given {
    fn options(self) -> Result<Options, Failure> {
        let usage = |text: &str| Err(Failure::Usage(text.to_owned()));
        let form = match (self.json, self.verbose) {
            (true, true) => return usage("--json prints whole records: -v adds nothing to it"),
            (true, false) => Form::Json,
            (false, true) => Form::Story,
            (false, false) => Form::Line,
        };
        let painter = Painter { colours: colours(self.colour.as_deref())? };
        let (input, admin) = match (self.listen, self.log, self.admin) {
            (Some(_), Some(_), _) => return usage("--listen and --log are two inputs: choose one"),
            (Some(_), None, Some(_)) => {
                return usage("--admin is for a log: what gateways send to --listen needs no log level");
            }
            (Some(address), None, None) => (Input::Listen(of_this_machine(address)), None),
            (None, Some(log), admin) => (Input::Log(log), admin.map(of_this_machine)),
            (None, None, admin) if std::io::stdin().is_terminal() => beside_run(admin)?,
            (None, None, admin) => (Input::Stdin, admin.map(of_this_machine)),
        };
        Ok(Options { input, admin, filter: self.filter, form, painter })
    }
}

/// A port alone is one of this machine's.
fn of_this_machine(address: String) -> String {
    if address.parse::<u16>().is_ok() { format!("127.0.0.1:{address}") } else { address }
}

fn colours(asked: Option<&str>) -> Result<bool, Failure> {
    match asked {
        Some("always") => Ok(true),
        Some("never") => Ok(false),
        Some("auto") | None => {
            let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            Ok(!refused && std::io::stdout().is_terminal())
        }
        Some(other) => Err(Failure::Usage(format!("expected --color auto, always or never, got {other:?}"))),
    }
}

/// The log and the admin interface of the gateway that `make run` has started in this folder, by the file that it leaves there.
fn beside_run(admin: Option<String>) -> Result<(Input, Option<String>), Failure> {
    let folder = std::env::var_os("RUN_DIR").map_or(PathBuf::from(".run"), PathBuf::from);
    let Some(running) = admin_of_run(&folder) else {
        let text = "nothing to read: pipe Envoy's log in, or name it by --log FILE, or take records by --listen ADDR";
        return Err(Failure::Usage(text.to_owned()));
    };
    let admin = admin.map_or(running, of_this_machine);
    let log = folder.join("envoy.log");
    notice("tap", &format!("following {} with the log level of {admin} at debug", log.display()));
    Ok((Input::Log(log), Some(admin)))
}

/// `admin=127.0.0.1:9901`, among the other words of the file `ready`.
fn admin_of_run(folder: &Path) -> Option<String> {
    let ready = std::fs::read_to_string(folder.join("ready")).ok()?;
    ready.split_whitespace().find_map(|word| word.strip_prefix("admin=")).map(str::to_owned)
}
