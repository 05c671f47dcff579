//! `--view processes`: those alive, once a period.

use std::io::{self, Write as _};

use super::columns::{BOLD, TimeColumn, push_command_column, style, write_loss};
use super::fields::push_field;
use super::json::{self, Time, process_fields, unix_ns, write_value};
use super::json_object::{ObjectBuffer, key};
use super::layout::{Field, Layout, PROCESSES};
use super::units::push_duration;
use super::{Output, Report, Window};
use crate::process::event::Alive;
use crate::process::loss::Loss;

/// Prints a table of them, which begins with its time.
#[derive(Debug)]
pub struct ProcessesTable {
    time: TimeColumn,
    layout: Layout,
    colour: bool,
    /// A line, kept for its memory.
    line: String,
}

impl ProcessesTable {
    /// `ancestors`: it shows all of them, not the parent alone.
    pub fn new(time: TimeColumn, colour: bool, ancestors: bool) -> Self {
        let layout = Layout::new(PROCESSES, TimeColumn::WIDTHS, ancestors);
        Self { time, layout, colour, line: String::new() }
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
        let Self { layout, line, .. } = self;
        layout.follow(out.window);
        writeln!(out, "{bold}{}{bold:#}", layout.header())?;
        for Alive { event, names, age_ns, cpu_ns, .. } in processes {
            line.clear();
            layout.push(line, |field, columns, line| match (field, *cpu_ns) {
                (Field::Age, _) => push_duration(line, *age_ns),
                (Field::Cpu, Some(ns)) => push_duration(line, ns),
                _ => push_field(line, field, event, names, columns, out.charset),
            });
            push_command_column(line, event, names, layout.command_columns(), out.charset);
            line.push('\n');
            out.write_all(line.as_bytes())?;
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
        let mut buffer = ObjectBuffer::default();
        for (i, Alive { event, names, age_ns, cpu_ns, .. }) in processes.iter().enumerate() {
            out.write_all(if i == 0 { b"" } else { b"," })?;
            out.write_all(buffer.object(|entry| {
                process_fields(entry, event, names, &clock);
                entry.field(key!("age_ns"), *age_ns);
                entry.field(key!("cpu_ns"), *cpu_ns);
            }))?;
        }
        out.write_all(b"]}\n")
    }
}
