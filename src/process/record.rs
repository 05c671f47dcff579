//! One record of the map, as an owned value.

use std::rc::Rc;

use super::ancestors::Ancestor;
use super::comm::Comm;

/// One process for ever: a pid may be reused, but not with the same start time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId {
    /// Thread group id in the initial pid namespace.
    pub pid: u32,
    /// `task->group_leader->start_boottime`: nanoseconds on the boot clock.
    pub start_time: u64,
}

/// A clock tick, in which `/proc/PID/stat` counts, in nanoseconds: USER_HZ is 100 on every
/// architecture that Linux with BPF runs on.
pub const TICK_NS: u64 = 10_000_000;

/// Whether a start time may be the one that `/proc` tells as `from_proc`, which is rounded down
/// to a clock tick.
pub fn is_same_start(start: u64, from_proc: u64) -> bool {
    (from_proc..from_proc.saturating_add(TICK_NS)).contains(&start)
}

/// The most that is kept of an argv: 32 KiB. One may have 6 MiB (execve(2)).
pub const ARGV_MAX: usize = 32 * 1024;

/// The most of an argv that a record has: `ARGS_SIZE` in the C header.
pub const RECORD_MAX: usize = 304;

/// What every record tells about its process, whatever happened to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Common {
    /// Pid of the parent, in the initial pid namespace.
    pub ppid: u32,
    /// Real user id, in the initial user namespace.
    pub uid: u32,
    /// Real group id, in the initial user namespace.
    pub gid: u32,
    /// Pid of the process that started it, where it is followed: the parent may be another since.
    /// 0 where the following began with it, and where nothing is followed.
    pub started_by: u32,
    /// Id of the cgroup in the cgroup v2 hierarchy.
    pub cgroup_id: u64,
    /// Name of the main thread, at most 15 bytes.
    pub comm: Comm,
    /// The same of the parent, if it is known.
    pub parent_comm: Option<Comm>,
    /// When the parent was created (boot-clock nanoseconds), if that is known.
    pub parent_start: Option<u64>,
    /// Where they are asked for, what the tracker knows of the ancestors, the parent first. No
    /// record has them.
    pub ancestors: Option<Rc<[Ancestor]>>,
}

/// One record of `process_map`: an exec or an exit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub process: ProcessId,
    /// `task->self_exec_id`: how many execs led to the program that runs.
    pub exec_id: u32,
    /// When it happened, in nanoseconds on the boot clock.
    pub time: u64,
    pub common: Common,
    pub kind: Kind,
}

impl Record {
    /// Bytes that its program has in memory.
    pub fn bytes(&self) -> usize {
        match &self.kind {
            Kind::Exec(program) => program.bytes(),
            Kind::Exit { .. } => 0,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Exec(Program),
    Exit {
        /// As `wait(2)` reports it.
        wait_status: i32,
        usage: Usage,
        /// The `exec_id` of its parent by then. (If its own parent has ended, that is the reaper,
        /// an ancestor, which has the same one only if it runs the same program still.)
        parent_exec_id: u32,
    },
}

/// What a process has used up in its life, over all its threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Nanoseconds on a CPU, as the scheduler had them at its last look (`sum_exec_runtime`):
    /// what a thread ran since its last tick or switch, at most some milliseconds, is not in.
    pub cpu_ns: u64,
    /// The most memory it had resident at once (`signal_struct::maxrss`). The kernel keeps
    /// one figure for the life of a process, so where what ran before the exec, such as a
    /// large parent's copy, had more, the program's own is not known: `None`.
    pub max_rss_kib: Option<u64>,
    /// Page faults that waited for storage.
    pub major_faults: u64,
    /// Bytes read from storage, as `/proc/PID/io` has them. `None` on a kernel that does not
    /// count them (`CONFIG_TASK_IO_ACCOUNTING`).
    pub read_bytes: Option<u64>,
    /// Bytes written, or to be written, to storage.
    pub write_bytes: Option<u64>,
}

/// What an exec put in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// As given to exec. `None` when it could not be read.
    pub filename: Option<Vec<u8>>,
    /// Whether the filename fills its place in the record, and so may have been longer.
    pub filename_truncated: bool,
    /// argv as the kernel lays it out: each argument with its NUL, or cut anywhere.
    argv: Vec<u8>,
    /// Bytes of the whole argv, of which `argv` may be the beginning only.
    argv_size: usize,
    /// The most memory that what ran in the process before had resident at once.
    pub max_rss_before_kib: u64,
}

impl Program {
    /// A program whose filename is whole. `argv_size` is the size of the whole argv.
    pub fn new(filename: Option<Vec<u8>>, argv: Vec<u8>, argv_size: usize) -> Self {
        Self { filename, filename_truncated: false, argv, argv_size, max_rss_before_kib: 0 }
    }

    /// Whether less is known than the whole argv.
    pub fn args_truncated(&self) -> bool {
        self.argv.len() < self.argv_size
    }

    /// Puts the whole argv, or the first [`ARGV_MAX`] bytes of it, in place of a cut one, if it
    /// is the same but for the cut.
    pub fn complete(&mut self, argv: Vec<u8>) {
        if argv.len() == self.argv_size.min(ARGV_MAX) && argv.starts_with(&self.argv) {
            self.argv = argv;
        }
    }

    /// Puts what is known of the argv in place of less: its first bytes, and anything behind them.
    pub fn extend(&mut self, mut argv: Vec<u8>) {
        argv.truncate(self.argv_size.min(ARGV_MAX));
        if argv.len() > self.argv.len() && argv.starts_with(&self.argv) {
            self.argv = argv;
        }
    }

    /// Bytes that it has in memory, beside those of a fixed size.
    pub fn bytes(&self) -> usize {
        self.argv.len() + self.filename.as_ref().map_or(0, Vec::len)
    }

    /// Cuts each text to so many bytes.
    pub fn cut(&mut self, bytes: usize) {
        if let Some(filename) = self.filename.as_mut().filter(|name| name.len() > bytes) {
            filename.truncate(bytes);
            filename.shrink_to_fit();
            self.filename_truncated = true;
        }
        // What is cut off still counts in `argv_size`.
        if self.argv.len() > bytes {
            self.argv.truncate(bytes);
            self.argv.shrink_to_fit();
        }
    }

    /// Replaces each argument by what `f` makes of it.
    pub fn map_args(&mut self, f: impl Fn(&[u8]) -> Vec<u8>) {
        let truncated = self.args_truncated();
        let mut argv = Vec::with_capacity(self.argv.len());
        for arg in self.args() {
            argv.extend(f(arg));
            argv.push(0);
        }
        self.argv_size = argv.len() + usize::from(truncated);
        self.argv = argv;
    }

    /// Whether any argument is known.
    pub fn has_args(&self) -> bool {
        !self.argv.is_empty()
    }

    /// The arguments, `argv[0]` first. Each ends with a NUL in memory, so an empty
    /// last argument is kept; of a truncated argv the last one may be cut.
    pub fn args(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let argv = self.argv.strip_suffix(&[0]).unwrap_or(&self.argv);
        // An argv of no bytes has no arguments; splitting it would give one.
        let parts = if self.argv.is_empty() { 0 } else { usize::MAX };
        argv.split(|&byte| byte == 0).take(parts)
    }
}

#[cfg(test)]
mod tests;
