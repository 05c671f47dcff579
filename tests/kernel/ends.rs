//! How processes end: codes, signals and cores, and before or after which moment.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::{fs, io};

use jiff::Timestamp;
use libc::{SIGKILL, SIGSEGV};
use nix::mount::{MsFlags, mount, umount};
use serde_json::json;

use crate::support::processes::{Running, field, play, wait_until, wait_until_asleep};
use crate::support::truth::{Truth, args, args_of, assert_life, assert_outcome, time};
use crate::support::watcher::{Watcher, open_folder, share_machine, text};

/// Waits until the main thread of a process, or all of it, has ended.
fn wait_for_zombie(pid: u32) {
    let stat = format!("/proc/{pid}/stat");
    // In parentheses before the state is a name of any kind.
    let is_zombie = || fs::read_to_string(&stat).expect("it is there").contains(") Z ");
    assert!(wait_until(is_zombie), "{pid} does not become a zombie");
}

#[test]
fn processes_older_than_the_watcher_have_an_exit_and_what_they_do_from_then_on() {
    let _machine = share_machine();
    let start = |part: &[&str]| {
        let mut command = play(part);
        let process = Running::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        (process, args_of(&command))
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
    for (process, args) in old.iter().chain([&dead]) {
        match &*args[1] {
            "wait" => wait_until_asleep(process.pid()),
            _ => wait_for_zombie(process.pid()),
        }
    }
    let before = Timestamp::now();
    let watcher = Watcher::start(&[]);
    watcher.wait_for_scan();
    let dead = Truth::at_end_of(dead.0, dead.1);
    let truths = old.map(|(process, args)| Truth::at_end_of(process, args)); // with stdin's end
    let run = watcher.finish();

    assert_eq!((run.of(dead.pid), dead.status.code()), (vec![], Some(8)));
    let own_comm = fs::read_to_string("/proc/self/comm").expect("/proc is mounted");
    for truth in &truths {
        let exit = run.exit_of(truth.pid);
        assert_eq!(exit["parent"], own_comm.trim_end());
        assert!(time(&exit["start_time"]) < before, "{exit} started before {before}");
        let execs: &[Vec<String>] = match truth.args[1..].join(" ").as_str() {
            "wait chain 2" => &["1", "0"].map(|n| args(&["actor", "chain", n])),
            "last-thread exit exec" => &[args(&["actor", "exit", "104"])],
            _ => &[],
        };
        if execs.is_empty() {
            assert_eq!(run.of(truth.pid).len(), 1);
            // /proc knows the args; it does not where the main thread has left.
            let known = truth.args[1] == "wait";
            assert_eq!(exit["args"], json!(known.then_some(&truth.args)), "{exit}");
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
    let watcher = Watcher::start(&["--period", "0.1"]);
    let mut command = play(&["exit", "6"]);
    let process = Running::start(command.stdout(Stdio::piped()));
    let pid = process.pid();
    watcher.wait_for("the exit", |event| event["event"] == "exit" && event["pid"] == pid);
    wait_for_zombie(pid);
    let truth = Truth::at_end_of(process, args_of(&command));
    let run = watcher.finish();
    truth.assert_in(&run);
}

/// A memory cgroup with room for 16 MiB, in a hierarchy that is mounted for it: what the machine
/// has mounted does not matter.
pub struct SmallCgroup {
    mounted: PathBuf,
    pub dir: PathBuf,
    /// The subtree_control in which it had to allow memory control.
    allowed: Option<PathBuf>,
}

impl SmallCgroup {
    pub fn create() -> Self {
        let name = format!("kernel_and_user_map-test-{}", std::process::id());
        let mounted = std::env::temp_dir().join(&name);
        // Not a `TempDir`, which deletes what it finds: here, that would be other cgroups.
        fs::create_dir(&mounted).expect("a folder");
        let mut cgroup = Self { dir: mounted.join(&name), mounted, allowed: None };
        cgroup.make().expect("the kernel has memory cgroups, and root may make one");
        cgroup
    }

    /// A controller belongs to one hierarchy: that of version 2, or one of version 1.
    fn make(&mut self) -> io::Result<()> {
        let control = self.mounted.join("cgroup.subtree_control");
        let names_memory = |file: &Path| -> io::Result<bool> {
            Ok(fs::read_to_string(file)?.split_whitespace().any(|name| name == "memory"))
        };
        self.mount("cgroup2", None)?;
        let [limit, swap, most_swap] = if names_memory(&self.mounted.join("cgroup.controllers"))? {
            if !names_memory(&control)? {
                fs::write(&control, "+memory")?;
                self.allowed = Some(control);
            }
            ["memory.max", "memory.swap.max", "0"]
        } else {
            umount(&self.mounted)?;
            self.mount("cgroup", Some("memory"))?;
            ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "16M"]
        };
        fs::create_dir(&self.dir)?;
        fs::write(self.dir.join(limit), "16M")?;
        let swap = self.dir.join(swap);
        if swap.exists() {
            fs::write(swap, most_swap)?; // not every kernel counts it
        }
        Ok(())
    }

    fn mount(&self, kind: &str, options: Option<&str>) -> io::Result<()> {
        Ok(mount(Some(kind), &self.mounted, Some(kind), MsFlags::empty(), options)?)
    }

    /// How many processes the OOM killer has killed in it.
    pub fn oom_kills(&self) -> u64 {
        let counts = ["memory.events", "memory.oom_control"]
            .iter()
            .find_map(|file| fs::read_to_string(self.dir.join(file)).ok())
            .expect("both versions count kills");
        field(&counts, "oom_kill ").expect("since Linux 4.13")
    }
}

impl Drop for SmallCgroup {
    fn drop(&mut self) {
        // What the dead process had in it is given back a little later.
        let _ = wait_until(|| !self.dir.exists() || fs::remove_dir(&self.dir).is_ok());
        if let Some(control) = &self.allowed {
            let _ = fs::write(control, "-memory");
        }
        let _ = umount(&self.mounted);
        let _ = fs::remove_dir(&self.mounted);
    }
}

#[test]
fn a_victim_of_the_oom_killer_ends_by_sigkill() {
    let _machine = share_machine();
    let cgroup = SmallCgroup::create();
    let watcher = Watcher::start(&[]);
    let truth = Truth::of(&mut play(&["hog", text(&cgroup.dir.join("cgroup.procs"))]));
    let run = watcher.finish();
    assert_eq!((truth.status.signal(), cgroup.oom_kills()), (Some(SIGKILL), 1));
    truth.assert_in(&run);
}
