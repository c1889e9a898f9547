//! All that a record says, below its line: one thing a line, indented.

use serde_json::value::RawValue;
use unicode_width::UnicodeWidthStr;

use super::record::{Attempt, Members, Record, Request};
use super::words::{duration, end, pause, status};
use crate::terminal::{FAINT, PLAIN, Painter, clean};

/// The columns that the labels take.
const LABEL_COLUMNS: usize = 10;

/// Appends the story of a record.
pub fn write(record: &Record, painter: Painter, out: &mut String) {
    let mut story = Story { painter, out };
    let (event, words) =
        (&record.event, |word: &str, text: &Option<String>| text.as_ref().map(|text| [word, text].concat()));
    story.parts("time", [record.time.clone()]);
    story.parts("gateway", [record.gateway.clone(), words("plugin ", &record.plugin)]);
    story.parts("source", [record.source.clone()]);
    story.parts("event", [event.kind.clone(), event.name.clone()]);
    story.parts("", [words("message ", &event.message_id), words("order ", &event.order_id)]);
    story.parts("to", [record.integration.clone(), record.vendor.clone()]);
    story.parts("consent", [record.consent.clone()]);
    story.identity(&record.identity);
    story.lines("left out", record.left_out.iter().map(|sentence| clean(sentence)));
    if let Some(request) = &record.request {
        story.request(request);
    }
    for (number, attempt) in (1_usize..).zip(&record.attempts) {
        story.attempt(number, attempt);
    }
    let words = record.explanation.as_ref().map(|words| clean(words));
    let end = [end(record), words].into_iter().flatten().collect::<Vec<_>>();
    story.lines("end", Some(end.join(": ")).filter(|end| !end.is_empty()));
}

struct Story<'o> {
    painter: Painter,
    out: &'o mut String,
}

impl Story<'_> {
    /// Writes clean lines, with the label before the first one.
    fn lines(&mut self, label: &str, lines: impl IntoIterator<Item = String>) {
        let mut label = label;
        for line in lines {
            self.out.push_str("    ");
            self.painter.paint(self.out, FAINT, label);
            let spaces = LABEL_COLUMNS.saturating_sub(label.width()).saturating_add(1);
            self.out.push_str(&" ".repeat(spaces));
            self.painter.paint(self.out, PLAIN, &line);
            self.out.truncate(self.out.trim_end_matches(' ').len());
            self.out.push('\n');
            label = "";
        }
    }

    /// Writes what there is of some texts in one line.
    fn parts<const N: usize>(&mut self, label: &str, texts: [Option<String>; N]) {
        let there: Vec<String> = texts.into_iter().flatten().map(|text| clean(&text)).collect();
        self.lines(label, Some(there.join(", ")).filter(|_| !there.is_empty()));
    }

    /// Which parts of the visitor's identity were there, and which were not.
    fn identity(&mut self, identity: &Members<bool>) {
        let named = |present: bool| {
            let parts = identity.0.iter().filter(|(_, is_there)| *is_there == present);
            parts.map(|(name, _)| clean(name).replace('_', " ")).collect::<Vec<_>>().join(", ")
        };
        let lines = [("present: ", named(true)), ("absent: ", named(false))];
        self.lines(
            "identity",
            lines
                .into_iter()
                .filter(|(_, names)| !names.is_empty())
                .map(|(words, names)| words.to_owned() + &names),
        );
    }

    fn request(&mut self, request: &Request) {
        let (path, query) = match request.path.as_deref().unwrap_or_default() {
            path if path.contains('?') => path.split_once('?').unwrap_or_default(),
            path => (path, ""),
        };
        let method = request.method.as_deref().unwrap_or_default();
        let authority = request.authority.as_deref().unwrap_or_default();
        self.lines("request", [clean(&format!("{method} {authority}{path}"))]);
        self.lines("query", query.split('&').filter(|parameter| !parameter.is_empty()).map(clean));
        self.lines(
            "headers",
            request.headers.0.iter().map(|(name, value)| clean(&format!("{name}: {value}"))),
        );
        if let Some(body) = &request.body {
            self.body(body);
        }
    }

    /// An object by its members, anything else in one line.
    fn body(&mut self, body: &RawValue) {
        match serde_json::from_str::<Members<Box<RawValue>>>(body.get()) {
            Ok(members) if !members.0.is_empty() => {
                let members = members.0.iter();
                self.lines("body", members.map(|(name, value)| clean(&format!("{name}: {}", value.get()))));
            }
            _ => self.lines("body", [clean(body.get())]),
        }
    }

    fn attempt(&mut self, number: usize, attempt: &Attempt) {
        let took = duration(attempt).map(|duration| format!(" after {duration}"));
        let asked = pause(attempt).map(|pause| format!(", {pause}"));
        let first = [Some(status(attempt)), took, asked].into_iter().flatten().collect();
        let answer = attempt.answer.as_deref().filter(|answer| !answer.is_empty());
        let answer = answer.map(|answer| format!("answer: {}", clean(answer)));
        self.lines(&format!("attempt {number}"), [Some(first), answer].into_iter().flatten());
    }
}
