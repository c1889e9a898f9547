use std::collections::BTreeMap;

use conversion_relay::settings::Secret;
use serde_json::{Map, Value, json};

use super::*;
use crate::access::{Caller, Role};
use crate::store::Store;
use crate::testing::Folder;

const INTEGRATIONS: Collection = Collection::Integrations;
const SOURCES: Collection = Collection::Sources;

fn alice() -> Caller {
    Caller { name: "alice".to_owned(), role: Role::Admin, index: 0 }
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn podsights(name: &str) -> Map<String, Value> {
    object(json!({"name": name, "vendor": "podsights", "config": {"key": format!("key of {name}")}}))
}

fn add(store: &Store, value: Map<String, Value>) -> Stored {
    create(store, &alice(), INTEGRATIONS, value).unwrap()
}

fn change(store: &Store, id: &str, change: Value) -> Result<Stored, Rejection> {
    patch(store, &alice(), INTEGRATIONS, id, object(change), None)
}

/// The text of an integration's key.
fn key(store: &Store, id: &str) -> Option<String> {
    let secret = store.secret(&format!("integrations[id={id}].config.key")).unwrap();
    secret.map(|secret| secret.expose().to_owned())
}

fn summary(store: &Store) -> String {
    store.revisions(None, 1).unwrap().remove(0).summary
}

fn message<T>(result: Result<T, Rejection>) -> String {
    result.err().unwrap().to_string()
}

#[test]
fn an_integration_gets_an_id_and_times_and_is_read_back_with_stars_for_its_secret() {
    let folder = Folder::new();
    let store = folder.open();
    let added = add(&store, podsights("Pod"));
    let id = added.id();
    assert!(id.len() == 20 && id.starts_with("int_"), "{id}");
    assert_eq!(added.object["config"]["key"], "***");
    assert_eq!(added.object["created_at"], added.object["updated_at"]);
    let read = get(&store.current(), INTEGRATIONS, id).unwrap();
    assert_eq!((read.object, read.etag.to_string()), (added.object.clone(), added.etag.to_string()));
    assert_eq!(list(&store.current(), INTEGRATIONS).len(), 1);
    assert_eq!(key(&store, id).unwrap(), "key of Pod");
    assert_eq!(summary(&store), "Added integration Pod");
}

#[test]
fn a_change_is_summed_up_in_words() {
    let folder = Folder::new();
    let store = folder.open();
    let id = add(&store, podsights("Pod")).id().to_owned();
    for (patch, expected) in [
        (json!({"enabled": false}), "Disabled integration Pod"),
        (json!({"enabled": true}), "Enabled integration Pod"),
        (json!({"name": "Pod 2"}), "Renamed integration Pod to Pod 2"),
        (json!({"config": {"key": "another"}}), "Changed config.key of integration Pod 2"),
        (
            json!({"dry_run": true, "config": {"cluster": "p"}, "consent_categories": ["marketing"], "source_id": "s", "events": ["Signed Up"]}),
            "Changed config.cluster, consent_categories, dry_run and 2 more of integration Pod 2",
        ),
    ] {
        change(&store, &id, patch).unwrap();
        assert_eq!(summary(&store), expected);
    }
    let names = json!({"name": format!("{}\n{}", "a".repeat(60), "b".repeat(60))});
    change(&store, &id, names).unwrap();
    assert_eq!(summary(&store).len(), "Renamed integration Pod 2 to ".len() + 103);
}

#[test]
fn three_stars_keep_a_secret_in_a_replacement_and_null_removes_a_member() {
    let folder = Folder::new();
    let store = folder.open();
    let added = add(&store, podsights("Pod"));
    let mut again = added.object.clone();
    again.insert("name".into(), "Pod 2".into());
    again.insert("updated_at".into(), "whatever".into());
    let replaced = replace(&store, &alice(), INTEGRATIONS, added.id(), again, None).unwrap();
    assert_eq!(key(&store, added.id()).unwrap(), "key of Pod");
    assert_eq!(replaced.object["created_at"], added.object["created_at"]);
    assert_ne!(replaced.object["updated_at"], "whatever");
    change(&store, added.id(), json!({"dry_run": true})).unwrap();
    let patched = change(&store, added.id(), json!({"dry_run": null})).unwrap();
    assert!(!patched.object.contains_key("dry_run"));
    assert!(message(change(&store, added.id(), json!({"config": null}))).starts_with("config.key: "));
}

#[test]
fn what_changes_nothing_makes_no_revision() {
    let folder = Folder::new();
    let store = folder.open();
    let added = add(&store, podsights("Pod"));
    let revision = store.current().revision;
    let same = replace(&store, &alice(), INTEGRATIONS, added.id(), added.object.clone(), None).unwrap();
    assert_eq!(same.etag.to_string(), added.etag.to_string());
    change(&store, added.id(), json!({})).unwrap();
    let settings = settings(&store.current()).object;
    put_settings(&store, &alice(), settings, None).unwrap();
    assert_eq!(store.current().revision, revision);
}

#[test]
fn a_change_of_what_somebody_else_has_changed_is_a_conflict() {
    let folder = Folder::new();
    let store = folder.open();
    let added = add(&store, podsights("Pod"));
    let stale = added.etag.to_string();
    change(&store, added.id(), json!({"config": {"key": "rotated"}})).unwrap();
    let conflicts = [
        replace(&store, &alice(), INTEGRATIONS, added.id(), added.object.clone(), Some(&stale)).err(),
        patch(&store, &alice(), INTEGRATIONS, added.id(), object(json!({"dry_run": true})), Some(&stale))
            .err(),
        delete(&store, &alice(), INTEGRATIONS, added.id(), Some(&stale)).err(),
    ];
    for conflict in conflicts {
        assert!(matches!(conflict, Some(Rejection::Conflict(_))), "{conflict:?}");
    }
    let before = settings(&store.current()).etag.to_string();
    let with_bots = |value: Value| {
        let mut settings = settings(&store.current()).object;
        settings.insert("bots".into(), value);
        settings
    };
    put_settings(&store, &alice(), with_bots(json!({"patterns": ["a bot"]})), Some(&before)).unwrap();
    let late = put_settings(&store, &alice(), with_bots(json!({"patterns": ["b bot"]})), Some(&before));
    assert!(matches!(late, Err(Rejection::Conflict(_))));
    let current = get(&store.current(), INTEGRATIONS, added.id()).unwrap().etag.to_string();
    delete(&store, &alice(), INTEGRATIONS, added.id(), Some(&current)).unwrap();
}

#[test]
fn a_refused_setting_is_named_within_its_object() {
    let folder = Folder::new();
    let store = folder.open();
    add(&store, podsights("First"));
    let mut second = podsights("Second");
    second.insert("config".into(), json!({"key": 5}));
    let refused = create(&store, &alice(), INTEGRATIONS, second);
    let Err(Rejection::Refused(refusal)) = refused else { panic!() };
    assert_eq!(refusal.path, "config.key");
    let id = add(&store, podsights("Third")).id().to_owned();
    assert!(message(change(&store, &id, json!({"name": "First"}))).starts_with("name: "));
    assert!(message(change(&store, &id, json!({"id": "int_other"}))).starts_with("id: "));
    let mut with_id = podsights("Fourth");
    with_id.insert("id".into(), "int_mine".into());
    assert!(message(create(&store, &alice(), INTEGRATIONS, with_id)).starts_with("id: "));
}

#[test]
fn type_is_another_name_for_vendor() {
    let folder = Folder::new();
    let store = folder.open();
    let mut old = podsights("Pod");
    let vendor = old.remove("vendor").unwrap();
    old.insert("type".into(), vendor);
    let added = add(&store, old);
    assert_eq!(added.object["vendor"], "podsights");
    assert!(!added.object.contains_key("type"));
    assert!(message(change(&store, added.id(), json!({"type": "podsight"}))).contains("unknown vendor"));
    let both = object(json!({"name": "P", "vendor": "podsights", "type": "webhook", "config": {"key": "k"}}));
    assert!(message(create(&store, &alice(), INTEGRATIONS, both)).starts_with("type: "));
}

#[test]
fn a_source_has_the_id_that_it_is_given_and_stays_while_integrations_belong_to_it() {
    let folder = Folder::new();
    let store = folder.open();
    let given = create(&store, &alice(), SOURCES, object(json!({"id": "src_a", "keys": ["k1"]}))).unwrap();
    assert_eq!(given.id(), "src_a");
    let random = create(&store, &alice(), SOURCES, object(json!({"keys": ["k2"]}))).unwrap();
    assert!(random.id().starts_with("src_"));
    for wrong in [json!(""), json!("a/b"), json!("a".repeat(65)), json!(5), json!("src_a")] {
        let refused = create(&store, &alice(), SOURCES, object(json!({"id": wrong, "keys": ["k3"]})));
        assert!(message(refused).starts_with("id: "), "{wrong}");
    }
    let mut integration = podsights("Pod");
    integration.insert("source_id".into(), "src_a".into());
    let id = add(&store, integration).id().to_owned();
    assert!(
        message(delete(&store, &alice(), SOURCES, "src_a", None))
            .contains("integration Pod belongs to this source")
    );
    delete(&store, &alice(), SOURCES, random.id(), None).unwrap();
    delete(&store, &alice(), INTEGRATIONS, &id, None).unwrap();
    delete(&store, &alice(), SOURCES, "src_a", None).unwrap();
    assert!(!store.current().document.to_value().as_object().unwrap().contains_key("sources"));
}

#[test]
fn promoting_makes_a_copy_with_the_secret_for_another_source() {
    let folder = Folder::new();
    let store = folder.open();
    let original = add(&store, podsights("Pod")).id().to_owned();
    assert!(
        message(promote(&store, &alice(), &original, "src_live", None))
            .starts_with("source_id: unknown source")
    );
    create(&store, &alice(), SOURCES, object(json!({"id": "src_live", "keys": ["k1"]}))).unwrap();
    let copy = promote(&store, &alice(), &original, "src_live", None).unwrap();
    assert_eq!(copy.object["name"], "Pod (src_live)");
    assert_eq!(copy.object["source_id"], "src_live");
    assert_ne!(copy.id(), original);
    assert_eq!(key(&store, copy.id()).unwrap(), "key of Pod");
    assert_eq!(summary(&store), "Promoted integration Pod to source src_live as Pod (src_live)");
    let named = promote(&store, &alice(), &original, "src_live", Some("Pod live")).unwrap();
    assert_eq!(named.object["name"], "Pod live");
    assert!(matches!(promote(&store, &alice(), "int_no", "src_live", None), Err(Rejection::NotFound(_))));
}

#[test]
fn a_rollback_never_brings_an_old_secret_back() {
    let folder = Folder::new();
    let store = folder.open();
    let id = add(&store, podsights("Pod")).id().to_owned();
    let with_first_key = store.current().revision;
    change(&store, &id, json!({"config": {"key": "rotated"}, "dry_run": true})).unwrap();
    let none = BTreeMap::new();
    rollback(&store, &alice(), with_first_key, &none).unwrap();
    assert_eq!(key(&store, &id).unwrap(), "rotated");
    assert!(!get(&store.current(), INTEGRATIONS, &id).unwrap().object.contains_key("dry_run"));
    delete(&store, &alice(), INTEGRATIONS, &id, None).unwrap();
    assert_eq!(key(&store, &id), None);

    let refused = rollback(&store, &alice(), with_first_key, &none);
    let Err(Rejection::Refused(refusal)) = refused else { panic!() };
    assert_eq!(refusal.path, "integrations[0].config.key");
    assert!(
        refusal.problem.contains(r#""secrets": {"integrations[0].config.key": "..."}"#),
        "{}",
        refusal.problem
    );
    assert_eq!(missing_secrets(&store, with_first_key).unwrap(), ["integrations[0].config.key"]);

    let given = |path: &str| BTreeMap::from([(path.to_owned(), Secret::new("given anew"))]);
    let wrong = rollback(&store, &alice(), with_first_key, &given("integrations[0].name"));
    assert!(message(wrong).contains("no secret stands here"));
    let back =
        rollback(&store, &alice(), with_first_key, &given(&format!("integrations[id={id}].config.key")))
            .unwrap();
    assert_eq!((back.number, back.author.as_str()), (store.current().revision, "alice"));
    assert_eq!(back.summary, format!("Rolled back to revision {with_first_key}"));
    assert_eq!(key(&store, &id).unwrap(), "given anew");
}

#[test]
fn a_configuration_does_not_grow_without_bound() {
    let folder = Folder::new();
    let store = folder.open();
    let mut long = podsights("Pod");
    let id = add(&store, long.clone()).id().to_owned();
    long.insert("name".into(), "a".repeat(1 << 20).into());
    assert!(message(create(&store, &alice(), INTEGRATIONS, long)).contains("at most 1048576 bytes"));
    assert!(
        message(change(&store, &id, json!({"source_id": "a".repeat(1 << 20)})))
            .contains("at most 1048576 bytes")
    );
    let mut many = crate::configuration::Document::empty(None);
    for number in 0..=1_000 {
        many.put(INTEGRATIONS, &format!("int_{number}"), object(json!({"id": format!("int_{number}")})));
    }
    assert_eq!(limits::check(&many).unwrap_err().problem, "a configuration has at most 1000 integrations");
}

#[test]
fn differences_are_named_by_path_and_items_by_their_id() {
    let before = json!({"integrations": [{"id": "a", "n": 1}, {"id": "b", "n": 1}], "x": [1], "a key": 1});
    let after = json!({"integrations": [{"id": "b", "n": 2}, {"id": "c"}], "x": [1, 2], "y": null});
    let found: Vec<String> = differences(&before, &after).into_iter().map(|one| one.path).collect();
    assert_eq!(
        found,
        ["[\"a key\"]", "integrations[id=a]", "integrations[id=b].n", "integrations[id=c]", "x", "y"]
    );
    assert_eq!(differences(&before, &before), []);
    let reordered = json!({"l": [{"id": "b"}, {"id": "a"}]});
    let found = differences(&json!({"l": [{"id": "a"}, {"id": "b"}]}), &reordered);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].path, "l");
}

