//! Which events are shown. Both events of a program pass or neither does, unless the
//! question is about exits only.

use std::time::Duration;

use clap::ValueEnum;
use regex::bytes::Regex;
use serde::Serialize;

use crate::process::cgroup::{container_id, is_within};
use crate::process::event::{Event, EventKind};
use crate::process::wait_status::Outcome;

/// What the options ask for. An empty one lets everything pass.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The user at the exec.
    pub user: Option<u32>,
    pub pids: Vec<u32>,
    pub ppid: Option<u32>,
    /// In the name or the command line.
    pub name: Option<Regex>,
    /// The path of a cgroup: this one and those below it.
    pub cgroup: Option<String>,
    /// How the id of a container begins.
    pub container: Option<String>,
    /// Only exits other than with code 0.
    pub failed: bool,
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
        self.user.is_some()
            || !self.pids.is_empty()
            || self.ppid.is_some()
            || self.name.is_some()
            || self.asks_for_cgroup()
            || self.failed
            || self.min_duration.is_some()
            || self.event.is_some()
    }

    /// Whether the question needs the path of the cgroup.
    pub fn asks_for_cgroup(&self) -> bool {
        self.cgroup.is_some() || self.container.is_some()
    }

    /// Whether to show an event; `cgroup` is the path of its origin's cgroup.
    pub fn passes(&self, event: &Event<'_>, cgroup: Option<&str>) -> bool {
        self.passes_process(event, cgroup) && self.passes_kind(event.kind)
    }

    /// The part that is about the process, not the event.
    pub fn passes_process(&self, event: &Event<'_>, cgroup: Option<&str>) -> bool {
        let container = cgroup.and_then(container_id);
        self.user.is_none_or(|uid| event.origin.uid == uid)
            && (self.pids.is_empty() || self.pids.contains(&event.process.pid))
            && self.ppid.is_none_or(|ppid| event.common.ppid == ppid)
            && self.name.as_ref().is_none_or(|name| matches_name(name, event))
            && self
                .cgroup
                .as_ref()
                .is_none_or(|ancestor| cgroup.is_some_and(|path| is_within(path, ancestor)))
            && self
                .container
                .as_ref()
                .is_none_or(|prefix| container.is_some_and(|id| id.starts_with(prefix)))
    }

    fn passes_kind(&self, kind: EventKind) -> bool {
        match kind {
            EventKind::Exec => {
                !self.failed && self.min_duration.is_none() && self.event != Some(EventName::Exit)
            }
            EventKind::Exit { outcome, duration, .. } => {
                self.event != Some(EventName::Exec)
                    && !(self.failed && outcome == Some(Outcome::Exited(0)))
                    && self.min_duration.is_none_or(|least| {
                        duration.is_some_and(|ns| Duration::from_nanos(ns) >= least)
                    })
            }
        }
    }
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
mod tests {
    use super::*;
    use crate::process::record::{Common, ProcessId, Program};

    fn passes(filter: &Filter, kind: EventKind) -> bool {
        let program = Program::new(None, b"make\0all\0".to_vec(), 9);
        let common =
            |uid, comm: &[u8]| Common { ppid: 3, uid, comm: comm.into(), ..Common::default() };
        let event = Event {
            kind,
            time: 0,
            process: ProcessId { pid: 7, start_time: 0 },
            exec_id: 0,
            common: &common(0, b"renamed"),
            parent: None,
            program: Some(&program),
            forked: false,
            origin: &common(1000, b"make"),
        };
        filter.passes(&event, Some("/system.slice"))
    }

    fn exit(status: i32, duration: u64) -> EventKind {
        let outcome = Some(Outcome::from_wait_status(status));
        EventKind::Exit { outcome, duration: Some(duration), usage: None }
    }

    #[test]
    fn a_process_passes_with_both_its_events_or_with_none() {
        let all = Filter::default;
        let name = |name: &str| Some(Regex::new(name).expect("a regex"));
        for (filter, expected) in [
            (all(), true),
            (Filter { user: Some(1000), ..all() }, true),
            (Filter { user: Some(0), ..all() }, false),
            (Filter { pids: vec![7], ..all() }, true),
            (Filter { pids: vec![8, 7], ..all() }, true),
            (Filter { pids: vec![8], ..all() }, false),
            (Filter { ppid: Some(3), ..all() }, true),
            (Filter { ppid: Some(7), ..all() }, false),
            (Filter { name: name("^make$"), ..all() }, true),
            (Filter { name: name("^make all$"), ..all() }, true),
            (Filter { name: name("renamed"), ..all() }, false),
            (Filter { cgroup: Some("/system.slice".into()), ..all() }, true),
            (Filter { cgroup: Some("/user.slice".into()), ..all() }, false),
            (Filter { container: Some("0123".into()), ..all() }, false),
        ] {
            assert_eq!(passes(&filter, EventKind::Exec), expected, "{filter:?}");
            assert_eq!(passes(&filter, exit(0, 5)), expected, "{filter:?}");
        }
    }

    #[test]
    fn questions_about_exits_hide_the_execs() {
        let failed = Filter { failed: true, ..Filter::default() };
        assert!(!passes(&failed, EventKind::Exec));
        assert!(!passes(&failed, exit(0, 5)));
        assert!(passes(&failed, exit(3 << 8, 5)));
        assert!(passes(&failed, exit(9, 5)));
        let lost = EventKind::Exit { outcome: None, duration: None, usage: None };
        assert!(passes(&failed, lost));
        let min_duration = Some(Duration::from_millis(1));
        let long = Filter { min_duration, ..Filter::default() };
        assert!(!passes(&long, EventKind::Exec));
        assert!(!passes(&long, exit(0, 999_999)));
        assert!(passes(&long, exit(0, 1_000_000)));
        for (name, of_exec, of_exit) in
            [(EventName::Exec, true, false), (EventName::Exit, false, true)]
        {
            let only = Filter { event: Some(name), ..Filter::default() };
            assert_eq!(passes(&only, EventKind::Exec), of_exec);
            assert_eq!(passes(&only, exit(0, 5)), of_exit);
        }
    }
}
