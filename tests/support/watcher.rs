//! Starts the real program and real processes, and finds the ones in the other's output.

use std::env;
use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::Instant;

use caps::{CapSet, Capability};
use nix::mount::{MsFlags, mount};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::Value;

use super::processes::{Running, content, field, mount_tracefs, unshare_mounts, wait_until};
use super::program::program;
use super::schema::assert_allowed;

/// Whether this is an emulated guest, where storms are smaller.
pub fn in_guest() -> bool {
    env::var_os("GUEST").is_some()
}

/// Emulated CPUs get less to do.
pub fn here_or_in_guest<T>(here: T, guest: T) -> T {
    if in_guest() { guest } else { here }
}

/// The version of the running kernel, as far as programs differ.
pub fn kernel_version() -> (u32, u32) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("a release");
    let mut numbers = release.split(['.', '-']).map(|number| number.parse().expect("a number"));
    (numbers.next().expect("a major one"), numbers.next().expect("a minor one"))
}

/// How many of so many events the kernel may skip: some where it preempts BPF programs.
pub fn may_be_missed(events: usize) -> usize {
    let preempts = env::var_os("PREEMPT").is_some() || kernel_version() >= (7, 0);
    if preempts { (events / 500).max(1) } else { 0 }
}

/// Tests run side by side, and each looks only for its own pids. One that counts every
/// process of the machine, or loads it fully, takes the machine for itself.
static MACHINE: RwLock<()> = RwLock::new(());

pub fn share_machine() -> RwLockReadGuard<'static, ()> {
    let asked = Instant::now();
    let machine = MACHINE.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    print_wait(asked);
    machine
}

pub fn own_machine() -> RwLockWriteGuard<'static, ()> {
    let asked = Instant::now();
    let machine = MACHINE.write().unwrap_or_else(|poisoned| poisoned.into_inner());
    print_wait(asked);
    machine
}

/// Prints how long a test has waited for others, which `.ci/run` takes off its time.
fn print_wait(asked: Instant) {
    if env::var_os("TEST_TIMES").is_some() {
        let (test, seconds) = (thread::current(), asked.elapsed().as_secs_f64());
        let line = format!("WAITED {seconds:.1} {}\n", test.name().unwrap_or_default());
        // Not to a macro, which libtest captures.
        io::stderr().write_all(line.as_bytes()).expect("stderr is open");
    }
}

/// Starts a command, waits for its end, and tells its pid and status.
pub fn run_to_end(command: &mut Command) -> (u32, ExitStatus) {
    let mut child = command.spawn().expect("the command starts");
    (child.id(), child.wait().expect("the command ends"))
}

/// Ends the stdin of a process, collects its stdout, and waits for its end.
pub fn output_of(mut process: Running) -> (ExitStatus, String) {
    drop(process.child.stdin.take());
    let mut text = String::new();
    let mut stdout = process.child.stdout.take().expect("a pipe");
    stdout.read_to_string(&mut text).expect("text");
    (process.child.wait().expect("it is ours"), text)
}

/// Where the watcher finds tracefs, in a mount namespace of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tracefs {
    Mounted,
    /// The program mounts it.
    Absent,
    /// The program has not the right to mount it.
    Forbidden,
}

/// A running `kernel_and_user_map -o json`.
pub struct Watcher {
    process: Running,
    /// Unless it goes elsewhere.
    stdout: Option<File>,
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
    command.args(options).stdin(Stdio::null()).env("LC_ALL", "C.UTF-8").env("TERM", "xterm");
    // As root, also where sudo has started the tests.
    command.env_remove("SUDO_UID").env_remove("SUDO_GID");
    // SAFETY: the closure makes system calls only; it allocates nothing.
    unsafe { command.pre_exec(move || heed_signals().and_then(|()| in_namespace(tracefs))) };
    command
}

/// As from a terminal: nohup and a shell's background job have the tests ignore some.
fn heed_signals() -> io::Result<()> {
    for ignored in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
        // SAFETY: no handler is installed.
        unsafe { signal(ignored, SigHandler::SigDfl)? };
    }
    Ok(())
}

