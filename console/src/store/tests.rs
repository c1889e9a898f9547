use std::sync::Arc;

use conversion_relay::settings::Secret;
use serde_json::{Value, json};

use super::*;
use crate::configuration::Collection;
use crate::testing::{Folder, KEY, SECRET};

fn podsights(key: &str) -> serde_json::Map<String, Value> {
    let object = json!({"id": "int_a", "name": "Pod", "vendor": "podsights", "config": {"key": key}});
    object.as_object().unwrap().clone()
}

fn put(store: &Store, key: &str) -> Result<Arc<Current>, Rejection> {
    let changed = store.change("alice", |draft| {
        draft.document.put(Collection::Integrations, "int_a", podsights(key));
        Ok(((), "Put Pod".to_owned()))
    });
    changed.map(|changed| changed.current)
}

fn served_key(current: &Current) -> String {
    current.served["integrations"][0]["config"]["key"].as_str().unwrap().to_owned()
}

#[test]
fn a_secret_that_is_written_out_is_nowhere_in_the_clear_and_stays_where_three_stars_are_put() {
    let folder = Folder::new();
    let store = folder.open();
    let first = put(&store, "ps_pixel_key_first").unwrap();
    let second = put(&store, "***").unwrap();
    assert_eq!(first.document.to_value()["integrations"][0]["config"]["key"], "***");
    assert!(served_key(&first).starts_with("sealed:v1:"));
    assert_eq!(served_key(&first), served_key(&second), "sealed once, so no gateway loads it anew");
    assert_eq!(
        first.find(Collection::Integrations, "int_a").map(|(_, etag)| etag.to_string()),
        second.find(Collection::Integrations, "int_a").map(|(_, etag)| etag.to_string())
    );
    let third = put(&store, "ps_pixel_key_third").unwrap();
    assert_ne!(served_key(&third), served_key(&second));
    assert_ne!(
        first.find(Collection::Integrations, "int_a").map(|(_, etag)| etag.to_string()),
        third.find(Collection::Integrations, "int_a").map(|(_, etag)| etag.to_string()),
        "its secret alone has changed"
    );
    for secret in ["ps_pixel_key_first", "ps_pixel_key_third", SECRET, KEY] {
        assert!(!folder.holds(secret), "{secret}");
    }
    let variable = put(&store, "${PODSIGHTS_KEY}").unwrap();
    assert_eq!(served_key(&variable), "${PODSIGHTS_KEY}");
    let refused = put(&store, "***").err().unwrap().to_string();
    assert!(
        refused.starts_with(
            "integrations[0].config.key: *** stands for the secret that is kept here, and none is"
        ),
        "{refused}"
    );
}

#[test]
fn what_was_answered_is_there_when_the_file_is_opened_again() {
    let folder = Folder::new();
    let version = put(&folder.open(), "ps_pixel_key").unwrap().version();
    let store = folder.open();
    assert_eq!((store.current().revision, store.current().version()), (2, version));
    let summaries: Vec<String> =
        store.revisions(None, 10).unwrap().into_iter().map(|one| one.summary).collect();
    assert_eq!(summaries, ["Put Pod", "Started without integrations"]);
    let place = "integrations[id=int_a].config.key";
    assert_eq!(store.secret(place).unwrap(), Some(Secret::new("ps_pixel_key")));
}

#[test]
fn another_secret_of_the_gateways_seals_anew_and_another_one_of_the_console_opens_nothing() {
    let folder = Folder::new();
    let before = served_key(&put(&folder.open(), "ps_pixel_key").unwrap());
    let other_key = folder.open_with(SECRET, "another secret of the gateways, 32 bytes").unwrap();
    assert_ne!(served_key(&other_key.current()), before);
    drop(other_key);
    let refused = folder.open_with("another secret of the console, 32 bytes", KEY).err().unwrap().to_string();
    assert!(refused.contains("can't be opened by this CONSOLE_SECRET"), "{refused}");
}

#[test]
fn what_the_filter_refuses_is_not_kept_and_a_revision_is_never_changed() {
    let folder = Folder::new();
    let store = folder.open();
    let refused = store.change("alice", |draft| {
        let object = json!({"id": "int_a", "name": "Pod", "vendor": "podsight"}).as_object().unwrap().clone();
        draft.document.put(Collection::Integrations, "int_a", object);
        Ok(((), String::new()))
    });
    let message = refused.err().unwrap().to_string();
    assert!(message.starts_with("integrations[0].vendor: unknown vendor \"podsight\""), "{message}");
    assert_eq!(store.current().revision, 1);
    for sql in ["UPDATE revision SET author = 'mallory'", "DELETE FROM revision"] {
        assert!(store.writer().execute(sql, []).unwrap_err().to_string().contains("never"), "{sql}");
    }
}
