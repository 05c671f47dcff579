//! Events as JSON Lines, for programs. The fields are a contract: docs/json.md.

use std::io::{self, Write as _};

use super::json::{exit_fields, process_fields, write_loss};
use super::json_object::{ObjectBuffer, key};
use super::{Output, Report};
use crate::process::event::{Event, EventKind, Names};
use crate::process::loss::Loss;

/// Prints an object for each event.
#[derive(Debug, Default)]
pub struct EventsJson(ObjectBuffer);

impl Report for EventsJson {
    fn event(
        &mut self,
        out: &mut Output<'_>,
        event: &Event<'_>,
        names: &Names,
    ) -> io::Result<bool> {
        let line = self.0.line(|line| {
            let name = match event.kind {
                EventKind::Exec => "exec",
                EventKind::Exit { .. } => "exit",
            };
            line.field(key!("event"), name);
            line.time([key!("time"), key!("time_ns")], Some(out.clock.utc(event.time)));
            process_fields(line, event, names, &out.clock);
            if let EventKind::Exit { outcome, duration, usage } = event.kind {
                exit_fields(line, duration, outcome, usage.map(|usage| usage.cpu_ns), usage);
            }
        });
        out.write_all(line)?;
        Ok(true)
    }

    fn loss(&mut self, out: &mut Output<'_>, loss: &Loss, time: u64) -> io::Result<()> {
        let time = out.clock.utc(time);
        write_loss(out, loss, time)
    }
}

#[cfg(test)]
mod tests;
