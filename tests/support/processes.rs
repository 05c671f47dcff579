//! What the kernel tests and the benchmarks share: processes to watch, and the kernel's view.

#![allow(clippy::expect_used, reason = "a test or a benchmark that can't go on has failed")]

use std::env;
use std::fs::{self, File};
use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use libbpf_rs::libbpf_sys;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The static C program that plays the hard parts (tests/actor), compiled at first use.
pub fn actor() -> &'static Path {
    static ACTOR: OnceLock<PathBuf> = OnceLock::new();
    ACTOR.get_or_init(|| {
        if let Some(path) = env::var_os("ACTOR") {
            return path.into(); // where there is no compiler
        }
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("actor");
        let build = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/actor/build");
        let status = Command::new(build).arg(&path).status().expect("there is a shell");
        assert!(status.success(), "tests/actor does not compile");
        path
    })
}

/// A command that plays one part of the actor.
pub fn play(args: &[&str]) -> Command {
    let mut command = Command::new(actor());
    command.args(args).stdin(Stdio::null());
    command
}

/// A process that ends with this value, however the test or the benchmark ends.
#[derive(Debug)]
pub struct Running {
    pub child: Child,
}

impl Running {
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        Self::try_start(command).expect("the program is there")
    }

    pub fn try_start(command: &mut Command) -> io::Result<Self> {
        // SAFETY: the closure makes one system call; it allocates nothing.
        unsafe {
            command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            });
        }
        Ok(Self { child: command.spawn()? })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = self.pid().try_into().expect("pids are small");
        kill(Pid::from_raw(pid), signal).expect("it is not reaped yet");
    }

    /// Kills and reaps it.
    pub fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts `processes` tiny programs, `jobs` at a time, waits for all, and tells their parent.
pub fn storm(processes: u64, jobs: usize) -> u32 {
    let mut command = play(&["storm", &processes.to_string(), &jobs.to_string()]);
    let mut storm = Running::start(&mut command);
    let status = storm.child.wait().expect("it is ours");
    assert!(status.success(), "the storm: {status}");
    storm.pid()
}

/// Starts tiny programs for about so many seconds, `jobs` at a time, with a pause (in
/// microseconds) after each. Prints their number at the end.
pub fn storm_for(seconds: u64, jobs: usize, pause: u32) -> Running {
    let numbers = [seconds.to_string(), jobs.to_string(), pause.to_string()];
    let mut command = play(&["storm-for"]);
    Running::start(command.args(numbers).stdout(Stdio::piped()))
}

/// Nothing takes this long unless it is broken, even on an emulated CPU.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether `done` becomes true in time. It is asked every few milliseconds.
#[must_use]
pub fn wait_until(mut done: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while !done() {
        if begun.elapsed() > PATIENCE {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
    true
}

/// Waits until a process that was just started is the actor, and sleeps. Its name and its command line
/// are there before the kernel reports the exec, and a process in exec(2) does not sleep in this way.
#[track_caller]
pub fn wait_until_asleep(pid: u32) {
    let stat = || fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is there");
    assert!(wait_until(|| stat().contains("(actor) S ")), "it is no actor, or awake: {}", stat());
}

/// All that a file has by now, for one that another process writes to: a clone of the
/// descriptor has the same position, so this reads at offsets.
pub fn content(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(file.metadata()?.len()).expect("it fits")];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// The number on the line that begins with this name: /proc/PID/status and its like.
pub fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What the kernel says of each descriptor of a process; nothing if it has ended.
pub fn fdinfo(pid: u32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten();
    entries.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok()).collect()
}

/// As long as this lives, the kernel counts the runs of each BPF program and takes their time,
/// which costs time itself. Unlike the sysctl it can't be left behind.
#[must_use]
pub fn count_bpf_runs() -> OwnedFd {
    // SAFETY: takes a number; a descriptor that it gives belongs to nobody else.
    unsafe {
        let fd = libbpf_sys::bpf_enable_stats(libbpf_sys::BPF_STATS_RUN_TIME);
        assert!(fd >= 0, "only root may count BPF runs: {}", io::Error::from_raw_os_error(-fd));
        OwnedFd::from_raw_fd(fd)
    }
}

/// Gives the calling thread, and what it starts, a mount namespace of its own.
pub fn unshare_mounts() -> io::Result<()> {
    const NONE: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    Ok(())
}

/// Mounts tracefs. On some machines it is there already, and can't be mounted over itself.
pub fn mount_tracefs() -> io::Result<()> {
    const NONE: Option<&str> = None;
    if !Path::new("/sys/kernel/tracing/events").exists() {
        mount(NONE, "/sys/kernel/tracing", Some("tracefs"), MsFlags::empty(), NONE)?;
    }
    Ok(())
}
