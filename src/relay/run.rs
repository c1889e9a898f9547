//! The run of a request: its events, one after the other, in as many turns of the relay as that takes.

use std::ops::ControlFlow;
use std::rc::Rc;

use self_cell::self_cell;

use super::cookies;
use super::event_run::{self, Known};
use super::host::Host;
use super::line::Line;
use super::parsed_request::{ParseFailure, ParsedRequest};
use super::reading::{Items, Reading};
use crate::accounting::RequestIgnored;
use crate::config::Compiled;
use crate::json::NotJson;

/// A request whose events are being run. All that a run knows is here, and between two events it rests.
pub struct Run {
    state: State,
    /// The index of the item whose turn is next.
    next: usize,
    known: Known,
}

/// What a run reads from.
struct Read {
    opened: ParsedRequest,
    config: Rc<Compiled>,
}

/// What was read, and is good for one configuration only.
struct UnderConfig<'r> {
    reading: Reading<'r>,
    items: Items<'r>,
}

self_cell!(
    struct State {
        owner: Read,
        #[not_covariant]
        dependent: UnderConfig,
    }
);

impl State {
    fn of(opened: ParsedRequest, config: &Rc<Compiled>) -> Self {
        Self::new(Read { opened, config: Rc::clone(config) }, |Read { opened, config }| UnderConfig {
            reading: Reading::new(opened, config),
            items: Items::new(opened.request.lease.another()),
        })
    }
}

impl Run {
    /// A run of which no event was read.
    pub fn new(opened: ParsedRequest, config: &Rc<Compiled>) -> Self {
        let known = opened.origin().map(Known::of).unwrap_or_default();
        Self { state: State::of(opened, config), next: 0, known }
    }

    /// Whether the events are read under this configuration.
    pub fn is_under(&self, config: &Rc<Compiled>) -> bool {
        Rc::ptr_eq(&self.state.borrow_owner().config, config)
    }

    /// The same run, whose further events are read under this configuration. What the request says is read anew; what its
    /// events have told so far stays known.
    #[must_use]
    pub fn under(self, config: &Rc<Compiled>) -> Self {
        let Read { mut opened, config: before } = self.state.into_owner();
        if let (Some(credentials), Some(from), Some(to)) =
            (opened.credentials, &before.sources, &config.sources)
        {
            opened.credentials = Some(from.carry_over(credentials, to));
        }
        Self { state: State::of(opened, config), ..self }
    }

    /// Reads the event of a request that was not verified when it was opened. Fails if it is no JSON; of such a run nothing may be
    /// asked.
    pub fn verify(&mut self) -> Result<(), ParseFailure> {
        self.state.with_dependent_mut(|Read { opened, .. }, UnderConfig { reading, items }| {
            if !opened.envelope.is_unverified {
                return Ok(());
            }
            items.verify(reading).map_err(|NotJson| ParseFailure::Request(RequestIgnored::Malformed))
        })
    }

    /// Whether any event of the request is of a source, or none has to be.
    pub fn is_authorized(&mut self) -> bool {
        self.state.with_dependent_mut(|Read { opened, config }, UnderConfig { reading, items }| {
            if config.sources.is_none() || opened.envelope.items.is_empty() {
                return true;
            }
            let found = items.look_ahead(reading, |item| match item {
                Ok(_) => ControlFlow::Break(()),
                Err(_) => ControlFlow::Continue(()),
            });
            found.is_break()
        })
    }

    /// The values of the `set-cookie` lines for the answer to the request. An id that they issue is at once that of the
    /// request's own events.
    pub fn cookies_for_answer(&mut self, host: &mut impl Host) -> Vec<String> {
        let random = &mut |bytes: &mut [u8]| host.fill_random(bytes);
        let set = self.state.with_dependent_mut(|_, UnderConfig { reading, items }| {
            cookies::for_answer(reading, items, random)
        });
        self.known.issued_id = set.issued_id;
        set.lines
    }

    /// Runs the next event. Returns whether there is a further one.
    pub fn step(&mut self, line: &mut Line<'_>, host: &mut impl Host) -> bool {
        let Self { state, next, known } = self;
        state.with_dependent_mut(|_, UnderConfig { reading, items }| {
            if let Some(item) = items.take(*next, reading) {
                let at = reading.opened.index(*next);
                *next = next.saturating_add(1);
                match item {
                    Ok(event) => event_run::relay(&event, at, reading, known, line, host),
                    Err(reason) => event_run::ignore(reason, None, at, reading, line, host),
                }
            }
            let has_more = *next < reading.opened.envelope.items.len();
            if let (false, Some(sender)) = (has_more, &reading.opened.sender) {
                line.waiting.was_read(sender.request);
            }
            has_more
        })
    }
}
