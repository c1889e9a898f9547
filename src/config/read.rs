//! Reads the configuration's types from a [`Tree`], with errors that name the place.
//!
//! A type says in plain calls, one a field, how it is [`Read`]. It never sees an error: the first is kept aside with its
//! path, and what is read from then on no longer matters. So nothing is compiled per field but a call, and whatever does
//! the work is compiled once and not for every type, as what serde derives would be. Envoy compiles the
//! module at every start. Nothing here is inlined for the same reason: it runs once, and its size is what it costs.

use std::cell::OnceCell;
use std::fmt::Write;
use std::time::Duration;

use super::duration;
use super::load::{Invalid, push_key};
use super::tree::Tree;

/// Reads a value into its type. The path of an error is relative to `value`; it may show what was there, except of a
/// wrong type.
pub fn read<T: Read>(value: &Tree) -> Result<T, Invalid> {
    let first = OnceCell::new();
    let read = T::read(Place { value, path: Path::Root, first: Some(&first) });
    first.into_inner().map_or(Ok(read), Err)
}

/// A type of the configuration.
pub trait Read: Sized {
    /// Reads what stands at a place. What it can't be is refused there; what is returned then is never used.
    fn read(place: Place<'_>) -> Self;

    /// As it is where the configuration says nothing: every setting has its default.
    fn absent() -> Self {
        Self::read(Place::NOWHERE)
    }
}

/// A value of the configuration, and where it stands.
#[derive(Clone, Copy)]
pub struct Place<'p> {
    value: &'p Tree,
    path: Path<'p>,
    /// The first problem of all places. None: nobody asks for it.
    first: Option<&'p OnceCell<Invalid>>,
}

/// Each step knows the one before: a path is written only for an error.
#[derive(Clone, Copy)]
enum Path<'p> {
    Root,
    Key(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl Path<'_> {
    fn write(&self, text: &mut String) {
        match self {
            Path::Root => {}
            Path::Key(above, key) => {
                above.write(text);
                push_key(text, key);
            }
            Path::Index(above, index) => {
                above.write(text);
                _ = write!(text, "[{index}]");
            }
        }
    }
}

impl<'p> Place<'p> {
    /// Nothing stands there, and that is no problem.
    const NOWHERE: Self = Place { value: &Tree::Null, path: Path::Root, first: None };

