//! Simulates Flashtalking, Podsights, the collector and any other receiver on this machine, so that the gateway can be run, tested and measured
//! without them. See `stand-in --help`; docs/integration-tests.md is for those who test a gateway with it.
#![allow(clippy::indexing_slicing)] // a tool of ours: what is indexed here was measured the line before

mod authority;
mod behaviour;
mod certificates;
mod changes;
mod control;
mod destination;
mod gateway;
mod http1;
mod http2;
mod journal;
mod orders;
mod print;
mod query;
mod received;
mod records;
mod serve;
mod stand_in;
mod tally;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use lexopt::{Arg, Parser, ValueExt};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::authority::Authority;
use crate::control::Control;
use crate::destination::{Destination, PerDestination};
use crate::gateway::{Endpoint, Local};
use crate::serve::Port;
use crate::stand_in::StandIn;

const HELP: &str = "\
stand-in: Flashtalking, Podsights and the collector on this machine

USAGE: stand-in --vendors ADDR --collector ADDR --control ADDR --dir DIR [OPTIONS]

  --vendors ADDR        where both vendors are served, by TLS; told apart by SNI (port 0: any free one)
  --collector ADDR      where the collector is served, in plain HTTP
  --webhook ADDR        where a receiver of webhooks is served, in plain HTTP (default: nowhere)
  --records ADDR        where the filter's records are taken, in plain HTTP, by POST /v1/records (default: nowhere)
  --control ADDR        where the control interface is served
  --dir DIR             where files are written: ca.pem, and with --envoy-yaml the gateway's
  --ca FILE             write the certificate of the vendors' authority there too, for a gateway that trusts this file
  --envoy-yaml FILE     write DIR/envoy.yaml: this file with local addresses, trusted CA and paths
  --filter-yaml FILE    write DIR/conversion-relay.yaml: this file with the module's path
  --module FILE         the WebAssembly module
  --gateway-port PORT   the gateway's port (default 0: any free one)
  --admin-port PORT     Envoy's admin port (default 0: any free one)
  --gateway-ip IP       where the gateway and its admin listen (default 127.0.0.1)
  --console HOST:PORT   where the gateway finds its console; only for a gateway with that cluster (deploy/fleet)
  --watched FILE        in place of --filter-yaml and --module: somebody else writes the filter's file, there
  --host NAME           where the gateway finds this program (default: the IP addresses it listens on)
  --journal N           requests kept for GET /requests, and records for GET /records (default 100000)
  --quiet               don't print the callouts

Prints `stand-in ready {json}` once it serves, then each callout, with secrets as ***.

CONTROL, for tests: docs/integration-tests.md describes it. D: flashtalking, podsights, collector, webhook or records
  GET /requests[/D]?order=&path=&method=          what was received, oldest first
      ...&count=N&within=5s                       waits until there are N (1) of them; 404 if there aren't in time
  GET /records?order=&message=&event=&what=&source=&integration=&vendor=&outcome=&reason=[&count=N&within=5s]
                                                  the filter's records, in the same way
  PUT /behaviour/D                                {status, headers, body, body_bytes: N, delay_ms,
                                                  reset: before_headers|mid_response|refused_stream|connection,
                                                  share: 0..1, times: N, hold: bool, early: bool, refuse: bool,
                                                  goaway_after: N, goaway_abrupt: bool, max_streams: N};
                                                  {} as usual again
  POST /reset                                     forgets all that was received; every destination answers as usual
  DELETE /requests, DELETE /records               forgets only these
  GET /tally[?ids=1]                              requests, answers by status, orders seen and seen repeatedly
  GET /health                                     200 once it serves
";

struct Options {
    vendors: SocketAddr,
    collector: SocketAddr,
    webhook: Option<SocketAddr>,
    records: Option<SocketAddr>,
    control: SocketAddr,
    dir: PathBuf,
    ca: Option<PathBuf>,
    gateway: Option<Gateway>,
    journal: usize,
    quiet: bool,
}

/// The filter's file.
enum FilterFile {
    /// It is written: this one with the path of the module.
    Shipped { filter_yaml: PathBuf, module: PathBuf },
    /// Somebody else writes it; the gateway finds it there.
    Watched(PathBuf),
}

