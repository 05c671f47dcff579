//! Processes that are hard to follow. The truth about each comes from its parent, which has
//! it from waitpid, and from the process itself; the watcher must say the same.

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use libc::{SIGKILL, SIGSEGV};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{PATIENCE, Run, Watcher, actor, in_guest, play, run_to_end, share_machine};

/// What a run of the actor has printed, and how it ended.
struct Truth {
    pid: u32,
    args: Vec<String>,
    status: ExitStatus,
    ended: Vec<Ended>,
    told: Vec<Told>,
    /// The file descriptors that it gave to exec.
    fds: Vec<u32>,
}

/// What a parent is told of its child.
struct Ended {
    name: String,
    pid: u32,
    status: ExitStatus,
}

/// What a process knows of itself.
struct Told {
    pid: u32,
    pid_in_proc: u32,
    uid: u32,
    euid: u32,
    gid: u32,
    comm: String,
    args: Vec<String>,
}

impl Truth {
    /// Runs a part of the actor, with a code for `tell`.
    fn of(command: &mut Command) -> Self {
        let command = command.env("TELL", "5").stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.spawn().expect("the actor starts");
        Self::at_end_of(child, args_of(command))
    }

    fn at_end_of(child: Child, args: Vec<String>) -> Self {
        let pid = child.id();
        let output = child.wait_with_output().expect("the actor ends");
        let mut truth = Self {
            pid,
            args,
            status: output.status,
            ended: Vec::new(),
            told: Vec::new(),
            fds: Vec::new(),
        };
        for line in String::from_utf8(output.stdout).expect("text").lines() {
            let (kind, rest) = line.split_once(' ').expect("a kind of line");
            match kind {
                "ended" => truth.ended.push(Ended::parse(rest)),
                "told" => truth.told.push(Told::parse(rest)),
                "fd" => truth.fds.push(rest.parse().expect("a number")),
                other => panic!("the actor prints {other}"),
            }
        }
        truth
    }

    /// The one child of that name.
    fn ended(&self, name: &str) -> &Ended {
        let mut named = self.ended.iter().filter(|ended| ended.name == name);
        named.next().expect(name)
    }

    /// Checks the process that the test itself has started, which called exec once.
    #[track_caller]
    fn assert_in(&self, run: &Run) {
        self.assert_in_after(run, &[]);
    }

    /// The same, of one that called exec again.
    #[track_caller]
    fn assert_in_after(&self, run: &Run, more: &[Vec<String>]) {
        let execs = [std::slice::from_ref(&self.args), more].concat();
        assert_life(&run.of(self.pid), std::process::id(), &execs, self.status);
    }
}

impl Ended {
    fn parse(line: &str) -> Self {
        let [name, pid, status] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        Self {
            name: name.into(),
            pid: pid.parse().expect("a pid"),
            status: ExitStatus::from_raw(status.parse().expect("a wait status")),
        }
    }
}

impl Told {
    fn parse(line: &str) -> Self {
        let mut texts = line.strip_suffix('\0').expect("whole").split('\0');
        let head: Vec<_> = texts.next().expect("a head").splitn(7, ' ').collect();
        let number = |at: usize| head[at].parse().expect("a number");
        Self {
            pid: number(0),
            pid_in_proc: number(1),
            uid: number(3),
            euid: number(4),
            gid: number(5),
            comm: head[6].into(),
            args: texts.map(Into::into).collect(),
        }
    }
}

fn args_of(command: &Command) -> Vec<String> {
    let args = std::iter::once(command.get_program()).chain(command.get_args());
    args.map(|arg| arg.to_str().expect("text").to_owned()).collect()
}

fn args(args: &[&str]) -> Vec<String> {
    args.iter().map(|&arg| arg.into()).collect()
}

/// How a process ended, as the fields of an exit.
fn outcome(status: ExitStatus) -> Value {
    let name = |signal: i32| match Signal::try_from(signal) {
        Ok(named) => named.as_str().into(),
        Err(_) if signal < libc::SIGRTMIN() => format!("SIG{signal}"),
        Err(_) if signal == libc::SIGRTMIN() => "SIGRTMIN".into(),
        Err(_) => format!("SIGRTMIN+{}", signal - libc::SIGRTMIN()),
    };
    json!([status.code(), status.signal().map(name), status.core_dumped()])
}

