//! The program: from options to a server that stops when it is told to.

use std::path::Path;

use anyhow::Context;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use conversion_relay::settings::Secret;
use serde_json::Value;

use crate::access::{Role, Tokens};
use crate::configuration::{Collection, Document, Environment};
use crate::console::{Console, Shared};
use crate::fleet::{Fleet, Plugin, Sender};
use crate::options::Options;
use crate::store::Store;
use crate::{api, gateways, pages, random, running};

/// The longest body of a request, in bytes. Envoy's polls have some 77 KB, batches of records 256 KB.
const MAX_BODY: usize = 1 << 20;

/// The variables that the console shares with the gateways begin so.
const SHARED: &str = "RELAY_KEY";

/// Returns all routes.
pub fn app(console: Shared) -> Router {
    let machines = api::router(&console)
        .route("/health", axum::routing::get(|| async { "OK\n" }))
        .merge(gateways::router())
        .method_not_allowed_fallback(api::not_allowed)
        .layer(middleware::from_fn(api::uncached));
    Router::new()
        .merge(machines)
        .merge(pages::router())
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(console)
}

/// Opens the database and reads the tokens. `variable` reads the environment.
pub fn open(options: Options, variable: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Shared> {
    let secret = |name: &str| variable(name).filter(|value| !value.is_empty()).map(Secret::new);
    let tokens = tokens(secret("CONSOLE_TOKENS"), secret("CONSOLE_TOKEN"))?;
    let at_rest = secret("CONSOLE_SECRET").context(
        "CONSOLE_SECRET is not set: it seals what is kept; `openssl rand -base64 32` makes one. Keep it: without it the database can't be read",
    )?;
    let relay_key = secret(SHARED);
    let plugin = options.plugin.as_deref().map_or_else(Plugin::shipped, Plugin::read)?;
    let can_open = relay_key.is_some() && plugin.variables().contains(SHARED);
    let sealed_under = can_open.then_some(SHARED);
    // Of the system, where a variable that is none of ours may be no text.
    let others = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with(SHARED))
        .map(|(name, value)| (name, Secret::new(value)));
    let known = relay_key.map(|key| (SHARED.to_owned(), key)).into_iter().chain(others);
    let sender = options.deliver_url.as_deref().map(Sender::new).transpose()?;
    let environment = Environment::new(known).listed(plugin.variables().clone());
    let store = Store::open(&options.database, &at_rest, environment, sealed_under)
        .with_context(|| format!("cannot open {}", options.database.display()))?;
    if let Some(file) = options.import.as_deref().filter(|_| store.current().revision == 1) {
        import(&store, file).with_context(|| format!("cannot import {}", file.display()))?;
    }
    Ok(Console::new(store, tokens, options, Fleet::new(plugin, sender)))
}

/// Takes over the configuration in a file. Integrations get ids, by which the console knows them.
fn import(store: &Store, file: &Path) -> anyhow::Result<()> {
    let mut configuration = conversion_relay_cli::configuration_in(file)?;
    let integrations = configuration.get_mut(Collection::Integrations.key()).and_then(Value::as_array_mut);
    for integration in integrations.into_iter().flatten().filter_map(Value::as_object_mut) {
        if !integration.contains_key("id") {
            let id = random::id("int").map_err(anyhow::Error::msg)?;
            integration.insert("id".to_owned(), id.into());
        }
    }
    let document = Document::from_value(configuration)?;
    store.change("console", |draft| {
        draft.document = document;
        Ok(((), format!("Imported {}", file.display())))
    })?;
    Ok(())
}

fn tokens(many: Option<Secret>, one: Option<Secret>) -> anyhow::Result<Tokens> {
    let mut tokens = Tokens::parse(&many.unwrap_or_else(|| Secret::new("")))?;
    if let Some(one) = one {
        tokens.add("admin", Role::Admin, one.expose())?;
    }
    if tokens.is_empty() {
        anyhow::bail!(
            "neither CONSOLE_TOKENS nor CONSOLE_TOKEN is set; `openssl rand -hex 24` makes a token"
        );
    }
    Ok(tokens)
}

/// Serves until SIGTERM or SIGINT. `ready` is told the address.
pub async fn run(console: Shared, ready: impl FnOnce(std::net::SocketAddr)) -> anyhow::Result<()> {
    let options = console.options.clone();
    let handle = axum_server::Handle::new();
    tokio::spawn(stop_when_told(handle.clone()));
    let listener = std::net::TcpListener::bind(options.listen)
        .with_context(|| format!("cannot listen on {}", options.listen))?;
    listener.set_nonblocking(true)?;
    let tls = match &options.tls {
        Some((certificate, key)) => Some(tls(certificate, key).await?),
        None => None,
    };
    let running = running::start(&console)?;
    ready(listener.local_addr()?);
    let served = serve(listener, tls, handle, app(console)).await;
    running.stop().await;
    Ok(served?)
}

async fn serve(
    listener: std::net::TcpListener,
    tls: Option<axum_server::tls_rustls::RustlsConfig>,
    handle: axum_server::Handle<std::net::SocketAddr>,
    app: Router,
) -> std::io::Result<()> {
    let service = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
    match tls {
        Some(tls) => axum_server::from_tcp_rustls(listener, tls)?.handle(handle).serve(service).await,
        None => axum_server::from_tcp(listener)?.handle(handle).serve(service).await,
    }
}

async fn tls(certificate: &Path, key: &Path) -> anyhow::Result<axum_server::tls_rustls::RustlsConfig> {
    // It fails only where another one is the default already.
    _ = rustls::crypto::ring::default_provider().install_default();
    let read = axum_server::tls_rustls::RustlsConfig::from_pem_file(certificate, key).await;
    read.with_context(|| format!("cannot read {} and {}", certificate.display(), key.display()))
}

/// How long requests at work have until the program ends.
const GRACE: std::time::Duration = std::time::Duration::from_secs(5);

async fn stop_when_told(handle: axum_server::Handle<std::net::SocketAddr>) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    handle.graceful_shutdown(Some(GRACE));
}
