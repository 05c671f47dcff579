//! An event: what a report is given.

use std::rc::Rc;

use super::cgroup::container_id;
use super::comm::Comm;
use super::record::{Common, ProcessId, Program, Usage};
use super::wait_status::Outcome;

/// An exec or an exit, with all that is known of its process.
#[derive(Debug, PartialEq, Eq)]
pub struct Event<'a> {
    pub kind: EventKind,
    /// Boot-clock nanoseconds.
    pub time: u64,
    pub process: ProcessId,
    pub exec_id: u32,
    /// As they are now, but for the parent: it is that of the last exec that was seen. (Without
    /// one it is that of the exit, when it may be the reaper.)
    pub common: &'a Common,
    /// The name that the parent had then, if it is known.
    pub parent: Option<&'a [u8]>,
    /// `None` where it is not known, and for a kernel thread.
    pub program: Option<&'a Program>,
    /// Whether it called no exec: then it ran the program of its parent, in a copy of its memory.
    pub forked: bool,
    /// Whose program it is. The same for an exec and the exit that belongs to it, also when
    /// the process changed its user, cgroup or name in between.
    pub origin: &'a Common,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    Exec,
    Exit {
        /// `None` where the exit itself was lost, and noticed later.
        outcome: Option<Outcome>,
        /// From the start of the process to its exit, in nanoseconds.
        duration: Option<u64>,
        usage: Option<Usage>,
    },
}

/// A process that is alive.
#[derive(Debug)]
pub struct Alive<'a> {
    /// The process, as an event of now.
    pub event: Event<'a>,
    pub names: Names,
    /// Nanoseconds since it was created.
    pub age_ns: u64,
    /// Nanoseconds on a CPU; `None` if it has just ended, or no report asks.
    pub cpu_ns: Option<u64>,
    /// Its resident memory; `None` likewise.
    pub rss_kib: Option<u64>,
}

/// A process that is followed, and lives when the watch ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StillRunning {
    /// Its start time may be exact to a clock tick only.
    pub process: ProcessId,
    /// Pid; 0 where the following began with it.
    pub started_by: u32,
    /// `None` if it has just ended.
    pub name: Option<Comm>,
}

/// What the system calls the numbers in an event.
#[derive(Debug, Clone, Default)]
pub struct Names {
    pub user: Option<Rc<str>>,
    /// Path in the cgroup v2 hierarchy.
    pub cgroup: Option<Rc<str>>,
}

impl Names {
    /// The id of the container that the cgroup belongs to.
    pub fn container_id(&self) -> Option<&str> {
        self.cgroup.as_deref().and_then(container_id)
    }
}