/// Checks all events of one process: these execs, then one exit that belongs to the last.
#[track_caller]
fn assert_life(events: &[&Value], ppid: u32, execs: &[Vec<String>], status: ExitStatus) {
    let kinds: Vec<_> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    let mut expected = vec!["exec"; execs.len()];
    expected.push("exit");
    assert_eq!(kinds, expected, "{events:#?}\nof {execs:?}, {status}");

    let (exit, before) = events.split_last().expect("an exit at least");
    for (exec, args) in before.iter().zip(execs) {
        assert_eq!(exec["args"], json!(args));
        assert_eq!(exec["args_truncated"], false);
    }
    for event in events {
        assert_eq!(event["ppid"], ppid, "{event}");
        assert_eq!(event["start_time"], exit["start_time"], "{event}");
    }
    let ids: Vec<_> = before.iter().filter_map(|exec| exec["exec_id"].as_u64()).collect();
    assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1), "{events:#?}");
    match before.last() {
        Some(exec) => {
            for field in ["exec_id", "filename", "args"] {
                assert_eq!(exit[field], exec[field], "{events:#?}");
            }
        }
        None => assert_eq!((&exit["filename"], &exit["args"]), (&Value::Null, &Value::Null)),
    }
    assert_outcome(exit, status);
}

#[track_caller]
fn assert_outcome(exit: &Value, status: ExitStatus) {
    let reported = json!([exit["exit_code"], exit["signal"], exit["core_dumped"]]);
    assert_eq!(reported, outcome(status), "{exit}");
    let lived = time(&exit["time"]).duration_since(time(&exit["start_time"]));
    assert_eq!(exit["duration_ns"].as_i64().map(i128::from), Some(lived.as_nanos()), "{exit}");
}

fn time(text: &Value) -> Timestamp {
    text.as_str().expect("text").parse().expect("a time")
}

/// A folder that every user can enter.
fn open_folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("ours");
    dir
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// Writes an executable file. A process of its own does: while a file is open for writing
/// it can't be executed, and what another test forks at the moment has all our files open.
fn write_program(path: &Path, content: &str) {
    let write = r#"printf %s "$1" >"$0""#;
    let (_, status) = run_to_end(Command::new("sh").args(["-c", write, text(path), content]));
    assert!(status.success());
    fs::set_permissions(path, Permissions::from_mode(0o755)).expect("ours");
}

fn copy_actor(how: &str, path: &Path) {
    let (_, status) = run_to_end(&mut play(&["copy", how, text(path)]));
    assert!(status.success());
}

#[test]
fn five_execs_in_one_pid_are_five_events_of_one_process() {
    let _machine = share_machine();
    let watcher = Watcher::start(&[]);
    let truth = Truth::of(&mut play(&["chain", "4"]));
    let run = watcher.finish();
    truth.assert_in_after(&run, &["3", "2", "1", "0"].map(|n| args(&["actor", "chain", n])));
}

#[test]
fn an_exec_from_any_thread_goes_on_as_the_same_process() {
    let _machine = share_machine();
    let watcher = Watcher::start(&[]);
    let parts = [
        &["thread-exec", "7"][..],
        &["last-thread", "exit", "exec"],
        &["last-thread", "pthread_exit", "exec"],
    ];
    let truths = parts.map(|part| Truth::of(&mut play(part)));
    let run = watcher.finish();
    for truth in truths {
        let code = truth.status.code().expect("an exit code").to_string();
        assert!(["7", "104"].contains(&&*code), "{code}");
        truth.assert_in_after(&run, &[args(&["actor", "exit", &code])]);
    }
}

#[test]
fn the_status_is_what_the_parent_is_told_whichever_thread_leaves_last() {
    const ANY: i32 = -1; // the main thread's until Linux 5.16, the last thread's since
    let _machine = share_machine();
    let watcher = Watcher::start(&[]);
    let table = [
        ("pthread_exit", "exit_group", 4 << 8),
        ("pthread_exit", "pthread_exit", 0),
        ("exit", "exit_group", 4 << 8),
        ("exit", "exit", ANY),
        ("exit", "pthread_exit", ANY),
        ("exit", "kill", SIGKILL),
    ]
    .map(|(main, last, status)| (Truth::of(&mut play(&["last-thread", main, last])), status));
    let run = watcher.finish();
    for (truth, status) in table {
        assert!(status == ANY || status == truth.status.into_raw(), "{}", truth.status);
        truth.assert_in(&run);
    }
}

#[test]
fn nine_threads_that_leave_at_once_are_one_exit_with_one_status() {
    let _machine = share_machine();
    let watcher = Watcher::start(&[]);
    let table = [
        ("exit_group", "pthread_exit", 400),
        ("exit", "exit", 200),
        ("kill", "exit", 100),
        ("kill", "exit_group", 100),
        ("exec", "pthread_exit", 100),
        ("exec", "exit_group", 100),
    ]
    .map(|(one, others, count)| {
        let count = if in_guest() { count / 10 } else { count };
        let truth = Truth::of(&mut play(&["crowd", one, others, &count.to_string()]));
        assert_eq!(truth.ended.len(), count);
        (truth, one, others)
    });
    let run = watcher.finish();
    for (truth, one, others) in table {
        truth.assert_in(&run);
        for (n, ended) in truth.ended.iter().enumerate() {
            let code = ended.status.code();
            let chosen = i32::try_from(n % 9 + 1).expect("small");
            match (one, others) {
                ("exit_group", _) => assert_eq!(code, Some(chosen)),
                ("exec", "pthread_exit") => assert_eq!(code, Some(100 + chosen)),
                ("kill", "exit") => assert_eq!(ended.status.signal(), Some(SIGKILL)),
                _ => {}
            }
            // An exec that was about to succeed does so, even if the process is to exit with
            // another thread's code: the program is in place, and never runs.
            let too_late = (one, others) == ("exec", "exit_group") && code <= Some(9);
            let exec = if too_late { !run.execs_of(ended.pid).is_empty() } else { one == "exec" };
            let exec = exec.then(|| args(&["actor", "exit", &(100 + chosen).to_string()]));
            assert_life(&run.of(ended.pid), truth.pid, exec.as_slice(), ended.status);
        }
    }
}

