//! What perf has seen of some processes: by what it was called each time that it looked.

use std::collections::BTreeMap;

/// Where processor time is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In what V8 has compiled of a module.
    Module,
    /// In Envoy or the kernel, called by a module.
    Calls,
    /// In Envoy by itself.
    Envoy,
    /// In the kernel, called by Envoy itself.
    Kernel,
}

/// How often each process was seen in each place, by the output of `perf script --fields=pid,ip,dso`: for each look the process, then
/// its frames from the innermost on, one a line, with an address and, in brackets, the file that it is in.
pub fn count(script: &str) -> BTreeMap<(u32, Place), u32> {
    let mut looks = BTreeMap::new();
    for look in script.split("\n\n") {
        let mut lines = look.trim_start_matches('\n').lines();
        let Some(process) = lines.next().and_then(|line| line.trim().parse().ok()) else { continue };
        let files: Vec<&str> = lines.filter_map(|frame| Some(frame.split_once('(')?.1)).collect();
        *looks.entry((process, place(&files))).or_default() += 1;
    }
    looks
}

/// The place of the innermost of these frames.
fn place(files: &[&str]) -> Place {
    // What was compiled at run time is in no file, and perf has three names for that.
    let is_compiled =
        |file: &&str| ["[JIT]", "//anon", "/tmp/perf-"].iter().any(|name| file.starts_with(name));
    match files.iter().position(is_compiled) {
        Some(0) => Place::Module,
        Some(_) => Place::Calls,
        None if files.first().is_some_and(|file| file.starts_with("[kernel")) => Place::Kernel,
        None => Place::Envoy,
    }
}