/// Makes it so for the calling process.
pub fn in_namespace(tracefs: Tracefs) -> io::Result<()> {
    const NONE: Option<&str> = None;
    unshare_mounts()?;
    match tracefs {
        Tracefs::Mounted => mount_tracefs()?,
        Tracefs::Absent | Tracefs::Forbidden => {
            for dir in ["/sys/kernel/tracing", "/sys/kernel/debug"] {
                if Path::new(dir).exists() {
                    mount(NONE, dir, Some("tmpfs"), MsFlags::empty(), NONE)?;
                }
            }
        }
    }
    if tracefs == Tracefs::Forbidden {
        // Root's next exec gives it no more than the bounding set has.
        caps::drop(None, CapSet::Bounding, Capability::CAP_SYS_ADMIN).map_err(io::Error::other)?;
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

    /// The same with another stdout.
    pub fn spawn_into(stdout: File, mut command: Command) -> Self {
        command.stdout(stdout.try_clone().expect("a descriptor"));
        Self::begin(command, Some(stdout))
    }

    /// The same with a pipe, of which the caller has the other end: no output is collected.
    pub fn spawn_with_pipe(mut command: Command) -> (Self, ChildStdout) {
        command.stdout(Stdio::piped());
        let mut watcher = Self::begin(command, None);
        let reader = watcher.process.child.stdout.take().expect("a pipe");
        (watcher, reader)
    }

    fn begin(mut command: Command, stdout: Option<File>) -> Self {
        let stderr = tempfile::tempfile().expect("a temporary file");
        command.stderr(stderr.try_clone().expect("a descriptor"));
        let process = Running::start(&mut command);
        let mut watcher = Self { process, stdout, stderr };
        let watches = wait_until(|| {
            let ended = watcher.has_ended();
            assert!(ended.is_none(), "the program ended early: {}", watcher.stderr());
            ["watching", "following"].iter().any(|word| watcher.stderr().contains(word))
        });
        assert!(watches, "the program never watches: {}", watcher.stderr());
        watcher
    }

    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.process.child.try_wait().expect("the child is ours")
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The most memory that it has had at once, in KiB.
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        field(&status, "VmHWM:").expect("a line")
    }

    /// Waits until the program knows all that was running before. The scan of `/proc` may go on after the
    /// greeting, and has `/proc` open until it is done.
    pub fn wait_for_scan(&self) {
        let folder = format!("/proc/{}/fd", self.pid());
        let is_open = || {
            let files = fs::read_dir(&folder).expect("it runs");
            files
                .flatten()
                .any(|file| fs::read_link(file.path()).is_ok_and(|it| it == Path::new("/proc")))
        };
        assert!(wait_until(|| !is_open()), "it looks at /proc for ever: {}", self.stderr());
    }

    /// What it has printed so far.
    pub fn stdout(&self) -> String {
        self.stdout.as_ref().map_or_else(String::new, text_of)
    }

    pub fn stderr(&self) -> String {
        text_of(&self.stderr)
    }

    /// Waits until the output so far contains an event that `wanted` accepts.
    pub fn wait_for(&self, what: &str, mut wanted: impl FnMut(&Value) -> bool) {
        let printed = wait_until(|| objects(&self.stdout()).iter().any(&mut wanted));
        let losses = || {
            let losses =
                objects(&self.stdout()).into_iter().filter(|event| event["event"] == "loss");
            losses.collect::<Vec<_>>()
        };
        assert!(printed, "{what} is never printed; losses: {:#?}", losses());
    }

    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Stops the program, and waits until it stands still.
    pub fn stop(&self) {
        self.signal(Signal::SIGSTOP);
        let pid = Pid::from_raw(self.pid().try_into().expect("pids are small"));
        let status = waitpid(pid, Some(WaitPidFlag::WUNTRACED)).expect("the child is ours");
        assert_eq!(status, WaitStatus::Stopped(pid, Signal::SIGSTOP));
    }

    /// Ends the program as Ctrl-C does, and collects what it printed.
    pub fn finish(self) -> Run {
        self.signal(Signal::SIGINT);
        self.wait()
    }

    /// Waits for the program to end by itself, and collects what it printed.
    pub fn wait(self) -> Run {
        let stdout = self.stdout.as_ref().and_then(|file| file.try_clone().ok());
        let (status, stderr) = self.end();
        let stdout = stdout.as_ref().map_or_else(String::new, text_of);
        Run { status, events: parse(&stdout), stdout, stderr }
    }

    /// The same for a stdout that can't be read: its status and its stderr.
    pub fn end(mut self) -> (ExitStatus, String) {
        let mut status = None;
        let ended = wait_until(|| {
            status = self.has_ended();
            status.is_some()
        });
        assert!(ended, "the program does not end");
        (status.expect("it ended"), self.stderr())
    }
}

