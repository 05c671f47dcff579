//! Starts the real program and real processes, and finds the ones in the other's output.

use std::env;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::Value;

/// Nothing here takes this long unless it is broken, even on an emulated CPU.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Whether this is an emulated guest, where storms are smaller.
pub fn in_guest() -> bool {
    env::var_os("GUEST").is_some()
}

/// Tests run side by side, and each looks only for its own pids. One that counts every
/// process of the machine, or loads it fully, takes the machine for itself.
static MACHINE: RwLock<()> = RwLock::new(());

pub fn share_machine() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(|poisoned| poisoned.into_inner())
}

pub fn own_machine() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The program under test.
pub fn program() -> PathBuf {
    env::var_os("KERNEL_AND_USER_MAP")
        .map_or_else(|| env!("CARGO_BIN_EXE_kernel_and_user_map").into(), PathBuf::from)
}

/// The static C program that plays the hard parts (tests/actor.c), compiled at first use.
pub fn actor() -> &'static Path {
    static ACTOR: OnceLock<PathBuf> = OnceLock::new();
    ACTOR.get_or_init(|| {
        if let Some(path) = env::var_os("ACTOR") {
            return path.into();
        }
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("actor");
        // Compiled beside and moved into place: another test binary may be using it.
        let fresh = path.with_extension(std::process::id().to_string());
        let status = Command::new(env::var_os("CC").unwrap_or("cc".into()))
            .args(["-static", "-O2", "-pthread", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&fresh)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/actor.c"))
            .status()
            .expect("there is a C compiler");
        assert!(status.success(), "tests/actor.c compiles");
        fs::rename(&fresh, &path).expect("the actor moves into place");
        path
    })
}

/// A command that plays one part of tests/actor.c.
pub fn play(args: &[&str]) -> Command {
    let mut command = Command::new(actor());
    command.args(args);
    command
}

/// Starts a command, waits for its end, and tells its pid and status.
pub fn run_to_end(command: &mut Command) -> (u32, ExitStatus) {
    let mut child = command.spawn().expect("the command starts");
    (child.id(), child.wait().expect("the command ends"))
}

/// A process that runs until it is ended, and ends with a test that fails.
pub struct Waiting(Child);

impl Waiting {
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().expect("the command starts"))
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Kills and reaps it.
    pub fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.end();
    }
}

/// Where the watcher finds tracefs, in a mount namespace of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tracefs {
    Mounted,
    Absent,
}

/// A running `kernel_and_user_map -o json`.
pub struct Watcher {
    child: Child,
    stdout: File,
    stderr: File,
}

/// What a watcher has printed in all.
pub struct Run {
    pub status: ExitStatus,
    pub events: Vec<Value>,
    pub stdout: String,
    pub stderr: String,
}

/// The program with these options, not yet started, in a mount namespace of its own.
pub fn watcher_command(tracefs: Tracefs, options: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(options).stdin(Stdio::null());
    // SAFETY: the closure makes system calls only; it allocates nothing.
    unsafe { command.pre_exec(move || in_namespace(tracefs)) };
    command
}

fn in_namespace(tracefs: Tracefs) -> io::Result<()> {
    const NONE: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    match tracefs {
        // On some machines it is there already, and can't be mounted over itself.
        Tracefs::Mounted if Path::new("/sys/kernel/tracing/events").exists() => {}
        Tracefs::Mounted => {
            mount(NONE, "/sys/kernel/tracing", Some("tracefs"), MsFlags::empty(), NONE)?;
        }
        Tracefs::Absent => {
            for dir in ["/sys/kernel/tracing", "/sys/kernel/debug"] {
                if Path::new(dir).exists() {
                    mount(NONE, dir, Some("tmpfs"), MsFlags::empty(), NONE)?;
                }
            }
        }
    }
    Ok(())
}

impl Watcher {
    /// Starts the program with JSON output and all hooks, and waits until it watches.
    pub fn start(options: &[&str]) -> Self {
        Self::start_with(Tracefs::Mounted, options)
    }

    pub fn start_with(tracefs: Tracefs, options: &[&str]) -> Self {
        let mut options = options.to_vec();
        options.extend(["-o", "json"]);
        Self::spawn(watcher_command(tracefs, &options))
    }

    /// Starts a command of [`watcher_command`], whatever it prints.
    pub fn spawn(command: Command) -> Self {
        Self::spawn_into(tempfile::tempfile().expect("a temporary file"), command)
    }

