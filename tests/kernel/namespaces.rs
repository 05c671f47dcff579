//! Processes in other namespaces.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use libc::SIGKILL;
use serde_json::json;

use crate::common::play;
use crate::support::{Watcher, share_machine};
use crate::truth::{Truth, args, assert_life};

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