#[test]
fn however_a_process_is_born_it_has_its_own_events() {
    let _machine = share_machine();
    let watcher = Watcher::start(&[]);
    let truth = Truth::of(&mut play(&["births", "10"]));
    let run = watcher.finish();
    truth.assert_in(&run);
    assert_eq!(truth.ended.len(), 8);
    for (ended, code) in truth.ended.iter().zip(10..) {
        assert_eq!(ended.status.code(), Some(code), "{}", ended.name);
        let calls_exec = !["fork-exit", "vfork-exit"].contains(&&*ended.name);
        let exec = calls_exec.then(|| args(&["actor", "exit", &code.to_string()]));
        assert_life(&run.of(ended.pid), truth.pid, exec.as_slice(), ended.status);
        if !calls_exec {
            assert_eq!(run.exit_of(ended.pid)["comm"], "actor", "its parent's name");
        }
    }
}

#[test]
fn a_daemon_keeps_the_parent_that_it_had_at_exec() {
    let _machine = share_machine();
    let watcher = Watcher::start(&[]);
    let truths =
        ["before", "after", "never"].map(|when| Truth::of(&mut play(&["daemon", when, "3"])));
    let run = watcher.finish();
    for (truth, execs) in truths.iter().zip([true, true, false]) {
        let when = &truth.args[2];
        let (middle, daemon) = (truth.ended("middle"), truth.ended("daemon"));
        truth.assert_in(&run);
        assert_life(&run.of(middle.pid), truth.pid, &[], middle.status);
        assert_eq!(daemon.status.code(), Some(3));
        // Ours is the process that the kernel gives orphans to.
        let ppid = if when == "before" { middle.pid } else { truth.pid };
        let exec = execs.then(|| args(&["actor", "orphan", &middle.pid.to_string(), "3"]));
        assert_life(&run.of(daemon.pid), ppid, exec.as_slice(), daemon.status);
    }
}

#[test]
fn a_traced_process_is_its_parents_child_and_not_its_tracers() {
    let _machine = share_machine();
    let watcher = Watcher::start(&[]);
    let truth = Truth::of(&mut play(&["traced", "7"]));
    let run = watcher.finish();
    let (traced, tracer) = (truth.ended("traced"), truth.ended("tracer"));
    assert_life(&run.of(tracer.pid), truth.pid, &[], ExitStatus::from_raw(0));
    assert_life(&run.of(traced.pid), truth.pid, &[args(&["actor", "exit", "7"])], traced.status);
}

/// Waits until the main thread of a process, or all of it, has ended.
fn wait_for_zombie(pid: u32) {
    let begun = Instant::now();
    // In parentheses before the state is a name of any kind.
    while !fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is there").contains(") Z ") {
        assert!(begun.elapsed() < PATIENCE, "{pid} does not become a zombie");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn processes_older_than_the_watcher_have_an_exit_and_what_they_do_from_then_on() {
    let _machine = share_machine();
    let start = |part: &[&str]| {
        let mut command = play(part);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        (child.expect("the actor starts"), args_of(&command))
    };
    let old = [
        &["wait", "exit", "6"][..],
        &["wait", "forked", "exit", "7"],
        &["wait", "forked", "signal", "15"],
        &["wait", "chain", "2"],
        &["last-thread", "exit", "exit_group"],
        &["last-thread", "pthread_exit", "pthread_exit"],
        &["last-thread", "exit", "exec"],
    ]
    .map(start);
    let dead = start(&["exit", "8"]);
    for (child, _) in old.iter().filter(|(_, args)| args[1] == "last-thread").chain([&dead]) {
        wait_for_zombie(child.id());
    }
    let before = Timestamp::now();
    let watcher = Watcher::start(&[]);
    let dead = Truth::at_end_of(dead.0, dead.1);
    let truths = old.map(|(child, args)| Truth::at_end_of(child, args)); // with stdin's end
    let run = watcher.finish();

    assert_eq!((run.of(dead.pid), dead.status.code()), (vec![], Some(8)));
    for truth in &truths {
        let exit = run.exit_of(truth.pid);
        assert!(time(&exit["start_time"]) < before, "{exit} started before {before}");
        let execs: &[Vec<String>] = match truth.args[1..].join(" ").as_str() {
            "wait chain 2" => &["1", "0"].map(|n| args(&["actor", "chain", n])),
            "last-thread exit exec" => &[args(&["actor", "exit", "104"])],
            _ => &[],
        };
        if execs.is_empty() {
            assert_eq!(run.of(truth.pid).len(), 1);
            // /proc knows the args; it does not where the main thread has left.
            let args = &exit["args"];
            assert!(args.is_null() || *args == json!(truth.args), "{exit}");
            assert_eq!(exit["ppid"], std::process::id());
            assert_outcome(exit, truth.status);
        } else {
            assert_life(&run.of(truth.pid), std::process::id(), execs, truth.status);
        }
        for child in &truth.ended {
            assert!(child.status.code() == Some(7) || child.status.signal() == Some(15));
            assert_life(&run.of(child.pid), truth.pid, &[], child.status);
        }
    }
}

