//! `--view commands`: the programs by name, once a period, where there is no live view.

use std::borrow::Cow;
use std::io::{self, Write as _};

use serde::Serialize;

use super::activity::{Activity, CommandRow, Period};
use super::by_name::OTHERS;
use super::charset::Charset;
use super::columns::{BOLD, TimeColumn, cut, style, write_loss};
use super::json::{self, LineTime, write_line};
use super::units::format_duration;
use super::word::Word;
use super::{Begin, Output, Report, Window};
use crate::process::event::{Alive, Event, Names};
use crate::process::loss::Loss;
use crate::process::record::ProcessId;

const HEADER: &str = "RUNNING  START/S   FAIL/S    CPU%      P50      P99  COMMAND";

/// Prints a table, or an object, of those that ran in a period.
#[derive(Debug)]
pub struct Commands {
    as_json: bool,
    time: TimeColumn,
    colour: bool,
    activity: Activity,
}

impl Commands {
    pub fn new(as_json: bool, time: TimeColumn, colour: bool) -> Self {
        Self { as_json, time, colour, activity: Activity::default() }
    }

    fn write_table(&mut self, out: &mut Output<'_>, period: &Period, time: u64) -> io::Result<()> {
        let bold = style(BOLD, self.colour);
        writeln!(out, "{}", self.time.text(&out.clock, time).trim_end())?;
        writeln!(out, "{bold}{HEADER}{bold:#}")?;
        for row in &period.commands {
            let mut name = name_of(row, out.charset);
            if let Some(window) = out.window {
                cut(&mut name, window.columns.saturating_sub(HEADER.len() - "COMMAND".len()));
            }
            writeln!(
                out,
                "{:>7} {:>8.1} {:>8.1} {:>7.1} {:>8} {:>8}  {name}",
                row.running,
                period.a_second(row.starts),
                period.a_second(row.failures),
                row.cpus * 100.0,
                row.p50_ns.map_or("-".into(), format_duration),
                row.p99_ns.map_or("-".into(), format_duration),
            )?;
        }
        writeln!(out)
    }
}

/// What a row is called.
pub fn name_of(row: &CommandRow, charset: Charset) -> String {
    row.comm
        .as_ref()
        .map_or_else(|| OTHERS.into(), |comm| Word::new(comm).in_charset(charset).to_string())
}

impl Report for Commands {
    fn begin(&mut self, _: &mut Output<'_>, begin: &Begin) -> io::Result<()> {
        self.activity.begin(begin.time);
        Ok(())
    }

    fn event(&mut self, _: &mut Output<'_>, event: &Event<'_>, _: &Names) -> io::Result<bool> {
        self.activity.event(event);
        Ok(false)
    }

    fn loss(&mut self, out: &mut Output<'_>, loss: &Loss, time: u64) -> io::Result<()> {
        if self.as_json {
            return json::write_loss(out, loss, out.clock.utc(time));
        }
        let time = self.time.text(&out.clock, time);
        write_loss(out, &time, loss, self.colour)
    }

    fn processes_wanted(&self, _window: Option<Window>) -> usize {
        usize::MAX
    }

    fn wants_usage(&mut self, process: ProcessId) -> bool {
        self.activity.usages.wants(process)
    }

    fn period(
        &mut self,
        out: &mut Output<'_>,
        processes: &[Alive<'_>],
        time: u64,
    ) -> io::Result<()> {
        let mut period = self.activity.period(processes, time);
        period.commands.retain(CommandRow::is_active);
        period.commands.sort_by(|a, b| {
            let busiest = b.cpus.total_cmp(&a.cpus).then(b.starts.cmp(&a.starts));
            busiest.then_with(|| a.comm.cmp(&b.comm))
        });
        if !self.as_json {
            return self.write_table(out, &period, time);
        }
        let time = LineTime(out.clock.utc(time));
        let commands = period.commands.iter().map(CommandEntry::of).collect();
        write_line(out, &Line { event: "commands", time, span_ns: period.span_ns, commands })
    }
}

#[derive(Serialize)]
struct Line<'a> {
    event: &'static str,
    #[serde(flatten)]
    time: LineTime,
    span_ns: u64,
    commands: Vec<CommandEntry<'a>>,
}

#[derive(Serialize)]
struct CommandEntry<'a> {
    /// `None`: all further ones.
    comm: Option<Cow<'a, str>>,
    running: u64,
    starts: u64,
    failures: u64,
    cpus: f64,
    p50_duration_ns: Option<u64>,
    p99_duration_ns: Option<u64>,
}

impl<'a> CommandEntry<'a> {
    fn of(row: &'a CommandRow) -> Self {
        Self {
            comm: row.comm.as_deref().map(String::from_utf8_lossy),
            running: row.running,
            starts: row.starts,
            failures: row.failures,
            cpus: (row.cpus * 1e4).round() / 1e4, // more digits would mean nothing
            p50_duration_ns: row.p50_ns,
            p99_duration_ns: row.p99_ns,
        }
    }
}

#[cfg(test)]
mod tests;
