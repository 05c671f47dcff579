//! The columns of the two tables, and which of them a window has room for.

use std::cmp::Ordering;

use super::processes::Process;
use crate::report::activity::{CommandRow, Period};
use crate::report::charset::Charset;
use crate::report::fields::{USER_COLUMNS, push_user};
use crate::report::units::format_duration;

/// Which table is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    Processes,
    Commands,
}

/// A column before the last one, which is COMMAND.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    Pid,
    Ppid,
    User,
    Cpu,
    Memory,
    Age,
    Running,
    Starts,
    Failures,
    P50,
    P99,
    /// The last one, to sort by.
    Name,
}

use Column::{Age, Cpu, Failures, Memory, Name, P50, P99, Pid, Ppid, Running, Starts, User};

impl Column {
    pub fn heading(self) -> &'static str {
        match self {
            Pid => "PID",
            Ppid => "PPID",
            User => "USER",
            Cpu => "CPU%",
            Memory => "MEM",
            Age => "AGE",
            Running => "RUN",
            Starts => "START/S",
            Failures => "FAIL/S",
            P50 => "P50",
            P99 => "P99",
            Name => "COMMAND",
        }
    }

    /// In terminal columns, with a place for the mark of the one that is sorted by.
    pub fn width(self) -> u16 {
        match self {
            Running | Cpu => 5,
            Memory => 6,
            Pid | Ppid | Failures => 7,
            Age | Starts | P50 | P99 => 8,
            User => 10,
            Name => 0,
        }
    }

    /// What a key sorts by.
    pub fn of_key(page: Page, key: char) -> Option<Self> {
        Some(match (page, key) {
            (_, 'c') => Cpu,
            (Page::Processes, 'a') => Age,
            (Page::Processes, 'm') => Memory,
            (Page::Processes, 'p') => Pid,
            (Page::Commands, 'r') => Running,
            (Page::Commands, 's') => Starts,
            (Page::Commands, 'f') => Failures,
            (Page::Commands, '5') => P50,
            (Page::Commands, '9') => P99,
            (Page::Commands, 'n') => Name,
            _ => return None,
        })
    }

    /// Whether the smallest comes first unless that is turned round.
    pub fn is_ascending(self) -> bool {
        matches!(self, Pid | Age | Name)
    }

    pub fn of_process(self, process: &Process, charset: Charset) -> String {
        match self {
            Pid => process.id.pid.to_string(),
            Ppid => process.ppid.to_string(),
            User => {
                let (mut text, user) = (String::new(), process.names.user.as_deref());
                push_user(&mut text, user, process.uid, USER_COLUMNS, charset);
                text
            }
            Cpu => process.cpus.map_or("-".into(), percent),
            Memory => process.rss_kib.map_or("-".into(), short_memory),
            Age => format_duration(process.age_ns),
            Running | Starts | Failures | P50 | P99 | Name => String::new(),
        }
    }

    pub fn of_command(self, row: &CommandRow, period: &Period) -> String {
        match self {
            Running => row.running.to_string(),
            Starts => rate(period.a_second(row.starts)),
            Failures => rate(period.a_second(row.failures)),
            Cpu => percent(row.cpus),
            P50 => row.p50_ns.map_or("-".into(), format_duration),
            P99 => row.p99_ns.map_or("-".into(), format_duration),
            Pid | Ppid | User | Memory | Age | Name => String::new(),
        }
    }

    /// Their order by this column, the smallest first.
    pub fn compare_processes(self, a: &Process, b: &Process) -> Ordering {
        match self {
            Age => a.age_ns.cmp(&b.age_ns),
            Memory => a.rss_kib.cmp(&b.rss_kib),
            Pid => a.id.pid.cmp(&b.id.pid),
            _ => a.cpus.unwrap_or(-1.0).total_cmp(&b.cpus.unwrap_or(-1.0)),
        }
    }

    /// Likewise.
    pub fn compare_commands(self, a: &CommandRow, b: &CommandRow) -> Ordering {
        match self {
            Running => a.running.cmp(&b.running),
            Starts => a.starts.cmp(&b.starts),
            Failures => a.failures.cmp(&b.failures),
            P50 => a.p50_ns.cmp(&b.p50_ns),
            P99 => a.p99_ns.cmp(&b.p99_ns),
            Name => a.comm.cmp(&b.comm),
            _ => a.cpus.total_cmp(&b.cpus),
        }
    }
}

