//! Finds the plugin configurations in a user's file: a bare configuration, an envoy.yaml, the file that Envoy loads a
//! filter from, or Istio's WasmPlugin.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Failure;

/// A file, and every conversion-relay in it.
pub struct Document {
    pub path: PathBuf,
    pub file: Value,
    /// At least one, each once.
    pub filters: Vec<Found>,
    /// Notes for the user about how the file was read.
    pub notes: Vec<String>,
}

/// A plugin configuration, and what surrounds it in Envoy's own file.
#[derive(PartialEq)]
pub struct Found {
    /// What Envoy calls the filter; none for a bare configuration.
    pub name: Option<String>,
    /// The file that the configuration stands in.
    pub path: PathBuf,
    pub configuration: Value,
    /// Envoy's PluginConfig; none for a bare configuration.
    pub plugin: Option<Value>,
    /// The names of the resources in that file, if Envoy loads the filter from a file of its own.
    pub loaded: Option<Vec<String>>,
}

/// The type of a Wasm filter's configuration.
pub const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

/// Reads a file. YAML, of which JSON is a part.
pub fn find(path: &Path) -> Result<Document, Failure> {
    let file = read(path)?;
    let mut notes = Vec::new();
    let filters = if file.get("kind").is_some_and(|kind| kind == "WasmPlugin") {
        vec![of_istio(&file, path)]
    } else if file.get("integrations").is_some() || !mentions_envoy(&file) {
        let configuration = file.clone();
        vec![Found { name: None, path: path.to_owned(), configuration, plugin: None, loaded: None }]
    } else {
        of_envoy(&file, path, &mut notes)?
    };
    if filters.is_empty() {
        notes.insert(0, "no Wasm filter with a configuration of conversion-relay in it".to_owned());
        return Err(Failure::Refused(format!("{}: {}", path.display(), notes.join("\n"))));
    }
    Ok(Document { path: path.to_owned(), file, filters, notes })
}

/// The filters of Envoy's file, each once: listeners can share one, with an entry of its own in each.
fn of_envoy(file: &Value, path: &Path, notes: &mut Vec<String>) -> Result<Vec<Found>, Failure> {
    let mut filters: Vec<Found> = Vec::new();
    for entry in entries(file) {
        let (found, note) = match entry.held {
            Held::Here(wasm) => (of_wasm(entry.name, wasm, path)?, None),
            Held::InFile(named) => match place_of(named, path) {
                Some(place) => {
                    let read =
                        format!("{} loads the filter from {named}; read {}", path.display(), place.display());
                    let found = of_resources(entry.name, &place)?;
                    let note = found.is_some().then_some(read);
                    (found, note)
                }
                None => {
                    let (path, name) = (path.display(), entry.name);
                    let unread = "which is neither there nor beside it: it is not checked";
                    (None, Some(format!("{path} loads the filter {name} from {named}, {unread}")))
                }
            },
        };
        filters.extend(found.filter(|found| !filters.contains(found)));
        notes.extend(note.filter(|note| !notes.contains(note)));
    }
    Ok(filters)
}

fn read(path: &Path) -> Result<Value, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Refused(format!("cannot read {}: {error}", path.display())))?;
    serde_saphyr::from_str(&text).map_err(|error| Failure::Refused(format!("{}: {error}", path.display())))
}

fn mentions_envoy(file: &Value) -> bool {
    ["static_resources", "resources", "typed_config", "@type", "http_filters", "config"]
        .iter()
        .any(|key| file.get(key).is_some())
}

/// A filter as Envoy's files hold it: an entry of http_filters, or a resource.
struct Entry<'v> {
    name: &'v str,
    held: Held<'v>,
}

