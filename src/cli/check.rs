//! `check`: is a configuration valid, and what will each integration do?

use std::io::Write;
use std::path::Path;

use super::printing::needs;
use super::{Failure, Loaded, load_file};
use crate::config::Integration;

pub fn run(file: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let Loaded { config, notes, .. } = load_file(file)?;
    writeln!(out, "{}: fine", file.display())?;
    for note in notes {
        writeln!(out, "note: {note}")?;
    }
    for integration in &config.integrations {
        describe(integration, out)?;
    }
    if config.integrations.is_empty() {
        writeln!(out, "\nno integration is enabled: nothing will be delivered")?;
    }
    Ok(())
}

fn describe(integration: &Integration, out: &mut dyn Write) -> Result<(), Failure> {
    let destination = &integration.destination;
    let dry_run = if integration.dry_run { ", a dry run: nothing is sent" } else { "" };
    writeln!(out, "\n{}: {}{dry_run}", integration.name, integration.vendor.name())?;
    writeln!(out, "  to       cluster {}, authority {}", destination.cluster(), destination.authority())?;
    writeln!(out, "  needs    {}", needs(integration))?;
    for (name, vendor_event, fields) in integration.plan.events() {
        let named = if integration.vendor.targets().takes_objects() { vendor_event } else { "a hit" };
        writeln!(out, "  sends    {name} as {named}: {}", fields.targets().join(", "))?;
    }
    if integration.plan.sends_others() {
        writeln!(out, "  sends    every other event by its own name")?;
    }
    Ok(())
}
