//! `/v1/admin/events`: what became of each event, and the same as it happens.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio_stream::{Stream, StreamExt};
use utoipa::IntoParams;

use super::paging::{Asked, Named, Page, Paging};
use crate::console::Shared;
use crate::fleet::{Live, follow};
use crate::store::{RecordQuery, StoredRecord};
use crate::web::{ApiError, ErrorBody, Reader};

/// How many streams there may be at once.
const MOST_STREAMS: usize = 100;
static STREAMS: Semaphore = Semaphore::const_new(MOST_STREAMS);

/// Which events are asked for. What is absent is not asked.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// The order id, as the vendor gets it.
    order_id: Option<String>,
    /// The integration's name.
    integration: Option<String>,
    /// An outcome such as `delivered` or `dropped`, a reason such as `gpc`, `attempt`, `ignored`, or `lost` for every loss.
    outcome: Option<String>,
    /// The event's name.
    event: Option<String>,
    /// The gateway.
    gateway: Option<String>,
}

impl From<Filter> for RecordQuery {
    fn from(filter: Filter) -> Self {
        let Filter { order_id, integration, outcome, event, gateway } = filter;
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        Self {
            order: given(order_id),
            integration: given(integration),
            outcome: given(outcome),
            event: given(event),
            gateway: given(gateway),
            before: None,
            limit: 0,
        }
    }
}

/// Lists the records of events, newest first.
#[utoipa::path(
    get, path = "/v1/admin/events", tag = "events", operation_id = "list_events", params(Filter, Paging),
    responses((status = OK, body = Page<StoredRecord>), (status = "4XX", body = ErrorBody)),
)]
pub async fn list(
    State(console): State<Shared>,
    _: Reader,
    Asked(filter): Asked<Filter>,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<StoredRecord>>, ApiError> {
    let (before, limit) = (paging.after_number()?, paging.limit()?);
    let read = u32::try_from(limit.saturating_add(1)).unwrap_or(u32::MAX);
    let query = RecordQuery { before, limit: read, ..filter.into() };
    let records = console.with_store(move |store| store.records(&query)).await?;
    Ok(Json(Page::of(records, limit, |record| record.number.to_string())))
}

/// Returns the whole story of an event, oldest first: its records over all integrations and gateways.
#[utoipa::path(
    get, path = "/v1/admin/events/{number}", tag = "events", operation_id = "get_event", params(("number" = i64, Path)),
    responses((status = OK, body = Page<StoredRecord>), (status = "4XX", body = ErrorBody)),
)]
pub async fn get(
    State(console): State<Shared>,
    _: Reader,
    Named(number): Named<i64>,
) -> Result<Json<Page<StoredRecord>>, ApiError> {
    let data = console.with_store(move |store| store.story(number)).await?;
    Ok(Json(Page { data, next_cursor: None, has_more: false }))
}

/// Sends the records that come from now on, as server-sent events: `record`, with a record, and `missed`, with the number of those that were lost
/// because they came faster than they were read.
#[utoipa::path(
    get, path = "/v1/admin/events/stream", tag = "events", operation_id = "stream_events", params(Filter),
    responses(
        (status = OK, content_type = "text/event-stream", body = StoredRecord),
        (status = "4XX", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, body = ErrorBody),
    ),
)]
pub async fn stream(
    State(console): State<Shared>,
    _: Reader,
    Asked(filter): Asked<Filter>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let permit = STREAMS.try_acquire().map_err(|_| {
        let message = format!("there are {MOST_STREAMS} streams already");
        ApiError::unavailable("BUSY", message, Duration::from_secs(10))
    })?;
    let events = follow(&console.live, filter.into()).map(move |live| {
        _ = &permit; // until the stream ends
        Ok(match live {
            Live::Record(record) => written(&record),
            Live::Missed(count) => Event::default().event("missed").data(count.to_string()),
        })
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

fn written(record: &StoredRecord) -> Event {
    let data = serde_json::to_string(record).unwrap_or_default();
    Event::default().event("record").id(record.number.to_string()).data(data)
}