enum Held<'v> {
    Here(&'v Value),
    /// In a file of its own, by the path on the gateway's machine.
    InFile(&'v str),
}

/// All Wasm filters of a file, and all that are loaded from files of their own.
fn entries(file: &Value) -> Vec<Entry<'_>> {
    let is_wasm = |value: &&Value| value.get("@type").is_some_and(|kind| kind == WASM);
    let mut entries: Vec<Entry> = Some(file)
        .filter(is_wasm)
        .map(|wasm| Entry { name: "", held: Held::Here(wasm) })
        .into_iter()
        .collect();
    walk(file, &mut |value| {
        let here = value.get("typed_config").filter(is_wasm).map(Held::Here);
        let file = || {
            Some(Held::InFile(
                value.pointer("/config_discovery/config_source/path_config_source/path")?.as_str()?,
            ))
        };
        let name = value.get("name").and_then(Value::as_str).unwrap_or_default();
        entries.extend(here.or_else(file).map(|held| Entry { name, held }));
    });
    entries
}

/// The path in the file is one of the gateway's machine; here the file usually lies beside it.
fn place_of(named: &str, path: &Path) -> Option<PathBuf> {
    let beside = path.parent().zip(Path::new(named).file_name()).map(|(folder, name)| folder.join(name));
    [Some(Path::new(named).to_owned()), beside].into_iter().flatten().find(|place| place.is_file())
}

/// The filter in a file of its own, if it is ours.
fn of_resources(name: &str, path: &Path) -> Result<Option<Found>, Failure> {
    let file = read(path)?;
    let resources = file.get("resources").and_then(Value::as_array);
    let names = resources.into_iter().flatten().map(|one| one.get("name").and_then(Value::as_str));
    let names: Vec<String> = names.map(|name| name.unwrap_or_default().to_owned()).collect();
    for entry in entries(&file) {
        if let Held::Here(wasm) = entry.held
            && let Some(found) = of_wasm(name, wasm, path)?
        {
            return Ok(Some(Found { loaded: Some(names), ..found }));
        }
    }
    Ok(None)
}

/// The type of what a file that Envoy loads a filter from holds.
const EXTENSION: &str = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";

/// Reads the text of a file that Envoy loads our filter from, and nothing else: one resource, which holds its configuration itself.
/// `path` is where it stands, or will stand.
pub fn of_filter_file(text: &str, path: &Path) -> Result<Found, Failure> {
    let refused = |problem: String| Failure::Refused(format!("{}: {problem}", path.display()));
    let file: Value = serde_saphyr::from_str(text).map_err(|error| refused(error.to_string()))?;
    let resources = file.get("resources").and_then(Value::as_array).map(Vec::as_slice);
    let Some([resource]) = resources else {
        return Err(refused("expected resources with one TypedExtensionConfig".to_owned()));
    };
    let text = |key| resource.get(key).and_then(Value::as_str);
    let wasm = resource.get("typed_config").filter(|wasm| wasm.get("@type").is_some_and(|kind| kind == WASM));
    if let (Some(EXTENSION), Some(name), Some(wasm)) = (text("@type"), text("name"), wasm)
        && let Some(found) = of_wasm(name, wasm, path)?
    {
        return Ok(Found { loaded: Some(vec![name.to_owned()]), ..found });
    }
    Err(refused(
        "expected resources[0] to be a TypedExtensionConfig of conversion-relay, with its name".to_owned(),
    ))
}

/// A Wasm filter, if it is ours: its configuration has integrations, or it bears our name.
fn of_wasm(name: &str, wasm: &Value, path: &Path) -> Result<Option<Found>, Failure> {
    let Some(plugin) = wasm.get("config") else { return Ok(None) };
    let bears_our_name = ["/name", "/vm_config/code/local/filename"].iter().any(|at| {
        plugin.pointer(at).and_then(Value::as_str).is_some_and(|name| name.contains("conversion-relay"))
    });
    let configuration = match plugin.pointer("/configuration/value") {
        // A StringValue holds the configuration as text.
        Some(Value::String(text)) => match serde_saphyr::from_str(text) {
            Ok(value) => value,
            Err(error) if bears_our_name => {
                return Err(Failure::Refused(format!("{}: configuration.value: {error}", path.display())));
            }
            Err(_) => return Ok(None),
        },
        Some(value) => value.clone(),
        None => json!({}),
    };
    if !bears_our_name && configuration.get("integrations").is_none() {
        return Ok(None);
    }
    let (name, plugin) = (Some(name.to_owned()), Some(plugin.clone()));
    Ok(Some(Found { name, path: path.to_owned(), configuration, plugin, loaded: None }))
}

