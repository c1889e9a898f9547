//! The control interface: what was received, waiting for it, how to answer, and starting anew. JSON over plain HTTP, for tests
//! and for people. docs/integration-tests.md describes it.

use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::behaviour::{Behaviour, Reply};
use crate::destination::{Destination, PerDestination};
use crate::http1::{Http1, Request};
use crate::journal::{self, Wanted};
use crate::query::{Expected, Query};
use crate::records;
use crate::serve;
use crate::stand_in::StandIn;

/// How many other requests an answer names where those that were expected are missing.
const MAX_OTHERS: usize = 20;

#[derive(Clone)]
pub struct Control {
    pub stand_in: Arc<StandIn>,
    /// Whether the destinations in plain HTTP listen: a change of behaviour is answered once it has taken effect.
    pub listening: Arc<PerDestination<Option<watch::Receiver<bool>>>>,
}

/// Serves the control interface for ever.
pub async fn serve(control: Control, listener: TcpListener) {
    serve::accept(&listener, |stream| {
        tokio::spawn(connection(control.clone(), stream));
    })
    .await;
}

async fn connection(control: Control, stream: TcpStream) {
    let mut connection = Http1::new(stream);
    while let Ok(Some(request)) = connection.request().await {
        let reply = control.reply(&request).await;
        let reply = reply.unwrap_or_else(|error| Reply::error(400, &format!("{error:#}")));
        if connection.respond(&reply).await.is_err() {
            return;
        }
    }
}

impl Control {
    /// # Errors
    /// Where the request makes no sense, to be answered with 400.
    async fn reply(&self, request: &Request) -> Result<Reply> {
        let target = String::from_utf8_lossy(&request.path);
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let segments: Vec<_> = path.trim_matches('/').split('/').collect();
        match (request.method.as_str(), segments.as_slice()) {
            ("GET", ["health"]) => self.health(),
            ("GET", ["requests"]) => self.requests(None, query).await,
            ("GET", ["requests", name]) => self.requests(Some(destination(name)?), query).await,
            ("DELETE", ["requests"]) => {
                self.stand_in.journal.forget();
                Ok(empty())
            }
            ("GET", ["records"]) => self.records(query).await,
            ("DELETE", ["records"]) => {
                self.stand_in.records.forget();
                Ok(empty())
            }
            ("PUT", ["behaviour", name]) => {
                let to = destination(name)?;
                self.stand_in.behaviour(to).set(Behaviour::parse(&request.body)?);
                self.until_in_force(to).await?;
                Ok(empty())
            }
            ("POST", ["reset"]) => {
                self.stand_in.reset();
                for to in Destination::ALL {
                    self.until_in_force(to).await?;
                }
                Ok(empty())
            }
            ("GET", ["tally"]) => self.tally(Query::parse(query, &["ids"])?.get("ids") == Some("1")),
            (method, _) => Ok(Reply::error(
                404,
                &format!("there is no {method} {path}; `stand-in --help` lists what there is"),
            )),
        }
    }

    fn health(&self) -> Result<Reply> {
        let (records, forgotten) = self.stand_in.records.counts();
        json_reply(&json!({
            "status": "ok",
            "version": env!("CARGO_PKG_VERSION"),
            "requests": self.stand_in.journal.len(),
            "records": records,
            "records_forgotten": forgotten,
        }))
    }

    /// The requests that the filters let through. With `count` or `within` it waits for them, and answers 404 if they don't come.
    async fn requests(&self, to: Option<Destination>, query: &str) -> Result<Reply> {
        let query = Query::parse(query, &[&journal::FILTERS[..], &["count", "within"]].concat())?;
        let (journal, wanted) = (&self.stand_in.journal, Wanted { to, query: &query });
        if let Some(expected) = query.expected()?
            && !journal.wait(&wanted, expected).await
        {
            let what = format!("requests to {}", to.map_or("any destination", Destination::name));
            let others = journal.others(&wanted, MAX_OTHERS);
            return missing(&what, &query, expected, &journal.json(&wanted)?, others);
        }
        json_reply(&journal.json(&wanted)?)
    }

    /// The same of the filter's records.
    async fn records(&self, query: &str) -> Result<Reply> {
        let query = Query::parse(query, &[&records::FILTERS[..], &["count", "within"]].concat())?;
        let records = &self.stand_in.records;
        if let Some(expected) = query.expected()?
            && !records.wait(&query, expected).await
        {
            let found = to_raw_value(&records.matching(&query))?;
            return missing("records", &query, expected, &found, records.others(&query, MAX_OTHERS));
        }
        json_reply(&records.matching(&query))
    }

    /// Waits until the ports in plain HTTP listen or refuse connections, as the behaviour says.
    async fn until_in_force(&self, to: Destination) -> Result<()> {
        let refuse = self.stand_in.behaviour(to).refuses();
        if let Some(listening) = self.listening.of(to) {
            listening.clone().wait_for(|listens| *listens != refuse).await?;
        }
        Ok(())
    }

    fn tally(&self, ids: bool) -> Result<Reply> {
        let tallies = self.stand_in.tallies();
        let all: serde_json::Map<_, _> =
            Destination::ALL.iter().map(|to| (to.name().to_owned(), tallies.of(*to).json(ids))).collect();
        json_reply(&all)
    }
}

fn json_reply(value: &impl serde::Serialize) -> Result<Reply> {
    Ok(Reply::new(200, "application/json", serde_json::to_vec(value)?))
}

fn empty() -> Reply {
    Reply::new(200, "application/json", "{}")
}

/// 404 with what there is instead: `found` has all that the filters let through, `others` in words what they left out.
fn missing(
    what: &str,
    query: &Query,
    expected: Expected,
    found: &RawValue,
    others: Vec<String>,
) -> Result<Reply> {
    let Expected { count, within } = expected;
    let here = serde_json::from_str::<Vec<&RawValue>>(found.get())?.len();
    let error = format!(
        "expected {count} {what}{} within {within:?}, found {here}; others: {}",
        query.in_words(),
        others.len()
    );
    #[derive(serde::Serialize)]
    struct Missing<'a> {
        error: String,
        found: &'a RawValue,
        others: Vec<String>,
    }
    Ok(Reply::new(404, "application/json", serde_json::to_vec(&Missing { error, found, others })?))
}

fn destination(name: &str) -> Result<Destination> {
    let known = Destination::ALL.map(Destination::name).join(", ");
    Destination::named(name).with_context(|| format!("unknown destination {name:?}: expected one of {known}"))
}

#[cfg(test)]
mod tests;
