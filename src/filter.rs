//! Which events are shown. Both events of a program pass or neither does, unless the
//! question is about exits only.

use std::time::Duration;

use regex::bytes::Regex;

use crate::cgroups::{container_id, is_within};
use crate::join::{Event, EventKind};
use crate::options::{EventName, Options};
use crate::wait_status::Outcome;

/// What the options ask for. An empty one lets everything pass.
#[derive(Debug, Default)]
pub struct Filter {
    user: Option<u32>,
    pids: Vec<u32>,
    ppid: Option<u32>,
    name: Option<Regex>,
    cgroup: Option<String>,
    container: Option<String>,
    failed: bool,
    min_duration: Option<Duration>,
    event: Option<EventName>,
}

impl Filter {
    pub fn new(options: &Options) -> Self {
        Self {
            user: options.user,
            pids: options.pid.clone(),
            ppid: options.ppid,
            name: options.name.clone(),
            cgroup: options.cgroup.clone(),
            container: options.container.clone(),
            failed: options.failed,
            min_duration: options.min_duration,
            event: options.event,
        }
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
            && self.ppid.is_none_or(|ppid| event.ppid == ppid)
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
    name.is_match(event.origin.comm)
        || event.program.is_some_and(|program| {
            let args: Vec<_> = program.args().collect();
            name.is_match(&args.join(&b' '))
        })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::join::Origin;
    use crate::record::{ProcessId, Program};

    fn passes(args: &[&str], kind: EventKind) -> bool {
        let args = [&["kernel_and_user_map"], args].concat();
        let filter = Filter::new(&Options::parse_from(args));
        let program = Program::new(None, b"make\0all\0".to_vec(), 9);
        let event = Event {
            kind,
            time: 0,
            process: ProcessId { pid: 7, start_time: 0 },
            ppid: 3,
            parent: None,
            uid: 0,
            gid: 0,
            cgroup_id: 0,
            exec_id: 0,
            comm: b"renamed",
            program: Some(&program),
            origin: Origin { uid: 1000, cgroup_id: 0, comm: b"make" },
        };
        filter.passes(&event, Some("/system.slice"))
    }

    fn exit(status: i32, duration: u64) -> EventKind {
        let outcome = Some(Outcome::from_wait_status(status));
        EventKind::Exit { outcome, duration: Some(duration), usage: None }
    }

    #[test]
    fn a_process_passes_with_both_its_events_or_with_none() {
        for (args, expected) in [
            (&[][..], true),
            (&["-u", "1000"], true),
            (&["-u", "0"], false),
            (&["-u", "root"], false),
            (&["-p", "7"], true),
            (&["-p", "8", "-p", "7"], true),
            (&["-p", "8"], false),
            (&["--ppid", "3"], true),
            (&["--ppid", "7"], false),
            (&["-n", "^make$"], true),
            (&["-n", "^make all$"], true),
            (&["-n", "renamed"], false),
            (&["--container", "0123"], false),
        ] {
            assert_eq!(passes(args, EventKind::Exec), expected, "{args:?}");
            assert_eq!(passes(args, exit(0, 5)), expected, "{args:?}");
        }
    }

    #[test]
    fn questions_about_exits_hide_the_execs() {
        assert!(!passes(&["-x"], EventKind::Exec));
        assert!(!passes(&["-x"], exit(0, 5)));
        assert!(passes(&["-x"], exit(3 << 8, 5)));
        assert!(passes(&["-x"], exit(9, 5)));
        let lost = EventKind::Exit { outcome: None, duration: None, usage: None };
        assert!(passes(&["-x"], lost));
        assert!(!passes(&["--min-duration", "1ms"], EventKind::Exec));
        assert!(!passes(&["--min-duration", "1ms"], exit(0, 999_999)));
        assert!(passes(&["--min-duration", "1ms"], exit(0, 1_000_000)));
        assert!(passes(&["--event", "exec"], EventKind::Exec));
        assert!(!passes(&["--event", "exec"], exit(0, 5)));
        assert!(!passes(&["--event", "exit"], EventKind::Exec));
        assert!(passes(&["--event", "exit"], exit(0, 5)));
    }
}
