//! Records as they come, for those who watch.

use std::sync::Arc;

use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError::Lagged;
use tokio_stream::{Stream, StreamExt};

use crate::store::{RecordFacts, RecordQuery, StoredRecord};

/// The records as they come. A reader that is too slow loses the oldest, and is told how many.
pub type Feed = broadcast::Sender<Arc<StoredRecord>>;

/// What somebody who watches gets.
#[derive(Clone, Debug)]
pub enum Live {
    /// A record that was asked for.
    Record(Arc<StoredRecord>),
    /// So many records were lost, since they came faster than they were read. They may not have been asked for.
    Missed(u64),
}

/// Returns the records that come from now on and are asked for, whatever `before` and `limit` are.
pub fn follow(feed: &Feed, query: RecordQuery) -> impl Stream<Item = Live> + Send + use<> {
    BroadcastStream::new(feed.subscribe()).filter_map(move |received| match received {
        Ok(record) => {
            let is_asked_for = RecordFacts::of(&record.record).is_some_and(|facts| query.matches(&facts));
            is_asked_for.then_some(Live::Record(record))
        }
        Err(Lagged(missed)) => Some(Live::Missed(missed)),
    })
}
