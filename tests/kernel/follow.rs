//! What is followed with a command: all that it starts, and nothing else.

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use serde_json::json;

use crate::births::assert_incarnations;
use crate::support::account::storm;
use crate::support::following::{Following, actor_args, end_of, follow, follow_part, with_command};
use crate::support::processes::{actor, storm_for};
use crate::support::truth::{Ended, Truth, assert_life};
use crate::support::watcher::{
    Run, Tracefs, here_or_in_guest, may_be_missed, own_machine, share_machine, short, text,
    watcher_command,
};

/// Whose events are reported.
pub fn pids(run: &Run) -> BTreeSet<u64> {
    run.events.iter().filter_map(|event| event["pid"].as_u64()).collect()
}

/// Checks who started a process, as each of its events tells. 0: nobody who is followed.
#[track_caller]
pub fn assert_started_by(run: &Run, pid: u32, starter: u32) {
    let expected = if starter == 0 { json!(null) } else { json!(starter) };
    assert!(!run.of(pid).is_empty(), "nothing of {pid}: {}", run.stderr);
    for event in run.of(pid) {
        assert_eq!(event["started_by"], expected, "{event}");
    }
}

/// Checks the whole stream: the command, and these processes of which this one started each.
#[track_caller]
fn assert_only(run: &Run, first: u32, started: &[(u32, u32)]) {
    assert_started_by(run, first, 0);
    for &(pid, starter) in started {
        assert_started_by(run, pid, starter);
    }
    let expected = started.iter().map(|&(pid, _)| pid).chain([first]).map(u64::from);
    assert_eq!(pids(run), expected.collect(), "{}", run.stderr);
    assert_eq!(end_of(run)["running"], json!([]), "{}", run.stderr);
}

/// These children, each started by the same process.
fn all_by(starter: u32, ended: &[Ended]) -> Vec<(u32, u32)> {
    ended.iter().map(|ended| (ended.pid, starter)).collect()
}

/// Follows a part until the account of a run says that nothing was missed: a kernel that preempts BPF
/// programs skips some where several processes start at once.
fn follow_whole(part: &[&str]) -> (Run, Truth) {
    let mut runs = (0..10).map(|_| follow_part(&[], part));
    let is_whole = |(run, _): &(Run, Truth)| {
        let missed = ["missed_execs_at_most", "missed_exits_at_most", "missed_forks_at_most"]
            .map(|name| run.lost(name));
        assert!(missed == [0; 3] || may_be_missed(1) > 0, "{}", run.stderr);
        missed == [0; 3]
    };
    runs.find(is_whole).expect("a run of which nothing is missed")
}

#[test]
fn however_a_process_is_born_it_is_followed_and_who_started_it_is_told() {
    let _machine = own_machine();
    let _beside = storm_for(60, 2, 0);
    let (run, truth) = follow_whole(&["births", "10"]);
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr);
    truth.assert_in(&run);
    assert_eq!(truth.ended.len(), 8);
    for (ended, code) in truth.ended.iter().zip(10..) {
        assert_eq!(ended.status.code(), Some(code), "{}", ended.name);
        let calls_exec = !["fork-exit", "vfork-exit"].contains(&&*ended.name);
        let exec = calls_exec.then(|| actor_args(&["exit", &code.to_string()]));
        assert_life(&run.of(ended.pid), truth.pid, exec.as_slice(), ended.status);
    }
    // With CLONE_PARENT, a process in the middle has called clone, and has no child.
    let known: BTreeSet<_> = truth.ended.iter().map(|ended| ended.pid).chain([truth.pid]).collect();
    let known: BTreeSet<_> = known.into_iter().map(u64::from).collect();
    let others: Vec<_> = pids(&run).difference(&known).copied().collect();
    let [middle] = others[..] else { panic!("{others:?} are none of ours: {}", run.stderr) };
    let middle = u32::try_from(middle).expect("a pid");
    let sibling = truth.ended("sibling").pid;
    let mut started = all_by(truth.pid, &truth.ended);
    started.retain(|&(pid, _)| pid != sibling);
    started.extend([(middle, truth.pid), (sibling, middle)]);
    assert_only(&run, truth.pid, &started);
}