/// A test that has failed prints what it saw: the cause is mostly there.
impl Drop for Watcher {
    fn drop(&mut self) {
        print_if_failed("a program that was still there", || (self.stdout(), self.stderr()));
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let said = || (self.stdout.clone(), self.stderr.clone());
        print_if_failed(&format!("a run, {}", self.status), said);
    }
}

/// Prints all of stderr, the losses, and both ends of stdout, if the test is failing.
pub fn print_if_failed(what: &str, said: impl FnOnce() -> (String, String)) {
    const ENDS: usize = 20; // lines; a storm prints a million
    if !thread::panicking() {
        return;
    }
    let (stdout, stderr) = said();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let lines: Vec<_> = stdout.lines().collect();
    let is_shown = |(at, line): &(usize, &&str)| {
        *at < ENDS || at + ENDS >= lines.len() || line.contains(r#""event":"loss""#)
    };
    let shown = lines.iter().enumerate().filter(is_shown);
    let shown: String = shown.map(|(at, line)| format!("{:>8}  {line}\n", at + 1)).collect();
    eprintln!("--- what the test saw: {what}; load {}", load.trim_end());
    eprintln!("--- its stdout, {} lines:\n{shown}--- its stderr:\n{stderr}---", lines.len());
}

/// What the program has printed into a file so far.
pub fn text_of(file: &File) -> String {
    let text = String::from_utf8(content(file).expect("a readable file"));
    text.unwrap_or_else(|error| {
        assert!(thread::panicking(), "the program prints no UTF-8: {error}");
        String::from_utf8_lossy(error.as_bytes()).into_owned() // for a test that has failed already
    })
}

/// Most lines of one stream that are held against their schema, beside all losses and the last line: a
/// million would take longer than the test.
const HELD: usize = 1000;

/// JSON Lines to values, which the schema allows; a last line that is still being written is left
/// out. A table has none.
#[track_caller]
pub fn parse(stdout: &str) -> Vec<Value> {
    let objects = objects(stdout);
    let held = here_or_in_guest(HELD, HELD / 10); // the form does not depend on the kernel
    let losses = objects.iter().skip(held).filter(|object| object["event"] == "loss");
    objects.iter().take(held).chain(losses).chain(objects.last()).for_each(assert_allowed);
    objects
}

/// The same without a look at the schema, for what is read again and again.
fn objects(stdout: &str) -> Vec<Value> {
    if !stdout.starts_with('{') {
        return Vec::new();
    }
    let whole = stdout.rfind('\n').map_or("", |end| &stdout[..end]);
    whole.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

impl Run {
    /// The events of one pid, in the order they were printed. A kernel thread may have had that pid
    /// before: it is none of a test's processes.
    pub fn of(&self, pid: u32) -> Vec<&Value> {
        const KTHREADD: u32 = 2;
        let is_its = |event: &&Value| event["pid"] == pid && event["ppid"] != KTHREADD;
        self.events.iter().filter(is_its).collect()
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
        let losses = self.events.iter().filter(|event| event["event"] == "loss");
        losses.filter_map(|loss| loss[count].as_u64()).sum()
    }
}

/// Whether an exit was lost, and noticed later: what the result was, nobody knows.
pub fn is_lost_exit(event: &Value) -> bool {
    event["event"] == "exit" && event["exit_code"].is_null() && event["signal"].is_null()
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

/// A folder that every user can enter.
pub fn open_folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("ours");
    dir
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}
