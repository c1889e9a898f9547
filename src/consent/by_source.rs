//! One value for each source of consent.

use super::source::ConsentSource;
use super::sources::SOURCES;

/// A value for each source in the table that has one, such as the name of its cookie. It needs no allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BySource<T>([Option<T>; SOURCES.len()]);

impl<T> BySource<T> {
    /// Works out the value of each source, in the table's order.
    pub fn of(mut value: impl FnMut(&'static dyn ConsentSource) -> Option<T>) -> Self {
        Self(std::array::from_fn(|at| SOURCES.get(at).and_then(|source| value(*source))))
    }

    /// Works out another value of each source from the one that is here.
    pub fn and_then<U>(&self, mut value: impl FnMut(&T) -> Option<U>) -> BySource<U> {
        BySource(self.0.each_ref().map(|known| known.as_ref().and_then(&mut value)))
    }

    /// The sources in the table's order, each with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&'static dyn ConsentSource, Option<&T>)> {
        SOURCES.iter().copied().zip(self.0.iter().map(Option::as_ref))
    }

    /// The same, with values that can be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&'static dyn ConsentSource, Option<&mut T>)> {
        SOURCES.iter().copied().zip(self.0.iter_mut().map(Option::as_mut))
    }
}
