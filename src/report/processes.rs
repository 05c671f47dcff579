//! `--view processes`: those alive, once a period.

use std::io::{self, Write as _};

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::columns::{BOLD, TimeColumn, set_command, style, write_loss};
use super::fields::push_field;
use super::json::{self, Time, process_fields, unix_ns, write_value};
use super::layout::{Field, Layout, PROCESSES};
use super::units::format_duration;
use super::{Output, Report, Window};
use crate::process::event::Alive;
use crate::process::loss::Loss;
use crate::process::wall_clock::WallClock;

/// Prints a table of them, which begins with its time.
#[derive(Debug)]
pub struct ProcessesTable {
    time: TimeColumn,
    layout: Layout,
    colour: bool,
    /// A line and its command, kept for their memory.
    line: String,
    command: String,
}

impl ProcessesTable {
    /// `ancestors`: it shows all of them, not the parent alone.
    pub fn new(time: TimeColumn, colour: bool, ancestors: bool) -> Self {
        let layout = Layout::new(PROCESSES, TimeColumn::WIDTHS, ancestors);
        Self { time, layout, colour, line: String::new(), command: String::new() }
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
        let Self { layout, line, command, .. } = self;
        layout.follow(out.window);
        writeln!(out, "{bold}{}{bold:#}", layout.header())?;
        for Alive { event, names, age_ns, cpu_ns, .. } in processes {
            line.clear();
            layout.push(line, |field, columns, line| match (field, *cpu_ns) {
                (Field::Age, _) => line.push_str(&format_duration(*age_ns)),
                (Field::Cpu, Some(ns)) => line.push_str(&format_duration(ns)),
                _ => push_field(line, field, event, names, columns, out.charset),
            });
            set_command(command, event, names, layout.command_columns(), out.charset);
            writeln!(out, "{line}{command}")?;
        }
        writeln!(out)
    }
}

/// Prints an object with all of them.
#[derive(Debug)]
pub struct ProcessesJson;

impl Report for ProcessesJson {
    fn loss(&mut self, out: &mut Output<'_>, loss: &Loss, time: u64) -> io::Result<()> {
        let time = out.clock.utc(time);
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
        let time = clock.utc(time);
        write_value(out, &Time(time))?;
        write!(out, r#","time_ns":{},"processes":["#, unix_ns(time))?;
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
