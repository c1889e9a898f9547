//! Events as they come: rows of the table, rendered here, over server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use tokio_stream::{Stream, StreamExt};

use super::list::Filter;
use super::row::row;
use crate::clock;
use crate::console::Shared;
use crate::fleet::{self, Live};
use crate::pages::guard::{Visit, visit};

/// How many people may watch at once.
const MAX_WATCHERS: usize = 100;

/// The time between two lines that keep the connection open. Whether the session has ended is looked at as often.
const TICK: Duration = Duration::from_secs(10);

/// Sends the records that are asked for from now on. A request without a session is not led to the sign-in, which a stream can't show.
pub async fn follow(
    State(console): State<Shared>,
    headers: HeaderMap,
    Query(filter): Query<Filter>,
) -> Response {
    let Some(visit) = visit(&headers, &console) else { return StatusCode::UNAUTHORIZED.into_response() };
    if console.live.receiver_count() >= MAX_WATCHERS {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let rows = fleet::follow(&console, filter.query()).map(Some);
    let ticks = tokio_stream::wrappers::IntervalStream::new(tokio::time::interval(TICK)).map(|_| None);
    let events = while_signed_in(console, headers, visit, rows.merge(ticks));
    Sse::new(events).keep_alive(KeepAlive::new().interval(TICK)).into_response()
}

/// Ends with the session.
fn while_signed_in(
    console: Shared,
    headers: HeaderMap,
    first: Visit,
    items: impl Stream<Item = Option<Live>>,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let author = first.session.caller.name;
    let is_signed_in = move || {
        visit(&headers, &console)
            .is_some_and(|visit| visit.session.caller.name == author && visit.session.ends > clock::now())
    };
    let mut has_ended = false;
    items
        .map_while(move |item| {
            if has_ended {
                return None;
            }
            has_ended = !is_signed_in();
            Some(if has_ended { Some(Event::default().event("end").data("")) } else { item.map(sent) })
        })
        .filter_map(|event| event.map(Ok))
}

fn sent(live: Live) -> Event {
    match live {
        Live::Record(record) => {
            // Text in a record may have line breaks of its own; in HTML they are white space.
            let html = row(&record).into_string().replace(['\r', '\n'], " ");
            Event::default().event("row").id(record.number.to_string()).data(html)
        }
        Live::Missed(count) => Event::default().event("missed").data(count.to_string()),
    }
}
