//! What `/proc` knows of processes that the records do not tell of.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs::{self, ReadDir};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::unistd::{SysconfVar, sysconf};
use procfs_core::process::{Stat, StatFlags};
use procfs_core::{FromRead as _, ProcessCGroups};

use super::clock::{boot_now, boot_offset_ns};
use super::slow_file::SlowFiles;
use super::{cgroups, host};
use crate::process::ancestors::Link;
use crate::process::record::{ARGV_MAX, Common, ProcessId, Program, TICK_NS, is_same_start};
use crate::process::tracker::Running;

/// The inode of the initial pid namespace (PROC_PID_INIT_INO in the kernel).
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";

/// Whether `/proc` shows the pids that the records have. In a container it does not, nor to
/// others than root if it is mounted with `hidepid`.
pub fn is_usable() -> bool {
    let namespace = fs::read_link("/proc/self/ns/pid");
    namespace.is_ok_and(|link| link.as_os_str() == INITIAL_PID_NAMESPACE) && stat(1).is_some()
}

/// The pids of the processes that run now. `None`: one can't be read.
#[derive(Debug)]
struct Pids(ReadDir);

impl Pids {
    /// `None`: there is no `/proc`.
    fn all() -> Option<Self> {
        fs::read_dir("/proc").ok().map(Self)
    }
}

impl Iterator for Pids {
    type Item = Option<u32>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Ok(entry) = self.0.next()? else { return Some(None) };
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if pid.is_some() {
                return Some(pid);
            }
        }
    }
}

fn stat(pid: u32) -> Option<Stat> {
    Stat::from_file(format!("/proc/{pid}/stat")).ok()
}

/// The processes that run now, each looked at when its turn comes. `None`: it has ended by then.
#[derive(Debug)]
pub struct Processes {
    all: Pids,
    /// The pids of those that are asked for.
    only: Option<HashSet<u32>>,
    cgroups: Option<PathBuf>,
}

/// A process that is started while this goes on may be in it, too. `None`: without `/proc`, or
/// where none is asked for.
pub fn running(only: Option<&HashSet<u32>>) -> Option<Processes> {
    if only.is_some_and(HashSet::is_empty) {
        return None;
    }
    let only = only.cloned();
    Some(Processes { all: Pids::all()?, only, cgroups: cgroups::mount_point() })
}

/// The processes that run now, and their parents' pids.
pub fn parents() -> Vec<(ProcessId, u32)> {
    let stats = Pids::all().into_iter().flatten().flatten().filter_map(stat);
    let id = |stat: &Stat| ProcessId { pid: stat.pid as u32, start_time: start_of(stat) };
    stats.filter(is_alive).map(|stat| (id(&stat), stat.ppid as u32)).collect()
}

impl Iterator for Processes {
    type Item = Option<Running>;

    fn next(&mut self) -> Option<Self::Item> {
        let is_wanted = |pid: &u32| self.only.as_ref().is_none_or(|only| only.contains(pid));
        let pid = self.all.next()?.filter(is_wanted);
        Some(pid.and_then(|pid| look(pid, self.cgroups.as_deref())))
    }
}

fn look(pid: u32, cgroups: Option<&Path>) -> Option<Running> {
    let stat = stat(pid).filter(|stat| is_alive(stat) && !is_exiting(stat))?;
    let status = Ids::of(pid)?;
    let process = ProcessId { pid, start_time: start_of(&stat) };
    let (argv, size) = cmdline(pid);
    let running = Running {
        process,
        common: Common {
            ppid: stat.ppid as u32,
            uid: status.ruid,
            gid: status.rgid,
            started_by: 0,
            cgroup_id: cgroups.and_then(|root| cgroup_id(pid, root)).unwrap_or(0),
            comm: comm_of(pid)?.into(),
            ancestors: None,
            parent_comm: None, // which Tracker::name_parents_of_running fills in
            parent_start: None,
        },
        program: (!argv.is_empty()).then(|| Program::new(None, argv, size)),
    };
    // If another process has the pid by now, some of this may belong to that process.
    is_same(pid, process.start_time).then_some(running)
}