/// Istio's WasmPlugin, converted to Envoy's PluginConfig.
fn of_istio(file: &Value, path: &Path) -> Found {
    let (mut of_host, mut literal) = (Vec::new(), serde_json::Map::new());
    for variable in file.pointer("/spec/vmConfig/env").and_then(Value::as_array).into_iter().flatten() {
        let Some(name) = variable.get("name").and_then(Value::as_str) else { continue };
        match variable.get("value") {
            Some(value) => drop(literal.insert(name.to_owned(), value.clone())),
            None => of_host.push(name),
        }
    }
    let variables = json!({"host_env_keys": of_host, "key_values": literal});
    Found {
        name: None,
        path: path.to_owned(),
        configuration: file.pointer("/spec/pluginConfig").cloned().unwrap_or_else(|| json!({})),
        plugin: Some(json!({"vm_config": {"environment_variables": variables}})),
        loaded: None,
    }
}

/// Visits a value and everything in it.
pub fn walk<'v>(value: &'v Value, visit: &mut dyn FnMut(&'v Value)) {
    visit(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        Value::Object(members) => members.values().for_each(|member| walk(member, visit)),
        _ => {}
    }
}

/// How the filter gets an environment variable.
pub enum Passed<'p> {
    /// A literal in the file.
    Literal(&'p str),
    /// Envoy's own variable of that name.
    OfHost,
    /// Not passed on at all.
    No,
}

impl Found {
    /// The plugin's name in Envoy's PluginConfig.
    pub fn plugin_name(&self) -> Option<&str> {
        self.plugin.as_ref()?.get("name")?.as_str()
    }

    /// How the filter comes to an environment variable. A bare configuration doesn't say, so all are passed on.
    pub fn environment(&self, name: &str) -> Passed<'_> {
        let Some(plugin) = &self.plugin else { return Passed::OfHost };
        let variables = plugin.pointer("/vm_config/environment_variables");
        let literal = variables.and_then(|all| all.get("key_values")?.get(name)?.as_str());
        let keys = variables.and_then(|all| all.get("host_env_keys")?.as_array());
        match literal {
            Some(value) => Passed::Literal(value),
            None if keys.is_some_and(|keys| keys.iter().any(|key| key == name)) => Passed::OfHost,
            None => Passed::No,
        }
    }

    /// Without this flag Envoy never delivers the body of a request that the filter holds back, so an answer of the filter's would
    /// never come.
    pub fn check_local_reply(&self) -> Result<(), String> {
        let local = self.configuration.pointer("/endpoints/reply").is_some_and(|reply| reply == "local");
        let delivers =
            self.configuration.pointer("/endpoints/deliver").is_some_and(|deliver| !deliver.is_null());
        let needs = if local { "reply: local" } else { "deliver" };
        let Some(plugin) = self.plugin.as_ref().filter(|_| local || delivers) else { return Ok(()) };
        let allowed = plugin.get("allow_on_headers_stop_iteration");
        let allowed = allowed.map(|flag| flag.get("value").unwrap_or(flag));
        if allowed == Some(&Value::Bool(true)) {
            return Ok(());
        }
        Err(format!(
            "endpoints.{needs} needs allow_on_headers_stop_iteration: true beside vm_config in Envoy's plugin \
             configuration; without it Envoy never hands the filter the body of a POST"
        ))
    }

    /// A note where this machine doesn't have the module. The path is the gateway's, so it may well be right.
    pub fn absent_module(&self) -> Option<String> {
        let module = self.plugin.as_ref()?.pointer("/vm_config/code/local/filename")?.as_str()?;
        (!Path::new(module).is_file()).then(|| {
            format!(
                "vm_config.code.local.filename: {module} is not on this machine; the gateway has to have it"
            )
        })
    }
}
