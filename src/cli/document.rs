//! Finding the plugin configuration in the file that somebody has: the bare configuration, an envoy.yaml, or the file
//! that Envoy loads the filter from.

use std::path::Path;

use serde_json::Value;

use super::Failure;

/// A plugin configuration, and what surrounds it in Envoy's own file.
pub struct Found {
    pub configuration: Value,
    /// Envoy's PluginConfig; none for a bare configuration.
    pub plugin: Option<Value>,
    /// What the reader did on its own, for the user to know.
    pub note: Option<String>,
}

const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

/// Reads a file. YAML, of which JSON is a part.
pub fn find(path: &Path) -> Result<Found, Failure> {
    let file = read(path)?;
    if file.get("integrations").is_some() || !mentions_envoy(&file) {
        return Ok(Found { configuration: file, plugin: None, note: None });
    }
    if let Some(found) = of_envoy(&file)? {
        return Ok(found);
    }
    let mut files = Vec::new();
    walk(&file, &mut |value| {
        let source = value.get("path_config_source").and_then(|source| source.get("path"));
        files.extend(source.and_then(Value::as_str).map(str::to_owned));
    });
    for named in files {
        // The path in the file is one of the gateway's machine; here the file usually lies beside it.
        let beside = path.parent().zip(Path::new(&named).file_name()).map(|(folder, name)| folder.join(name));
        for place in
            [Some(Path::new(&named).to_owned()), beside].into_iter().flatten().filter(|place| place.is_file())
        {
            if let Some(found) = of_envoy(&read(&place)?)? {
                let note =
                    format!("{} loads the filter from {named}; read {}", path.display(), place.display());
                return Ok(Found { note: Some(note), ..found });
            }
        }
    }
    Err(Failure::Refused(format!(
        "{}: no Wasm filter with a configuration of conversion-relay in it",
        path.display()
    )))
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

/// The first Wasm filter whose configuration has integrations.
fn of_envoy(file: &Value) -> Result<Option<Found>, Failure> {
    let mut plugins = Vec::new();
    walk(file, &mut |value| {
        if value.get("@type").and_then(Value::as_str) == Some(WASM) {
            plugins.extend(value.get("config").cloned());
        }
    });
    for plugin in plugins {
        let Some(configuration) = plugin.get("configuration").and_then(|any| any.get("value")) else {
            continue;
        };
        let configuration = match configuration {
            // A StringValue holds the configuration as text.
            Value::String(text) => serde_saphyr::from_str(text)
                .map_err(|error| Failure::Refused(format!("configuration.value: {error}")))?,
            value => value.clone(),
        };
        if configuration.get("integrations").is_some() {
            return Ok(Some(Found { configuration, plugin: Some(plugin), note: None }));
        }
    }
    Ok(None)
}

/// Visits a value and everything in it.
fn walk(value: &Value, visit: &mut dyn FnMut(&Value)) {
    visit(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        Value::Object(members) => members.values().for_each(|member| walk(member, visit)),
        _ => {}
    }
}

/// What Envoy passes on of its environment to the filter, by name.
pub enum Passed<'p> {
    /// A literal in the file.
    Literal(&'p str),
    /// Envoy's own variable of that name.
    OfHost,
    /// Not passed on at all.
    No,
}

impl Found {
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

    /// Without this flag Envoy never delivers the body of a request that the filter holds back, so a local reply would
    /// never come.
    pub fn check_local_reply(&self) -> Result<(), Failure> {
        let local = self.configuration.pointer("/endpoints/reply").is_some_and(|reply| reply == "local");
        let Some(plugin) = self.plugin.as_ref().filter(|_| local) else { return Ok(()) };
        let allowed = plugin.get("allow_on_headers_stop_iteration");
        let allowed = allowed.map(|flag| flag.get("value").unwrap_or(flag));
        if allowed == Some(&Value::Bool(true)) {
            return Ok(());
        }
        Err(Failure::Refused(
            "endpoints.reply: local needs allow_on_headers_stop_iteration: true beside vm_config in Envoy's plugin \
             configuration; without it Envoy never hands the filter the body of a POST"
                .to_owned(),
        ))
    }
}
