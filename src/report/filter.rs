//! Which events are shown. Both events of a program pass or neither does, unless the
//! question is about exits only.

use std::ops::RangeInclusive;
use std::time::Duration;

use clap::ValueEnum;
use regex::bytes::Regex;
use serde::Serialize;

use crate::process::cgroup::{container_id, is_within};
use crate::process::event::{Event, EventKind};
use crate::process::wait_status::Outcome;

/// What the options ask for: of each that was given, one value must fit. An empty one lets
/// everything pass.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The user at the exec.
    pub users: Vec<u32>,
    pub pids: Vec<u32>,
    pub ppids: Vec<u32>,
    /// In the name or the command line.
    pub names: Vec<Regex>,
    /// Likewise, but what matches is hidden.
    pub excluded: Vec<Regex>,
    /// Paths of cgroups: these and those below them.
    pub cgroups: Vec<String>,
    /// How the id of a container begins.
    pub containers: Vec<String>,
    /// Only exits other than with code 0.
    pub failed: bool,
    /// Only exits with one of these codes or signals.
    pub exit_codes: Vec<RangeInclusive<i32>>,
    pub signals: Vec<i32>,
    pub min_duration: Option<Duration>,
    pub event: Option<EventName>,
}

/// A kind of event, as a user names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EventName {
    Exec,
    Exit,
}

impl Filter {
    /// Whether anything is asked for.
    pub fn is_some(&self) -> bool {
        self.asks_for_process() || self.asks_for_exit() || self.event.is_some()
    }

    fn asks_for_process(&self) -> bool {
        let Self { users, pids, ppids, names, excluded, .. } = self;
        [users, pids, ppids].iter().any(|ids| !ids.is_empty())
            || [names, excluded].iter().any(|names| !names.is_empty())
            || self.asks_for_cgroup()
    }

    /// Whether the question needs the path of the cgroup.
    pub fn asks_for_cgroup(&self) -> bool {
        !self.cgroups.is_empty() || !self.containers.is_empty()
    }

    /// Whether the question is how, or after what time, a process ends: no exec passes.
    pub fn asks_for_exit(&self) -> bool {
        self.failed || self.min_duration.is_some() || self.asks_for_outcome()
    }

    fn asks_for_outcome(&self) -> bool {
        !self.exit_codes.is_empty() || !self.signals.is_empty()
    }

    /// Whether to show an event; `cgroup` is the path of its origin's cgroup.
    pub fn passes(&self, event: &Event<'_>, cgroup: Option<&str>) -> bool {
        self.passes_process(event, cgroup) && self.passes_kind(event.kind)
    }

    /// The part that is about the process, not the event.
    pub fn passes_process(&self, event: &Event<'_>, cgroup: Option<&str>) -> bool {
        let container = || cgroup.and_then(container_id);
        any(&self.users, |&uid| event.origin.uid == uid)
            && any(&self.pids, |&pid| event.process.pid == pid)
            && any(&self.ppids, |&ppid| event.common.ppid == ppid)
            && any(&self.cgroups, |above| cgroup.is_some_and(|path| is_within(path, above)))
            && any(&self.containers, |begin| container().is_some_and(|id| id.starts_with(begin)))
            && any(&self.names, |name| matches_name(name, event))
            && !self.excluded.iter().any(|name| matches_name(name, event))
    }

    fn passes_kind(&self, kind: EventKind) -> bool {
        match kind {
            EventKind::Exec => !self.asks_for_exit() && self.event != Some(EventName::Exit),
            EventKind::Exit { outcome, duration, .. } => {
                self.event != Some(EventName::Exec)
                    && !(self.failed && outcome == Some(Outcome::Exited(0)))
                    && (!self.asks_for_outcome() || outcome.is_some_and(|it| self.has(it)))
                    && self.min_duration.is_none_or(|least| {
                        duration.is_some_and(|ns| Duration::from_nanos(ns) >= least)
                    })
            }
        }
    }

    fn has(&self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Exited(code) => self.exit_codes.iter().any(|codes| codes.contains(&code)),
            Outcome::Signaled { signal, .. } => self.signals.contains(&signal),
        }
    }
}

/// Whether one of those that were asked for fits; if none was, anything does.
fn any<T>(asked: &[T], fits: impl Fn(&T) -> bool) -> bool {
    asked.is_empty() || asked.iter().any(fits)
}

/// Whether the name, or the command line with its arguments separated by spaces, matches.
fn matches_name(name: &Regex, event: &Event<'_>) -> bool {
    name.is_match(&event.origin.comm)
        || event.program.is_some_and(|program| {
            let args: Vec<_> = program.args().collect();
            name.is_match(&args.join(&b' '))
        })
}

#[cfg(test)]
mod tests;
