//! The tracker: records become events, in time order, each once, every exit with its exec.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::event::{Event, EventKind};
use super::record::{Common, Kind, ProcessId, Program, Record, Usage, is_same_start};
use super::wait_status::Outcome;

/// How long a BPF program may take from its timestamp to its record in the map, in
/// nanoseconds. It takes about a microsecond, but it can be interrupted or preempted,
/// and a virtual machine's CPU can be taken away under it.
pub const SETTLE_NS: u64 = 20_000_000;

/// How long an ended process is remembered at least, in nanoseconds, and at most twice as
/// long. A second hook that was held up, and a second thread that also believes to be the
/// last, insert the same event again at most this much later.
const REMEMBER_NS: u64 = 1_000_000_000;

/// The exit of a process that ended unseen.
const LOST_EXIT: EventKind = EventKind::Exit { outcome: None, duration: None, usage: None };

/// The processes alive, as far as records tell, and the records not yet due.
#[derive(Debug, Default)]
pub struct Tracker {
    waiting: Vec<Record>,
    live: HashMap<u32, Live>,
    /// Those of the current span of time and of the one before, and when the current began.
    ended: [HashSet<ProcessId>; 2],
    ended_since: u64,
    duplicates: u64,
}

/// A process that is alive.
#[derive(Debug)]
pub struct Live {
    /// Exact to a clock tick only, where it comes from `/proc`.
    start_time: u64,
    /// `None` where it comes from `/proc`: it was running before.
    exec_id: Option<u32>,
    common: Common,
    parent: Option<Rc<[u8]>>,
    program: Option<Program>,
}

/// A process that was running before, as `/proc` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Its start time is exact to a clock tick only.
    pub process: ProcessId,
    /// `cgroup_id` is 0 where it is not known.
    pub common: Common,
    /// argv, each argument with its NUL; empty for a kernel thread.
    pub argv: Vec<u8>,
}

impl Tracker {
    /// Takes in what one read of the map has found, in any order.
    pub fn add(&mut self, records: impl IntoIterator<Item = Record>) {
        self.waiting.extend(records);
    }

