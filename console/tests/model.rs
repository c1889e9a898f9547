//! Random operations on a console, against a simple model of what it should hold.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "model/operations.rs"]
mod operations;
#[path = "model/state.rs"]
mod state;
#[path = "support/api.rs"]
mod support;

use std::collections::BTreeMap;

use conversion_relay::settings::Secret;
use conversion_relay_console::access::{Caller, Role};
use conversion_relay_console::configuration::Collection;
use conversion_relay_console::console::Shared;
use conversion_relay_console::manage;
use conversion_relay_console::store::{Rejection, Store};
use operations::{Key, Operation, Patch, operation};
use proptest::prelude::*;
use serde_json::{Map, json};
use state::{Expected, State, expected, literal, name, written};
use support::{Folder, open};

const INTEGRATIONS: Collection = Collection::Integrations;
const SOURCES: [&str; 2] = ["src_test", "src_live"];

struct Test {
    folder: Folder,
    console: Option<Shared>,
    state: State,
    /// The state after each revision; the first is that of revision 1.
    history: Vec<State>,
}

impl Test {
    fn new() -> Self {
        let folder = Folder::new();
        let mut test = Self {
            console: Some(open(&folder)),
            folder,
            state: State::default(),
            history: vec![State::default()],
        };
        for source in SOURCES {
            let object =
                json!({"id": source, "keys": [format!("key_of_{source}")]}).as_object().unwrap().clone();
            manage::create(test.store(), &alice(), Collection::Sources, object).unwrap();
            test.history.push(State::default());
        }
        test
    }

    fn store(&self) -> &Store {
        &self.console.as_ref().unwrap().store
    }

    /// Does something in the console and in the model, and compares what both answer.
    fn run(&mut self, operation: &Operation) {
        match operation {
            Operation::Create { name, key, source } => self.create(&self::name(*name), *key, *source),
            Operation::Replace { which, name, key } => self.replace(*which, &self::name(*name), *key),
            Operation::Patch { which, patch } => self.patch(*which, *patch),
            Operation::Stale { which, delete } => self.stale(*which, *delete),
            Operation::Delete { which } => self.delete(*which),
            Operation::Promote { which, source, name } => self.promote(*which, *source, &self::name(*name)),
            Operation::Settings { minutes } => self.settings(*minutes),
            Operation::Rollback { which, key } => self.rollback(*which, *key),
            Operation::Reopen => {
                drop(self.console.take());
                self.console = Some(open(&self.folder));
            }
        }
        self.check();
    }

    /// Notes that the state has become another one, and so a revision was made.
    fn becomes(&mut self, state: State) {
        if state != self.state {
            self.state = state.clone();
            self.history.push(state);
        }
    }

    fn create(&mut self, name: &str, key: Key, source: Option<usize>) {
        let sent = written(key, None);
        let text = sent.as_ref().map_or("***", |(sent, ..)| sent).to_owned();
        let mut object = json!({"name": name, "vendor": "podsights", "config": {"key": text}});
        if let Some(source) = source {
            object["source_id"] = json!(SOURCES.get(source).unwrap_or(&"src_unknown"));
        }
        let object = object.as_object().unwrap().clone();
        let is_fine =
            sent.is_some() && !self.state.has_name(name, "") && source.is_none_or(|source| source < 2);
        match manage::create(self.store(), &alice(), INTEGRATIONS, object.clone()) {
            Ok(stored) => {
                assert!(is_fine, "{object:?}");
                let (_, shown, secret) = sent.unwrap();
                let mut state = self.state.clone();
                state.put(stored.id(), expected(object, stored.id(), &shown, secret));
                self.becomes(state);
            }
            Err(rejection) => refused(is_fine, &rejection),
        }
    }

    fn replace(&mut self, which: usize, name: &str, key: Key) {
        let Some((id, before)) = self.state.pick(which) else {
            let missing = manage::replace(self.store(), &alice(), INTEGRATIONS, "int_none", Map::new(), None);
            assert!(matches!(missing, Err(Rejection::NotFound(_))));
            return;
        };
        let sent = written(key, before.secret.as_ref());
        let text = sent.as_ref().map_or("***", |(sent, ..)| sent).to_owned();
        let object =
            json!({"name": name, "type": "podsights", "config": {"key": text}}).as_object().unwrap().clone();
        let is_fine = sent.is_some() && !self.state.has_name(name, &id);
        match manage::replace(self.store(), &alice(), INTEGRATIONS, &id, object, None) {
            Ok(_) => {
                assert!(is_fine);
                let (_, shown, secret) = sent.unwrap();
                let object =
                    json!({"name": name, "vendor": "podsights", "config": {}}).as_object().unwrap().clone();
                let mut state = self.state.clone();
                state.put(&id, expected(object, &id, &shown, secret));
                self.becomes_with_literal(state, key);
            }
            Err(rejection) => refused(is_fine, &rejection),
        }
    }