/// Returns whether no other process has the pid of one that started at this time, also if it has ended.
fn is_same(pid: u32, start_time: u64) -> bool {
    stat(pid).is_none_or(|now| is_same_start(start_time, start_of(&now)))
}

/// Real ids. Not by a parser of text: a user may choose a name that is no text.
struct Ids {
    ruid: u32,
    rgid: u32,
}

impl Ids {
    fn of(pid: u32) -> Option<Self> {
        let status = fs::read(format!("/proc/{pid}/status")).ok()?;
        let first_number = |name: &[u8]| {
            let mut lines = status.split(|&byte| byte == b'\n');
            let line = lines.find_map(|line| line.strip_prefix(name))?;
            let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            std::str::from_utf8(words.next()?).ok()?.parse().ok()
        };
        Some(Self { ruid: first_number(b"Uid:")?, rgid: first_number(b"Gid:")? })
    }
}

/// The name of a process that still runs.
pub fn name_of(process: ProcessId) -> Option<Vec<u8>> {
    let name = comm_of(process.pid);
    // Asked after reading: what was read belongs to the process that still has the pid.
    stat_of(process).and(name)
}

/// Who a process is that had started by a time (boot-clock nanoseconds), and who started it.
pub fn link_of(pid: u32, by: u64) -> Option<(ProcessId, Link)> {
    let comm = comm_of(pid)?.into();
    let stat = stat(pid)?;
    let process = ProcessId { pid, start_time: start_of(&stat) };
    let link = Link { ppid: stat.ppid as u32, comm, until: boot_now() };
    (process.start_time <= by).then_some((process, link))
}

fn comm_of(pid: u32) -> Option<Vec<u8>> {
    let mut comm = fs::read(format!("/proc/{pid}/comm")).ok()?;
    comm.pop(); // the end of its line
    Some(comm)
}

/// The id of a cgroup is the inode of its folder.
fn cgroup_id(pid: u32, root: &Path) -> Option<u64> {
    let cgroups = ProcessCGroups::from_file(format!("/proc/{pid}/cgroup")).ok()?;
    let v2 = cgroups.into_iter().find(|cgroup| cgroup.hierarchy == 0)?;
    fs::metadata(root.join(v2.pathname.trim_start_matches('/'))).ok().map(|folder| folder.ino())
}

/// A zombie has ended already, though it keeps its pid; but a main thread that left before
/// the others shows as one, too.
fn is_alive(stat: &Stat) -> bool {
    !matches!(stat.state, 'Z' | 'X') || stat.num_threads > 1
}

/// Whether it is on its way out: its exit may have been recorded already, or not yet.
fn is_exiting(stat: &Stat) -> bool {
    stat.flags & StatFlags::PF_EXITING.bits() != 0 && stat.num_threads <= 1
}

thread_local! {
    static SLOW_FILES: RefCell<SlowFiles> = RefCell::default();
}

/// To be called once a read: what may be waited for in all is bounded.
pub fn renew_patience() {
    SLOW_FILES.with_borrow_mut(SlowFiles::renew);
}

/// The argv of a process as it is in memory, each argument with its NUL, of which at most
/// [`ARGV_MAX`] bytes are read; and how many it has at least. Nothing if it does not tell soon.
fn cmdline(pid: u32) -> (Vec<u8>, usize) {
    let path = format!("/proc/{pid}/cmdline").into();
    let argv = SLOW_FILES.with_borrow_mut(|files| files.read(path, ARGV_MAX + 1));
    let mut argv = argv.unwrap_or_default();
    let size = argv.len();
    argv.truncate(ARGV_MAX);
    (argv, size)
}

