//! The servers that the stand-in simulates.

use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Destination {
    Flashtalking,
    Podsights,
    Collector,
    /// Any receiver of HTTP: a queue, a warehouse.
    Webhook,
    /// The receiver of the filter's records of what became of each event.
    Records,
}

impl Destination {
    pub const ALL: [Self; 5] =
        [Self::Flashtalking, Self::Podsights, Self::Collector, Self::Webhook, Self::Records];

    pub fn name(self) -> &'static str {
        match self {
            Self::Flashtalking => "flashtalking",
            Self::Podsights => "podsights",
            Self::Collector => "collector",
            Self::Webhook => "webhook",
            Self::Records => "records",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|destination| destination.name() == name)
    }

    /// The host name under which clients know it; none for the collector, which is the gateway's own, and for a receiver, which
    /// has any.
    pub fn host(self) -> Option<&'static str> {
        match self {
            Self::Flashtalking => Some("servedby.flashtalking.com"),
            Self::Podsights => Some("collector.podsights.com"),
            Self::Collector | Self::Webhook | Self::Records => None,
        }
    }

    pub fn with_host(host: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|destination| destination.host() == Some(host))
    }
}

/// One value for each destination.
pub struct PerDestination<T>([T; 5]);

impl<T> PerDestination<T> {
    pub fn new(make: impl Fn(Destination) -> T) -> Self {
        Self(Destination::ALL.map(make))
    }

    pub fn of(&self, destination: Destination) -> &T {
        &self.0[destination as usize]
    }

    pub fn of_mut(&mut self, destination: Destination) -> &mut T {
        &mut self.0[destination as usize]
    }
}
