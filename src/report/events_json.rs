//! Events as JSON Lines, for programs. The fields are a contract: docs/json.md.

use std::io::{self, Write as _};

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::json::{exit_fields, process_fields, time_fields, write_line, write_loss};
use super::{Output, Report};
use crate::process::event::{Event, EventKind, Names};
use crate::process::loss::Loss;
use crate::process::wall_clock::WallClock;

/// Prints an object for each event.
#[derive(Debug, Default)]
pub struct EventsJson {
    /// A line, kept for its memory.
    line: Vec<u8>,
}

impl Report for EventsJson {
    fn event(
        &mut self,
        out: &mut Output<'_>,
        event: &Event<'_>,
        names: &Names,
    ) -> io::Result<bool> {
        self.line.clear();
        write_line(&mut self.line, &EventLine { event, names, clock: &out.clock })?;
        out.write_all(&self.line)?;
        Ok(true)
    }

    fn loss(&mut self, out: &mut Output<'_>, loss: &Loss, time: u64) -> io::Result<()> {
        let time = out.clock.utc(time);
        write_loss(out, loss, time)
    }
}

struct EventLine<'a> {
    event: &'a Event<'a>,
    names: &'a Names,
    clock: &'a WallClock,
}

impl Serialize for EventLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { event, names, clock } = *self;
        let mut line = serializer.serialize_map(None)?;
        let name = match event.kind {
            EventKind::Exec => "exec",
            EventKind::Exit { .. } => "exit",
        };
        line.serialize_entry("event", name)?;
        time_fields(&mut line, ["time", "time_ns"], Some(clock.utc(event.time)))?;
        process_fields(&mut line, event, names, clock)?;
        if let EventKind::Exit { outcome, duration, usage } = event.kind {
            let cpu_ns = usage.map(|usage| usage.cpu_ns);
            exit_fields(&mut line, duration, outcome, cpu_ns, usage)?;
        }
        line.end()
    }
}

#[cfg(test)]
mod tests;
