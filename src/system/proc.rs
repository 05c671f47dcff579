//! What `/proc` knows of processes that the records do not tell of.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use procfs::process::{Process, Stat, all_processes};

use super::cgroups;
use super::slow_file::SlowFiles;
use crate::process::record::{Common, ProcessId, TICK_NS, is_same_start};
use crate::process::tracker::Running;

/// The inode of the initial pid namespace (PROC_PID_INIT_INO in the kernel).
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";

/// Whether `/proc` shows the pids that the records have. In a container it does not, nor to
/// others than root if it is mounted with `hidepid`.
pub fn is_usable() -> bool {
    let namespace = fs::read_link("/proc/self/ns/pid");
    namespace.is_ok_and(|link| link.as_os_str() == INITIAL_PID_NAMESPACE)
        && Process::new(1).is_ok_and(|init| init.stat().is_ok())
}

/// The processes that run now. One that ends while this looks may be missing.
pub fn running() -> Vec<Running> {
    let cgroups = cgroups::mount_point();
    let processes = all_processes().into_iter().flatten().flatten();
    processes.filter_map(|process| look(&process, cgroups.as_deref())).collect()
}

fn look(process: &Process, cgroups: Option<&Path>) -> Option<Running> {
    let stat = process.stat().ok().filter(is_alive)?;
    let status = process.status().ok()?;
    let process_id =
        ProcessId { pid: stat.pid as u32, start_time: stat.starttime.checked_mul(TICK_NS)? };
    Some(Running {
        process: process_id,
        common: Common {
            ppid: stat.ppid as u32,
            uid: status.ruid,
            gid: status.rgid,
            cgroup_id: cgroups.and_then(|root| cgroup_id(process, root)).unwrap_or(0),
            comm: stat.comm.into_bytes().into(),
        },
        argv: cmdline(process_id.pid),
    })
}

/// The id of a cgroup is the inode of its folder.
fn cgroup_id(process: &Process, root: &Path) -> Option<u64> {
    let v2 = process.cgroups().ok()?.into_iter().find(|cgroup| cgroup.hierarchy == 0)?;
    fs::metadata(root.join(v2.pathname.trim_start_matches('/'))).ok().map(|folder| folder.ino())
}

/// A zombie has ended already, though it keeps its pid; but a main thread that left before
/// the others shows as one, too.
fn is_alive(stat: &Stat) -> bool {
    !matches!(stat.state, 'Z' | 'X') || stat.num_threads > 1
}

/// The argv of a process as it is in memory, each argument with its NUL. This waits for as long
/// as the process likes ([`super::slow_file`]).
fn cmdline(pid: u32) -> Vec<u8> {
    fs::read(cmdline_of(pid)).unwrap_or_default()
}

fn cmdline_of(pid: u32) -> PathBuf {
    format!("/proc/{pid}/cmdline").into()
}

fn stat_of(process: ProcessId) -> Option<Stat> {
    let stat = Process::new(process.pid as i32).and_then(|process| process.stat()).ok()?;
    let same = is_same_start(process.start_time, stat.starttime * TICK_NS);
    (same && is_alive(&stat)).then_some(stat)
}

/// Whether the process is gone: its pid is free, or another process has it.
pub fn is_gone(process: ProcessId) -> bool {
    stat_of(process).is_none()
}

thread_local! {
    static SLOW_FILES: RefCell<SlowFiles> = RefCell::default();
}

/// The whole argv of a process that still runs, if it tells soon.
pub fn argv_of(process: ProcessId) -> Option<Vec<u8>> {
    let argv = SLOW_FILES.with_borrow_mut(|files| files.read(cmdline_of(process.pid)))?;
    // Asked after reading: what was read belongs to the process that still has the pid.
    stat_of(process).map(|_| argv)
}

/// The time on a CPU of a process that still runs, in nanoseconds, exact to a clock tick.
pub fn cpu_of(process: ProcessId) -> Option<u64> {
    stat_of(process).map(|stat| (stat.utime + stat.stime) * TICK_NS)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, id};

    use super::*;

    #[test]
    fn a_process_is_gone_when_it_ended_or_another_has_its_pid() {
        let us = running().into_iter().find(|running| running.process.pid == id());
        let us = us.expect("we run").process;
        assert!(!is_gone(us));
        assert!(is_gone(ProcessId { start_time: us.start_time + TICK_NS, ..us }));

        let mut child = Command::new("true").spawn().expect("true starts");
        let child_id = ProcessId { pid: child.id(), start_time: us.start_time };
        child.wait().expect("it ends");
        assert!(is_gone(child_id));
    }

    #[test]
    fn a_process_that_runs_is_described() {
        let mut child = Command::new("sleep").arg("1000").spawn().expect("sleep starts");
        // Until it has called exec.
        while !cmdline(child.id()).starts_with(b"sleep") {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let running = running();
        let seen = running.iter().find(|running| running.process.pid == child.id());
        let seen = seen.expect("it runs");
        assert_eq!((seen.common.ppid, seen.argv.as_slice()), (id(), &b"sleep\x001000\0"[..]));
        assert_eq!(argv_of(seen.process), Some(seen.argv.clone()));
        assert!(cpu_of(seen.process).is_some_and(|ns| ns < 1_000_000_000));
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        assert_eq!(argv_of(seen.process), None);
    }
}