    fn patch(&mut self, which: usize, patch: Patch) {
        let Some((id, before)) = self.state.pick(which) else { return };
        let mut after = before.clone();
        let (body, is_fine) = match patch {
            Patch::Rename(number) => {
                after.object.insert("name".into(), name(number).into());
                (json!({"name": name(number)}), !self.state.has_name(&name(number), &id))
            }
            Patch::Enabled(enabled) => {
                after.object.insert("enabled".into(), enabled.into());
                (json!({"enabled": enabled}), true)
            }
            Patch::DryRun(dry_run) => {
                match dry_run {
                    Some(dry_run) => after.object.insert("dry_run".into(), dry_run.into()),
                    None => after.object.remove("dry_run"),
                };
                (json!({"dry_run": dry_run}), true)
            }
            Patch::Key(key) => match written(key, before.secret.as_ref()) {
                Some((sent, shown, secret)) => {
                    after.object["config"]["key"] = shown.into();
                    after.secret = secret;
                    (json!({"config": {"key": sent}}), true)
                }
                None => (json!({"config": {"key": "***"}}), false),
            },
            Patch::Nothing => (json!({}), true),
        };
        match manage::patch(
            self.store(),
            &alice(),
            INTEGRATIONS,
            &id,
            body.as_object().unwrap().clone(),
            None,
        ) {
            Ok(_) => {
                assert!(is_fine, "{body}");
                let mut state = self.state.clone();
                state.put(&id, after);
                let key = if let Patch::Key(key) = patch { key } else { Key::Stars };
                self.becomes_with_literal(state, key);
            }
            Err(rejection) => refused(is_fine, &rejection),
        }
    }

    /// A secret that is written out once more is a change, at least of `updated_at`, even if it is the same.
    fn becomes_with_literal(&mut self, state: State, key: Key) {
        if matches!(key, Key::Literal(_)) && state == self.state {
            self.history.push(state);
        } else {
            self.becomes(state);
        }
    }

    fn stale(&mut self, which: usize, delete: bool) {
        let Some((id, before)) = self.state.pick(which) else { return };
        let read = manage::get(&self.store().current(), INTEGRATIONS, &id).unwrap().etag.to_string();
        let is_enabled = before.object.get("enabled") == Some(&json!(true));
        self.patch_enabled(&id, before, !is_enabled);
        let late = if delete {
            manage::delete(self.store(), &alice(), INTEGRATIONS, &id, Some(&read))
        } else {
            manage::patch(self.store(), &alice(), INTEGRATIONS, &id, Map::new(), Some(&read)).map(drop)
        };
        assert!(matches!(late, Err(Rejection::Conflict(_))), "{late:?}");
    }

    fn patch_enabled(&mut self, id: &str, mut object: Expected, enabled: bool) {
        let patch = json!({"enabled": enabled}).as_object().unwrap().clone();
        let etag = manage::get(&self.store().current(), INTEGRATIONS, id).unwrap().etag.to_string();
        manage::patch(self.store(), &alice(), INTEGRATIONS, id, patch, Some(&etag)).unwrap();
        object.object.insert("enabled".into(), enabled.into());
        let mut state = self.state.clone();
        state.put(id, object);
        self.becomes(state);
    }

    fn delete(&mut self, which: usize) {
        let Some((id, _)) = self.state.pick(which) else { return };
        manage::delete(self.store(), &alice(), INTEGRATIONS, &id, None).unwrap();
        let mut state = self.state.clone();
        state.integrations.retain(|(known, _)| *known != id);
        self.becomes(state);
        let again = manage::delete(self.store(), &alice(), INTEGRATIONS, &id, None);
        assert!(matches!(again, Err(Rejection::NotFound(_))));
    }

    fn promote(&mut self, which: usize, source: usize, name: &str) {
        let Some((id, mut copy)) = self.state.pick(which) else { return };
        let source_id = SOURCES.get(source).copied().unwrap_or("src_unknown");
        let is_fine = source < 2 && !self.state.has_name(name, "");
        match manage::promote(self.store(), &alice(), &id, source_id, Some(name)) {
            Ok(stored) => {
                assert!(is_fine);
                copy.object.insert("id".into(), stored.id().into());
                copy.object.insert("name".into(), name.into());
                copy.object.insert("source_id".into(), source_id.into());
                let mut state = self.state.clone();
                state.put(stored.id(), copy);
                self.becomes(state);
            }
            Err(rejection) => refused(is_fine, &rejection),
        }
    }

