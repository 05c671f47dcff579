//! What the records and the system tell about a process, field by field.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::processes::{Running, actor, play};
use crate::support::watcher::{Watcher, in_guest, run_to_end, share_machine};

fn number(event: &Value, field: &str) -> u64 {
    event[field].as_u64().unwrap_or_else(|| panic!("{field} in {event}"))
}

fn assert_within(percent: u64, actual: u64, expected: u64) {
    let tolerance = expected * percent / 100;
    assert!(actual.abs_diff(expected) <= tolerance, "{actual} is not {expected} ± {percent} %");
}

#[test]
fn cpu_time_is_what_the_process_used() {
    let _machine = share_machine();
    let watcher = Watcher::start(&[]);
    let burn = play(&["burn", "300"]).stdout(Stdio::piped()).spawn().expect("the actor starts");
    let pid = burn.id();
    let output = burn.wait_with_output().expect("it ends");
    let run = watcher.finish();
    // What it has measured itself: on a busy virtual machine it may be more than it was asked.
    let used: u64 = String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number");
    assert_within(10, number(run.exit_of(pid), "cpu_ns"), used * 1000);
}

#[test]
fn peak_memory_is_what_the_program_touched_or_not_known() {
    let _machine = share_machine();
    let watcher = Watcher::start(&[]);
    // Through a small shell: after an exec, the kernel still has the peak of what ran before,
    // here a copy of this test with all it has in memory.
    let (sh, _) = run_to_end(Command::new("sh").args(["-c", "\"$0\" touch 64; true"]).arg(actor()));
    let (small, _) = run_to_end(&mut play(&["exit", "0"]));
    let run = watcher.finish();
    let is_child = |event: &&Value| event["ppid"] == sh && event["event"] == "exit";
    let exit = run.events.iter().find(is_child).expect("the shell's child");
    assert_within(5, number(exit, "max_rss_kib"), 64 * 1024);
    assert_eq!(run.exit_of(small)["max_rss_kib"], json!(null));
}

#[test]
fn bytes_written_are_counted() {
    let _machine = share_machine();
    // The kernel counts what goes to storage: not to a tmpfs, as /tmp may be.
    let dir = match in_guest() {
        true => std::env::temp_dir(),
        false => PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
    };
    let file = dir.join("written");
    let watcher = Watcher::start(&[]);
    let (pid, status) = run_to_end(play(&["write", "10"]).arg(&file));
    assert!(status.success());
    let run = watcher.finish();
    fs::remove_file(&file).expect("it was written");
    let expected = if in_guest() { 0 } else { 10 << 20 };
    // A file system may write a page or two of its own about the file.
    assert_within(1, number(run.exit_of(pid), "write_bytes"), expected);
    assert!(run.exit_of(pid)["read_bytes"].is_u64() && run.exit_of(pid)["major_faults"].is_u64());
}

#[test]
fn a_user_other_than_root_is_named() {
    let _machine = share_machine();
    let nobody = nix::unistd::User::from_uid(65534.into()).expect("a user database");
    let watcher = Watcher::start(&[]);
    let (pid, _) = run_to_end(play(&["exit", "0"]).uid(65534).gid(65534));
    let (unnamed, _) = run_to_end(play(&["exit", "0"]).uid(4_000_000));
    let run = watcher.finish();
    for event in run.of(pid) {
        assert_eq!((number(event, "uid"), number(event, "gid")), (65534, 65534));
        assert_eq!(event["user"], json!(nobody.as_ref().map(|user| &user.name)));
    }
    assert_eq!(run.exit_of(unnamed)["user"], json!(null));
}

