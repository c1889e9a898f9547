//! Circles in a graph of uses, and what ties them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Who uses what of whom: user, used, names.
#[derive(Default)]
pub struct Graph(BTreeMap<String, BTreeMap<String, BTreeSet<String>>>);

impl Graph {
    pub fn add(&mut self, from: &str, to: &str, name: &str) {
        if from != to {
            let used = self.0.entry(from.to_owned()).or_default();
            used.entry(to.to_owned()).or_default().insert(name.to_owned());
        }
    }

    /// The names that one uses of another.
    pub fn ties(&self, from: &str, to: &str) -> Vec<&str> {
        let names = self.0.get(from).and_then(|used| used.get(to));
        names.into_iter().flatten().map(String::as_str).collect()
    }

    /// Who uses whom.
    pub fn uses(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(from, used)| used.keys().map(|to| (from.as_str(), to.as_str())))
    }

    /// The same graph of groups of files. Names say which file they are of.
    pub fn grouped(&self, group: impl Fn(&str) -> String) -> Self {
        let mut grouped = Self::default();
        for (from, used) in &self.0 {
            for (to, names) in used {
                let name = |name: &String| format!("{from}: {name}");
                names.iter().for_each(|one| grouped.add(&group(from), &group(to), &name(one)));
            }
        }
        grouped
    }

    /// All that are in a circle, together with those that they are in one with.
    pub fn circles(&self) -> Vec<Vec<&str>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            self.0.keys().map(|from| (from.as_str(), self.reached_from(from))).collect();
        let reaches = |from: &str, to: &str| reached.get(from).is_some_and(|reached| reached.contains(to));
        let mut circles: Vec<Vec<&str>> = Vec::new();
        for &one in reached.keys().filter(|one| reaches(one, one)) {
            match circles.iter_mut().find(|circle| reaches(one, circle[0]) && reaches(circle[0], one)) {
                Some(circle) => circle.push(one),
                None => circles.push(vec![one]),
            }
        }
        circles
    }

    fn reached_from<'a>(&'a self, from: &'a str) -> BTreeSet<&'a str> {
        let (mut reached, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(at) = open.pop() {
            let used = self.0.get(at).into_iter().flat_map(BTreeMap::keys);
            open.extend(used.map(String::as_str).filter(|to| reached.insert(*to)));
        }
        reached
    }

    /// The shortest way from one back to itself.
    fn way_around(&self, one: &str) -> Vec<&str> {
        let mut before: BTreeMap<&str, &str> = BTreeMap::new();
        let (start, _) = self.0.get_key_value(one).expect("it uses something");
        let mut open = VecDeque::from([start.as_str()]);
        while let Some(at) = open.pop_front() {
            for to in self.0.get(at).into_iter().flat_map(BTreeMap::keys).filter(|to| *to != at) {
                if to == one {
                    let mut way = vec![start.as_str(), at];
                    while let Some(at) = before.get(way[way.len() - 1]) {
                        way.push(at);
                    }
                    way.reverse();
                    return way;
                }
                if !before.contains_key(to.as_str()) {
                    before.insert(to, at);
                    open.push_back(to);
                }
            }
        }
        Vec::new()
    }

    /// For each in a circle, the shortest way around and the names that tie it, one circle once.
    pub fn explained(&self, circle: &[&str]) -> String {
        let mut ways: BTreeMap<BTreeSet<&str>, Vec<&str>> = BTreeMap::new();
        for one in circle {
            let way = self.way_around(one);
            ways.entry(way.iter().copied().collect()).or_insert(way);
        }
        let mut text = String::new();
        for way in ways.values() {
            for pair in way.windows(2) {
                let names = self.ties(pair[0], pair[1]).join(", ");
                text += &format!("    {} uses {} ({names})\n", pair[0], pair[1]);
            }
            text.push('\n');
        }
        text
    }
}
