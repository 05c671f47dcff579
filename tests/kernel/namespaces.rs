//! Processes in other namespaces.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::thread;

use jiff::Timestamp;
use libc::SIGKILL;
use serde_json::{Value, json};

use crate::support::processes::{Running, play};
use crate::support::truth::{Truth, args, assert_life, time};
use crate::support::watcher::{Watcher, share_machine};

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

/// Lets the calling thread start its children in a time namespace with this offset.
pub fn unshare_time(seconds: i64, nanoseconds: i64) {
    // nix has no name for it.
    // SAFETY: takes a number; what this thread has open or mapped stays as it is.
    let unshared = unsafe { libc::unshare(libc::CLONE_NEWTIME) };
    assert_eq!(unshared, 0, "{}", std::io::Error::last_os_error());
    let file = format!("/proc/{}/timens_offsets", nix::unistd::gettid());
    std::fs::write(file, format!("boottime {seconds} {nanoseconds}")).expect("root may");
}

fn assert_now(time_of: &Value) {
    let seconds = time(time_of).duration_since(Timestamp::now()).as_secs_f64();
    assert!(seconds.abs() < 60.0, "{time_of} is {seconds} s from now");
}

#[test]
fn in_a_time_namespace_events_come_at_once_and_times_and_ages_are_right() {
    let _machine = share_machine();
    for (seconds, nanoseconds) in [(1_000_000, 503_000_000), (-4, 0)] {
        let in_namespace = || {
            let mut old = Running::start(play(&["wait", "exit", "5"]).stdin(Stdio::piped()));
            unshare_time(seconds, nanoseconds);
            let watcher = Watcher::start(&["--period", "0.1"]);
            watcher.wait_for_scan();
            let ages = Watcher::start(&["--view", "processes", "--all", "--period", "0.1"]);
            // Not by vfork, which older kernels refuse here.
            let mut process = Running::start(&mut play(&["exit", "0"]));
            let pid = process.pid();
            process.child.wait().expect("it ends");
            watcher.wait_for("an exit", |event| event["event"] == "exit" && event["pid"] == pid);
            let old_pid = old.pid();
            let lists_old = |line: &Value| {
                let mut processes = line["processes"].as_array().into_iter().flatten();
                processes.find(|process| process["pid"] == old_pid).cloned()
            };
            ages.wait_for("the old one", |line| lists_old(line).is_some());
            drop(old.child.stdin.take());
            old.child.wait().expect("it ends");
            let (run, ages) = (watcher.finish(), ages.finish());

            for event in run.of(pid) {
                assert_now(&event["time"]);
                assert_now(&event["start_time"]);
            }
            let exit = run.exit_of(old.pid());
            assert_eq!(exit["args"].as_array().map(Vec::len), Some(4), "it is not known: {exit}");
            let alive = ages.events.iter().find_map(lists_old).expect("it was seen");
            assert!(alive["age_ns"].as_u64().is_some_and(|ns| ns < 60_000_000_000), "{alive}");
            assert_now(&alive["start_time"]);
        };
        // A thread of its own, since nothing leads back.
        thread::scope(|scope| scope.spawn(in_namespace).join()).expect("no panic");
    }
}