/// Boot-clock nanoseconds, rounded down to a tick of the clock that `/proc` shows.
fn start_of(stat: &Stat) -> u64 {
    static OFFSET: OnceLock<i64> = OnceLock::new();
    // Linux 5.10 is the last one that shows start times without the offset of a time namespace.
    let is_shown = || host::kernel_version().is_none_or(|version| version > (5, 10));
    let offset = *OFFSET.get_or_init(|| if is_shown() { boot_offset_ns() } else { 0 });
    stat.starttime.saturating_mul(TICK_NS).saturating_add_signed(-offset)
}

fn stat_of(process: ProcessId) -> Option<Stat> {
    let stat = stat(process.pid)?;
    let same = is_same_start(process.start_time, start_of(&stat));
    (same && is_alive(&stat)).then_some(stat)
}

/// Whether the process is gone: its pid is free, or another process has it.
pub fn is_gone(process: ProcessId) -> bool {
    stat_of(process).is_none()
}

/// The argv of a process that still runs, or the first [`ARGV_MAX`] bytes of it.
pub fn argv_of(process: ProcessId) -> Option<Vec<u8>> {
    let (argv, _) = cmdline(process.pid);
    // Asked after reading: what was read belongs to the process that still has the pid.
    stat_of(process).map(|_| argv)
}

/// The time on a CPU of a process that still runs, in nanoseconds, exact to a clock tick.
pub fn cpu_of(process: ProcessId) -> Option<u64> {
    usage_of(process).map(|(cpu_ns, _)| cpu_ns)
}

/// The same, and its resident memory in KiB, as `ps` has it.
pub fn usage_of(process: ProcessId) -> Option<(u64, u64)> {
    let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4096);
    let page_kib = page.unsigned_abs() / 1024;
    stat_of(process).map(|stat| ((stat.utime + stat.stime) * TICK_NS, stat.rss * page_kib))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, id};

    use super::*;

    fn all_running() -> impl Iterator<Item = Running> {
        running(None).expect("there is a /proc").flatten()
    }

    #[test]
    fn a_process_is_gone_when_it_ended_or_another_has_its_pid() {
        let us = all_running().find(|running| running.process.pid == id());
        let us = us.expect("we run").process;
        assert!(!is_gone(us));
        assert!(is_gone(ProcessId { start_time: us.start_time + TICK_NS, ..us }));
        assert!(is_same(us.pid, us.start_time) && !is_same(us.pid, us.start_time + TICK_NS));

        let mut child = Command::new("true").spawn().expect("true starts");
        let child_id = ProcessId { pid: child.id(), start_time: us.start_time };
        child.wait().expect("it ends");
        assert!(is_gone(child_id) && is_same(child_id.pid, child_id.start_time));
    }

    #[test]
    fn a_name_that_is_no_text_hides_nobody() {
        let before = fs::read("/proc/self/comm").expect("there is a /proc");
        fs::write("/proc/self/comm", b"\xff\nUid:\t7").expect("it is our name");
        let us = all_running().find(|running| running.process.pid == id());
        fs::write("/proc/self/comm", before).expect("it is our name");
        let common = us.expect("we run").common;
        assert_eq!(
            (&*common.comm, common.uid),
            (&b"\xff\nUid:\t7"[..], nix::unistd::getuid().as_raw())
        );
    }

    #[test]
    fn a_process_that_runs_is_described() {
        let mut child = Command::new("sleep").arg("1000").spawn().expect("sleep starts");
        // Until it has called exec.
        while !cmdline(child.id()).0.starts_with(b"sleep") {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let seen = all_running().find(|running| running.process.pid == child.id());
        let seen = seen.expect("it runs");
        let args: Vec<_> = seen.program.iter().flat_map(Program::args).collect();
        assert_eq!((seen.common.ppid, args), (id(), vec![&b"sleep"[..], b"1000"]));
        assert_eq!(argv_of(seen.process), Some(b"sleep\x001000\0".to_vec()));
        let usage = usage_of(seen.process);
        assert!(usage.is_some_and(|(ns, kib)| ns < 1_000_000_000 && kib > 0), "{usage:?}");
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        assert_eq!(argv_of(seen.process), None);
    }
}
