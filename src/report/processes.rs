//! `--view processes`: those alive, once a period.

use std::io::{self, Write as _};

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::columns::{BOLD, TimeColumn, set_command, style, user_column, write_loss};
use super::json::{self, Time, process_fields, write_value};
use super::units::format_duration;
use super::{Output, Report, Window};
use crate::process::event::Alive;
use crate::process::loss::Loss;
use crate::process::wall_clock::WallClock;

const HEADER: &str = "    PID    PPID USER            AGE      CPU  COMMAND";

/// Prints a table of them, which begins with its time.
#[derive(Debug)]
pub struct ProcessesTable {
    time: TimeColumn,
    colour: bool,
    command: String,
}

impl ProcessesTable {
    pub fn new(time: TimeColumn, colour: bool) -> Self {
        Self { time, colour, command: String::new() }
    }
}

impl Report for ProcessesTable {
    fn loss(&mut self, out: &mut Output<'_>, loss: &Loss, time: u64) -> io::Result<()> {
        let time = self.time.text(&out.clock, time);
        write_loss(out, &time, loss, self.colour)
    }

    fn processes_wanted(&self, _window: Option<Window>) -> usize {
        usize::MAX
    }

    fn period(
        &mut self,
        out: &mut Output<'_>,
        processes: &[Alive<'_>],
        time: u64,
    ) -> io::Result<()> {
        let bold = style(BOLD, self.colour);
        writeln!(out, "{}", self.time.text(&out.clock, time).trim_end())?;
        writeln!(out, "{bold}{HEADER}{bold:#}")?;
        for Alive { event, names, age_ns, cpu_ns, .. } in processes {
            let before = HEADER.len() - "COMMAND".len();
            set_command(&mut self.command, event, names, out.window, before);
            writeln!(
                out,
                "{:>7} {:>7} {:<10} {:>8} {:>8}  {}",
                event.process.pid,
                event.common.ppid,
                user_column(names.user.as_deref(), event.common.uid),
                format_duration(*age_ns),
                cpu_ns.map_or("-".into(), format_duration),
                self.command,
            )?;
        }
        writeln!(out)
    }
}

/// Prints an object with all of them.
#[derive(Debug)]
pub struct ProcessesJson;

impl Report for ProcessesJson {
    fn loss(&mut self, out: &mut Output<'_>, loss: &Loss, time: u64) -> io::Result<()> {
        let time = Time(out.clock.utc(time));
        json::write_loss(out, loss, time)
    }

    fn processes_wanted(&self, _window: Option<Window>) -> usize {
        usize::MAX
    }

    fn period(
        &mut self,
        out: &mut Output<'_>,
        processes: &[Alive<'_>],
        time: u64,
    ) -> io::Result<()> {
        let clock = out.clock;
        out.write_all(br#"{"event":"processes","time":"#)?;
        write_value(out, &Time(clock.utc(time)))?;
        out.write_all(br#","processes":["#)?;
        for (i, process) in processes.iter().enumerate() {
            out.write_all(if i == 0 { b"" } else { b"," })?;
            write_value(out, &AliveEntry { process, clock: &clock })?;
        }
        out.write_all(b"]}\n")
    }
}

struct AliveEntry<'a> {
    process: &'a Alive<'a>,
    clock: &'a WallClock,
}

impl Serialize for AliveEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Alive { event, names, age_ns, cpu_ns, .. } = self.process;
        let mut entry = serializer.serialize_map(None)?;
        process_fields(&mut entry, event, names, self.clock)?;
        entry.serialize_entry("age_ns", age_ns)?;
        entry.serialize_entry("cpu_ns", cpu_ns)?;
        entry.end()
    }
}