#[test]
fn a_daemon_is_told_with_the_process_that_started_it_whatever_its_parent() {
    let _machine = share_machine();
    for when in ["before", "after", "never"] {
        let (run, truth) = follow_part(&[], &["daemon", when, "3"]);
        let (middle, daemon) = (truth.ended("middle"), truth.ended("daemon"));
        truth.assert_in(&run);
        // Ours is the process that the kernel gives orphans to.
        let ppid = if when == "before" { middle.pid } else { truth.pid };
        let exec = actor_args(&["orphan", &middle.pid.to_string(), "3"]);
        let exec = (when != "never").then_some(exec);
        assert_life(&run.of(daemon.pid), ppid, exec.as_slice(), daemon.status);
        assert_only(&run, truth.pid, &[(middle.pid, truth.pid), (daemon.pid, middle.pid)]);
    }
}

#[test]
fn threads_are_their_process_and_what_they_start_is_its_child() {
    let _machine = share_machine();
    let (run, truth) = follow_part(&[], &["thread-exec", "3"]);
    assert_eq!(run.status.code(), Some(3), "{}", run.stderr);
    truth.assert_in_after(&run, &[actor_args(&["exit", "3"])]);
    assert_only(&run, truth.pid, &[]);

    let (run, truth) = follow_whole(&["storm", "20", "4"]);
    truth.assert_in(&run);
    let mut children = pids(&run);
    children.remove(&truth.pid.into());
    assert_eq!(children.len(), 20, "{}", run.stderr);
    let children = children.into_iter().map(|pid| (u32::try_from(pid).expect("a pid"), truth.pid));
    assert_only(&run, truth.pid, &children.collect::<Vec<_>>());
}

#[test]
fn each_exec_of_a_chain_is_told() {
    let _machine = share_machine();
    let (run, truth) = follow_part(&[], &["chain", "4"]);
    truth.assert_in_after(&run, &["3", "2", "1", "0"].map(|n| actor_args(&["chain", n])));
    assert_only(&run, truth.pid, &[]);
}

#[test]
fn a_pid_that_a_followed_process_uses_again_is_another_process() {
    let _machine = share_machine();
    for pause in ["0", "20"] {
        let (run, truth) = follow_part(&[], &["reuse", "10", pause]);
        assert!(assert_incarnations(&run, &truth) > 3, "{}", run.stderr);
        assert_only(&run, truth.pid, &all_by(truth.pid, &truth.ended));
    }
}

#[test]
fn what_starts_in_a_pid_namespace_is_followed_with_the_pids_of_the_initial_one() {
    let _machine = share_machine();
    let part = ["namespace", "pid", "forked", "exec-memory", "x"];
    let (run, truth) = follow_part(&[], &part);
    truth.assert_in(&run);
    let (first, inner) = (truth.ended("namespace").pid, truth.told[0].pid_in_proc);
    assert_only(&run, truth.pid, &[(first, truth.pid), (inner, first)]);
}

/// Runs the program as the first process of a pid namespace, as in a container, and with the
/// /proc that there is in one.
fn in_container(mut command: Command) -> Run {
    let own_proc = || {
        const NONE: Option<&str> = None;
        Ok(mount(NONE, "/proc", Some("proc"), MsFlags::empty(), NONE)?)
    };
    // SAFETY: the closure makes one system call; it allocates nothing.
    unsafe { command.pre_exec(own_proc) };
    let run = || {
        unshare(CloneFlags::CLONE_NEWPID).expect("root may");
        Following::start(command).end()
    };
    // A thread of its own, since nothing leads back.
    thread::scope(|scope| scope.spawn(run).join()).expect("no panic")
}

