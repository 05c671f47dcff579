//! The processes alive, as far as records and `/proc` tell.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use foldhash::fast::RandomState;

use super::ancestors::Ancestor;
use super::comm::Comm;
use super::event::{Event, EventKind};
use super::record::{ARGV_MAX, Common, ProcessId, Program, RECORD_MAX, is_same_start};

/// Up to so many bytes of all command lines together, long ones are kept, too. Beyond, no more
/// than a record has, and beyond the second figure little of each: whoever may start processes
/// must not be able to use up the memory of this one.
pub const LONG_MAX: usize = 8 << 20;
const WHOLE_MAX: usize = 24 << 20;
const LITTLE: usize = 64;

/// How many of those that have ended are remembered for their children: a child that ends
/// together with its parent may be told of later.
const ENDED: usize = 64;

/// A process that is alive.
#[derive(Debug)]
pub struct Live {
    /// Exact to a clock tick only, where it comes from `/proc`.
    pub(super) start_time: u64,
    /// `None` where it comes from `/proc`: it was running before.
    pub(super) exec_id: Option<u32>,
    /// When it called exec; 0 where that was before.
    pub(super) exec_time: u64,
    pub(super) common: Common,
    pub(super) program: Option<Program>,
}

impl Live {
    /// The process, which has this pid.
    pub fn id(&self, pid: u32) -> ProcessId {
        ProcessId { pid, start_time: self.start_time }
    }

    pub(super) fn is_same_as(&self, process: ProcessId) -> bool {
        match self.exec_id {
            Some(_) => self.start_time == process.start_time,
            None => is_same_start(process.start_time, self.start_time),
        }
    }

    /// Whether it was running before the watch began.
    pub fn was_running(&self) -> bool {
        self.exec_id.is_none()
    }

    /// Its name.
    pub fn comm(&self) -> Comm {
        self.common.comm.clone()
    }

    /// The process as an event at a time (boot-clock nanoseconds).
    pub fn event(&self, pid: u32, time: u64, kind: EventKind) -> Event<'_> {
        Event {
            kind,
            time,
            process: self.id(pid),
            exec_id: self.exec_id.unwrap_or(0),
            common: &self.common,
            parent: self.common.parent_comm.as_deref(),
            program: self.program.as_ref(),
            forked: false,
            origin: &self.common,
        }
    }

    fn bytes(&self) -> usize {
        self.program.as_ref().map_or(0, Program::bytes)
    }
}

/// All of them, by pid.
#[derive(Debug, Default)]
pub struct LiveTable {
    processes: HashMap<u32, Live, RandomState>,
    ended: VecDeque<(u32, Live)>,
    /// Of all programs.
    bytes: usize,
}

impl LiveTable {
    pub fn get(&self, pid: u32) -> Option<&Live> {
        self.processes.get(&pid)
    }

    pub fn comm_of(&self, pid: u32) -> Option<Comm> {
        self.get(pid).map(|live| live.common.comm.clone())
    }

    /// When a process was created, where that is known exactly.
    pub fn start_of(&self, pid: u32) -> Option<u64> {
        self.get(pid).filter(|live| !live.was_running()).map(|live| live.start_time)
    }

    /// Names the parents of those that were running before.
    pub fn name_parents_of_running(&mut self) {
        let running = self.processes.iter().filter(|(_, live)| live.was_running());
        let named = running.map(|(&pid, live)| (pid, self.comm_of(live.common.ppid)));
        for (pid, parent) in named.collect::<Vec<_>>() {
            self.processes.entry(pid).and_modify(|live| live.common.parent_comm = parent);
        }
    }

    /// Tells who started one of them.
    pub fn set_ancestors(&mut self, pid: u32, ancestors: Rc<[Ancestor]>) {
        self.processes.entry(pid).and_modify(|live| live.common.ancestors = Some(ancestors));
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u32, &Live)> {
        self.processes.iter().map(|(&pid, live)| (pid, live))
    }

    /// Bytes of all programs.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes in a process whose pid is free.
    pub fn insert(&mut self, pid: u32, mut live: Live) {
        let most = match self.bytes {
            ..LONG_MAX => ARGV_MAX,
            LONG_MAX..WHOLE_MAX => RECORD_MAX,
            WHOLE_MAX.. => LITTLE,
        };
        live.program.iter_mut().for_each(|program| program.cut(most));
        self.bytes += live.bytes();
        self.processes.insert(pid, live);
    }

    pub fn remove(&mut self, pid: u32) -> Option<Live> {
        let live = self.processes.remove(&pid)?;
        self.bytes -= live.bytes();
        Some(live)
    }

    /// Remembers one that has ended for its children.
    pub fn remember(&mut self, pid: u32, live: Live) {
        self.ended.truncate(ENDED - 1);
        self.ended.push_front((pid, live));
    }

    /// The parent whose program a child runs that was started at `start` and called no exec,
    /// when both are at `exec_id`.
    pub fn parent_of_fork(&self, ppid: u32, start: u64, exec_id: u32) -> Option<&Live> {
        let is_it =
            |live: &&Live| live.exec_time <= start && live.exec_id.is_none_or(|its| its == exec_id);
        let ended = || self.ended.iter().find(|(pid, _)| *pid == ppid).map(|(_, live)| live);
        self.get(ppid).or_else(ended).filter(is_it)
    }
}
