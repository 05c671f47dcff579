//! The command line. The doc comments here are its help text.

mod refusal;
mod values;
mod wanted;

use std::env;
use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Error;
use clap::error::ErrorKind;
use clap::{ArgAction, ColorChoice, CommandFactory as _, Parser, ValueHint};
use regex::bytes::Regex;

use self::values::{
    container_here, duration, exit_codes, max_entries, period, pid, regex, saved, signal, span,
    user,
};
use crate::process::redaction::Redaction;
use crate::report::filter::{EventName, Filter};
use crate::report::{Format, Picture, TimeStyle, View};
use crate::system::cgroups;
use crate::system::command::{self, NotStarted};

const FILTERS: &str =
    "Filters (an event must pass all of them; several values of one, by commas or repeated: any)";

/// Watch every program that starts and how each one ends, through an eBPF map.
///
/// Prints one line for each exec and one for each process that exits, in the order of the
/// kernel's clock. Loading BPF programs takes root, or CAP_BPF and CAP_PERFMON.
#[derive(Debug, Clone, Parser)]
#[command(version = env!("VERSION_AND_COMMIT"), max_term_width = 100, args_override_self = true)]
pub struct Options {
    /// Longest time between two reads of the map, 10ms to 1h
    #[arg(long, value_name = "SPAN", default_value = "1", value_parser = period,
          allow_hyphen_values = true)]
    pub period: Duration,

    /// Stop by itself after this time, such as 5, 0.5, 250ms or 1h30m
    #[arg(long, value_name = "SPAN", value_parser = duration, allow_hyphen_values = true)]
    pub duration: Option<Duration>,

    /// What to print: for people, or for programs
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value = "table")]
    pub output: Format,

    /// What to watch
    #[arg(long, value_name = "VIEW", value_enum, default_value = "events")]
    pub view: View,

    /// With --view processes: also those that were running before the start; with --view tree:
    /// each of a row of like processes
    #[arg(long)]
    pub all: bool,

    /// Show all that is known of who started a process, up to init: with -o json as `ancestors`, in
    /// a table as a column
    #[arg(long)]
    pub ancestors: bool,

    /// With -o json: each line tells its host, as `host_name` and `boot_id`, so that lines of many
    /// machines can be put together
    #[arg(long)]
    pub host_fields: bool,

    /// Follow this process, and all that it starts from now on; may be given several times
    #[arg(long, value_name = "PID", conflicts_with = "pid", value_parser = pid,
          value_delimiter = ',', allow_negative_numbers = true)]
    pub follow: Vec<u32>,

    /// Save a picture or a log when it ends: .svg, .pftrace (Perfetto), .jsonl or .txt; may be
    /// given several times
    #[arg(long, value_name = "FILE", value_parser = saved, value_hint = ValueHint::FilePath)]
    pub save: Vec<Saved>,

    /// Print to the end of this file, not to stdout (with a COMMAND: stderr). SIGHUP has it opened
    /// anew (for logrotate), and ends nothing
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,

    /// Run the COMMAND as this user (name or number). By default: the one who called sudo
    #[arg(long, value_name = "USER", value_hint = ValueHint::Username)]
    pub run_as: Option<String>,

    /// At the end, print the commands that ran, grouped by name
    #[arg(long)]
    pub summary: bool,

    /// Only processes of this user (name or number, as it was at the exec)
    #[arg(short, long, value_name = "USER", value_parser = user, value_delimiter = ',',
          allow_negative_numbers = true, value_hint = ValueHint::Username, help_heading = FILTERS)]
    pub user: Vec<u32>,

    /// Only this process
    #[arg(short, long, value_name = "PID", value_parser = pid, value_delimiter = ',',
          allow_negative_numbers = true, help_heading = FILTERS)]
    pub pid: Vec<u32>,

    /// Only children of this process
    #[arg(long, value_name = "PID", value_parser = pid, value_delimiter = ',',
          allow_negative_numbers = true, help_heading = FILTERS)]
    pub ppid: Vec<u32>,

    /// Only processes whose name or command line matches
    #[arg(short, long, value_name = "REGEX", value_parser = regex, help_heading = FILTERS)]
    pub name: Vec<Regex>,

    /// No processes whose name or command line matches
    #[arg(long, value_name = "REGEX", value_parser = regex, help_heading = FILTERS)]
    pub exclude: Vec<Regex>,

    /// Only processes of this cgroup and those below it
    #[arg(short, long, value_name = "PATH", value_parser = cgroups::resolve, help_heading = FILTERS)]
    pub cgroup: Vec<String>,

    /// Only processes of the container whose id begins so
    #[arg(long, value_name = "ID", value_parser = container_here, help_heading = FILTERS)]
    pub container: Vec<String>,

    /// Only exits other than with code 0
    #[arg(short = 'x', long, help_heading = FILTERS)]
    pub failed: bool,

    /// Only exits with this code, or one of a range such as 1-127. Together with --signal: either
    #[arg(long, value_name = "CODE", value_parser = exit_codes, value_delimiter = ',',
          allow_negative_numbers = true, help_heading = FILTERS)]
    pub exit_code: Vec<RangeInclusive<i32>>,

    /// Only exits by this signal (name or number)
    #[arg(long, value_name = "SIGNAL", value_parser = signal, value_delimiter = ',',
          allow_negative_numbers = true, help_heading = FILTERS)]
    pub signal: Vec<i32>,

    /// Only exits of processes that lived at least so long
    #[arg(long, value_name = "SPAN", value_parser = span, allow_hyphen_values = true,
          help_heading = FILTERS)]
    pub min_duration: Option<Duration>,

    /// Only events of this kind
    #[arg(long, value_name = "EVENT", value_enum, help_heading = FILTERS)]
    pub event: Option<EventName>,

    /// Show what matches in any argument as ***; may be given several times
    #[arg(long, value_name = "REGEX", value_parser = regex)]
    pub redact: Vec<Regex>,

    /// Times in the table: of day here, of day in UTC, date and time here with the zone's offset
    /// (for logs), since the start, or none
    #[arg(short, long, value_name = "TIME", value_enum, default_value = "local")]
    pub time: TimeStyle,

    /// Colours in the table; auto means on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto")]
    pub color: ColorChoice,

    /// Capacity of process_map, in records of about 600 bytes
    #[arg(long, value_name = "N", default_value = "16384",
          value_parser = max_entries, allow_negative_numbers = true)]
    pub max_entries: u32,

    /// End with status 3 if any event was dropped or possibly missed (and a COMMAND ended with 0)
    #[arg(long)]
    pub fail_on_loss: bool,

    /// Tell on stderr about rights and tracefs; -vv: all that libbpf says, too
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,

    /// Run this command, and follow it and all that it starts until it ends. The exit status is
    /// its own: 128 and the signal that ended it; 125 where this program failed, 126 and 127 where
    /// the command could not be run
    #[arg(last = true, value_name = "COMMAND", conflicts_with_all = ["follow", "pid", "duration"])]
    pub command: Vec<OsString>,
}

