//! What a user who is not root may not do to a watcher that runs as root.

use std::ffi::CString;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::{fs, io};

use libc::{c_int, iovec, pid_t};
use nix::unistd::{Group, User};

use crate::support::nobody::{NOBODY, become_nobody, copy_for_all};
use crate::support::processes::play;
use crate::support::watcher::{Watcher, run_to_end, share_machine};

/// The error that a process of `nobody` gets from a system call.
fn as_nobody(call: impl Fn() -> bool + Send + Sync + 'static) -> Option<c_int> {
    let mut command = play(&["exit", "0"]);
    command.uid(NOBODY).gid(NOBODY);
    let call = move || if call() { Ok(()) } else { Err(io::Error::last_os_error()) };
    // SAFETY: the closure makes one system call; it allocates nothing.
    unsafe { command.pre_exec(call) };
    // What fails before the exec is what spawn() returns. If it works, the child ends itself.
    match command.spawn() {
        Ok(mut child) => {
            child.wait().expect("it is ours");
            None
        }
        Err(error) => error.raw_os_error(),
    }
}

fn signals(pid: pid_t, signal: c_int) -> impl Fn() -> bool {
    // SAFETY: takes numbers.
    move || unsafe { libc::kill(pid, signal) == 0 }
}

/// Asserts that a process of `nobody` can't look into the watcher.
fn assert_nobody_sees_its_memory(watcher: &Watcher) {
    let pid = pid_t::try_from(watcher.pid()).expect("pids are small");
    let traced = as_nobody(move || {
        // SAFETY: takes numbers.
        unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0_usize, 0_usize) == 0 }
    });
    assert_eq!(traced, Some(libc::EPERM), "ptrace");
    let read = as_nobody(move || {
        let mut byte = 0_u8;
        let here = iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
        // Nothing is there: who may read gets EFAULT.
        let there = iovec { iov_base: std::ptr::null_mut(), iov_len: 1 };
        // SAFETY: `here` is memory of ours, which lives as long as the call.
        unsafe { libc::process_vm_readv(pid, &raw const here, 1, &raw const there, 1, 0) == 1 }
    });
    assert_eq!(read, Some(libc::EPERM), "process_vm_readv");
    for file in ["mem", "environ", "maps", "fd/1"] {
        let path = CString::new(format!("/proc/{pid}/{file}")).expect("no NUL");
        let opened = as_nobody(move || {
            // SAFETY: the path lives as long as the call.
            unsafe { libc::open(path.as_ptr(), libc::O_RDONLY) >= 0 }
        });
        assert_eq!(opened, Some(libc::EACCES), "{file}");
    }
}

#[test]
fn nobody_can_neither_kill_it_nor_look_into_it() {
    let _machine = share_machine();
    let watcher = Watcher::start(&[]);
    let pid = pid_t::try_from(watcher.pid()).expect("pids are small");
    for signal in [0, libc::SIGKILL, libc::SIGTERM, libc::SIGSTOP] {
        assert_eq!(as_nobody(signals(pid, signal)), Some(libc::EPERM), "signal {signal}");
    }
    assert_nobody_sees_its_memory(&watcher);
    let (child, _) = run_to_end(&mut play(&["exit", "0"]));
    let run = watcher.finish();
    assert!(run.status.success());
    assert_eq!(run.of(child).len(), 2);
}

/// The user ids of a process, and its group ids.
fn ids(pid: u32) -> Option<Vec<u32>> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let lines = status.lines().filter(|line| line.starts_with("Uid:") || line.starts_with("Gid:"));
    Some(lines.flat_map(|line| line.split_whitespace().skip(1)).flat_map(str::parse).collect())
}

#[test]
fn each_instance_has_an_id_that_no_other_process_and_no_account_has() {
    let _machine = share_machine();
    let watchers = [Watcher::start(&[]), Watcher::start(&[])];
    let pids = watchers.each_ref().map(Watcher::pid);
    let [one, two] = pids.map(|pid| ids(pid).expect("it runs"));
    assert_ne!(one[0], two[0]);
    for ids_of_one in [&one, &two] {
        let id = ids_of_one[0];
        assert_eq!(ids_of_one[..], [id; 8]);
        assert!(id > 1 << 31, "{id}");
        assert_eq!(User::from_uid(id.into()).expect("a user database"), None);
        assert_eq!(Group::from_gid(id.into()).expect("a group database"), None);
    }
    for entry in fs::read_dir("/proc").expect("it is mounted").flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(pid) = pid.filter(|pid| !pids.contains(pid)) else { continue };
        let others = ids(pid).unwrap_or_default();
        assert!(!others.contains(&one[0]) && !others.contains(&two[0]), "{pid} has {others:?}");
    }
}

/// A watcher that was started by `nobody`, with the capabilities that it needs.
fn started_by_nobody(options: &[&str]) -> (Watcher, tempfile::TempDir) {
    let (copy, dir) = copy_for_all();
    let mut command = Command::new(copy);
    command.args(options).stdin(Stdio::null());
    // SAFETY: system calls only, but for sets of capabilities; glibc makes the allocator usable
    // after a fork.
    unsafe { command.pre_exec(become_nobody) };
    (Watcher::spawn(command), dir)
}

#[test]
fn who_started_it_without_root_can_end_it_and_not_look_into_it() {
    let _machine = share_machine();
    let (watcher, _dir) = started_by_nobody(&["-o", "json"]);
    assert_eq!(ids(watcher.pid()), Some(vec![NOBODY; 8]));
    assert_nobody_sees_its_memory(&watcher);
    let (child, _) = run_to_end(&mut play(&["exit", "0"]));
    let pid = pid_t::try_from(watcher.pid()).expect("pids are small");
    assert_eq!(as_nobody(signals(pid, libc::SIGTERM)), None);
    let run = watcher.wait();
    assert!(run.status.success(), "{}", run.stderr);
    assert_eq!(run.of(child).len(), 2);
}
