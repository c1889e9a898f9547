//! Reads the configuration's types from a JSON value, with errors that name the place.
//!
//! A type says in plain calls, one a field, how it is [`Read`]. It never sees an error: the first is kept aside with its
//! path, and what is read from then on no longer matters. So nothing is compiled per field but a call, and whatever does
//! the work is compiled once and not for every type, as what serde derives would be: that was a tenth of the module that
//! Envoy compiles at every start. Nothing here is inlined for the same reason: it runs once, and its size is what it costs.

use std::cell::OnceCell;
use std::fmt::Write;
use std::time::Duration;

use serde_json::{Map, Value};

use super::duration;
use super::load::{Invalid, push_key};

/// Reads a value into its type. The path of an error is relative to `value`; it may show what was there, except of a
/// wrong type.
pub fn read<T: Read>(value: &Value) -> Result<T, Invalid> {
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
    value: &'p Value,
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
    const NOWHERE: Self = Place { value: &Value::Null, path: Path::Root, first: None };

    /// What stands here, for types with a grammar of their own.
    pub fn value(self) -> &'p Value {
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
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(number) if number.is_f64() => "a number with a fraction",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        }
    }

    /// A string.
    #[inline(never)]
    pub fn text(self) -> Option<&'p str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.refuse_kind("a string");
        }
        text
    }

    /// A whole number of 0 to `most`.
    #[inline(never)]
    pub fn whole(self, most: u64) -> u64 {
        match self.value {
            Value::Number(number) if !number.is_f64() => match number.as_u64() {
                Some(whole) if whole <= most => return whole,
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
        let Value::Array(items) = self.value else { return self.refuse_kind("a list") };
        for (index, value) in items.iter().enumerate() {
            read(Place { value, path: Path::Index(&self.path, index), first: self.first });
        }
    }

    /// The members of an object with names of the user's own, one after another.
    #[inline(never)]
    pub fn members(self, read: &mut dyn FnMut(&str, Place<'_>)) {
        let Value::Object(members) = self.value else { return self.refuse_kind("an object") };
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
    members: Option<&'p Map<String, Value>>,
    known: Vec<&'static str>,
    missing: Option<&'static str>,
}

impl<'p> Object<'p> {
    #[inline(never)]
    fn open(place: Place<'p>) -> Self {
        let members = place.value.as_object();
        if members.is_none() {
            place.refuse_kind("an object");
        }
        Self { place, members, known: Vec::new(), missing: None }
    }

    /// Refuses what nobody asked for; then what is missing, which often is there, but misspelled.
    #[inline(never)]
    fn close(self) {
        let unknown = |name: &&String| !self.known.iter().any(|known| known == name);
        if let Some(name) = self.members.and_then(|members| members.keys().find(unknown)) {
            let place = Place { path: Path::Key(&self.place.path, name), ..self.place };
            place.keep(format!("unknown field: expected one of {}", self.known.join(", ")));
        } else if let Some(name) = self.missing {
            self.place.keep(format!("{name} is missing: it is required"));
        }
    }

    #[inline(never)]
    fn find(&mut self, name: &'static str) -> Option<Place<'_>> {
        self.known.push(name);
        let value = self.members?.get(name)?;
        Some(Place { value, path: Path::Key(&self.place.path, name), first: self.place.first })
    }

    #[inline(never)]
    fn find_required(&mut self, name: &'static str) -> Place<'_> {
        if self.members.is_none_or(|members| members.get(name).is_none()) {
            self.missing = self.missing.or(Some(name));
        }
        self.find(name).unwrap_or(Place::NOWHERE)
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
        self.find(name).filter(|place| !place.value.is_null()).map(T::read)
    }
}

impl Read for bool {
    #[inline(never)]
    fn read(place: Place<'_>) -> Self {
        let flag = place.value.as_bool();
        if flag.is_none() {
            place.refuse_kind("a boolean");
        }
        flag.unwrap_or_default()
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

/// An object that somebody else reads later. Not by its own clone, which is kilobytes of the module that nothing else needs.
impl Read for Map<String, Value> {
    fn read(place: Place<'_>) -> Self {
        let mut members = Map::new();
        place.members(&mut |name, member| _ = members.insert(name.to_owned(), Value::read(member)));
        members
    }
}

impl Read for Value {
    fn read(place: Place<'_>) -> Self {
        match place.value {
            Value::Null => Value::Null,
            Value::Bool(flag) => Value::Bool(*flag),
            Value::Number(number) => Value::Number(number.clone()),
            Value::String(text) => Value::String(text.clone()),
            Value::Array(_) => Value::Array(Vec::read(place)),
            Value::Object(_) => Value::Object(Map::read(place)),
        }
    }
}

#[cfg(test)]
mod tests;
