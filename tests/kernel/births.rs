//! How processes come to be, and whose children they are; pids that are used again.

use std::collections::HashMap;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus, Stdio};

use serde_json::{Value, json};

use crate::support::processes::{Running, play};
use crate::support::truth::{Ended, Truth, args, assert_life, time};
use crate::support::watcher::{
    Run, Tracefs, Watcher, here_or_in_guest, share_machine, watcher_command,
};

/// Without an exec of its own, it has its parent's name, and the parent's command line.
fn assert_fork_of(exit: &Value, parent: &Truth) {
    assert_eq!((&exit["comm"], &exit["forked"]), (&json!("actor"), &json!(true)), "{exit}");
    assert_eq!(exit["args"], json!(parent.args));
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
        assert!(run.of(ended.pid).iter().all(|event| event["parent"] == "actor"));
        if !calls_exec {
            assert_fork_of(run.exit_of(ended.pid), &truth);
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
        // Of the one in the middle, which calls no exec, no event has told until then.
        assert!(run.of(daemon.pid).iter().all(|event| event["parent"] == "actor"));
        if !execs {
            assert_fork_of(run.exit_of(daemon.pid), truth);
        }
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

/// Checks that the processes of one `reuse` are told apart, and gives how often the pid that
/// was used most was used.
pub fn assert_incarnations(run: &Run, truth: &Truth) -> usize {
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
    let count = here_or_in_guest(500, 50);
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
fn a_shell_that_finds_no_command_shows_which_script_it_was() {
    let _machine = share_machine();
    let script = |word: &str| ["-c", "read line; (no-such-command); :", word].map(str::to_owned);
    let shell = |args: &[String]| {
        let mut shell = Command::new("sh");
        Running::start(shell.args(args).stdin(Stdio::piped()).stderr(Stdio::null()))
    };
    let old = (script("old"), shell(&script("old")));
    let watcher = Watcher::start(&[]);
    let table = Watcher::spawn(watcher_command(Tracefs::Mounted, &["-t", "none"]));
    for watcher in [&watcher, &table] {
        watcher.wait_for_scan();
    }
    let new = (script("(fork) new"), shell(&script("(fork) new")));
    let shells = [old, new].map(|(args, mut shell)| {
        drop(shell.child.stdin.take());
        assert!(shell.child.wait().expect("it ends").success());
        (shell.pid(), args)
    });
    let run = watcher.finish();
    let table = table.finish().stdout.clone();

    for (shell, args) in shells {
        let mut children = run.events.iter().filter(|event| event["ppid"] == shell);
        let child = children.next().expect("a child that looked for the command");
        assert_eq!((&child["exit_code"], &child["forked"]), (&json!(127), &json!(true)), "{child}");
        assert_eq!(child["args"], json!([&["sh".to_owned()][..], &args].concat()));
        assert_eq!(run.exit_of(shell)["forked"], false);
    }
    for word in ["old", "'(fork) new'"] {
        let line = format!("127       (fork) sh -c 'read line; (no-such-command); :' {word}\n");
        assert!(table.contains(&line), "{line}{table}");
    }
}