/// A cgroup of its own in the v2 hierarchy, with a name that no other test uses.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new(name: &str) -> Self {
        let root =
            kernel_and_user_map::system::cgroups::mount_point().expect("cgroup v2 is mounted");
        let path = root.join(format!("{name}-{}", std::process::id()));
        fs::create_dir(&path).expect("root may create cgroups");
        Self(path)
    }

    /// The path as the program prints it.
    fn name(&self) -> String {
        format!("/{}", self.0.file_name().expect("a name").to_string_lossy())
    }

    fn run(&self, code: &str) -> u32 {
        let enter = format!("echo 0 > {}/cgroup.procs; exec \"$0\" exit {code}", self.0.display());
        let (pid, status) = run_to_end(Command::new("sh").args(["-c", &enter]).arg(actor()));
        assert_eq!(status.code(), code.parse().ok());
        pid
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_process_is_in_its_cgroup() {
    let _machine = share_machine();
    let cgroup = Cgroup::new("facts");
    let watcher = Watcher::start(&[]);
    let pid = cgroup.run("0");
    let run = watcher.finish();
    let exit = run.exit_of(pid);
    assert_eq!(exit["cgroup"], cgroup.name());
    assert_eq!(exit["container_id"], json!(null));
    let execs = run.execs_of(pid);
    assert_ne!(execs[0]["cgroup"], execs[1]["cgroup"], "sh begins outside");
    assert_eq!(execs[1]["cgroup_id"], exit["cgroup_id"]);
}

#[test]
fn a_container_is_known_by_its_cgroup_and_can_be_asked_for() {
    let _machine = share_machine();
    let id = format!("{:0>48}{:016x}", "abc", std::process::id());
    let root = kernel_and_user_map::system::cgroups::mount_point().expect("cgroup v2 is mounted");
    let cgroup = Cgroup(root.join(format!("docker-{id}.scope")));
    fs::create_dir(&cgroup.0).expect("root may create cgroups");
    let watcher = Watcher::start(&["--container", &id[..62]]);
    let (outside, _) = run_to_end(&mut play(&["exit", "0"]));
    let inside = cgroup.run("3");
    let run = watcher.finish();
    assert_eq!(run.of(outside), Vec::<&Value>::new());
    assert_eq!(
        run.of(inside).into_iter().map(|event| event["container_id"].clone()).collect::<Vec<_>>(),
        [json!(id), json!(id)]
    );
}

#[test]
fn a_cgroup_can_be_asked_for() {
    let _machine = share_machine();
    let cgroup = Cgroup::new("asked");
    let watcher = Watcher::start(&["-c", &cgroup.0.to_string_lossy()]);
    let (outside, _) = run_to_end(&mut play(&["exit", "0"]));
    let inside = cgroup.run("0");
    let run = watcher.finish();
    assert_eq!(run.of(outside).len(), 0);
    assert_eq!(run.of(inside).len(), 2, "the exec inside, and the exit");
}

#[test]
fn a_long_command_line_is_completed_while_its_process_lives() {
    let _machine = share_machine();
    let long = "x".repeat(10_000);
    let watcher = Watcher::start(&["--period", "0.1"]);
    let mut child = Running::start(&mut play(&["sleep", &long]));
    let pid = child.pid();
    watcher.wait_for("the exec", |event| event["pid"] == pid);
    child.end();
    let run = watcher.finish();
    for event in run.of(pid) {
        assert_eq!(event["args_truncated"], false);
        assert_eq!(event["args"][2], long);
    }
    assert_eq!(run.of(pid).len(), 2);
}

#[test]
fn strange_bytes_in_argv_arrive_and_text_that_is_not_utf8_also_raw() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let _machine = share_machine();
    let watcher = Watcher::start(&[]);
    let bytes = OsStr::from_bytes(b"a\nb\x1b[2J\xff");
    let (strange, _) = run_to_end(Command::new("true").arg(bytes).arg("").arg("last").arg(""));
    let (plain, _) = run_to_end(&mut play(&["exit", "0"]));
    let run = watcher.finish();
    let exec = run.execs_of(strange)[0];
    assert_eq!(exec["args"], json!(["true", "a\nb\u{1b}[2J\u{fffd}", "", "last", ""]));
    assert_eq!(exec["args_raw"][1], "YQpiG1sySv8=");
    assert!(!run.stdout.contains('\u{1b}'));
    assert!(run.execs_of(plain)[0].get("args_raw").is_none());
}
