//! The machine under test: its settings, its other processes, and storms.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio, exit};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use std::{env, thread};

use anyhow::{Context as _, Result, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Settings that were changed, with what they were before.
static CHANGED: Mutex<Vec<(PathBuf, String)>> = Mutex::new(Vec::new());

/// Puts every setting back when it goes out of scope, also when the bench fails.
pub struct Settings(());

impl Settings {
    /// From here on, what this process starts finds tracefs mounted (in a mount namespace of
    /// its own), and Ctrl-C puts the settings back too.
    pub fn prepare() -> Result<Self> {
        const NONE: Option<&str> = None;
        ensure!(nix::unistd::geteuid().is_root(), "only root may load BPF programs");
        unshare(CloneFlags::CLONE_NEWNS).context("could not get a mount namespace")?;
        mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
        if !Path::new("/sys/kernel/tracing/events").exists() {
            mount(NONE, "/sys/kernel/tracing", Some("tracefs"), MsFlags::empty(), NONE)
                .context("could not mount tracefs")?;
        }
        // The children notice that this process is gone (see `spawn`).
        ctrlc::set_handler(|| {
            restore();
            exit(130);
        })?;
        Ok(Self(()))
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

/// Whether the kernel takes the time of every BPF program, which costs time itself.
pub fn count_bpf_time(on: bool) -> Result<()> {
    set("kernel/bpf_stats_enabled", if on { "1" } else { "0" })
}

pub fn cpus() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The program under test.
pub fn program() -> &'static str {
    env!("CARGO_BIN_EXE_kernel_and_user_map")
}

/// tests/actor.c, compiled at first use.
fn actor() -> Result<&'static Path> {
    static ACTOR: OnceLock<PathBuf> = OnceLock::new();
    if let Some(path) = ACTOR.get() {
        return Ok(path);
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-actor");
    let status = Command::new(env::var_os("CC").unwrap_or("cc".into()))
        .args(["-static", "-O2", "-pthread", "-o"])
        .arg(&path)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/actor.c"))
        .status()
        .context("could not run the C compiler")?;
    ensure!(status.success(), "tests/actor.c does not compile");
    Ok(ACTOR.get_or_init(|| path))
}

/// A command that plays one part of tests/actor.c.
pub fn play(args: &[&str]) -> Result<Command> {
    let mut command = Command::new(actor()?);
    command.args(args).stdin(Stdio::null());
    Ok(command)
}

/// Starts a command that ends with this process, however that ends.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    // SAFETY: the closure makes one system call; it allocates nothing.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
    command.spawn()
}

/// A child that is killed and reaped when it goes out of scope.
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts `processes` tiny programs, `jobs` at a time; how long it took.
pub fn storm(processes: u64, jobs: usize) -> Result<Duration> {
    let mut storm = play(&["storm", &processes.to_string(), &jobs.to_string()])?;
    let begun = Instant::now();
    let status = Killed(spawn(&mut storm)?).0.wait()?;
    ensure!(status.success(), "the storm failed: {status}");
    Ok(begun.elapsed())
}

/// Other processes, alive until this goes out of scope.
pub struct Alive(Killed);

impl Alive {
    pub fn start(processes: u64) -> Result<Self> {
        let mut alive = play(&["alive", &processes.to_string()])?;
        let child = spawn(alive.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let mut this = Self(Killed(child));
        let mut ready = [0];
        let stdout = this.0.0.stdout.as_mut().context("stdout is a pipe")?;
        stdout.read_exact(&mut ready).context("the processes could not be started")?;
        Ok(this)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        drop(self.0.0.stdin.take()); // which ends them all
        let _ = self.0.0.wait();
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
