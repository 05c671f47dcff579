//! What happens to ordinary processes.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use libbpf_rs::query::ProgInfoIter;
use nix::mount::{MsFlags, mount};
use serde_json::json;

use crate::support::processes::{Running, count_bpf_runs, fdinfo, field, wait_until};
use crate::support::program::program;
use crate::support::watcher::{
    Tracefs, Watcher, in_namespace, kernel_version, own_machine, run_to_end, share_machine, short,
    text_of,
};

#[test]
fn a_process_in_another_shell_is_shown_within_a_period() {
    let _machine = share_machine();
    let watcher = Watcher::start(&["--period", "0.2"]);
    let (pid, _) = run_to_end(Command::new("sh").args(["-c", "exit 3"]));
    watcher.wait_for("the exit", |event| event["pid"] == pid && event["event"] == "exit");
    let run = watcher.finish();
    assert!(run.status.success());

    let [exec, exit] = run.of(pid)[..] else { panic!("{:#?}", run.of(pid)) };
    assert_eq!(short(exec), "exec sh -c exit 3");
    assert_eq!(short(exit), "exit 3");
    for event in [exec, exit] {
        assert_eq!(event["ppid"], std::process::id());
        assert_eq!(
            (&event["uid"], &event["gid"], &event["user"]),
            (&json!(0), &json!(0), &json!("root"))
        );
        assert_eq!(event["comm"], "sh");
        assert!(event["filename"].as_str().is_some_and(|name| name.ends_with("/sh")));
        assert_eq!(event["args"], json!(["sh", "-c", "exit 3"]));
        assert_eq!(event["args_truncated"], false);
        assert_eq!(event["start_time"], exec["start_time"]);
        assert_eq!(event["exec_id"], exec["exec_id"]);
        assert!(event["cgroup_id"].as_u64().is_some_and(|id| id > 0));
    }
    assert!(exec["start_time"].as_str() <= exec["time"].as_str());
    assert!(exec["time"].as_str() < exit["time"].as_str());
    assert!(exit["duration_ns"].as_u64().is_some_and(|ns| ns > 0 && ns < 10_000_000_000));
    assert_eq!(exit["core_dumped"], false);
}

/// How often the kernel ran each of these programs of a watcher.
fn runs_of<const N: usize>(watcher: &Watcher, names: [&str; N]) -> [u64; N] {
    let held = fdinfo(watcher.pid());
    let ids: Vec<_> = held.iter().filter_map(|text| field(text, "prog_id:")).collect();
    let mut runs = [0; N];
    for program in ProgInfoIter::default().filter(|program| ids.contains(&program.id.into())) {
        if let Some(at) = names.iter().position(|name| program.name == *name) {
            runs[at] += program.run_cnt;
        }
    }
    runs
}

#[test]
fn two_pairs_of_hooks_run_where_the_kernel_may_skip_one() {
    let _machine = own_machine();
    let _counting = count_bpf_runs();
    for tracefs in [Tracefs::Mounted, Tracefs::Absent, Tracefs::Forbidden] {
        let watcher = Watcher::start_with(tracefs, &["-v"]);
        let (pid, _) = run_to_end(Command::new("true").arg("hooks"));
        let first = runs_of(&watcher, ["exec_tp_btf", "exit_tp_btf"]);
        let tp = runs_of(&watcher, ["exec_tp", "exit_tp"]);
        let second = runs_of(&watcher, ["exec_tp_btf_2", "exit_tp_btf_2"]);
        let run = watcher.finish();
        assert_eq!(
            run.of(pid).into_iter().map(short).collect::<Vec<_>>(),
            ["exec true hooks", "exit 0"]
        );
        let has_tracefs = tracefs != Tracefs::Forbidden;
        // Before Linux 5.11 the tp/ programs can't follow pointers; before 6.1 nothing skips a
        // tp_btf/ program: it needs no twin.
        let tp_runs = has_tracefs && kernel_version() >= (5, 11);
        let second_runs = !has_tracefs && kernel_version() >= (6, 1);
        let runs = [first, tp, second].map(|pair| pair.map(|count| count > 0));
        assert_eq!(runs, [true, tp_runs, second_runs].map(|runs| [runs; 2]), "{tracefs:?}");
        for (says, words) in [
            (tracefs == Tracefs::Absent, "tracefs mounted, in a mount namespace of its own"),
            (tracefs == Tracefs::Forbidden, "tp_btf/ programs only"),
        ] {
            let says = says && kernel_version() >= (5, 11);
            assert_eq!(run.stderr.contains(words), says, "{tracefs:?}: {}", run.stderr);
        }
    }
}

/// How often tracefs, and a tmpfs in the place of debugfs, are mounted where this process is.
fn mounts_of(pid: u32) -> [usize; 2] {
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
    let count = |is_it: fn(&str) -> bool| mounts.lines().filter(|line| is_it(line)).count();
    [
        count(|line| line.contains(" - tracefs ")),
        count(|line| line.contains(" /sys/kernel/debug ") && line.contains(" - tmpfs ")),
    ]
}

#[test]
fn the_tracefs_that_it_mounts_is_there_for_nobody_else_and_an_unmount_reaches_it() {
    if kernel_version() < (5, 11) {
        return; // it does without the tp/ programs, and mounts nothing
    }
    let _machine = share_machine();
    // The machine: a shell, with mounts that others share, as systemd makes them.
    let script = r#""$0" --period 0.1 >/dev/null & echo $!; read -r line
        umount /sys/kernel/debug; echo; read -r line; kill $!; wait $!; echo "status $?"
        read -r line"#;
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(program());
    let share = || {
        const NONE: Option<&str> = None;
        mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_SHARED, NONE)?;
        Ok::<_, io::Error>(())
    };
    // SAFETY: the closures make system calls only; they allocate nothing.
    unsafe {
        command.pre_exec(|| in_namespace(Tracefs::Absent));
        command.pre_exec(share);
    }
    let stderr = tempfile::tempfile().expect("a temporary file");
    command.stderr(stderr.try_clone().expect("a descriptor"));
    let mut shell = Running::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
    let mut answers = BufReader::new(shell.child.stdout.take().expect("a pipe")).lines();
    let mut answer = || answers.next().expect("a line").expect("text");
    let mut ask = shell.child.stdin.take().expect("a pipe");
    let pid: u32 = answer().parse().expect("a pid");

    let [tracefs, debugfs] = mounts_of(shell.pid());
    assert!(wait_until(|| text_of(&stderr).contains("watching")), "{}", text_of(&stderr));
    assert_eq!(mounts_of(pid), [tracefs + 1, debugfs]);
    assert_eq!(mounts_of(shell.pid()), [tracefs, debugfs]);
    writeln!(ask).expect("the shell waits");
    answer();
    assert_eq!(mounts_of(pid), [tracefs + 1, debugfs - 1]);
    writeln!(ask).expect("the shell waits");
    assert_eq!(answer(), "status 0");
    assert_eq!(mounts_of(shell.pid()), [tracefs, debugfs - 1]);
}
