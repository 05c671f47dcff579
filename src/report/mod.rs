//! Reports: what is printed of the events. One trait, one file a report.
//!
//! A report is given events and names, and asks nobody: neither the kernel nor the system. So
//! it can be tested with events alone.

use std::fmt::Debug;
use std::io::{self, Write};

use clap::ValueEnum;

use self::charset::Charset;
use self::closing_account::ClosingAccount;
use self::filter::Filter;
use crate::process::event::{Alive, Event, Names};
use crate::process::loss::Loss;
use crate::process::record::ProcessId;
use crate::process::tree::Tree;
use crate::process::wall_clock::WallClock;

pub mod activity;
pub mod by_name;
pub mod charset;
pub mod closing_account;
pub mod columns;
pub mod command_totals;
pub mod commands;
pub mod durations;
pub mod events_ecs;
pub mod events_json;
pub mod events_table;
pub mod fields;
pub mod filter;
pub mod host_fields;
pub mod json;
pub mod json_object;
pub mod layout;
pub mod live;
pub mod outlet;
pub mod pftrace;
pub mod processes;
pub mod sink;
pub mod svg;
pub mod tree_json;
#[cfg(test)]
mod tree_sample;
pub mod tree_summary;
pub mod tree_table;
pub mod units;
pub mod usages;
pub mod watch_json;
pub mod whole_lines;
pub mod word;

/// What a report makes of each thing that happens. Most care for some of them only; times are
/// in boot-clock nanoseconds.
///
/// # Errors
///
/// Each method fails when `out` can't be written to.
pub trait Report: Debug {
    /// Before the first event.
    fn begin(&mut self, _out: &mut Output<'_>, _begin: &Begin) -> io::Result<()> {
        Ok(())
    }

    /// An exec or an exit. Tells whether it was printed.
    fn event(
        &mut self,
        _out: &mut Output<'_>,
        _event: &Event<'_>,
        _names: &Names,
    ) -> io::Result<bool> {
        Ok(false)
    }

    /// Events were lost, as was noticed at `time`.
    fn loss(&mut self, _out: &mut Output<'_>, _loss: &Loss, _time: u64) -> io::Result<()> {
        Ok(())
    }

    /// How many of the processes alive it wants to know of once a period: the newest.
    fn processes_wanted(&self, _window: Option<Window>) -> usize {
        0
    }

    /// Whether it wants to know what a process alive uses, which costs a look at `/proc`. It is
    /// asked about each one once a period, the oldest first.
    fn wants_usage(&mut self, _process: ProcessId) -> bool {
        true
    }

    /// Once a period: the processes alive at `time`, the oldest first.
    fn period(
        &mut self,
        _out: &mut Output<'_>,
        _processes: &[Alive<'_>],
        _time: u64,
    ) -> io::Result<()> {
        Ok(())
    }

    /// What was typed on the terminal; nothing: it is to be drawn anew. Tells whether the watch is
    /// to end.
    fn typed(&mut self, _out: &mut Output<'_>, _bytes: &[u8]) -> io::Result<bool> {
        Ok(false)
    }

    /// After the last event, at `time`.
    fn end(&mut self, _out: &mut Output<'_>, _time: u64) -> io::Result<()> {
        Ok(())
    }

    /// When each report has ended, and all that was printed has left the program.
    fn account(&mut self, _out: &mut Output<'_>, _account: &ClosingAccount) -> io::Result<()> {
        Ok(())
    }
}

/// A report on the whole, when the watch has ended: a tree, or a picture of it.
pub trait TreeReport: Debug {
    /// Writes all of it.
    ///
    /// # Errors
    ///
    /// When `out` can't be written to.
    fn write(&self, out: &mut Output<'_>, tree: &Tree, watched: &Watched<'_>) -> io::Result<()>;
}

/// What a report on the whole tells beside the tree.
#[derive(Debug, Clone, Copy)]
pub struct Watched<'a> {
    pub begin: &'a Begin,
    pub account: &'a ClosingAccount,
    /// How many CPUs may run processes.
    pub cpus: usize,
}

/// What is watched, from when on and where.
#[derive(Debug, Clone, Default)]
pub struct Begin {
    pub time: u64,
    pub host_name: String,
    /// Different each time a machine starts.
    pub boot_id: Option<String>,
    pub kernel_release: String,
    pub filter: Filter,
}

/// Where a report writes to, and what it must know to do so.
pub struct Output<'a> {
    pub to: &'a mut dyn Write,
    pub clock: WallClock,
    /// `None` where nothing is to be cut, since it is no terminal.
    pub window: Option<Window>,
    pub charset: Charset,
}

