//! Prints what a request leads to, for a preview.

use std::io::Write;

use super::story::{BuiltRequest, Decision, Delivery, Event, Fact};
use conversion_relay::accounting::EventIgnored;

/// Prints events under a heading each.
pub fn print(events: &[Event], out: &mut dyn Write) -> std::io::Result<()> {
    for (index, event) in events.iter().enumerate() {
        writeln!(out, "event {}: {}", index.saturating_add(1), event.name)?;
        for fact in &event.facts {
            match fact {
                Fact::Delivery(delivery) => print_delivery(delivery, out)?,
                Fact::Ignored { reason, count } => print_ignored(*reason, *count, out)?,
                Fact::RequestIgnored(reason) => writeln!(out, "  ignored, {}", reason.label())?,
                Fact::Note(note) => writeln!(out, "  note: {}", note.label())?,
            }
        }
    }
    Ok(())
}

fn print_delivery(delivery: &Delivery, out: &mut dyn Write) -> std::io::Result<()> {
    let Delivery { integration, consent, outcome, left_out, request } = delivery;
    match outcome {
        Decision::Sent => writeln!(out, "  {integration}: sent ({consent})")?,
        Decision::DryRun => writeln!(out, "  {integration}: would be sent, but for dry_run ({consent})")?,
        Decision::NotSent { reason, because } => {
            writeln!(out, "  {integration}: not sent, {}: {because}", reason.label())?;
        }
    }
    for explanation in left_out {
        writeln!(out, "    {explanation}")?;
    }
    request.as_ref().map_or(Ok(()), |request| print_request(request, out))
}

fn print_request(request: &BuiltRequest, out: &mut dyn Write) -> std::io::Result<()> {
    let BuiltRequest { method, authority, path, cluster, headers, body } = request;
    writeln!(out, "    {method} https://{authority}{path}\n    through cluster {cluster}")?;
    for (name, value) in headers {
        writeln!(out, "    {name}: {value}")?;
    }
    body.as_ref().map_or(Ok(()), |body| writeln!(out, "    {body}"))
}

fn print_ignored(reason: EventIgnored, count: usize, out: &mut dyn Write) -> std::io::Result<()> {
    let all = if count > 1 { format!(", with {} more", count.saturating_sub(1)) } else { String::new() };
    let because = match reason {
        EventIgnored::Unauthorized => {
            ": no source has the key that came, if any came, or its origins lack the page; -H 'X-Write-Key: ...' and -H 'Origin: ...' set them"
        }
        EventIgnored::Unmapped => ": no integration has an entry for an event of this name",
        _ => "",
    };
    writeln!(out, "  ignored, {}{all}{because}", reason.label())
}