/// While it lives, core files have a plain name: a pattern with a pipe starts a program
/// instead, and one with a folder fills that.
struct PlainCores {
    pattern: Vec<u8>,
}

impl PlainCores {
    const SETTING: &str = "/proc/sys/kernel/core_pattern";

    fn ask_for() -> Self {
        let pattern = fs::read(Self::SETTING).expect("the kernel dumps cores");
        if pattern.starts_with(b"|") || pattern.contains(&b'/') || pattern.len() < 2 {
            fs::write(Self::SETTING, "core").expect("root may set it");
        }
        Self { pattern }
    }
}

impl Drop for PlainCores {
    fn drop(&mut self) {
        let _ = fs::write(Self::SETTING, &self.pattern);
    }
}

#[test]
fn death_by_every_signal_is_told_with_its_name_and_its_core() {
    const HARMLESS: [i32; 8] = [
        libc::SIGCHLD,
        libc::SIGCONT,
        libc::SIGSTOP,
        libc::SIGTSTP,
        libc::SIGTTIN,
        libc::SIGTTOU,
        libc::SIGURG,
        libc::SIGWINCH,
    ];
    const DUMPING: [i32; 10] = [
        libc::SIGABRT,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGILL,
        libc::SIGQUIT,
        libc::SIGSEGV,
        libc::SIGSYS,
        libc::SIGTRAP,
        libc::SIGXCPU,
        libc::SIGXFSZ,
    ];
    let _machine = share_machine();
    let dir = open_folder();
    let fatal: Vec<_> =
        (1..=libc::SIGRTMAX()).filter(|signal| !HARMLESS.contains(signal)).collect();
    let numbers: Vec<_> = fatal.iter().map(i32::to_string).collect();
    let cores = PlainCores::ask_for();
    let watcher = Watcher::start(&[]);
    let truths = ["0", "-1"].map(|core_limit| {
        let mut command = play(&["signals", core_limit]);
        Truth::of(command.args(&numbers).current_dir(dir.path()))
    });
    let crashes = [("null", SIGSEGV, true), ("thread", SIGSEGV, true), ("seccomp", SIGKILL, false)]
        .map(|(how, signal, dumps)| {
            (Truth::of(play(&["crash", how]).current_dir(dir.path())), signal, dumps)
        });
    let run = watcher.finish();
    drop(cores);

    for (truth, with_cores) in truths.iter().zip([false, true]) {
        let truly: Vec<_> = truth.ended.iter().filter_map(|ended| ended.status.signal()).collect();
        assert_eq!(truly, fatal);
        for (ended, signal) in truth.ended.iter().zip(&fatal) {
            let dumps = with_cores && DUMPING.contains(signal);
            assert_eq!(ended.status.core_dumped(), dumps, "{}", ended.status);
            assert_life(&run.of(ended.pid), truth.pid, &[], ended.status);
        }
    }
    for (truth, signal, dumps) in crashes {
        let status = truth.status;
        assert_eq!((status.signal(), status.core_dumped()), (Some(signal), dumps), "{status}");
        truth.assert_in(&run);
    }
}

#[test]
fn exit_codes_are_the_low_eight_bits() {
    let _machine = share_machine();
    let watcher = Watcher::start(&[]);
    let table = [("0", 0), ("255", 255), ("259", 3), ("-1", 255)]
        .map(|(given, code)| (Truth::of(&mut play(&["exit", given])), code));
    let run = watcher.finish();
    for (truth, code) in table {
        assert_eq!(truth.status.code(), Some(code));
        truth.assert_in(&run);
    }
}

#[test]
fn an_exit_is_told_before_anybody_has_reaped_the_process_and_once() {
    let _machine = share_machine();
    let mut watcher = Watcher::start(&["--period", "0.1"]);
    let mut command = play(&["exit", "6"]);
    let child = command.stdout(Stdio::piped()).spawn().expect("the actor starts");
    let pid = child.id();
    watcher.wait_for("the exit", |event| event["event"] == "exit" && event["pid"] == pid);
    wait_for_zombie(pid);
    let truth = Truth::at_end_of(child, args_of(&command));
    let run = watcher.finish();
    truth.assert_in(&run);
}

