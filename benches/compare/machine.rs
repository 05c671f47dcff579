//! The machine under test: its settings, its other processes, and storms.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Stdio, exit};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::processes::{self, Running, mount_tracefs, play, unshare_mounts};
use crate::program;

/// Settings that were changed, with what they were before.
static CHANGED: Mutex<Vec<(PathBuf, String)>> = Mutex::new(Vec::new());

/// Puts every setting back when it goes out of scope, also when the bench fails.
pub struct Settings(());

impl Settings {
    /// From here on, what this process starts finds tracefs mounted (in a mount namespace of
    /// its own), and Ctrl-C puts the settings back too.
    pub fn prepare() -> Result<Self> {
        ensure!(nix::unistd::geteuid().is_root(), "only root may load BPF programs");
        unshare_mounts().context("could not get a mount namespace")?;
        mount_tracefs().context("could not mount tracefs")?;
        // The children notice that this process is gone (see `Running`).
        ctrlc::set_handler(|| {
            restore();
            exit(130);
        })?;
        let settings = Self(());
        // It costs time, and is on here only while it is needed (see `count_bpf_runs`).
        set("kernel/bpf_stats_enabled", "0")?;
        Ok(settings)
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    let mut changed = CHANGED.lock().unwrap_or_else(PoisonError::into_inner);
    for (path, before) in changed.drain(..).rev() {
        if let Err(error) = fs::write(&path, before) {
            eprintln!("could not restore {}: {error}", path.display());
        }
    }
}

/// Sets a sysctl, such as `kernel/pid_max`, for as long as the bench runs.
pub fn set(name: &str, value: &str) -> Result<()> {
    let path = Path::new("/proc/sys").join(name);
    let mut changed = CHANGED.lock().unwrap_or_else(PoisonError::into_inner);
    if !changed.iter().any(|(known, _)| *known == path) {
        changed.push((path.clone(), fs::read_to_string(&path)?));
    }
    fs::write(&path, value).with_context(|| format!("could not set {name}"))
}

pub fn cpus() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The program under test.
pub fn program() -> String {
    program::program().display().to_string()
}

/// Starts `processes` tiny programs, `jobs` at a time; how long it took.
pub fn storm(processes: u64, jobs: usize) -> Duration {
    let begun = Instant::now();
    processes::storm(processes, jobs);
    begun.elapsed()
}

/// Other processes, alive until this goes out of scope.
pub struct Alive(Running);

impl Alive {
    pub fn start(processes: u64) -> Result<Self> {
        let mut alive = play(&["alive", &processes.to_string()]);
        let mut this = Self(Running::start(alive.stdin(Stdio::piped()).stdout(Stdio::piped())));
        let mut ready = [0];
        let stdout = this.0.child.stdout.as_mut().context("stdout is a pipe")?;
        stdout.read_exact(&mut ready).context("the processes could not be started")?;
        Ok(this)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        drop(self.0.child.stdin.take()); // which ends them all
        let _ = self.0.child.wait();
    }
}

/// How many processes more the machine holds: pids, threads, memory.
pub fn room_for_processes() -> Result<u64> {
    let number = |name: &str| -> Result<u64> {
        Ok(fs::read_to_string(Path::new("/proc/sys/kernel").join(name))?.trim().parse()?)
    };
    // A sleeping static program takes about 150 KiB, page tables and kernel stack included.
    let memory = meminfo_kib("MemAvailable:")? / 2 / 150;
    Ok(memory.min(number("threads-max")? / 2).min(number("pid_max")? * 9 / 10))
}

pub fn meminfo_kib(name: &str) -> Result<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo")?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("/proc/meminfo")?.parse()?)
}

/// An empty file without a name.
pub fn scratch_file() -> Result<File> {
    tempfile::tempfile().context("could not make a temporary file")
}
