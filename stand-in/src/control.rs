//! The control interface: shows received requests, and sets how to answer. JSON over plain HTTP.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::behaviour::{Behaviour, Reply};
use crate::destination::{Destination, PerDestination};
use crate::http1::{Http1, Request};
use crate::serve;
use crate::stand_in::StandIn;

const DEFAULT_WAIT: Duration = Duration::from_secs(5);

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
        let reply = control.reply(&request).await.unwrap_or_else(|error| {
            Reply::new(400, "application/json", json!({"error": format!("{error:#}")}).to_string())
        });
        if connection.respond(&reply).await.is_err() {
            return;
        }
    }
}

impl Control {
    async fn reply(&self, request: &Request) -> Result<Reply> {
        let target = String::from_utf8_lossy(&request.path);
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let query = Query(query);
        match (request.method.as_str(), path) {
            ("GET", "/requests") => self.requests(200, query.destination()?),
            ("GET", "/requests/wait") => self.wait(&query).await,
            ("DELETE", "/requests") => {
                self.stand_in.journal.forget();
                Ok(empty())
            }
            ("GET", "/tally") => self.tally(query.get("ids").is_some_and(|ids| ids == "1")),
            ("PUT", path) => {
                let name =
                    path.strip_prefix("/behaviour/").context("expected PUT /behaviour/{destination}")?;
                self.set_behaviour(destination(name)?, Behaviour::parse(&request.body)?).await?;
                Ok(empty())
            }
            (method, path) => Ok(Reply::new(
                404,
                "application/json",
                json!({"error": format!("there is no {method} {path}")}).to_string(),
            )),
        }
    }

    fn requests(&self, status: u16, to: Option<Destination>) -> Result<Reply> {
        Ok(Reply::new(status, "application/json", self.stand_in.journal.json(to)?))
    }

    async fn wait(&self, query: &Query<'_>) -> Result<Reply> {
        let to =
            query.destination()?.context("wait needs to=flashtalking, podsights, collector or webhook")?;
        let count = query.number("count")?.unwrap_or(1);
        let timeout = query.number("timeout_ms")?.map_or(DEFAULT_WAIT, Duration::from_millis);
        let enough = self.stand_in.journal.wait(to, count, timeout).await;
        self.requests(if enough { 200 } else { 408 }, Some(to))
    }

    async fn set_behaviour(&self, of: Destination, behaviour: Behaviour) -> Result<()> {
        let refuse = behaviour.refuse;
        self.stand_in.behaviour(of).set(behaviour);
        if let Some(listening) = self.listening.of(of) {
            listening.clone().wait_for(|listens| *listens != refuse).await?;
        }
        Ok(())
    }

    fn tally(&self, ids: bool) -> Result<Reply> {
        let tallies = self.stand_in.tallies();
        let all: serde_json::Map<_, _> =
            Destination::ALL.iter().map(|to| (to.name().to_owned(), tallies.of(*to).json(ids))).collect();
        Ok(Reply::new(200, "application/json", serde_json::to_vec(&all)?))
    }
}

fn empty() -> Reply {
    Reply::new(200, "application/json", "{}")
}

fn destination(name: &str) -> Result<Destination> {
    Destination::named(name)
        .with_context(|| format!("{name:?} is none of flashtalking, podsights, collector, webhook"))
}

struct Query<'a>(&'a str);

impl Query<'_> {
    fn get(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.0.as_bytes())
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.into())
    }

    fn destination(&self) -> Result<Option<Destination>> {
        self.get("to").map(|name| destination(&name)).transpose()
    }

    fn number(&self, name: &str) -> Result<Option<u64>> {
        let number = self.get(name).map(|value| value.parse());
        number.transpose().with_context(|| format!("{name}: expected a whole number"))
    }
}
