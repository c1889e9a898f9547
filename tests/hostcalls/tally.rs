//! What is counted: calls out of the module by name, calls into it by name, and the work that they take.

use std::collections::BTreeMap;
use std::ops::AddAssign;

/// Counts by name.
pub type Counts = BTreeMap<String, u64>;

/// What the module did in one callback, or in several of the same name.
#[derive(Clone, Debug, Default)]
pub struct Callback {
    /// How often Envoy called it.
    pub times: u64,
    /// How often it called Envoy, by the name of the call.
    pub calls: Counts,
    /// The WebAssembly instructions that it took, by wasmi's meter.
    pub instructions: u64,
}

/// What the module did, by callback.
#[derive(Clone, Debug, Default)]
pub struct Tally(pub BTreeMap<&'static str, Callback>);

impl Tally {
    /// Returns the calls into Envoy by name, from all callbacks.
    pub fn calls(&self) -> Counts {
        let mut calls = Counts::new();
        for (name, times) in self.0.values().flat_map(|callback| &callback.calls) {
            *calls.entry(name.clone()).or_default() += times;
        }
        calls
    }

    /// Returns the sum of something over all callbacks.
    pub fn sum(&self, of: impl Fn(&Callback) -> u64) -> u64 {
        self.0.values().map(of).sum()
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        for (name, callback) in other.0 {
            let sum = self.0.entry(name).or_default();
            sum.times += callback.times;
            sum.instructions += callback.instructions;
            for (call, times) in callback.calls {
                *sum.calls.entry(call).or_default() += times;
            }
        }
    }
}