/// The gateway's files to write.
struct Gateway {
    envoy_yaml: PathBuf,
    filter: FilterFile,
    gateway_port: u16,
    admin_port: u16,
    listen: IpAddr,
    console: Option<Endpoint>,
    /// Where the gateway finds the vendors and the collector, if not on the addresses that they listen on.
    host: Option<String>,
}

fn main() -> Result<()> {
    let Some(options) = options(Parser::from_env()).context("see --help")? else {
        print!("{HELP}");
        return Ok(());
    };
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        eprintln!("cannot raise the limit on open files, so there may be too few connections: {error}");
    }
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(options))
}

/// None where help was asked for.
fn options(mut arguments: Parser) -> Result<Option<Options>> {
    let (mut vendors, mut collector, mut webhook, mut records) = (None, None, None, None);
    let (mut control, mut dir, mut ca) = (None, None, None);
    let (mut envoy_yaml, mut filter_yaml, mut module) = (None, None, None);
    let (mut listen, mut host) = (IpAddr::V4(Ipv4Addr::LOCALHOST), None);
    let (mut console, mut watched) = (None, None);
    let (mut gateway_port, mut admin_port, mut journal, mut quiet) = (0, 0, 100_000, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("vendors") => vendors = Some(arguments.value()?.parse()?),
            Arg::Long("collector") => collector = Some(arguments.value()?.parse()?),
            Arg::Long("webhook") => webhook = Some(arguments.value()?.parse()?),
            Arg::Long("records") => records = Some(arguments.value()?.parse()?),
            Arg::Long("control") => control = Some(arguments.value()?.parse()?),
            Arg::Long("dir") => dir = Some(PathBuf::from(arguments.value()?)),
            Arg::Long("ca") => ca = Some(PathBuf::from(arguments.value()?)),
            Arg::Long("envoy-yaml") => envoy_yaml = Some(PathBuf::from(arguments.value()?)),
            Arg::Long("filter-yaml") => filter_yaml = Some(PathBuf::from(arguments.value()?)),
            Arg::Long("module") => module = Some(PathBuf::from(arguments.value()?)),
            Arg::Long("gateway-port") => gateway_port = arguments.value()?.parse()?,
            Arg::Long("admin-port") => admin_port = arguments.value()?.parse()?,
            Arg::Long("gateway-ip") => listen = arguments.value()?.parse()?,
            Arg::Long("console") => console = Some(arguments.value()?.parse()?),
            Arg::Long("watched") => watched = Some(PathBuf::from(arguments.value()?)),
            Arg::Long("host") => host = Some(arguments.value()?.string()?),
            Arg::Long("journal") => journal = arguments.value()?.parse()?,
            Arg::Long("quiet") => quiet = true,
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    let gateway = envoy_yaml.map(|envoy_yaml| {
        let filter = match (watched, filter_yaml, module) {
            (Some(watched), None, None) => FilterFile::Watched(watched),
            (None, Some(filter_yaml), Some(module)) => FilterFile::Shipped { filter_yaml, module },
            _ => anyhow::bail!("--envoy-yaml needs --filter-yaml and --module, or else --watched"),
        };
        anyhow::Ok(Gateway { envoy_yaml, filter, gateway_port, admin_port, listen, console, host })
    });
    Ok(Some(Options {
        vendors: vendors.context("--vendors is missing")?,
        collector: collector.context("--collector is missing")?,
        webhook,
        records,
        control: control.context("--control is missing")?,
        dir: dir.context("--dir is missing")?,
        ca,
        gateway: gateway.transpose()?,
        journal,
        quiet,
    }))
}

async fn run(options: Options) -> Result<()> {
    std::fs::create_dir_all(&options.dir)
        .with_context(|| format!("cannot make {}", options.dir.display()))?;
    let dir = options.dir.canonicalize()?;
    let authority = Authority::new().context("cannot make certificates")?;
    let ca = dir.join("ca.pem");
    for file in [Some(&ca), options.ca.as_ref()].into_iter().flatten() {
        std::fs::write(file, authority.pem()).with_context(|| format!("cannot write {}", file.display()))?;
    }

    let vendors = Port::reserve(options.vendors).context("--vendors")?;
    let collector = Port::reserve(options.collector).context("--collector")?;
    let webhook = options.webhook.map(Port::reserve).transpose().context("--webhook")?;
    let records = options.records.map(Port::reserve).transpose().context("--records")?;
    let control = Port::reserve(options.control).context("--control")?;
    let (vendors_listener, control_listener) = (vendors.listen()?, control.listen()?);

    let mut ready = json!({
        "vendors": vendors.address,
        "collector": collector.address,
        "webhook": webhook.as_ref().map(|webhook| webhook.address),
        "records": records.as_ref().map(|records| records.address),
        "control": control.address,
        "ca": ca,
    });
    if let Some(gateway) = &options.gateway {
        let endpoint = |address: SocketAddr| Endpoint {
            host: gateway.host.clone().unwrap_or_else(|| address.ip().to_string()),
            port: address.port(),
        };
        let filter_yaml = match &gateway.filter {
            FilterFile::Shipped { .. } => dir.join("conversion-relay.yaml"),
            FilterFile::Watched(file) => file.clone(),
        };
        let local = Local {
            listen: gateway.listen,
            gateway_port: free_port(gateway.gateway_port)?,
            admin_port: free_port(gateway.admin_port)?,
            vendors: endpoint(vendors.address),
            collector: endpoint(collector.address),
            ca,
            console: gateway.console.clone(),
            filter_yaml,
        };
        write_gateway(gateway, &local, &dir.join("envoy.yaml"))?;
        ready["envoy_yaml"] = json!(dir.join("envoy.yaml"));
        ready["filter_yaml"] = json!(local.filter_yaml);
        ready["gateway"] = json!(SocketAddr::new(local.listen, local.gateway_port));
        ready["admin"] = json!(SocketAddr::new(local.listen, local.admin_port));
    }

    let stand_in = Arc::new(StandIn::new(options.journal, options.quiet));
    let configs = Arc::new(serve::Vendors::new(&authority)?);
    tokio::spawn(serve::vendors(stand_in.clone(), vendors_listener, configs));
    let mut listening = PerDestination::new(|_| None);
    let mut plain = JoinSet::new();
    let ports = [
        (Destination::Collector, Some(collector)),
        (Destination::Webhook, webhook),
        (Destination::Records, records),
    ];
    for (to, port) in ports {
        if let Some(port) = port {
            let (listens, watched) = watch::channel(false);
            *listening.of_mut(to) = Some(watched);
            plain.spawn(serve::plain(stand_in.clone(), to, port, listens));
        }
    }
    let listening = Arc::new(listening);
    tokio::spawn(control::serve(Control { stand_in, listening: listening.clone() }, control_listener));
    let announce = async {
        for listens in Destination::ALL.into_iter().filter_map(|to| listening.of(to).clone()) {
            listens.clone().wait_for(|listens| *listens).await?;
        }
        writeln!(std::io::stdout(), "stand-in ready {ready}")?;
        std::future::pending().await
    };
    tokio::select! {
        Some(failed) = plain.join_next() => failed?,
        failed = announce => failed,
    }
}

fn write_gateway(gateway: &Gateway, local: &Local, envoy_yaml: &Path) -> Result<()> {
    let shipped = read(&gateway.envoy_yaml)?;
    let document = local.envoy_yaml(&shipped).with_context(|| gateway.envoy_yaml.display().to_string())?;
    gateway::write(envoy_yaml, &document)?;
    let FilterFile::Shipped { filter_yaml, module } = &gateway.filter else { return Ok(()) };
    let document = gateway::filter_yaml(&read(filter_yaml)?, &existing(module)?)
        .with_context(|| filter_yaml.display().to_string())?;
    gateway::write(&local.filter_yaml, &document)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn existing(module: &Path) -> Result<PathBuf> {
    ensure!(module.is_file(), "--module: there is no {}", module.display());
    Ok(module.canonicalize()?)
}

/// `port`, or for 0 one that was free a moment ago.
fn free_port(port: u16) -> Result<u16> {
    if port != 0 {
        return Ok(port);
    }
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