/// A memory cgroup with room for 16 MiB.
struct SmallCgroup {
    dir: PathBuf,
    /// The subtree_control in which it had to allow memory control.
    allowed: Option<PathBuf>,
}

impl SmallCgroup {
    /// The cgroup; or why there can be none.
    fn create() -> Result<Self, String> {
        let mounts = fs::read_to_string("/proc/self/mounts").expect("/proc is mounted");
        let mut reasons = Vec::new();
        for mounted in mounts.lines() {
            let fields: Vec<_> = mounted.split(' ').collect();
            let made = match fields[..] {
                [_, root, "cgroup", options, ..] if options.split(',').any(|o| o == "memory") => {
                    Self::version_1(root.as_ref())
                }
                [_, root, "cgroup2", ..] => Self::version_2(root.as_ref()),
                _ => continue,
            };
            match made {
                Ok(cgroup) => return Ok(cgroup),
                Err(reason) => reasons.push(format!("{}: {reason}", fields[1])),
            }
        }
        reasons.push("no other cgroup file system is mounted".into());
        Err(reasons.join("; "))
    }

    fn version_1(root: &Path) -> io::Result<Self> {
        let cgroup = Self { dir: Self::make_dir(root)?, allowed: None };
        fs::write(cgroup.dir.join("memory.limit_in_bytes"), "16M")?;
        let with_swap = cgroup.dir.join("memory.memsw.limit_in_bytes");
        if with_swap.exists() {
            fs::write(with_swap, "16M")?;
        }
        Ok(cgroup)
    }

    fn version_2(root: &Path) -> io::Result<Self> {
        let has_memory = |file: &str| -> io::Result<bool> {
            Ok(fs::read_to_string(root.join(file))?.split_whitespace().any(|name| name == "memory"))
        };
        if !has_memory("cgroup.controllers")? {
            return Err(io::Error::other("it has no memory controller"));
        }
        let control = root.join("cgroup.subtree_control");
        let allow = !has_memory("cgroup.subtree_control")?;
        if allow {
            fs::write(&control, "+memory")?;
        }
        let cgroup = Self { dir: Self::make_dir(root)?, allowed: allow.then_some(control) };
        fs::write(cgroup.dir.join("memory.max"), "16M")?;
        let swap = cgroup.dir.join("memory.swap.max");
        if swap.exists() {
            fs::write(swap, "0")?;
        }
        Ok(cgroup)
    }

    fn make_dir(root: &Path) -> io::Result<PathBuf> {
        let dir = root.join(format!("kernel_and_user_map-test-{}", std::process::id()));
        fs::create_dir(&dir)?;
        Ok(dir)
    }

    /// How many processes the OOM killer has killed in it.
    fn oom_kills(&self) -> u64 {
        let counts = ["memory.events", "memory.oom_control"]
            .iter()
            .find_map(|file| fs::read_to_string(self.dir.join(file)).ok())
            .expect("both versions count kills");
        let count = counts.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.expect("since Linux 4.13").parse().expect("a number")
    }
}