/// A file to save, and what is to be in it.
#[derive(Debug, Clone)]
pub struct Saved {
    pub path: PathBuf,
    pub picture: Picture,
}

/// The exit status that `--fail-on-loss` asks for.
pub const LOSS_STATUS: u8 = 3;

impl Options {
    /// What the command line asks for. It ends the program where that makes no sense.
    pub fn of_command_line() -> Self {
        let options = Self::try_parse().unwrap_or_else(|error| refusal::refuse(&error));
        if let Some(why) = options.contradiction() {
            refusal::refuse(&Self::command().error(ErrorKind::ArgumentConflict, why));
        }
        options
    }

    fn contradiction(&self) -> Option<&'static str> {
        let filter = self.filter();
        let has_command = !self.command.is_empty();
        let only_code_0 = self.signal.is_empty()
            && !self.exit_code.is_empty()
            && self.exit_code.iter().all(|codes| *codes == (0..=0));
        [
            (
                !has_command && env::args_os().any(|word| word == "--"),
                "there is no COMMAND behind `--`",
            ),
            (self.run_as.is_some() && !has_command, "--run-as is for a COMMAND"),
            (
                self.view == View::Tree && filter.is_some(),
                "filters choose events, and --view tree shows the whole tree of processes",
            ),
            (
                matches!(self.view, View::Processes | View::Commands)
                    && !self.summary
                    && (filter.asks_for_exit() || filter.event.is_some()),
                "--view processes and --view commands show what runs, and no exec or exit",
            ),
            (
                self.event == Some(EventName::Exec) && filter.asks_for_exit(),
                "--event exec shows no exits; --failed, --exit-code, --signal and --min-duration nothing else",
            ),
            (
                self.failed && only_code_0,
                "an exit with code 0 is no failure, so nothing would be shown",
            ),
            (
                self.all && self.view == View::Events,
                "--all is for --view processes and --view tree",
            ),
            (
                self.output == Format::Ecs && (self.view != View::Events || self.summary),
                "-o ecs is for events alone: for other views, and --summary, there is -o json",
            ),
            (
                self.ancestors && self.view == View::Tree,
                "--ancestors is for the other views: --view tree shows who started whom",
            ),
            (
                self.host_fields && !self.prints_json(),
                "--host-fields is for -o json, and for --save FILE.jsonl",
            ),
        ]
        .into_iter()
        .find_map(|(is_so, why)| is_so.then_some(why))
    }

    /// Whether only a command, or some processes, are followed.
    pub fn follows(&self) -> bool {
        !self.command.is_empty() || !self.follow.is_empty()
    }

    fn prints_json(&self) -> bool {
        let is_json = |saved: &Saved| matches!(saved.picture, Picture::Stream(Format::Json));
        self.output == Format::Json || self.save.iter().any(is_json)
    }

    /// The files that are written.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.to.iter().chain(self.save.iter().map(|saved| &saved.path)).map(PathBuf::as_path)
    }

    /// The exit status for an error.
    pub fn failure_status(&self, error: &Error) -> ExitCode {
        match error.downcast_ref::<NotStarted>() {
            Some(not_started) => ExitCode::from(not_started.status),
            None if self.command.is_empty() => ExitCode::FAILURE,
            None => ExitCode::from(command::FAILED),
        }
    }

    /// Which events are to be shown.
    pub fn filter(&self) -> Filter {
        Filter {
            users: self.user.clone(),
            pids: self.pid.clone(),
            ppids: self.ppid.clone(),
            names: self.name.clone(),
            excluded: self.exclude.clone(),
            cgroups: self.cgroup.clone(),
            containers: self.container.clone(),
            failed: self.failed,
            exit_codes: self.exit_code.clone(),
            signals: self.signal.clone(),
            min_duration: self.min_duration,
            event: self.event,
        }
    }

    /// What is to be hidden in command lines.
    pub fn redaction(&self) -> Redaction {
        Redaction::new(self.redact.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Options::command().debug_assert();
    }
}
