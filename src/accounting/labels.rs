//! The enums that are values of a metric's label.

/// Defines an enum of labels: each variant with its label, `ALL` to define the counters from, and `label`.
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $label:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Every variant, in the order of their discriminants.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns the value of the metric's label.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)* }
            }
        }
    };
}

labels! {
    /// Why a delivery was dropped. Those up to `Stale` are decided before the queue, the others by the delivery engine.
    DropReason {
        /// The event's own `integrations` object switches the integration off.
        DisabledByEvent = "disabled_by_event",
        /// Global Privacy Control is on.
        Gpc = "gpc",
        /// The visitor has opted out of the sale or sharing of personal data, or of targeted advertising.
        SaleOptOut = "sale_opt_out",
        /// A required category is refused, or the visitor was asked and no source grants it.
        ConsentDenied = "consent_denied",
        /// Nothing is known of the visitor's consent.
        ConsentAbsent = "consent_absent",
        /// The visitor has the vendor's own opt-out cookie.
        OptedOut = "opted_out",
        /// The visitor's User-Agent is a bot's, and bots are dropped.
        Bot = "bot",
        /// The same messageId was accepted for the integration before.
        Duplicate = "duplicate",
        /// The same order was accepted for the integration before, as the same event of the vendor's.
        DuplicateOrder = "duplicate_order",
        /// The event is older than max_event_age.
        Stale = "stale",
        /// The integration's lane held its full share.
        QueueFull = "queue_full",
        /// The vendor gave a final answer other than success.
        Rejected = "rejected",
        /// max_attempts attempts failed.
        RetriesExhausted = "retries_exhausted",
        /// The delivery is older than max_age.
        Expired = "expired",
        /// The delivery is older than max_age, and Envoy did not know the integration's cluster.
        Misconfigured = "misconfigured",
        /// The integration was removed or disabled.
        Removed = "removed",
    }
}

impl DropReason {
    /// Whether a delivery that is dropped for this reason is lost, rather than unwanted or nothing new.
    pub fn is_loss(self) -> bool {
        matches!(
            self,
            Self::QueueFull
                | Self::Rejected
                | Self::RetriesExhausted
                | Self::Expired
                | Self::Misconfigured
                | Self::Removed
        )
    }
}

labels! {
    /// The result of a callout.
    CalloutStatus {
        /// A status of 200 to 299.
        Success = "2xx",
        /// A status of 300 to 399.
        Redirect = "3xx",
        /// A status of 400 to 499 other than 429.
        ClientError = "4xx",
        /// The status 429.
        TooManyRequests = "429",
        /// A status of 500 to 599.
        ServerError = "5xx",
        /// Envoy gave up waiting for the vendor.
        Timeout = "timeout",
        /// The connection failed or ended without an answer, or there was no callback within timeout + 1 s.
        Transport = "transport",
        /// The vendor answered, and Envoy could not use the answer.
        Unusable = "unusable",
        /// Envoy did not send it.
        Refused = "refused",
    }
}

labels! {
    /// Why a request was not relayed.
    RequestIgnored {
        /// The body is no event and no batch of events, or its encoding is broken.
        Malformed = "malformed",
        /// The body is larger than max_body_bytes.
        TooLarge = "too_large",
        /// The batch has more than max_events.
        TooManyEvents = "too_many_events",
        /// The worker has reached its limit of captured bytes.
        Overloaded = "overloaded",
        /// The collector did not accept it.
        NotAccepted = "not_accepted",
        /// The client left before the end of its request.
        Aborted = "aborted",
        /// Envoy ended the request before it was complete or answered.
        CutOff = "cut_off",
    }
}

labels! {
    /// Why an event of a relayed request was offered to no integration.
    EventIgnored {
        /// It is not a valid event.
        Malformed = "malformed",
        /// It has no write key or signature of a configured source.
        Unauthorized = "unauthorized",
        /// Its request's signature was seen before.
        Replayed = "replayed",
        /// No integration sends such an event.
        Unmapped = "unmapped",
    }
}

labels! {
    /// An anomaly that prevented no delivery.
    Note {
        /// The visitor's User-Agent is a bot's, and bots are noted.
        Bot = "bot",
        /// The client left after its whole request, before the collector's answer.
        ClientGone = "client_gone",
        /// The collector redirected the request, and Envoy followed to where this filter doesn't run.
        RedirectLost = "redirect_lost",
        /// A server's event whose context is not trusted was sent without IP address and User-Agent.
        ClientUntrusted = "client_untrusted",
        /// The visitor's IP address is a private one.
        PrivateClientIp = "private_client_ip",
        /// Another filter has the same name and vm_id; counted at most once a second.
        SharedName = "shared_name",
        /// An event that a queue passes on, or a dead letter, was sealed under a secret that is not configured here.
        UnknownSecret = "unknown_secret",
        /// A record was dropped: its cluster takes fewer than there are.
        RecordDropped = "record_dropped",
        /// A value that its target doesn't take, or one with an email address in it, was left out.
        ValueLeftOut = "value_left_out",
        /// The path had no room for a parameter.
        PathCut = "path_cut",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_has_the_discriminant_of_its_index_because_counters_are_kept_by_it() {
        fn indexes<T: Copy>(all: &[T], index: impl Fn(T) -> usize) -> bool {
            all.iter().enumerate().all(|(at, one)| index(*one) == at)
        }
        assert!(indexes(DropReason::ALL, |one| one as usize));
        assert!(indexes(CalloutStatus::ALL, |one| one as usize));
        assert!(indexes(RequestIgnored::ALL, |one| one as usize));
        assert!(indexes(EventIgnored::ALL, |one| one as usize));
        assert!(indexes(Note::ALL, |one| one as usize));
    }
}
