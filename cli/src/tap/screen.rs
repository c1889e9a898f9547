//! Writes records as a person reads them: one line each, or the whole story.

use super::record::{Event, Record};
use super::story;
use super::summary::Summary;
use super::words::why;
use crate::terminal::{Column, FAINT, PLAIN, Painter, clean_json, shortened};

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
        let summary = Summary::of(record);
        let style = summary.style(record);
        // What is of no interest is faint as a whole.
        let text_style = if style == FAINT { FAINT } else { PLAIN };
        self.painter.paint(out, FAINT, &time_of_day(record.time.as_deref().unwrap_or("-")));
        out.push_str("  ");
        self.painter.paint(out, style, &format!("{:<10}", summary.name().replace('_', " ")));
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