#[test]
fn a_change_of_something_else_does_not_make_a_secret_readable() {
    let folder = Folder::new();
    let store = folder.open();
    let server = object(json!({"id": "src_a", "keys": ["a_server_key"], "client_from_context": "always"}));
    let added = create(&store, &alice(), SOURCES, server).unwrap();
    assert_eq!(added.object["keys"], json!(["***"]));
    let unmasked =
        patch(&store, &alice(), SOURCES, "src_a", object(json!({"client_from_context": null})), None);
    let Err(Rejection::Refused(refusal)) = unmasked else { panic!() };
    assert_eq!(refusal.path, "keys[0]");
    assert!(refusal.problem.contains("write it anew"), "{}", refusal.problem);
    let public = object(json!({"client_from_context": null, "keys": ["a_browser_key"]}));
    let changed = patch(&store, &alice(), SOURCES, "src_a", public, None).unwrap();
    assert_eq!(changed.object["keys"], json!(["a_browser_key"]));
}

#[test]
fn a_thousand_integrations_can_still_be_changed() {
    let folder = Folder::new();
    let store = folder.open();
    let all = store.change("alice", |draft| {
        for number in 0..1_000 {
            let (id, object) = objects::new_object(INTEGRATIONS, podsights(&format!("Pod {number}")))?;
            draft.document.put(INTEGRATIONS, &id, object);
        }
        Ok(((), "Added a thousand".to_owned()))
    });
    assert!(all.is_ok());
    let id = list(&store.current(), INTEGRATIONS)[500].id().to_owned();
    let began = std::time::Instant::now();
    change(&store, &id, json!({"enabled": false})).unwrap();
    println!("changed one in {:?}", began.elapsed());
    assert!(message(create(&store, &alice(), INTEGRATIONS, podsights("one more"))).contains("at most 1000"));
}
