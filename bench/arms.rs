//! The arms: what stands in the gateway of each, and how its requests differ from those of the others.

/// What stands in a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setup {
    Bare,
    Mirror,
    LuaMinimal,
    LuaHonest,
    Relay,
    /// The filter with every integration in dry run.
    DryRun,
    /// The filter with records that are posted to the sink.
    Recording,
    /// The filter without `records`.
    Unrecorded,
    /// The filter as the one that answers: with `reply: local`, and the acknowledged route.
    Answering,
    Empty,
    Callouts,
    /// Another module of the filter: see `against`.
    Other,
}

/// The gateways in which the rivals are compared.
pub const SETUPS: [Setup; 9] = [
    Setup::Bare,
    Setup::Mirror,
    Setup::LuaMinimal,
    Setup::LuaHonest,
    Setup::Relay,
    Setup::DryRun,
    Setup::Recording,
    Setup::Empty,
    Setup::Callouts,
];

/// The gateways in which they are compared over plaintext HTTP/1.1, and their arms. The same are measured at full load.
pub const PLAIN_SETUPS: [Setup; 7] = [
    Setup::Bare,
    Setup::Mirror,
    Setup::LuaMinimal,
    Setup::LuaHonest,
    Setup::Relay,
    Setup::Empty,
    Setup::Callouts,
];
pub const RIVALS: [char; 7] = ['a', 'b', 'c', 'd', 'e', 'h', 'i'];

/// What the requests of an arm ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    Tracked,
    /// They go to the host whose routes switch the filter off.
    SwitchedOff,
    /// Their events deny consent.
    Denied,
}

/// One side of the comparison, by its letter.
pub struct Arm {
    pub letter: char,
    pub name: &'static str,
    pub setup: Setup,
    pub request: Request,
}

const fn arm(letter: char, name: &'static str, setup: Setup) -> Arm {
    Arm { letter, name, setup, request: Request::Tracked }
}

const ARMS: [Arm; 16] = [
    arm('a', "bare proxy", Setup::Bare),
    arm('b', "native mirroring", Setup::Mirror),
    arm('c', "Lua, pattern match", Setup::LuaMinimal),
    arm('d', "Lua, the same job", Setup::LuaHonest),
    arm('e', "this filter", Setup::Relay),
    arm('f', "this filter, untracked", Setup::Relay),
    Arm { request: Request::SwitchedOff, ..arm('g', "this filter, switched off", Setup::Relay) },
    arm('h', "empty filter", Setup::Empty),
    arm('i', "two fixed callouts", Setup::Callouts),
    arm('j', "this filter, reply: local", Setup::Answering),
    arm('k', "this filter, /v1/deliver", Setup::Answering),
    arm('l', "this filter, records posted", Setup::Recording),
    arm('m', "this filter, no records", Setup::Unrecorded),
    arm('n', "this filter, dry run", Setup::DryRun),
    arm('o', "the other module", Setup::Other),
    Arm { request: Request::Denied, ..arm('p', "this filter, consent denied", Setup::Relay) },
];

impl Setup {
    /// Whether a module of this filter is in it.
    pub fn is_this_filter(self) -> bool {
        !matches!(
            self,
            Self::Bare | Self::Mirror | Self::LuaMinimal | Self::LuaHonest | Self::Empty | Self::Callouts
        )
    }

    /// An arm whose tracked requests go through it.
    pub fn arm(self) -> &'static Arm {
        ARMS.iter().find(|arm| arm.setup == self).expect("every setup has an arm")
    }
}

impl Arm {
    pub fn of(letter: char) -> &'static Self {
        ARMS.iter().find(|arm| arm.letter == letter).expect("an arm's letter")
    }

    /// Whether it may be the arm that costs most: the two that do the whole job, and what is added to it.
    pub fn can_be_dearest(&self) -> bool {
        use Setup::{Answering, LuaHonest, Other, Recording, Relay};
        self.request == Request::Tracked
            && matches!(self.setup, LuaHonest | Relay | Answering | Recording | Other)
    }

    /// Whether this filter is at work in it.
    pub fn relays(&self) -> bool {
        self.request != Request::SwitchedOff && self.setup.is_this_filter()
    }

    /// Whether its requests get to the collector.
    pub fn asks_collector(&self) -> bool {
        self.setup != Setup::Answering
    }

    pub fn label(&self) -> String {
        format!("{} {}", self.letter, self.name)
    }
}