impl Drop for SmallCgroup {
    fn drop(&mut self) {
        // What the dead process had in it is given back a little later.
        for _ in 0..100 {
            if fs::remove_dir(&self.dir).is_ok() {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        if let Some(control) = &self.allowed {
            let _ = fs::write(control, "-memory");
        }
    }
}

#[test]
fn a_victim_of_the_oom_killer_ends_by_sigkill() {
    let _machine = share_machine();
    let cgroup = match SmallCgroup::create() {
        Ok(cgroup) => cgroup,
        Err(reason) => {
            println!("RESULT: the OOM killer was not tested: {reason}");
            return;
        }
    };
    let watcher = Watcher::start(&[]);
    let truth = Truth::of(&mut play(&["hog", text(&cgroup.dir.join("cgroup.procs"))]));
    let run = watcher.finish();
    assert_eq!((truth.status.signal(), cgroup.oom_kills()), (Some(SIGKILL), 1));
    truth.assert_in(&run);
}

#[test]
fn a_program_has_the_filename_given_to_exec_and_the_args_that_it_sees() {
    let _machine = share_machine();
    let dir = open_folder();
    copy_actor("whole", &dir.path().join("copy"));
    write_program(&dir.path().join("script"), "#!./copy one  two \nit is not read");
    write_program(&dir.path().join("nested"), "#!./script\n");
    let here = text(dir.path());
    // FD stands for the file descriptor given to exec.
    let table = [
        (&["exec-memory", "x", ""][..], "/dev/fd/FD", &["exec-memory", "x", ""][..]),
        (&["exec-at", here, "copy", "x"], "/dev/fd/FD/copy", &["copy", "x"]),
        (
            &["exec-at", here, "script", "x"],
            "/dev/fd/FD/script",
            &["./copy", "one  two", "/dev/fd/FD/script", "x"],
        ),
        (&["as", "0", "./copy"], "./copy", &["./copy"]),
        (&["as", "0", "script", "x", ""], "script", &["./copy", "one  two", "script", "x", ""]),
        (
            &["as", "0", "./nested", "x"],
            "./nested",
            &["./copy", "one  two", "./script", "./nested", "x"],
        ),
    ];
    let watcher = Watcher::start(&[]);
    let truths = table.map(|(part, ..)| Truth::of(play(part).current_dir(dir.path())));
    let run = watcher.finish();
    for (truth, (part, filename, expected)) in truths.iter().zip(table) {
        let fd = truth.fds.first().map_or("FD".into(), u32::to_string);
        let expected: Vec<_> = expected.iter().map(|arg| arg.replace("FD", &fd)).collect();
        assert_eq!(truth.told[0].args, expected, "{part:?}");
        assert_eq!(truth.told[0].pid, truth.pid);
        truth.assert_in_after(&run, &[expected]);
        let execs = run.execs_of(truth.pid);
        assert_eq!(execs[0]["filename"], text(actor()));
        assert_eq!(execs[1]["filename"], filename.replace("FD", &fd));
        assert_eq!(execs[1]["comm"], truth.told[0].comm);
    }
}

#[test]
fn an_exec_that_fails_is_no_event_and_leaves_the_program_before() {
    let _machine = share_machine();
    let dir = open_folder();
    let path = |name: &str| text(&dir.path().join(name)).to_owned();
    write_program(&dir.path().join("not-a-program"), "no ELF");
    write_program(&dir.path().join("locked"), "");
    fs::set_permissions(path("locked"), Permissions::from_mode(0o644)).expect("ours");
    write_program(&dir.path().join("script"), "#!/nowhere/interpreter\n");
    let table = [
        (path("nowhere"), libc::ENOENT),
        (path("script"), libc::ENOENT),
        (path("locked"), libc::EACCES),
        (path(""), libc::EACCES),
        (path("not-a-program"), libc::ENOEXEC),
    ];
    let watcher = Watcher::start(&[]);
    let truths = table.map(|(path, error)| {
        let truth = Truth::of(&mut play(&["try-exec", &path]));
        let forked = Truth::of(&mut play(&["forked", "try-exec", &path]));
        (truth, forked, error)
    });
    let too_long = Truth::of(&mut play(&["argv", "1", "131072"]));
    let run = watcher.finish();

    assert_eq!(too_long.status.code(), Some(libc::E2BIG));
    too_long.assert_in(&run);
    for (truth, forked, error) in truths {
        let child = forked.ended("forked");
        assert_eq!((truth.status.code(), child.status.code()), (Some(error), Some(error)));
        truth.assert_in(&run);
        forked.assert_in(&run);
        assert_life(&run.of(child.pid), forked.pid, &[], child.status);
    }
}

#[test]
fn an_exec_that_fails_when_the_old_program_is_gone_is_the_end_of_both() {
    let _machine = share_machine();
    let dir = open_folder();
    let broken = dir.path().join("broken");
    copy_actor("broken", &broken);
    let watcher = Watcher::start(&[]);
    let truth = Truth::of(play(&["try-exec", text(&broken)]).current_dir(dir.path()));
    let forked = Truth::of(play(&["forked", "try-exec", text(&broken)]).current_dir(dir.path()));
    let run = watcher.finish();

    let child = forked.ended("forked");
    assert!(truth.status.signal().is_some() && child.status.signal().is_some());
    assert_life(&run.of(child.pid), forked.pid, &[], child.status);
    // It is no longer the program of the last exec: that one was thrown out.
    let [exec, exit] = run.of(truth.pid)[..] else { panic!("{:#?}", run.of(truth.pid)) };
    assert_eq!(exec["args"], json!(truth.args));
    assert_eq!((&exit["args"], &exit["filename"]), (&Value::Null, &Value::Null));
    assert_eq!(exit["ppid"], std::process::id());
    assert_outcome(exit, truth.status);
}

#[test]
fn the_user_is_the_real_one_also_of_a_set_user_id_program() {
    let _machine = share_machine();
    let dir = open_folder();
    let program = dir.path().join("set-user-id");
    copy_actor("whole", &program);
    chown(&program, Some(1234), Some(1234)).expect("root may");
    fs::set_permissions(&program, Permissions::from_mode(0o4755)).expect("root may");
    let mut command = play(&["as", "65534", text(&program)]);
    let folder = dir.path().to_owned();
    // SAFETY: the closure makes system calls only; it allocates nothing for so short a path.
    unsafe { command.pre_exec(move || with_set_user_id(&folder)) };
    let watcher = Watcher::start(&[]);
    let truth = Truth::of(&mut command);
    let changed_later = Truth::of(&mut play(&["as", "65534", "/nowhere"]));
    let run = watcher.finish();

    let told = &truth.told[0];
    assert_eq!((told.uid, told.euid, told.gid), (65534, 1234, 65534));
    truth.assert_in_after(&run, &[args(&[text(&program)])]);
    changed_later.assert_in(&run);
    for (pid, ids) in [(truth.pid, &[0, 65534, 65534][..]), (changed_later.pid, &[0, 65534])] {
        for (event, id) in run.of(pid).into_iter().zip(ids) {
            assert_eq!((&event["uid"], &event["gid"]), (&json!(id), &json!(id)), "{event}");
        }
    }
}

/// In a mount namespace of its own, where a folder may be on a file system that is mounted
/// nosuid, as /tmp often is.
fn with_set_user_id(folder: &Path) -> io::Result<()> {
    const NONE: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    mount(Some(folder), folder, NONE, MsFlags::MS_BIND, NONE)?;
    mount(NONE, folder, NONE, MsFlags::MS_BIND | MsFlags::MS_REMOUNT, NONE)?;
    Ok(())
}

#[test]
fn an_argv_of_any_size_is_whole_or_cut_and_marked() {
    const ARGS_SIZE: usize = 304; // what a record holds
    let _machine = share_machine();
    let lengths: Vec<_> =
        (0..=5).chain(250..=350).step_by(if in_guest() { 7 } else { 1 }).collect();
    let one_argument = lengths.into_iter().map(|length| (1, length));
    let table = [(0, 0), (3, 0), (100, 1), (1, 131_071), (16, 131_071), (200_000, 1)];
    let watcher = Watcher::start(&[]);
    // Else it might read while a process lives, and complete the command line.
    watcher.stop();
    let truths: Vec<_> = one_argument
        .chain(table)
        .map(|(count, length)| {
            let truth = Truth::of(&mut play(&["argv", &count.to_string(), &length.to_string()]));
            assert_eq!(truth.status.code(), Some(5), "{count} x {length}");
            (truth, count)
        })
        .collect();
    watcher.signal(Signal::SIGCONT);
    let run = watcher.finish();
    for (truth, count) in truths {
        let seen = &truth.told[0].args;
        let [_, exec, exit] = run.of(truth.pid)[..] else { panic!("{:#?}", run.of(truth.pid)) };
        assert_eq!(
            (&exec["args"], &exec["args_truncated"]),
            (&exit["args"], &exit["args_truncated"])
        );
        let shown: Vec<String> = serde_json::from_value(exec["args"].clone()).expect("texts");
        let bytes = |args: &[String]| args.iter().map(|arg| arg.len() + 1).sum::<usize>();
        assert_eq!(exec["args_truncated"], bytes(seen) > ARGS_SIZE, "{exec}");
        if exec["args_truncated"] == true {
            assert!(bytes(&shown) + 1 >= ARGS_SIZE, "{exec}");
            assert!(shown.len() <= seen.len() && bytes(&shown) <= bytes(seen), "{exec}");
            assert!(seen.join("\0").starts_with(&shown.join("\0")), "{exec}");
        } else {
            assert_eq!(shown, *seen);
        }
        // Since 5.18 the kernel makes one empty argument out of none, and a program sees it.
        assert!(seen.len() == count || count == 0 && seen.len() == 1);
    }
}

/// Checks that the processes of one `reuse` are told apart, and gives how often the pid that
/// was used most was used.
fn assert_incarnations(run: &Run, truth: &Truth) -> usize {
    truth.assert_in(run);
    let mut by_pid = HashMap::<u32, Vec<&Ended>>::new();
    for ended in &truth.ended {
        by_pid.entry(ended.pid).or_default().push(ended);
    }
    for (&pid, lives) in &by_pid {
        let events = run.of(pid);
        let mut rest = &events[..];
        let mut start_times = Vec::new();
        for ended in lives {
            let n: usize = ended.name.parse().expect("a number");
            let code = (n % 100).to_string();
            assert_eq!(ended.status.code().map(|code| code.to_string()), Some(code.clone()));
            let exec = (n % 3 != 2)
                .then(|| args(&["actor", "linger", &truth.args[3], &code, &n.to_string()]));
            let (life, after) = rest.split_at(rest.len().min(if exec.is_some() { 2 } else { 1 }));
            assert_life(life, truth.pid, exec.as_slice(), ended.status);
            start_times.push(time(&life[0]["start_time"]));
            rest = after;
        }
        assert!(rest.is_empty(), "{rest:#?}");
        assert!(start_times.is_sorted_by(|a, b| a < b), "{start_times:?}");
    }
    by_pid.values().map(Vec::len).max().unwrap_or_default()
}

#[test]
fn processes_with_the_same_pid_are_told_apart_in_one_read() {
    let _machine = share_machine();
    let count = if in_guest() { 50 } else { 500 };
    let watcher = Watcher::start(&["--period", "3600"]);
    let truth = Truth::of(&mut play(&["reuse", &count.to_string(), "0"]));
    let run = watcher.finish();
    assert_eq!(truth.ended.len(), count);
    assert!(assert_incarnations(&run, &truth) > count / 2);
}

#[test]
fn processes_with_the_same_pid_are_told_apart_across_reads() {
    let _machine = share_machine();
    let watcher = Watcher::start(&["--period", "0.02"]);
    let truth = Truth::of(&mut play(&["reuse", "7", "50"]));
    let run = watcher.finish();
    assert!(assert_incarnations(&run, &truth) > 3);
}

#[test]
fn in_other_namespaces_pid_ppid_and_uid_are_those_of_the_initial_ones() {
    let _machine = share_machine();
    // KIND, inner pid, inner uid, uid and gid outside
    let table = [
        ("pid", Some(1), 0, (0, 0)),
        ("mount", None, 0, (0, 0)),
        ("user", None, 0, (100_000, 100_001)),
        ("unmapped-user", None, 65534, (0, 0)),
        ("all", Some(1), 0, (100_000, 100_001)),
    ];
    let watcher = Watcher::start(&[]);
    let truths = table.map(|(kind, ..)| {
        let in_namespace =
            |part: &[&str]| Truth::of(&mut play(&[&["namespace", kind], part].concat()));
        (
            in_namespace(&["exec-memory", "x"]),
            in_namespace(&["forked", "exec-memory", "x"]),
            in_namespace(&["forked", "tell"]),
        )
    });
    let run = watcher.finish();

    let exec = [args(&["exec-memory", "x"])];
    for (truths, (kind, inner_pid, inner_uid, (uid, gid))) in truths.iter().zip(table) {
        let assert_user = |pid: u32| {
            for event in run.of(pid) {
                assert_eq!((&event["uid"], &event["gid"]), (&json!(uid), &json!(gid)), "{kind}");
            }
        };
        let (direct, forked_exec, forked) = truths;
        direct.assert_in(&run);
        let (child, told) = (direct.ended("namespace"), &direct.told[0]);
        assert_eq!((told.pid_in_proc, told.uid), (child.pid, inner_uid), "{kind}");
        assert_eq!(told.pid, inner_pid.unwrap_or(child.pid), "{kind}");
        assert_life(&run.of(child.pid), direct.pid, &exec, child.status);
        assert_user(child.pid);

        for (truth, exec) in [(forked_exec, &exec[..]), (forked, &[])] {
            let (child, grandchild) = (truth.ended("namespace"), truth.ended("forked"));
            let pid = truth.told[0].pid_in_proc;
            assert_eq!(truth.told[0].pid, grandchild.pid, "{kind}");
            assert_eq!(grandchild.pid, inner_pid.map_or(pid, |first| first + 1), "{kind}");
            assert_life(&run.of(child.pid), truth.pid, &[], child.status);
            assert_life(&run.of(pid), child.pid, exec, grandchild.status);
            assert_user(pid);
        }
    }
}

#[test]
fn a_pid_namespace_in_another_and_its_end_are_told_with_outer_pids() {
    let _machine = share_machine();
    let watcher = Watcher::start(&[]);
    let nested =
        Truth::of(&mut play(&["namespace", "pid", "namespace", "pid", "exec-memory", "x"]));
    let abandoned = Truth::of(&mut play(&["namespace", "pid", "abandon", "9"]));
    let run = watcher.finish();

    let [inner, outer] = &nested.ended[..] else { panic!("two") };
    let told = &nested.told[0];
    assert_eq!((told.pid, inner.pid), (1, 2));
    assert_life(&run.of(outer.pid), nested.pid, &[], outer.status);
    assert_life(&run.of(told.pid_in_proc), outer.pid, &[args(&["exec-memory", "x"])], inner.status);

    let first = abandoned.ended("namespace");
    assert_eq!(first.status.code(), Some(9));
    assert_life(&run.of(first.pid), abandoned.pid, &[], first.status);
    // Whom the first process of a namespace leaves behind, the kernel kills.
    let left = abandoned.told[0].pid_in_proc;
    assert_life(&run.of(left), first.pid, &[], ExitStatus::from_raw(SIGKILL));
}

#[test]
fn a_full_map_misses_nothing_when_many_threads_end_at_once() {
    let _machine = share_machine();
    let count = if in_guest() { "400" } else { "4000" };
    let watcher = Watcher::start(&["--max-entries", "1", "--period", "3600"]);
    watcher.stop();
    let truth = Truth::of(&mut play(&["crowd", "exit", "exit", count]));
    watcher.signal(Signal::SIGCONT);
    let run = watcher.finish();
    // The kernel can skip a program, but hardly ever: a bound of this size is a wrong one.
    assert!(run.lost("missed_exits_at_most") <= truth.ended.len() as u64, "{}", run.stderr);
    assert!(run.lost("dropped_exits") >= truth.ended.len() as u64 - 1, "{}", run.stderr);
}
