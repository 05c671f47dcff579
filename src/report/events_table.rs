//! Events as aligned columns, for people.

use std::fmt::Write as _;
use std::io::{self, Write};

use anstyle::Style;

use super::columns::{BOLD, DIM, RED, TimeColumn, set_command, style, user_column, write_loss};
use super::units::{format_duration, format_outcome};
use super::{Begin, Output, Report};
use crate::process::event::{Event, EventKind, Names};
use crate::process::loss::Loss;
use crate::process::wait_status::Outcome;

const HEADER: &str = "EVENT     PID    PPID USER       DURATION  RESULT    COMMAND";
const RESULT_WIDTH: usize = 9;

/// Prints a line for each event.
#[derive(Debug)]
pub struct EventsTable {
    time: TimeColumn,
    colour: bool,
    /// A line and its command, kept for their memory.
    line: String,
    command: String,
}

impl EventsTable {
    pub fn new(time: TimeColumn, colour: bool) -> Self {
        Self { time, colour, line: String::new(), command: String::new() }
    }
}

impl Report for EventsTable {
    fn begin(&mut self, out: &mut Output<'_>, _: &Begin) -> io::Result<()> {
        let bold = style(BOLD, self.colour);
        writeln!(out, "{bold}{}{HEADER}{bold:#}", self.time.heading())
    }

    fn event(
        &mut self,
        out: &mut Output<'_>,
        event: &Event<'_>,
        names: &Names,
    ) -> io::Result<bool> {
        let (name, duration, result, colour) = match event.kind {
            EventKind::Exec => ("exec", None, None, Style::new()),
            EventKind::Exit { outcome, duration, .. } => {
                let colour = match outcome {
                    Some(Outcome::Exited(0)) => DIM,
                    _ => RED,
                };
                ("exit", duration, Some(outcome), colour)
            }
        };
        let result = result.map_or("-".into(), format_outcome);
        // SIGRTMIN+15 is wider than its column.
        let wider = result.len().saturating_sub(RESULT_WIDTH);
        let before = self.time.heading().len() + HEADER.len() - "COMMAND".len() + wider;
        set_command(&mut self.command, event, names, out.window, before);
        let style = style(colour, self.colour);
        let time = self.time.text(&out.clock, event.time);
        self.line.clear();
        // Writing to a String does not fail; one that pads does not write byte by byte.
        let _ = writeln!(
            self.line,
            "{style}{time}{name:<5}{:>8}{:>8} {:<10} {:>8}  {:<RESULT_WIDTH$} {}{style:#}",
            event.process.pid,
            event.common.ppid,
            user_column(names.user.as_deref(), event.common.uid),
            duration.map_or("-".into(), format_duration),
            result,
            self.command,
        );
        out.write_all(self.line.as_bytes())?;
        Ok(true)
    }

    fn loss(&mut self, out: &mut Output<'_>, loss: &Loss, time: u64) -> io::Result<()> {
        let time = self.time.text(&out.clock, time);
        write_loss(out, &time, loss, self.colour)
    }
}

#[cfg(test)]
mod tests;
