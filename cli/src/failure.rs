//! Why a command failed, and how the commands are used.

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Exit code 1: the configuration or the event is refused, or can't be read.
    #[error("{0}")]
    Refused(String),
    /// Exit code 2: incorrect usage.
    #[error("{0}\n\n{USAGE}")]
    Usage(String),
    /// The output is closed, so nothing can be reported.
    #[error("cannot write: {0}")]
    Output(#[from] std::io::Error),
}

impl Failure {
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Refused(_) | Failure::Output(_) => 1,
            Failure::Usage(_) => 2,
        }
    }
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Failure::Usage(error.to_string())
    }
}

/// The commands and their arguments.
pub const USAGE: &str = "\
usage: conversion-relay check FILE
       conversion-relay preview FILE EVENT.json [-H 'Name: value']... [--client-ip ADDRESS] [--path PATH]
       conversion-relay schema
       conversion-relay pull --console URL --file FILE [OPTION]...   (conversion-relay pull --help)
       conversion-relay seal --config FILE PATH < SECRET      (conversion-relay seal --help)
       conversion-relay tap [OPTION]...      (conversion-relay tap --help lists them)
       conversion-relay --version

FILE is a plugin configuration (YAML or JSON), an envoy.yaml, the file that Envoy loads the filter from, or Istio's WasmPlugin.
EVENT.json is the body of a tracking request: one event, or a batch. - is standard input.";
