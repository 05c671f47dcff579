//! The tracker: records become events, in time order, each once, every exit with its exec.

use std::collections::HashSet;
use std::rc::Rc;

use foldhash::fast::RandomState;

use super::ancestors::{Ancestor, Ancestry, Link, Unknown};
use super::comm::Comm;
use super::event::{Event, EventKind};
use super::live::{LONG_MAX, Live, LiveTable};
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
    /// Of the programs of those.
    waiting_bytes: usize,
    live: LiveTable,
    /// Where ancestors are asked for.
    ancestry: Option<Ancestry>,
    /// Those of the current span of time and of the one before, and when the current began.
    ended: [HashSet<ProcessId, RandomState>; 2],
    ended_since: u64,
    duplicates: u64,
}

/// A process that was running before, as `/proc` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Its start time is exact to a clock tick only.
    pub process: ProcessId,
    /// `cgroup_id` is 0 where it is not known.
    pub common: Common,
    /// None for a kernel thread.
    pub program: Option<Program>,
}

impl Tracker {
    /// `with_ancestors`: it finds who started each process, and those.
    pub fn new(with_ancestors: bool) -> Self {
        Self { ancestry: with_ancestors.then(Ancestry::default), ..Self::default() }
    }

    /// Takes in a record that a read of the map has found. They may come in any order.
    pub fn add(&mut self, record: Record) {
        self.waiting_bytes += record.bytes();
        self.waiting.push(record);
    }

    /// Whether there is room for another command line that is longer than its record.
    pub fn takes_long_args(&self) -> bool {
        self.waiting_bytes + self.live.bytes() < LONG_MAX
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
            self.waiting_bytes -= record.bytes();
            self.track(record, &mut each)?;
        }
        self.forget_ended(before);
        Ok(())
    }

    /// Where ancestors are asked for, those of which no record tells. To be called when the records
    /// of a read are in.
    pub fn unknown_ancestors(&mut self) -> Vec<Unknown> {
        let Self { ancestry, waiting, live, .. } = self;
        ancestry.as_mut().map_or_else(Vec::new, |ancestry| ancestry.begin(waiting, live))
    }

    /// Takes in what `/proc` tells of one of them. Gives the next one, if there is one.
    pub fn add_link(&mut self, process: ProcessId, link: Link) -> Option<Unknown> {
        let Self { ancestry, live, .. } = self;
        ancestry.as_mut().and_then(|ancestry| ancestry.add(process, link, live))
    }

    fn ancestors_of(
        &self,
        process: ProcessId,
        common: &Common,
        time: u64,
    ) -> Option<Rc<[Ancestor]>> {
        let find = |ancestry: &Ancestry| ancestry.find(process, common, time, &self.live);
        self.ancestry.as_ref().map(find)
    }

    /// How many records told of an event that another had told of already.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Takes in a process that was running before, for what it has to tell at its exit.
    pub fn add_running(&mut self, running: Running) {
        let Running { process, common, program } = running;
        if self.live.get(process.pid).is_none() {
            let start_time = process.start_time;
            let live = Live { start_time, exec_id: None, exec_time: 0, common, program };
            self.live.insert(process.pid, live);
        }
    }

    /// Names the parents of the processes that were running before. To be called when all are in.
    pub fn name_parents_of_running(&mut self) {
        self.live.name_parents_of_running();
        if let Some(ancestry) = &self.ancestry {
            ancestry.find_missing(&mut self.live);
        }
    }

    /// The processes alive: all of which an exec was seen or [`Self::add_running`] told.
    pub fn live(&self) -> impl ExactSizeIterator<Item = (ProcessId, &Live)> {
        self.live.iter().map(|(pid, live)| (live.id(pid), live))
    }

    /// One of them, unless the pid has gone to another process.
    pub fn live_as(&self, process: ProcessId) -> Option<&Live> {
        let is_same = |live: &&Live| {
            live.is_same_as(process) || is_same_start(live.start_time, process.start_time)
        };
        self.live.get(process.pid).filter(is_same)
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
        let live = self.live.get(process.pid);
        if live.is_none_or(|live| live.start_time != process.start_time) {
            return Ok(());
        }
        let live = self.live.remove(process.pid);
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

        let mut known = self.live.remove(process.pid);
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
                let parent_start = self.live.start_of(record.common.ppid);
                let ancestors = self.ancestors_of(process, &record.common, record.time);
                let live = Live {
                    start_time: process.start_time,
                    exec_id: Some(record.exec_id),
                    exec_time: record.time,
                    common: Common { parent_start, ancestors, ..record.common },
                    program: Some(program),
                };
                each(&live.event(process.pid, record.time, EventKind::Exec))?;
                if !pid_is_taken {
                    self.live.insert(process.pid, live);
                }
            }
            Kind::Exit { wait_status, usage, parent_exec_id } => {
                // Of a later exec that was lost, the older program says nothing.
                let same_program = known
                    .as_ref()
                    .filter(|live| live.exec_id.is_none_or(|exec_id| exec_id == record.exec_id));
                let program = same_program.and_then(|live| live.program.as_ref());
                // A peak that is not above that of what ran before may be that one.
                let max_rss_kib = usage
                    .max_rss_kib
                    .filter(|&kib| program.is_none_or(|program| kib > program.max_rss_before_kib));
                let mut common = record.common;
                common.parent_start = self.live.start_of(common.ppid);
                if let Some(live) = &known {
                    common.parent_start = live.common.parent_start;
                    // Of one that was running before, it may not be known what the parent was.
                    let is_same = |_: &Comm| live.common.ppid == common.ppid;
                    let by_now = common.parent_comm.take().filter(is_same);
                    common.parent_comm = live.common.parent_comm.clone().or(by_now);
                    common.ppid = live.common.ppid;
                    common.ancestors = live.common.ancestors.clone();
                }
                if common.ancestors.is_none() {
                    common.ancestors = self.ancestors_of(process, &common, record.time);
                }
                let is_fork = known.is_none() && record.exec_id == parent_exec_id;
                let forked_from = if is_fork {
                    self.live.parent_of_fork(common.ppid, process.start_time, record.exec_id)
                } else {
                    None
                };
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
                    parent: common.parent_comm.as_deref(),
                    program: program.or(forked_from.and_then(|live| live.program.as_ref())),
                    forked: forked_from.is_some(),
                    // What `/proc` told of an older process may be from before an exec.
                    origin: same_program
                        .filter(|live| live.exec_id.is_some())
                        .map_or(&common, |live| &live.common),
                })?;
                self.ended[0].insert(process);
                if let Some(live) = known {
                    self.live.remember(process.pid, live);
                }
            }
        }
        Ok(())
    }

    fn forget_ended(&mut self, now: u64) {
        if now.saturating_sub(self.ended_since) >= REMEMBER_NS {
            // The next span may well be like this one.
            let room = self.ended[0].len();
            let next = HashSet::with_capacity_and_hasher(room, RandomState::default());
            self.ended[1] = std::mem::replace(&mut self.ended[0], next);
            self.ended_since = now;
        }
    }
}

#[cfg(test)]
mod tests;