/// The columns that a window of this width has room for, beside a COMMAND that says something. In
/// the narrowest it is the one that is sorted by.
pub fn columns(page: Page, width: u16, sort: Column) -> Vec<Column> {
    match (page, width) {
        (Page::Processes, 100..) => vec![Pid, Ppid, User, Cpu, Memory, Age],
        (Page::Processes, 80..) => vec![Pid, User, Cpu, Memory, Age],
        (Page::Processes, 60..) => vec![Pid, Cpu, Memory, Age],
        (Page::Processes, 30..) => vec![Pid, if sort == Pid { Cpu } else { sort }],
        (Page::Processes, 20..) => vec![Pid],
        (Page::Processes, _) => vec![],
        (Page::Commands, 60..) => vec![Running, Starts, Failures, Cpu, P50, P99],
        (Page::Commands, 40..) if sort == Name => vec![Running, Starts, Cpu],
        (Page::Commands, 40..) if ![Running, Starts, Cpu].contains(&sort) => {
            vec![Running, Cpu, sort]
        }
        (Page::Commands, 40..) => vec![Running, Starts, Cpu],
        (Page::Commands, 24..) => vec![if sort == Name { Cpu } else { sort }],
        (Page::Commands, _) => vec![],
    }
}

/// A share of one CPU, in at most five columns.
pub fn percent(cpus: f64) -> String {
    let percent = cpus * 100.0;
    if percent < 999.95 { format!("{percent:.1}") } else { format!("{percent:.0}") }
}

/// A number a second, in at most six columns.
pub fn rate(a_second: f64) -> String {
    if a_second < 99.95 { format!("{a_second:.1}") } else { format!("{a_second:.0}") }
}

/// An amount of memory in at most five columns, such as `812K`, `64.0M` or `1.5G`.
fn short_memory(kib: u64) -> String {
    let mib = kib as f64 / 1024.0;
    match kib {
        0..1000 => format!("{kib}K"),
        1000..102_400 => format!("{mib:.1}M"),
        102_400..1_024_000 => format!("{mib:.0}M"),
        _ => format!("{:.1}G", mib / 1024.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_fit_their_columns() {
        for (kib, text) in [
            (812, "812K"),
            (1000, "1.0M"),
            (65_536, "64.0M"),
            (102_399, "100.0M"),
            (1_023_999, "1000M"),
            (1_572_864, "1.5G"),
        ] {
            assert_eq!(short_memory(kib), text);
            assert!(text.len() <= usize::from(Memory.width()));
        }
        for (cpus, text) in [(0.0, "0.0"), (0.0512, "5.1"), (9.99, "999.0"), (64.0, "6400")] {
            assert_eq!(percent(cpus), text);
        }
        for (a_second, text) in [(0.0, "0.0"), (99.9, "99.9"), (12_345.6, "12346")] {
            assert_eq!(rate(a_second), text);
        }
    }

    #[test]
    fn the_command_has_the_most_of_every_window() {
        let used = |page, width, sort| {
            columns(page, width, sort).into_iter().map(|it| it.width() + 1).sum::<u16>() + 1
        };
        for (width, least) in
            [(20, 11), (30, 12), (40, 16), (60, 29), (80, 38), (100, 50), (200, 150)]
        {
            for sort in [Cpu, Age, Memory, Pid] {
                assert!(width - used(Page::Processes, width, sort) >= least, "{width} {sort:?}");
                assert!(width < 30 || columns(Page::Processes, width, sort).contains(&sort));
            }
            for sort in [Cpu, Running, Starts, Failures, P50, P99, Name] {
                assert!(width - used(Page::Commands, width, sort) >= least.min(11), "{width}");
            }
        }
    }
}
