//! Events as aligned columns, for people.

use std::fmt::Write as _;
use std::io::{self, Write};

use anstyle::Style;

use super::columns::{BOLD, DIM, RED, TimeColumn, push_command_column, style, write_loss};
use super::fields::push_field;
use super::layout::{EVENTS, Field, Layout};
use super::units::{push_duration, push_outcome};
use super::{Begin, Output, Report};
use crate::process::event::{Event, EventKind, Names};
use crate::process::loss::Loss;
use crate::process::wait_status::Outcome;

/// Prints a line for each event.
#[derive(Debug)]
pub struct EventsTable {
    time: TimeColumn,
    layout: Layout,
    colour: bool,
    /// A line, kept for its memory.
    line: String,
}

impl EventsTable {
    /// `ancestors`: it shows all of them, not the parent alone.
    pub fn new(time: TimeColumn, colour: bool, ancestors: bool) -> Self {
        let layout = Layout::new(EVENTS, time.widths(), ancestors);
        Self { time, layout, colour, line: String::new() }
    }

    /// Prints the header, at the beginning and where the window has got other columns.
    fn write_header(&mut self, out: &mut Output<'_>) -> io::Result<()> {
        if !self.layout.follow(out.window) {
            return Ok(());
        }
        let bold = style(BOLD, self.colour);
        writeln!(out, "{bold}{}{bold:#}", self.layout.header())
    }
}

impl Report for EventsTable {
    fn begin(&mut self, out: &mut Output<'_>, _: &Begin) -> io::Result<()> {
        self.write_header(out)
    }

    fn event(
        &mut self,
        out: &mut Output<'_>,
        event: &Event<'_>,
        names: &Names,
    ) -> io::Result<bool> {
        self.write_header(out)?;
        let Self { time, layout, line, .. } = self;
        let colour = match event.kind {
            EventKind::Exec => Style::new(),
            EventKind::Exit { outcome: Some(Outcome::Exited(0)), .. } => DIM,
            EventKind::Exit { .. } => RED,
        };
        let style = style(colour, self.colour);
        let has_results = layout.has(Field::Result);
        line.clear();
        // Writing to a String does not fail; one that pads does not write byte by byte.
        if self.colour {
            let _ = write!(line, "{style}");
        }
        layout.push(line, |field, columns, line| match (field, event.kind) {
            (Field::Time, _) => {
                time.push(line, &out.clock, event.time, columns.unwrap_or(usize::MAX));
            }
            (Field::Event, EventKind::Exec) => line.push_str("exec"),
            (Field::Event, EventKind::Exit { .. }) if has_results => line.push_str("exit"),
            (Field::Event, EventKind::Exit { outcome, .. }) => push_end(line, outcome, columns),
            (Field::Result, EventKind::Exit { outcome, .. }) => push_result(line, outcome, columns),
            (Field::Duration, EventKind::Exit { duration: Some(ns), .. }) => {
                push_duration(line, ns);
            }
            _ => push_field(line, field, event, names, columns, out.charset),
        });
        push_command_column(line, event, names, layout.command_columns(), out.charset);
        if self.colour {
            let _ = write!(line, "{style:#}");
        }
        line.push('\n');
        out.write_all(line.as_bytes())?;
        Ok(true)
    }

    fn loss(&mut self, out: &mut Output<'_>, loss: &Loss, time: u64) -> io::Result<()> {
        let time = self.time.text(&out.clock, time);
        write_loss(out, &time, loss, self.colour)
    }
}

/// Adds an end with its result, as it stands in one column: `exit 0`, `SIGKILL`.
fn push_end(line: &mut String, outcome: Option<Outcome>, columns: Option<usize>) {
    if !matches!(outcome, Some(Outcome::Signaled { .. })) {
        line.push_str("exit ");
    }
    push_result(line, outcome, columns);
}

/// Adds a result. Where a signal's name does not fit, it goes without `SIG`.
fn push_result(line: &mut String, outcome: Option<Outcome>, columns: Option<usize>) {
    let begin = line.len();
    push_outcome(line, outcome);
    let result = &line[begin..];
    if columns.is_some_and(|columns| result.len() > columns) && result.starts_with("SIG") {
        line.drain(begin..begin + "SIG".len());
    }
}

#[cfg(test)]
mod tests;
