//! Writes records as a person reads them: one line each, or the whole story.

use super::outcome::Verdict;
use super::record::{Attempt, Event, Record, What};
use super::story;
use super::terminal::{Column, FAINT, PLAIN, Painter, clean, clean_json, shortened};

/// What is written of each record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One line.
    Line,
    /// The line, and all that the record says below it.
    Story,
    /// The record itself, as JSON.
    Json,
}

/// The columns of terminal lines that an explanation may take.
const EXPLANATION_COLUMNS: usize = 100;

/// Writes records one below the other.
#[derive(Debug)]
pub struct Screen {
    form: Form,
    painter: Painter,
    integration: Column,
    event: Column,
    order: Column,
}

impl Screen {
    /// An empty screen.
    pub fn new(form: Form, painter: Painter) -> Self {
        Self {
            form,
            painter,
            integration: Column::new(20, 32),
            event: Column::new(15, 28),
            order: Column::new(7, 24),
        }
    }

    /// Appends a record, with a newline at its end. `text` is the record as it came.
    pub fn write(&mut self, record: &Record, text: &str, out: &mut String) {
        match self.form {
            Form::Json => {
                out.push_str(&clean_json(text));
                out.push('\n');
            }
            Form::Line => self.line(record, out),
            Form::Story => {
                self.line(record, out);
                story::write(record, self.painter, out);
            }
        }
    }

    fn line(&mut self, record: &Record, out: &mut String) {
        let verdict = Verdict::of(record);
        let style = verdict.style(record);
        // What is of no interest is faint as a whole.
        let text_style = if style == FAINT { FAINT } else { PLAIN };
        self.painter.paint(out, FAINT, &time_of_day(record.time.as_deref().unwrap_or("-")));
        out.push_str("  ");
        self.painter.paint(out, style, &format!("{:<10}", verdict.name().replace('_', " ")));
        out.push_str("  ");
        let cells = [
            (&mut self.integration, record.integration.as_deref()),
            (&mut self.event, name_or_type(&record.event)),
            (&mut self.order, record.event.order_id.as_deref()),
        ];
        for (column, text) in cells {
            let (text, spaces) = column.fit(text.unwrap_or("-"));
            self.painter.paint(out, text_style, &text);
            out.push_str(&spaces);
        }
        self.painter.paint(out, text_style, &why(record));
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
}

/// The event's name; of one without a name, such as a page view, its type.
fn name_or_type(event: &Event) -> Option<&str> {
    event.name.as_deref().filter(|name| !name.is_empty()).or(event.kind.as_deref())
}

/// `10:00:00.123` of `2026-11-29T10:00:00.123Z`; anything else as it is.
fn time_of_day(time: &str) -> String {
    let of_day = time.split_once('T').and_then(|(_, time)| time.strip_suffix('Z'));
    shortened(of_day.unwrap_or(time), 30)
}

/// Why it is so, in few words.
fn why(record: &Record) -> String {
    let last = record.attempts.last();
    match Verdict::of(record) {
        Verdict::Delivered => {
            let attempt = nth_attempt(record).filter(|_| record.attempts.len() > 1);
            join([attempt, last.and_then(duration)])
        }
        Verdict::Retry => {
            join([last.map(status), last.and_then(duration), nth_attempt(record), last.and_then(pause)])
        }
        _ => {
            let reason = record.reason.as_deref().map(|reason| shortened(reason, EXPLANATION_COLUMNS));
            let words = record.explanation.as_deref().map(|words| shortened(words, EXPLANATION_COLUMNS));
            let [reason, words] = [reason, words.or_else(|| tries(record))];
            [reason, words].into_iter().flatten().collect::<Vec<_>>().join(": ")
        }
    }
}

fn join<const N: usize>(parts: [Option<String>; N]) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// `3 attempts, the last one: 503`; `None` if there was no attempt.
fn tries(record: &Record) -> Option<String> {
    let last = status(record.attempts.last()?);
    Some(match record.attempts.len() {
        1 => last,
        count => format!("{count} attempts, the last one: {last}"),
    })
}

/// `2nd attempt`: which one the last was. `None` if there was none.
fn nth_attempt(record: &Record) -> Option<String> {
    let count = record.attempts.len();
    let suffix = match (count % 10, count % 100) {
        (_, 0) if count == 0 => return None,
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    Some(format!("{count}{suffix} attempt"))
}

/// `503`, or `timeout`.
pub fn status(attempt: &Attempt) -> String {
    attempt.status.as_ref().map_or("no status".to_owned(), |status| clean(&status.to_string()))
}

/// `12 ms`.
pub fn duration(attempt: &Attempt) -> Option<String> {
    attempt.ms.map(|ms| format!("{ms} ms"))
}

/// `Retry-After 2 s`.
pub fn pause(attempt: &Attempt) -> Option<String> {
    attempt.retry_after.map(|seconds| format!("Retry-After {seconds} s"))
}

/// `delivered`, or `dropped, rejected`: how it ended, in the metrics' words. `None` if it has not ended.
pub fn end(record: &Record) -> Option<String> {
    if record.what == What::Attempt {
        return None;
    }
    let outcome = record.outcome.as_deref().unwrap_or_else(|| Verdict::of(record).name());
    Some(join([Some(clean(outcome)), record.reason.as_deref().map(clean)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(record: &str) -> String {
        let mut out = String::new();
        let record: Record = serde_json::from_str(record).unwrap();
        Screen::new(Form::Line, Painter { colours: false }).write(&record, "", &mut out);
        out
    }

    #[test]
    fn a_record_with_nothing_but_what_must_be_there_is_a_line_too() {
        assert_eq!(
            line(r#"{"version":1,"what":"ended"}"#),
            "-  lost        -                     -                -\n"
        );
    }

    #[test]
    fn an_event_without_a_name_is_shown_by_its_type() {
        for event in [r#"{"type":"page","name":""}"#, r#"{"type":"page"}"#] {
            let line = line(&format!(r#"{{"version":1,"what":"ignored","event":{event}}}"#));
            assert!(line.contains("  page  "), "{line}");
        }
    }

    #[test]
    fn attempts_are_counted_in_english() {
        for (count, expected) in
            [(2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (21, "21st"), (112, "112th")]
        {
            let attempts = vec![r#"{"status":200,"ms":1}"#; count].join(",");
            let record =
                format!(r#"{{"version":1,"what":"ended","outcome":"delivered","attempts":[{attempts}]}}"#);
            assert!(line(&record).ends_with(&format!("  {expected} attempt, 1 ms\n")), "{}", line(&record));
        }
    }
}
