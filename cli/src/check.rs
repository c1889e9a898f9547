//! `check`: is a configuration valid, can it work in the gateway around it, and what will each integration do?

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use super::document::{Document, Found};
use super::gateway::{Gateway, refused_resources};
use super::loading::{Loaded, load};
use super::sharing::{self, Shared};
use super::stats::{Needed, StatsMatcher};
use super::story::needs;
use super::{Failure, document};
use conversion_relay::config::Integration;
use conversion_relay::vendors::Purpose;

pub fn run(file: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let document = document::find(file)?;
    let (mut problems, mut notes, mut loaded) = (Vec::new(), document.notes.clone(), Vec::new());
    for found in &document.filters {
        notes.extend(found.absent_module().filter(|note| !notes.contains(note)));
        match load(found, &place(&document, found)) {
            Ok(filter) => {
                notes.extend(
                    filter.notes.iter().filter(|note| !notes.contains(note)).cloned().collect::<Vec<_>>(),
                );
                loaded.push((found, filter));
            }
            Err(Failure::Refused(problem)) => problems.push(problem),
            Err(other) => return Err(other),
        }
    }
    around(&document, &loaded, &mut problems, &mut notes);
    if !problems.is_empty() {
        return Err(Failure::Refused(problems.join("\n")));
    }
    writeln!(out, "{}: OK", file.display())?;
    for note in notes {
        writeln!(out, "note: {note}")?;
    }
    for (found, Loaded { config, .. }) in &loaded {
        if loaded.len() > 1 {
            writeln!(out, "\nThe filter {}", place(&document, found))?;
        }
        for integration in &config.integrations {
            describe(integration, out)?;
        }
        if config.integrations.is_empty() {
            writeln!(out, "\nno integration is enabled: nothing will be delivered")?;
        }
    }
    Ok(())
}

/// Where a configuration stands: its file, and which filter's it is where there are several.
fn place(document: &Document, found: &Found) -> String {
    match &found.name {
        Some(name) if document.filters.len() > 1 => format!("{name} in {}", found.path.display()),
        _ => found.path.display().to_string(),
    }
}

/// What is wrong, or may be, around the filters of a document.
fn around(
    document: &Document,
    loaded: &[(&Found, Loaded)],
    problems: &mut Vec<String>,
    notes: &mut Vec<String>,
) {
    for found in &document.filters {
        if let (Some(name), Some(resources)) = (&found.name, &found.loaded) {
            let problem = refused_resources(name, resources);
            problems.extend(problem.map(|problem| format!("{}: {problem}", found.path.display())));
        }
    }
    let mut filters_with: BTreeMap<&str, usize> = BTreeMap::new();
    for integration in loaded.iter().flat_map(|(_, filter)| &filter.config.integrations) {
        *filters_with.entry(&integration.name).or_default() += 1;
    }
    notes.extend(filters_with.iter().filter(|(_, count)| **count > 1).map(|(name, count)| {
        format!("{count} filters have an integration {name:?}: the metrics add them up. Another name tells them apart")
    }));

    for (at, one) in document.filters.iter().enumerate() {
        for other in document.filters.iter().skip(at.saturating_add(1)) {
            sharing_of(document, one, other, problems, notes);
        }
    }

    let Some(gateway) = Gateway::of(&document.file) else { return };
    let at = document.path.display();
    problems.extend(gateway.configured_by_route().iter().map(|problem| format!("{at}: {problem}")));
    if let Some(matcher) = StatsMatcher::of(&document.file) {
        let mut needed = Needed::default();
        for (found, filter) in loaded {
            needed.add(&filter.config, found.plugin_name(), found.loaded.as_ref().and(found.name.as_deref()));
        }
        let (problem, note) = matcher.judge(&needed);
        problems.extend(problem.map(|problem| format!("{at}: {problem}")));
        notes.extend(note);
    }
    notes.extend(gateway.lacks_node().map(str::to_owned));
    for name in document.filters.iter().filter_map(|found| found.name.as_deref()) {
        if gateway.never_switches_on(name) {
            problems.push(format!(
                "{at}: http_filters: {name} is disabled: true and no route switches it on: give the routes of your \
                 tracking paths a typed_per_filter_config for {name}, as in the envoy.yaml of conversion-relay"
            ));
        }
    }
    for (_, filter) in loaded {
        for integration in &filter.config.integrations {
            let Some(undefined) = gateway.undefined_cluster(integration.destination.cluster()) else {
                continue;
            };
            let text = format!("{undefined} (the integration {:?} delivers to it)", integration.name);
            // A dry run sends nothing, so nothing is lost yet.
            if integration.dry_run { notes.push(text) } else { problems.push(format!("{at}: {text}")) }
        }
    }
}

/// What two filters share that each should have for itself.
fn sharing_of(
    document: &Document,
    one: &Found,
    other: &Found,
    problems: &mut Vec<String>,
    notes: &mut Vec<String>,
) {
    let Some(shared) = sharing::between(one, other) else { return };
    let (first, second) = (place(document, one), place(document, other));
    let (name, at) = (one.plugin_name().unwrap_or_default(), document.path.display());
    match shared {
        Shared::Plugin => problems.push(format!(
            "{at}: the filters {first} and {second} are one plugin {name:?} in one VM, because they have the same name, vm_id, \
             code and environment: they share counters and deduplication. Give each a name and a vm_id \
             of its own"
        )),
        Shared::Memory => notes.push(format!(
            "the filters {first} and {second} have the same name {name:?} and the same vm_id, so they share what is remembered \
             for deduplication: an order of one can be dropped as a duplicate of the other's. Give each a name and a vm_id of \
             its own"
        )),
    }
}

fn describe(integration: &Integration, out: &mut dyn Write) -> Result<(), Failure> {
    let destination = &integration.destination;
    let dry_run = if integration.dry_run { ", a dry run: nothing is sent" } else { "" };
    writeln!(out, "\n{}: {}{dry_run}", integration.name, integration.vendor.name())?;
    writeln!(out, "  to       cluster {}, authority {}", destination.cluster(), destination.authority())?;
    writeln!(out, "  needs    {}", needs(integration))?;
    if destination.purpose() == Purpose::Own {
        writeln!(out, "  purpose  own: opt-outs from advertising don't hold")?;
    }
    for (name, vendor_event, fields) in integration.plan.events() {
        if integration.sends_whole_events {
            writeln!(out, "  sends    {name} as it came")?;
            continue;
        }
        let targets = integration.vendor.targets();
        let named = match (targets.names_events(), targets.takes_objects()) {
            (true, _) => format!(" as {vendor_event}"),
            (false, true) => String::new(),
            (false, false) => " as a hit".to_owned(),
        };
        writeln!(out, "  sends    {name}{named}: {}", fields.targets().join(", "))?;
    }
    if integration.plan.sends_others() {
        let how = if integration.sends_whole_events { "as it came" } else { "by its own name" };
        let which =
            if integration.plan.events().next().is_some() { "every other event" } else { "every event" };
        writeln!(out, "  sends    {which} {how}")?;
    }
    Ok(())
}