    fn settings(&mut self, minutes: u8) {
        let mut settings = manage::settings(&self.store().current()).object;
        settings.insert("deduplication".into(), json!({"window": format!("{minutes}m")}));
        manage::put_settings(self.store(), &alice(), settings, None).unwrap();
        self.becomes(State { timeout: Some(minutes), ..self.state.clone() });
    }

    fn rollback(&mut self, which: usize, key: Option<u8>) {
        let number = which % (self.history.len() + 1) + 1;
        let Some(target) = self.history.get(number - 1).cloned() else {
            let missing = manage::rollback(self.store(), &alice(), number as u64, &BTreeMap::new());
            assert!(matches!(missing, Err(Rejection::NotFound(_))));
            return;
        };
        if number < 3 {
            return; // Before the sources were there.
        }
        // A secret is that of today, or is given.
        let mut state = target;
        let mut given = BTreeMap::new();
        let mut is_fine = true;
        for (index, (id, one)) in state.integrations.iter_mut().enumerate() {
            if one.secret.is_none() {
                continue;
            }
            let today = self.state.integrations.iter().find(|(known, _)| known == id);
            one.secret = today.and_then(|(_, today)| today.secret.clone());
            if one.secret.is_none() {
                match key {
                    Some(key) => {
                        one.secret = Some(literal(key));
                        given.insert(format!("integrations[{index}].config.key"), Secret::new(literal(key)));
                    }
                    None => is_fine = false,
                }
            }
        }
        let missing = manage::missing_secrets(self.store(), number as u64).unwrap();
        assert_eq!(missing.is_empty(), is_fine && given.is_empty());
        match manage::rollback(self.store(), &alice(), number as u64, &given) {
            Ok(revision) => {
                assert!(is_fine);
                // The times are those of the old revision, so it may be a change where the model sees none.
                if revision.number as usize > self.history.len() {
                    self.state = state.clone();
                    self.history.push(state);
                } else {
                    assert_eq!(self.state, state);
                }
            }
            Err(rejection) => refused(is_fine, &rejection),
        }
    }

    /// Compares the whole console with the model.
    fn check(&self) {
        let store = self.store();
        let current = store.current();
        assert_eq!(current.revision as usize, self.history.len(), "each change is one revision");
        let listed: Vec<(String, Expected)> = manage::list(&current, INTEGRATIONS)
            .into_iter()
            .map(|stored| {
                let mut object = stored.object.clone();
                assert!(object.remove("created_at").is_some() && object.remove("updated_at").is_some());
                let place = format!("integrations[id={}].config.key", stored.id());
                let secret = store.secret(&place).unwrap().map(|secret| secret.expose().to_owned());
                (stored.id().to_owned(), Expected { object, secret })
            })
            .collect();
        assert_eq!(listed, self.state.integrations);
        for (index, (_, one)) in listed.iter().enumerate() {
            let served = current.served["integrations"][index]["config"]["key"].as_str().unwrap();
            assert_eq!(served.starts_with("sealed:v1:"), one.secret.is_some(), "{served}");
        }
        let window = current.document.settings().get("deduplication").map(|one| one["window"].clone());
        assert_eq!(window, self.state.timeout.map(|minutes| json!(format!("{minutes}m"))));
        let newest = store.revision(current.revision).unwrap();
        assert_eq!(newest.document, current.document);
        let earlier = self.history.len() / 2 + 1;
        if earlier <= self.history.len() {
            let revision = store.revision(earlier as u64).unwrap();
            let names: Vec<&str> = revision
                .document
                .objects(INTEGRATIONS)
                .iter()
                .map(|one| one["name"].as_str().unwrap())
                .collect();
            let expected: Vec<&str> =
                self.history[earlier - 1].integrations.iter().map(|(_, one)| one.name()).collect();
            assert_eq!(names, expected, "a revision never changes");
        }
    }
}

fn alice() -> Caller {
    Caller { name: "alice".into(), role: Role::Admin, index: 0 }
}

/// Whatever the model doesn't expect to be refused must not be.
fn refused(is_fine: bool, rejection: &Rejection) {
    assert!(!is_fine && matches!(rejection, Rejection::Refused(_)), "{rejection}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_console_holds_what_a_simple_model_of_it_says(operations in proptest::collection::vec(operation(), 1..40)) {
        let mut test = Test::new();
        for operation in &operations {
            test.run(operation);
        }
    }
}
