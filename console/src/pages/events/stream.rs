//! Events as they come: rows of the table, rendered here, over server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use tokio_stream::wrappers::IntervalStream;
use tokio_stream::{Stream, StreamExt};

use super::super::error::PageError;
use super::super::guard::visit;
use super::list::Filter;
use super::row::row;
use crate::console::Shared;
use crate::fleet::{self, Live};
use crate::store::StoredRecord;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How many people may watch at once.
const MAX_WATCHERS: usize = 100;

/// The time between two lines that keep the connection open. Whether the session has ended is looked at as often.
const TICK: Duration = Duration::from_secs(10);

/// Sends the records that are asked for from now on, and before them those that came while a browser had lost the connection. A request
/// without a session is not led to the sign-in, which a stream can't show.
pub async fn follow(
    State(console): State<Shared>,
    headers: HeaderMap,
    Query(filter): Query<Filter>,
) -> Result<Response, PageError> {
    if visit(&headers, &console).is_none() {
        return Ok(StatusCode::UNAUTHORIZED.into_response());
    }
    if console.live.receiver_count() >= MAX_WATCHERS {
        return Ok(StatusCode::SERVICE_UNAVAILABLE.into_response());
    }
    let rows = fleet::follow(&console.live, filter.query()).map(Some);
    let missed = missed(&console, &headers, filter).await?;
    let missed = tokio_stream::iter(missed).map(|record| Some(Live::Record(Arc::new(record))));
    let ticks = IntervalStream::new(tokio::time::interval(TICK)).map(|_| None);
    let events = while_signed_in(console, headers, missed.chain(rows.merge(ticks)));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(TICK)).into_response())
}

/// Returns the records since the last one that the browser has got by this stream, oldest first, as far as a page holds them.
async fn missed(
    console: &Shared,
    headers: &HeaderMap,
    filter: Filter,
) -> Result<Vec<StoredRecord>, PageError> {
    let last: Option<i64> = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()?.parse().ok());
    let Some(last) = last else { return Ok(Vec::new()) };
    let query = filter.query();
    let mut records = console.with_store(move |store| store.records(&query)).await?;
    records.retain(|record| record.number > last);
    records.reverse();
    Ok(records)
}

/// Ends with the session.
fn while_signed_in(
    console: Shared,
    headers: HeaderMap,
    items: impl Stream<Item = Option<Live>>,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let mut has_ended = false;
    let events = items.map_while(move |item| {
        if has_ended {
            return None;
        }
        has_ended = visit(&headers, &console).is_none();
        // Without data a browser ignores an event.
        let end = || Event::default().event("end").data("the session has ended");
        Some(if has_ended { Some(end()) } else { item.map(sent) })
    });
    events.filter_map(|event| event.map(Ok))
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
