//! Why a configuration is not kept.

use conversion_relay::settings::Invalid;

use super::texts::below;

/// Why a configuration is not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct Refusal {
    /// Where in the whole configuration, such as `integrations[1].config.key`.
    pub path: String,
    /// What is wrong, and how to mend it. It shows no secret.
    pub problem: String,
}

impl Refusal {
    /// Returns a refusal.
    pub fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { path: path.into(), problem: problem.into() }
    }
}

impl From<Invalid> for Refusal {
    /// What is missing has a path, too, so that a form can show the message at its field.
    fn from(invalid: Invalid) -> Self {
        let Invalid { path, problem } = invalid;
        let missing = problem.strip_suffix(" is missing: it is required").filter(|key| !key.contains(' '));
        let path = missing.map_or_else(|| path.clone(), |key| below(&path, key));
        Self { path, problem }
    }
}