    /// What stands here, for types with a grammar of their own.
    pub fn value(self) -> &'p Tree {
        self.value
    }

    /// Refuses what stands here. The problem says what is expected, and shows no secret.
    pub fn refuse(self, problem: impl Into<String>) {
        self.keep(problem.into());
    }

    #[inline(never)]
    fn keep(self, problem: String) {
        if let Some(first) = self.first {
            let mut path = String::new();
            self.path.write(&mut path);
            _ = first.set(Invalid::new(path, problem));
        }
    }

    /// Refuses a value of the wrong kind.
    #[inline(never)]
    pub fn refuse_kind(self, expected: &str) {
        self.keep(format!("expected {expected}, got {}", self.kind()));
    }

    /// What kind of value it is. Not which: the type of a secret may be wrong, too.
    pub fn kind(self) -> &'static str {
        match self.value {
            Tree::Null => "null",
            Tree::Bool(_) => "a boolean",
            Tree::Number(number) if !is_whole(number) => "a number with a fraction",
            Tree::Number(_) => "a number",
            Tree::Text(_) => "a string",
            Tree::List(_) => "a list",
            Tree::Object(_) => "an object",
        }
    }

    /// A string.
    #[inline(never)]
    pub fn text(self) -> Option<&'p str> {
        let text = self.value.text();
        if text.is_none() {
            self.refuse_kind("a string");
        }
        text
    }

    /// A whole number of 0 to `most`.
    #[inline(never)]
    pub fn whole(self, most: u64) -> u64 {
        match self.value {
            Tree::Number(number) if is_whole(number) => match number.parse() {
                Ok(whole) if whole <= most => return whole,
                _ => self.keep(format!("expected a whole number, got {number}")),
            },
            _ => self.refuse_kind("a whole number"),
        }
        0
    }

    /// One of these names, as what it stands for.
    pub fn choice<T: Copy>(self, choices: &[(&'static str, T)]) -> Option<T> {
        let at = self.choose(&|at| choices.get(at).map(|(name, _)| *name))?;
        choices.get(at).map(|(_, chosen)| *chosen)
    }

    #[inline(never)]
    fn choose(self, names: &dyn Fn(usize) -> Option<&'static str>) -> Option<usize> {
        let names: Vec<&str> = (0..).map_while(names).collect();
        let text = self.text()?;
        let at = names.iter().position(|name| *name == text);
        if at.is_none() {
            self.keep(format!("expected {}, got {text:?}", names.join(" or ")));
        }
        at
    }

    /// The items of a list, one after another.
    #[inline(never)]
    pub fn items(self, read: &mut dyn FnMut(Place<'_>)) {
        let Tree::List(items) = self.value else { return self.refuse_kind("a list") };
        for (index, value) in items.iter().enumerate() {
            read(Place { value, path: Path::Index(&self.path, index), first: self.first });
        }
    }

    /// The members of an object with names of the user's own, one after another.
    #[inline(never)]
    pub fn members(self, read: &mut dyn FnMut(&str, Place<'_>)) {
        let Tree::Object(members) = self.value else { return self.refuse_kind("an object") };
        for (name, value) in members {
            read(name, Place { value, path: Path::Key(&self.path, name), first: self.first });
        }
    }

    /// An object with these settings, and no other.
    pub fn object<T>(self, read: impl FnOnce(&mut Object<'p>) -> T) -> T {
        let mut object = Object::open(self);
        let settings = read(&mut object);
        object.close();
        settings
    }
}

/// An object while its settings are read. It notes which it is asked for.
pub struct Object<'p> {
    place: Place<'p>,
    /// None: it is no object, and was refused.
    members: Option<&'p [(String, Tree)]>,
    known: Vec<&'static str>,
    missing: Option<&'static str>,
}

impl<'p> Object<'p> {
    #[inline(never)]
    fn open(place: Place<'p>) -> Self {
        let members = match place.value {
            Tree::Object(members) => Some(&members[..]),
            _ => {
                place.refuse_kind("an object");
                None
            }
        };
        Self { place, members, known: Vec::new(), missing: None }
    }

    /// Refuses what nobody asked for; then what is missing, which often is there, but misspelled.
    #[inline(never)]
    fn close(self) {
        let unknown = |(name, _): &&(String, Tree)| !self.known.contains(&name.as_str());
        if let Some((name, _)) = self.members.and_then(|members| members.iter().find(unknown)) {
            let place = Place { path: Path::Key(&self.place.path, name), ..self.place };
            place.keep(format!("unknown field: expected one of {}", self.known.join(", ")));
        } else if let Some(name) = self.missing {
            self.place.keep(format!("{name} is missing: it is required"));
        }
    }

    #[inline(never)]
    fn find(&mut self, name: &'static str) -> Option<Place<'_>> {
        self.known.push(name);
        self.at(name)
    }

    fn at(&self, name: &'static str) -> Option<Place<'_>> {
        let (_, value) = self.members?.iter().find(|(known, _)| known == name)?;
        Some(Place { value, path: Path::Key(&self.place.path, name), first: self.place.first })
    }

    #[inline(never)]
    fn find_required(&mut self, name: &'static str) -> Place<'_> {
        if self.find(name).is_none() {
            self.missing = self.missing.or(Some(name));
            return Place::NOWHERE;
        }
        self.at(name).unwrap_or(Place::NOWHERE)
    }

    /// A setting that has to be there.
    #[inline(never)]
    pub fn required<T: Read>(&mut self, name: &'static str) -> T {
        T::read(self.find_required(name))
    }

    /// A setting with a default.
    #[inline(never)]
    pub fn or<T: Read>(&mut self, name: &'static str, default: T) -> T {
        self.find(name).map_or(default, T::read)
    }

    /// A setting that says nothing where it is not there: an object of defaults, or an empty list.
    #[inline(never)]
    pub fn or_absent<T: Read>(&mut self, name: &'static str) -> T {
        T::read(self.find(name).unwrap_or(Place::NOWHERE))
    }

    /// A setting that may be left out, or null.
    #[inline(never)]
    pub fn optional<T: Read>(&mut self, name: &'static str) -> Option<T> {
        self.find(name).filter(|place| *place.value != Tree::Null).map(T::read)
    }
}

impl Read for bool {
    #[inline(never)]
    fn read(place: Place<'_>) -> Self {
        if !matches!(place.value, Tree::Bool(_)) {
            place.refuse_kind("a boolean");
        }
        *place.value == Tree::Bool(true)
    }
}

impl Read for u32 {
    #[inline(never)]
    fn read(place: Place<'_>) -> Self {
        place.whole(u32::MAX.into()) as u32
    }
}

impl Read for usize {
    #[inline(never)]
    fn read(place: Place<'_>) -> Self {
        place.whole(usize::MAX as u64) as usize
    }
}

impl Read for String {
    #[inline(never)]
    fn read(place: Place<'_>) -> Self {
        place.text().unwrap_or_default().to_owned()
    }
}

impl Read for Duration {
    #[inline(never)]
    fn read(place: Place<'_>) -> Self {
        let Some(text) = place.text() else { return Duration::ZERO };
        let duration = duration::parse(text);
        if duration.is_none() {
            place.keep(format!("expected a duration like 500ms, 5s, 10m, 1h or 400d, got {text:?}"));
        }
        duration.unwrap_or_default()
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(place: Place<'_>) -> Self {
        let mut list = Vec::new();
        place.items(&mut |item| list.push(T::read(item)));
        list
    }
}

/// An object that somebody else reads, later.
impl Read for Tree {
    fn read(place: Place<'_>) -> Self {
        place.members(&mut |_, _| ());
        place.value.clone()
    }
}

/// Whether a number is written without a point and an exponent.
fn is_whole(number: &str) -> bool {
    !number.contains(['.', 'e', 'E'])
}

#[cfg(test)]
mod tests;