    /// Gives the events older than `before` (boot-clock nanoseconds) to `each`, in time
    /// order. Newer ones wait: a record may still come that is older than they are.
    ///
    /// # Errors
    ///
    /// The first error of `each`. What had not been given by then is lost to the caller.
    pub fn events_before<E>(
        &mut self,
        before: u64,
        mut each: impl FnMut(&Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let order = |record: &Record| (record.time, matches!(record.kind, Kind::Exit { .. }));
        self.waiting.sort_by_cached_key(order); // records are large: each moves once
        let due = self.waiting.partition_point(|record| record.time < before);
        let rest = self.waiting.split_off(due);
        for record in std::mem::replace(&mut self.waiting, rest) {
            self.track(record, &mut each)?;
        }
        self.forget_ended(before);
        Ok(())
    }

    /// How many records told of an event that another had told of already.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Takes in a process that was running before, for what it has to tell at its exit.
    /// `change` may change its program.
    pub fn add_running(&mut self, running: Running, change: impl Fn(&mut Program)) {
        let Running { process, common, argv } = running;
        let size = argv.len();
        let mut program = Program::new(None, argv, size);
        change(&mut program);
        self.live.entry(process.pid).or_insert(Live {
            start_time: process.start_time,
            exec_id: None,
            common,
            parent: None,
            program: (size > 0).then_some(program),
        });
    }

    /// Names the parents of the processes that were running before. To be called when all are in.
    pub fn name_parents_of_running(&mut self) {
        let parent = |live: &Live| self.comm_of(live.common.ppid);
        let running = self.live.iter().filter(|(_, live)| live.was_running());
        let parents: Vec<_> = running.map(|(&pid, live)| (pid, parent(live))).collect();
        for (pid, parent) in parents {
            self.live.entry(pid).and_modify(|live| live.parent = parent);
        }
    }

    /// The processes alive: all of which an exec was seen or [`Self::add_running`] told.
    pub fn live(&self) -> impl ExactSizeIterator<Item = (ProcessId, &Live)> {
        self.live.iter().map(|(&pid, live)| (live.id(pid), live))
    }

    /// Forgets a process whose exit was lost, and gives `each` an exit without a result,
    /// at the `time` it was noticed. Nothing happens if the exit has come after all.
    ///
    /// # Errors
    ///
    /// The error of `each`.
    pub fn exit_unseen<E>(
        &mut self,
        process: ProcessId,
        time: u64,
        mut each: impl FnMut(&Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let live = self.live.get(&process.pid);
        if live.is_none_or(|live| live.start_time != process.start_time) {
            return Ok(());
        }
        let live = self.live.remove(&process.pid);
        live.map_or(Ok(()), |live| each(&live.event(process.pid, time, LOST_EXIT)))
    }

    fn track<E>(
        &mut self,
        record: Record,
        each: &mut impl FnMut(&Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let process = record.process;
        if self.ended.iter().any(|ended| ended.contains(&process)) {
            self.duplicates += 1;
            return Ok(());
        }

        let mut known = self.live.remove(&process.pid);
        let other = known.take_if(|live| !live.is_same_as(process));
        let mut pid_is_taken = false;
        match other {
            // The pid has gone to this process, so the exit of the one before was lost.
            Some(live) if live.start_time < process.start_time => {
                each(&live.event(process.pid, record.time, LOST_EXIT))?;
            }
            // A record that took very long to come: the pid has gone to another since.
            Some(live) => {
                self.live.insert(process.pid, live);
                pid_is_taken = true;
            }
            None => {}
        }

        match record.kind {
            Kind::Exec(program) => {
                let came_before =
                    |live: &Live| live.exec_id.is_some_and(|exec_id| exec_id >= record.exec_id);
                if let Some(live) = known.filter(came_before) {
                    self.live.insert(process.pid, live);
                    self.duplicates += 1;
                    return Ok(());
                }
                let live = Live {
                    start_time: process.start_time,
                    exec_id: Some(record.exec_id),
                    parent: self.comm_of(record.common.ppid),
                    common: record.common,
                    program: Some(program),
                };
                each(&live.event(process.pid, record.time, EventKind::Exec))?;
                if !pid_is_taken {
                    self.live.insert(process.pid, live);
                }
            }
            Kind::Exit { wait_status, usage } => {
                // Of a later exec that was lost, the older program says nothing.
                let same_program = known
                    .as_ref()
                    .filter(|live| live.exec_id.is_none_or(|exec_id| exec_id == record.exec_id));
                let program = same_program.and_then(|live| live.program.as_ref());
                // A peak that is not above that of what ran before may be that one.
                let max_rss_kib = usage
                    .max_rss_kib
                    .filter(|&kib| program.is_none_or(|program| kib > program.max_rss_before_kib));
                let parent = match &known {
                    Some(live) => live.parent.clone(),
                    None => self.comm_of(record.common.ppid),
                };
                let ppid = known.as_ref().map_or(record.common.ppid, |live| live.common.ppid);
                let common = Common { ppid, ..record.common };
                each(&Event {
                    kind: EventKind::Exit {
                        outcome: Some(Outcome::from_wait_status(wait_status)),
                        duration: Some(record.time.saturating_sub(process.start_time)),
                        usage: Some(Usage { max_rss_kib, ..usage }),
                    },
                    time: record.time,
                    process,
                    exec_id: record.exec_id,
                    common: &common,
                    parent: parent.as_deref(),
                    program,
                    // What `/proc` told of an older process may be from before an exec.
                    origin: same_program
                        .filter(|live| live.exec_id.is_some())
                        .map_or(&common, |live| &live.common),
                })?;
                self.ended[0].insert(process);
            }
        }
        Ok(())
    }

    fn comm_of(&self, pid: u32) -> Option<Rc<[u8]>> {
        self.live.get(&pid).map(|live| Rc::clone(&live.common.comm))
    }

    fn forget_ended(&mut self, now: u64) {
        if now.saturating_sub(self.ended_since) >= REMEMBER_NS {
            // The next span may well be like this one.
            let next = HashSet::with_capacity(self.ended[0].len());
            self.ended[1] = std::mem::replace(&mut self.ended[0], next);
            self.ended_since = now;
        }
    }
}

impl Live {
    fn id(&self, pid: u32) -> ProcessId {
        ProcessId { pid, start_time: self.start_time }
    }

    fn is_same_as(&self, process: ProcessId) -> bool {
        match self.exec_id {
            Some(_) => self.start_time == process.start_time,
            None => is_same_start(self.start_time, process.start_time),
        }
    }

    /// Whether it was running before the watch began.
    pub fn was_running(&self) -> bool {
        self.exec_id.is_none()
    }

    /// The process as an event at a time (boot-clock nanoseconds).
    pub fn event(&self, pid: u32, time: u64, kind: EventKind) -> Event<'_> {
        Event {
            kind,
            time,
            process: self.id(pid),
            exec_id: self.exec_id.unwrap_or(0),
            common: &self.common,
            parent: self.parent.as_deref(),
            program: self.program.as_ref(),
            origin: &self.common,
        }
    }
}

#[cfg(test)]
mod tests;
