//! What perf saw of a process: in which place each of its samples was taken.

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

/// How many samples were taken in each place, by the output of `perf script --fields=pid,ip,dso`: for each sample the process, then its
/// frames from the innermost on, one a line, with an address and, in brackets, the file that it is in.
pub fn count(script: &str) -> BTreeMap<Place, u32> {
    let mut samples = BTreeMap::new();
    for sample in script.split("\n\n") {
        let files: Vec<&str> = sample.lines().filter_map(|line| Some(line.split_once('(')?.1)).collect();
        if let Some(place) = place(&files) {
            *samples.entry(place).or_default() += 1;
        }
    }
    samples
}

/// The place of the innermost of these frames.
fn place(files: &[&str]) -> Option<Place> {
    let innermost = files.first()?;
    Some(match files.iter().position(is_compiled) {
        Some(0) => Place::Module,
        Some(_) => Place::Calls,
        None if is_kernel(innermost) => Place::Kernel,
        None => Place::Envoy,
    })
}

/// Whether V8 has compiled it: what was compiled at run time is in no file, and perf has three names for that.
fn is_compiled(file: &&str) -> bool {
    ["[JIT]", "//anon", "/tmp/perf-"].iter().any(|name| file.starts_with(name))
}

/// The kernel's modules have their names in brackets, like itself. So have parts of a process.
fn is_kernel(file: &str) -> bool {
    file.starts_with('[')
        && !["[vdso]", "[unknown]", "[heap]", "[stack]"].iter().any(|name| file.starts_with(name))
}
