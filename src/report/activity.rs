//! What goes on, period by period: what the live view and `--view commands` show.

use super::by_name::ByName;
use super::durations::Durations;
use super::usages::{LEAST_SPAN_NS, Usages};
use crate::process::comm::Comm;
use crate::process::event::{Alive, Event, EventKind};
use crate::process::wait_status::Outcome;

/// Counts what happens, and tells of it once a period.
#[derive(Debug, Default)]
pub struct Activity {
    pub usages: Usages,
    commands: ByName<Command>,
    /// When the period began, in nanoseconds on the boot clock.
    since: u64,
}

/// What goes on below one name.
#[derive(Debug, Default)]
struct Command {
    running: u64,
    /// In this period.
    starts: u64,
    failures: u64,
    /// In this period, of those that have ended.
    ended_cpu_ns: f64,
    /// Of those that run, in CPUs.
    share: f64,
    durations: Durations,
}

/// One period.
#[derive(Debug, Default)]
pub struct Period {
    /// How long it was, in nanoseconds.
    pub span_ns: u64,
    pub running: u64,
    pub starts: u64,
    pub failures: u64,
    pub commands: Vec<CommandRow>,
}

/// One command in a period.
#[derive(Debug, Clone)]
pub struct CommandRow {
    /// `None`: all further ones.
    pub comm: Option<Comm>,
    pub running: u64,
    pub starts: u64,
    pub failures: u64,
    /// The CPU time that its processes took, in CPUs.
    pub cpus: f64,
    /// Of all its processes that have ended since the watch began, in nanoseconds.
    pub p50_ns: Option<u64>,
    pub p99_ns: Option<u64>,
}

impl CommandRow {
    /// Whether anything of it ran in the period.
    pub fn is_active(&self) -> bool {
        self.running + self.starts + self.failures > 0 || self.cpus > 0.0
    }
}

impl Period {
    /// What so many in this period are in a second.
    pub fn a_second(&self, count: u64) -> f64 {
        count as f64 * 1e9 / self.span_ns.max(1) as f64
    }
}

impl Activity {
    /// The watch begins at `time` (boot-clock nanoseconds).
    pub fn begin(&mut self, time: u64) {
        self.since = time;
    }

    /// Counts an exec or an exit.
    pub fn event(&mut self, event: &Event<'_>) {
        let unseen_ns = self.usages.unseen_ns(event);
        // An exit counts for the program that was started, whatever it called itself since.
        let command = self.commands.of(&event.origin.comm);
        match event.kind {
            EventKind::Exec => command.starts += 1,
            EventKind::Exit { outcome, duration, .. } => {
                let failed = outcome.is_some_and(|outcome| outcome != Outcome::Exited(0));
                command.failures += u64::from(failed);
                command.ended_cpu_ns += unseen_ns;
                duration.into_iter().for_each(|ns| command.durations.add(ns));
            }
        }
    }

    /// Ends a period at `time` (boot-clock nanoseconds), when these processes are alive.
    pub fn period(&mut self, alive: &[Alive<'_>], time: u64) -> Period {
        self.usages.take(alive, time);
        for Alive { event, .. } in alive {
            let command = self.commands.of(&event.common.comm);
            command.running += 1;
            command.share += self.usages.share(event.process).unwrap_or(0.0);
        }
        let span_ns = time.saturating_sub(self.since).max(1);
        let mut period = Period { span_ns, ..Period::default() };
        // What ended may have used its time a little before the period began.
        let cpu_span_ns = span_ns.max(LEAST_SPAN_NS);
        for (comm, command) in self.commands.iter_mut() {
            let row = CommandRow {
                comm: comm.cloned(),
                running: command.running,
                starts: command.starts,
                failures: command.failures,
                cpus: command.share + command.ended_cpu_ns / cpu_span_ns as f64,
                p50_ns: command.durations.percentile(50),
                p99_ns: command.durations.percentile(99),
            };
            period.running += row.running;
            period.starts += row.starts;
            period.failures += row.failures;
            if comm.is_some() || row.is_active() || row.p50_ns.is_some() {
                period.commands.push(row);
            }
            let durations = std::mem::take(&mut command.durations);
            *command = Command { durations, ..Command::default() };
        }
        self.since = time;
        period
    }
}

#[cfg(test)]
mod tests;