    /// The same with another stdout. Of a pipe or a device, no output is collected.
    pub fn spawn_into(stdout: File, mut command: Command) -> Self {
        let stderr = tempfile::tempfile().expect("a temporary file");
        let child = command
            .stdout(stdout.try_clone().expect("a descriptor"))
            .stderr(stderr.try_clone().expect("a descriptor"))
            .spawn()
            .expect("the program starts");
        let mut watcher = Self { child, stdout, stderr };
        let begun = Instant::now();
        while !watcher.stderr().contains("watching") {
            let ended = watcher.child.try_wait().expect("the child is ours");
            assert!(ended.is_none(), "the program ended early: {}", watcher.stderr());
            assert!(begun.elapsed() < PATIENCE, "the program never watches: {}", watcher.stderr());
            thread::sleep(Duration::from_millis(5));
        }
        watcher
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The ids of its BPF programs, as the descriptors it holds tell them.
    pub fn program_ids(&self) -> Vec<u32> {
        let fdinfo = fs::read_dir(format!("/proc/{}/fdinfo", self.pid())).expect("it runs");
        let texts = fdinfo.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok());
        let id = |text: String| {
            text.lines().find_map(|line| line.strip_prefix("prog_id:")?.trim().parse().ok())
        };
        texts.filter_map(id).collect()
    }

    /// What it has printed so far.
    pub fn stdout(&mut self) -> String {
        read_from_start(&mut self.stdout)
    }

    pub fn stderr(&mut self) -> String {
        read_from_start(&mut self.stderr)
    }

    /// Waits until the output so far contains an event that `wanted` accepts.
    pub fn wait_for(&mut self, what: &str, mut wanted: impl FnMut(&Value) -> bool) {
        let begun = Instant::now();
        while !parse(&self.stdout()).iter().any(&mut wanted) {
            assert!(begun.elapsed() < PATIENCE, "{what} is never printed");
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().cast_signed()), signal).expect("the program runs");
    }

    /// Stops the program, and waits until it stands still.
    pub fn stop(&self) {
        self.signal(Signal::SIGSTOP);
        let pid = Pid::from_raw(self.pid().cast_signed());
        let status = waitpid(pid, Some(WaitPidFlag::WUNTRACED)).expect("the child is ours");
        assert_eq!(status, WaitStatus::Stopped(pid, Signal::SIGSTOP));
    }

    /// Ends the program as Ctrl-C does, and collects what it printed.
    pub fn finish(self) -> Run {
        self.signal(Signal::SIGINT);
        self.wait()
    }

    /// Waits for the program to end by itself, and collects what it printed.
    pub fn wait(mut self) -> Run {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "the program does not end");
            thread::sleep(Duration::from_millis(5));
        };
        let (stdout, stderr) = (self.stdout(), self.stderr());
        Run { status, events: parse(&stdout), stdout, stderr }
    }
}

/// A test that fails leaves no watcher behind.
impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn read_from_start(file: &mut File) -> String {
    // A clone would share the position with the program that writes: read at offsets.
    use std::os::unix::fs::FileExt as _;
    let mut bytes = vec![0; usize::try_from(file.metadata().expect("a file").len()).expect("fits")];
    file.read_exact_at(&mut bytes, 0).expect("a readable file");
    String::from_utf8(bytes).expect("the program prints UTF-8")
}

/// JSON Lines to values; a last line that is still being written is left out. A table has none.
pub fn parse(stdout: &str) -> Vec<Value> {
    if !stdout.starts_with('{') {
        return Vec::new();
    }
    let whole = stdout.rfind('\n').map_or("", |end| &stdout[..end]);
    whole.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

impl Run {
    /// The events of one pid, in the order they were printed.
    pub fn of(&self, pid: u32) -> Vec<&Value> {
        self.events.iter().filter(|event| event["pid"] == pid).collect()
    }

    /// The one exit of a pid.
    pub fn exit_of(&self, pid: u32) -> &Value {
        let events = self.of(pid);
        let exits: Vec<_> = events.iter().filter(|event| event["event"] == "exit").collect();
        assert_eq!(exits.len(), 1, "exits of {pid} among {events:#?}");
        exits[0]
    }

    /// The execs of a pid.
    pub fn execs_of(&self, pid: u32) -> Vec<&Value> {
        self.of(pid).into_iter().filter(|event| event["event"] == "exec").collect()
    }

    /// The sum of a count over all loss objects.
    pub fn lost(&self, count: &str) -> u64 {
        self.events.iter().filter_map(|event| event[count].as_u64()).sum()
    }
}

/// An event in short: `exec ls -l`, `exit 3`, `exit SIGKILL`.
pub fn short(event: &Value) -> String {
    if event["event"] == "exec" {
        let args = event["args"].as_array().expect("an exec has args");
        let args: Vec<_> = args.iter().map(|arg| arg.as_str().expect("text")).collect();
        return format!("exec {}", args.join(" "));
    }
    match (event["exit_code"].as_i64(), event["signal"].as_str()) {
        (Some(code), None) => format!("exit {code}"),
        (None, Some(signal)) => format!("exit {signal}"),
        other => panic!("an exit has either a code or a signal, not {other:?}"),
    }
}
