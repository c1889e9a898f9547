//! What people do with a console, at random.

use proptest::prelude::*;

/// Something that somebody does. A `usize` picks one of what is there.
#[derive(Clone, Debug)]
pub enum Operation {
    Create {
        name: u8,
        key: Key,
        source: Option<usize>,
    },
    Replace {
        which: usize,
        name: u8,
        key: Key,
    },
    Patch {
        which: usize,
        patch: Patch,
    },
    /// A change by somebody who has read the object before the last change of it.
    Stale {
        which: usize,
        delete: bool,
    },
    Delete {
        which: usize,
    },
    Promote {
        which: usize,
        source: usize,
        name: u8,
    },
    Settings {
        minutes: u8,
    },
    Rollback {
        which: usize,
        key: Option<u8>,
    },
    Reopen,
}

/// What is written as a key.
#[derive(Clone, Copy, Debug)]
pub enum Key {
    Literal(u8),
    Stars,
    Variable,
}

#[derive(Clone, Copy, Debug)]
pub enum Patch {
    Rename(u8),
    Enabled(bool),
    Key(Key),
    DryRun(Option<bool>),
    Nothing,
}

pub fn key() -> impl Strategy<Value = Key> {
    prop_oneof![3 => any::<u8>().prop_map(Key::Literal), 2 => Just(Key::Stars), 1 => Just(Key::Variable)]
}

pub fn operation() -> impl Strategy<Value = Operation> {
    let which = any::<usize>();
    let name = 0..6_u8;
    let patch = prop_oneof![
        name.clone().prop_map(Patch::Rename),
        any::<bool>().prop_map(Patch::Enabled),
        key().prop_map(Patch::Key),
        any::<Option<bool>>().prop_map(Patch::DryRun),
        Just(Patch::Nothing),
    ];
    prop_oneof![
        4 => (name.clone(), key(), proptest::option::of(0..3_usize)).prop_map(|(name, key, source)| Operation::Create { name, key, source }),
        3 => (which, name.clone(), key()).prop_map(|(which, name, key)| Operation::Replace { which, name, key }),
        4 => (which, patch).prop_map(|(which, patch)| Operation::Patch { which, patch }),
        1 => (which, any::<bool>()).prop_map(|(which, delete)| Operation::Stale { which, delete }),
        2 => which.prop_map(|which| Operation::Delete { which }),
        2 => (which, 0..3_usize, name).prop_map(|(which, source, name)| Operation::Promote { which, source, name }),
        1 => (1..9_u8).prop_map(|minutes| Operation::Settings { minutes }),
        2 => (which, any::<Option<u8>>()).prop_map(|(which, key)| Operation::Rollback { which, key }),
        1 => Just(Operation::Reopen),
    ]
}
