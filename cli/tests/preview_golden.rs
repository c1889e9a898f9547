//! `preview` prints the same as ever: cli/tests/golden/preview.yaml holds configurations and requests, preview.txt what was
//! printed of them. `UPDATE_GOLDEN=1` writes preview.txt anew, for a change that is meant to be seen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// What `preview` prints, on both of its outputs.
fn preview(configuration: &Path, case: &Value) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conversion-relay"));
    command.arg("preview").arg(configuration).arg("-");
    for header in case["headers"].as_array().into_iter().flatten() {
        command.args(["-H", header.as_str().unwrap()]);
    }
    for (option, key) in [("--client-ip", "client_ip"), ("--path", "path")] {
        if let Some(value) = case[key].as_str() {
            command.args([option, value]);
        }
    }
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(case["body"].as_str().unwrap().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
fn preview_prints_the_same_as_when_the_golden_set_was_frozen() {
    let text = std::fs::read_to_string(golden("preview.yaml")).unwrap();
    let set: Value = serde_saphyr::from_str(&text).unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("golden-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut printed = String::new();
    for case in set["cases"].as_array().unwrap() {
        let name = case["configuration"].as_str().unwrap();
        let configuration = folder.join(format!("{name}.json"));
        std::fs::write(&configuration, set["configurations"][name].to_string()).unwrap();
        let output = preview(&configuration, case);
        let output = output.replace(configuration.to_str().unwrap(), &format!("{name}.json"));
        _ = write!(printed, "=== {}\n{output}", case["name"].as_str().unwrap());
    }
    std::fs::remove_dir_all(&folder).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(golden("preview.txt"), &printed).unwrap();
    }
    let expected = std::fs::read_to_string(golden("preview.txt")).unwrap();
    let sections = |text: &str| text.split("=== ").map(str::to_owned).collect::<Vec<_>>();
    for (now, then) in sections(&printed).iter().zip(&sections(&expected)) {
        assert_eq!(now, then);
    }
    assert_eq!(printed, expected);
}