#[test]
fn in_a_container_a_command_is_followed_and_a_pid_is_refused() {
    let _machine = share_machine();
    let run = in_container(with_command(&[], &[text(actor()), "forked", "exit", "4"]));
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr);
    let events: Vec<_> = run.events.iter().filter(|event| event["pid"].is_u64()).collect();
    let [exec, exit_of_child, exit] = events[..] else { panic!("{events:#?}") };
    assert_eq!((short(exit_of_child), short(exit)), ("exit 4".into(), "exit 0".into()));
    assert_eq!(exit_of_child["started_by"], exec["pid"]);
    assert_eq!(exec["pid"], exit["pid"]);
    // These are the pids of the initial namespace.
    assert!(exec["pid"].as_u64() > Some(2), "{exec}");

    let run = in_container(watcher_command(Tracefs::Mounted, &["--follow", "1"]));
    assert_eq!(run.status.code(), Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("--follow needs the pids of the host"), "{}", run.stderr);
}

#[test]
fn what_does_not_fit_into_the_map_of_the_followed_is_counted() {
    let _machine = share_machine();
    let mut following =
        Following::start_part(&["--max-entries", "4", "--fail-on-loss"], &["alive", "20"]);
    following.wait_until_printed("alive");
    drop(following.process().child.stdin.take());
    let run = following.end();

    assert_eq!(run.status.code(), Some(3), "{}", run.stderr);
    assert!(run.stderr.contains("; not followed: "), "{}", run.stderr);
    let number = |name: &str| end_of(&run)[name].as_u64().expect("a number");
    let [dropped, missed] = ["dropped_forks", "missed_forks_at_most"].map(number);
    assert_eq!(dropped, run.lost("dropped_forks"), "{}", run.stderr);
    let children = run.events.iter().filter(|event| event["started_by"].is_u64());
    let children: BTreeSet<_> = children.filter_map(|event| event["pid"].as_u64()).collect();
    assert!(children.len() <= 3, "{children:?}");
    // The command itself takes one place of four.
    assert!(dropped <= 17 && dropped + missed >= 17, "{}", run.stderr);
}

#[test]
fn a_storm_beside_adds_nothing_to_the_map() {
    let _machine = own_machine();
    let following = Following::start_part(&["--max-entries", "4"], &["wait", "exit", "6"]);
    following.wait_for(|event| event["event"] == "exec");
    storm(here_or_in_guest(5000, 300));
    let run = following.end();
    assert_eq!(run.status.code(), Some(6), "{}", run.stderr);
    let end = end_of(&run);
    for (name, count) in [("reported_execs", 1), ("reported_exits", 1), ("hidden", 0)] {
        assert_eq!(end[name], count, "{end}");
    }
    for name in ["dropped_execs", "dropped_exits", "dropped_forks"] {
        assert_eq!(end[name], 0, "{end}");
    }
    assert!(end["fullest"].as_u64().is_some_and(|fullest| fullest <= 2), "{end}");
}

#[test]
fn a_command_that_ends_at_once_has_its_events() {
    let _machine = share_machine();
    for code in 0..here_or_in_guest(50, 10) {
        let run = follow(&[], &[text(actor()), "exit", &code.to_string()]);
        assert_eq!(run.status.code(), Some(code), "{}", run.stderr);
        let events: Vec<_> = run.events.iter().filter(|event| event["pid"].is_u64()).collect();
        let is_whole = matches!(events[..], [exec, exit] if exec["event"] == "exec"
            && short(exit) == format!("exit {code}") && exec["pid"] == exit["pid"]);
        let missed = ["missed_execs_at_most", "missed_exits_at_most", "missed_forks_at_most"]
            .map(|name| run.lost(name));
        assert!(is_whole || missed != [0; 3], "{}", run.stderr);
        assert!(is_whole || may_be_missed(2) > 0, "{}", run.stderr);
    }
}

#[test]
fn a_long_command_line_is_whole_though_its_process_is_gone() {
    let _machine = share_machine();
    let long = "x".repeat(7000);
    let script = format!("for i in 1 2 3 4 5; do sh -c 'exit 0' $i {long}; done");
    let run = follow(&[], &["sh", "-c", &script]);
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr);
    let execs = run.events.iter().filter(|event| event["event"] == "exec").skip(1);
    let execs: Vec<_> = execs.collect();
    assert_eq!(execs.len(), 5);
    for (exec, i) in execs.iter().zip(1..) {
        let args = serde_json::json!(["sh", "-c", "exit 0", i.to_string(), long]);
        assert_eq!(exec["args"], args);
        assert_eq!(exec["args_truncated"], false);
    }
}