/// The size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub columns: usize,
    pub lines: usize,
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.charset {
            Charset::Utf8 => self.to.write(bytes),
            // All that is written here is text, in whole characters.
            Charset::Ascii => self.to.write_all(&self.charset.text(bytes)).map(|()| bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns, for people
    Table,
    /// JSON Lines, one object a line, for programs
    Json,
    /// JSON Lines by the Elastic Common Schema
    Ecs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum View {
    /// Each exec and each exit as it happens
    Events,
    /// The processes alive: live on a terminal, else once a period
    Processes,
    /// The programs by name, likewise
    Commands,
    /// At the end, each process below the one that started it
    Tree,
}

/// What a file to save holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picture {
    /// A timeline.
    Svg,
    /// The same for Perfetto (<https://perfetto.dev>).
    Pftrace,
    /// What would have been printed in this format.
    Stream(Format),
}

/// Times in a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum TimeStyle {
    #[default]
    Local,
    Utc,
    /// Date, time of day, and the offset of the zone
    Date,
    Relative,
    None,
}

/// Which reports are wanted, and how they look.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    pub format: Format,
    pub view: View,
    /// Whether the command totals follow at the end.
    pub totals: bool,
    /// Whether rows of like processes are shown one by one.
    pub all: bool,
    pub time: TimeStyle,
    pub colour: bool,
    /// Of what people read; JSON and pictures are UTF-8 always.
    pub charset: Charset,
    /// Where there is a terminal for a live view: whether it has keys.
    pub live: Option<bool>,
    /// What [`TimeStyle::Relative`] counts from.
    pub started: u64,
    /// Whether tables show all that is known of who started a process.
    pub ancestors: bool,
    /// Whether each line of JSON tells its host.
    pub host_fields: bool,
}

/// What is reported in one place.
#[derive(Debug, Default)]
pub struct Chosen {
    /// In the order in which they print.
    pub reports: Vec<Box<dyn Report>>,
    /// On the whole, at the end.
    pub tree: Option<Box<dyn TreeReport>>,
    pub charset: Charset,
    /// Whether each line gets the fields of its host.
    pub host_fields: bool,
}

/// The reports of a choice.
pub fn chosen(choice: Choice) -> Chosen {
    let Choice { format, view, totals, all, time, colour, charset, live, started, .. } = choice;
    let ancestors = choice.ancestors;
    let time = || columns::TimeColumn::new(time, started);
    let charset = match format {
        Format::Table => charset,
        Format::Json | Format::Ecs => Charset::Utf8,
    };
    let mut reports: Vec<Box<dyn Report>> = match format {
        Format::Table | Format::Ecs => Vec::new(),
        Format::Json => vec![Box::new(watch_json::WatchJson)],
    };
    let mut tree: Option<Box<dyn TreeReport>> = None;
    match (view, format) {
        (View::Events, Format::Table) => {
            reports.push(Box::new(events_table::EventsTable::new(time(), colour, ancestors)));
        }
        (View::Events, Format::Json) => reports.push(Box::new(events_json::EventsJson::default())),
        // That schema is about events; the options ask for nothing else.
        (_, Format::Ecs) => reports.push(Box::new(events_ecs::EventsEcs::default())),
        (View::Processes | View::Commands, Format::Table) if live.is_some() => {
            let has_keys = live.unwrap_or_default();
            reports.push(Box::new(live::Live::new(view, time(), colour, has_keys)));
        }
        (View::Commands, _) => {
            let as_json = format == Format::Json;
            reports.push(Box::new(commands::Commands::new(as_json, time(), colour)));
        }
        (View::Processes, Format::Table) => {
            reports.push(Box::new(processes::ProcessesTable::new(time(), colour, ancestors)));
        }
        (View::Processes, Format::Json) => reports.push(Box::new(processes::ProcessesJson)),
        (View::Tree, Format::Table) => {
            tree = Some(Box::new(tree_table::TreeTable::new(colour, all)))
        }
        (View::Tree, Format::Json) => tree = Some(Box::new(tree_json::TreeJson)),
    }
    if totals {
        let as_json = match format {
            Format::Table => false,
            Format::Json | Format::Ecs => true,
        };
        reports.push(Box::new(command_totals::CommandTotals::new(as_json, colour)));
    }
    let host_fields = choice.host_fields && format == Format::Json;
    Chosen { reports, tree, charset, host_fields }
}

/// What a file to save is to hold.
pub fn of_picture(picture: Picture, choice: Choice) -> Chosen {
    let tree: Box<dyn TreeReport> = match picture {
        Picture::Svg => Box::new(svg::Svg),
        Picture::Pftrace => Box::new(pftrace::Pftrace),
        Picture::Stream(format) => {
            return chosen(Choice { format, colour: false, live: None, ..choice });
        }
    };
    Chosen { tree: Some(tree), ..Chosen::default() }
}
