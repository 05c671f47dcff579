//! `--summary`: the commands that ran, grouped by name.

use std::collections::HashMap;

use crate::join::{Event, EventKind};
use crate::wait_status::Outcome;

/// What the processes of one name have come to, from their exits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    pub comm: Vec<u8>,
    pub count: u64,
    /// Those that did not exit with code 0, as far as the result is known.
    pub failures: u64,
    /// Nanoseconds.
    pub total_duration: u64,
    pub longest_duration: u64,
    pub cpu_ns: u64,
    /// The largest that is known.
    pub max_rss_kib: Option<u64>,
}

/// The commands so far.
#[derive(Debug, Default)]
pub struct Tally {
    commands: HashMap<Vec<u8>, Command>,
}

impl Tally {
    /// Counts an exit; an exec does not count.
    pub fn add(&mut self, event: &Event<'_>) {
        let EventKind::Exit { outcome, duration, usage } = event.kind else { return };
        if !self.commands.contains_key(event.comm) {
            let new = Command { comm: event.comm.to_vec(), ..Command::default() };
            self.commands.insert(event.comm.to_vec(), new);
        }
        let Some(command) = self.commands.get_mut(event.comm) else { return };
        command.count += 1;
        command.failures += u64::from(outcome.is_some_and(|end| end != Outcome::Exited(0)));
        command.total_duration += duration.unwrap_or(0);
        command.longest_duration = command.longest_duration.max(duration.unwrap_or(0));
        if let Some(usage) = usage {
            command.cpu_ns += usage.cpu_ns;
            command.max_rss_kib = command.max_rss_kib.max(usage.max_rss_kib);
        }
    }

    /// The commands, that with the longest total duration first.
    pub fn sorted(&self) -> Vec<&Command> {
        let mut commands: Vec<_> = self.commands.values().collect();
        commands.sort_by(|a, b| {
            b.total_duration.cmp(&a.total_duration).then_with(|| a.comm.cmp(&b.comm))
        });
        commands
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::join::Origin;
    use crate::record::{ProcessId, Usage};

    fn exit(tally: &mut Tally, comm: &[u8], status: i32, duration: u64, usage: Usage) {
        tally.add(&Event {
            kind: EventKind::Exit {
                outcome: Some(Outcome::from_wait_status(status)),
                duration: Some(duration),
                usage: Some(usage),
            },
            time: 0,
            process: ProcessId { pid: 1, start_time: 0 },
            ppid: 0,
            parent: None,
            uid: 0,
            gid: 0,
            cgroup_id: 0,
            exec_id: 0,
            comm,
            program: None,
            origin: Origin { uid: 0, cgroup_id: 0, comm },
        });
    }

    #[test]
    fn commands_are_summed_by_name_and_sorted_by_time() {
        let mut tally = Tally::default();
        let usage = |cpu_ns, max_rss_kib| Usage {
            cpu_ns,
            max_rss_kib: Some(max_rss_kib),
            ..Usage::default()
        };
        exit(&mut tally, b"cc", 0, 10, usage(5, 100));
        exit(&mut tally, b"sh", 0, 40, usage(1, 10));
        exit(&mut tally, b"cc", 1 << 8, 20, usage(6, 80));
        let sorted = tally.sorted();
        assert_eq!(sorted[0].comm, b"sh");
        assert_eq!(
            sorted[1],
            &Command {
                comm: b"cc".to_vec(),
                count: 2,
                failures: 1,
                total_duration: 30,
                longest_duration: 20,
                cpu_ns: 11,
                max_rss_kib: Some(100),
            }
        );
    }
}
