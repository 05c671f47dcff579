//! Many at once, by a user who is not root: forks, threads, execs and signals.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use libc::SIGKILL;

use crate::support::account::{KINDS, assert_summary_is_what_was_printed, children, count};
use crate::support::nobody::{ATTACKER, by_attacker};
use crate::support::processes::{Running, play};
use crate::support::truth::{Truth, args};
use crate::support::watcher::{Watcher, here_or_in_guest, may_be_missed, output_of, own_machine};

#[test]
fn a_fork_bomb_is_told_to_the_last_exit() {
    let _machine = own_machine();
    let watcher = Watcher::start(&[]);
    let (forks, limit) = here_or_in_guest(("20000", "300"), ("500", "50"));
    let mut command = play(&["fork-bomb", forks, limit]);
    let bomb = Running::start(by_attacker(command.stdout(Stdio::piped())));
    let pid = bomb.pid();
    let (status, told) = output_of(bomb);
    assert_eq!(status.code(), Some(0));
    let told: u64 = told.trim().parse().expect("a number");
    let run = watcher.finish();

    assert_summary_is_what_was_printed(&run);
    let theirs = || run.events.iter().filter(|event| event["uid"] == ATTACKER);
    let with_7 = theirs().filter(|event| event["exit_code"] == 7).count() as u64;
    let [_, (_, dropped, missed)] = KINDS;
    let at_least = with_7 + run.lost(dropped);
    assert!(at_least <= told && told <= at_least + run.lost(missed), "{with_7} of {told}");
    assert!(run.lost(missed) <= may_be_missed(told as usize) as u64, "{}", run.stderr);
    assert!(run.of(pid).len() == 2 || run.lost(missed) > 0, "{:#?}", run.of(pid));
    assert!(count(theirs(), "exec") <= 1, "a fork is no exec");
    // A fork has no command line of its own, and nothing of another process.
    assert!(theirs().all(|event| event["comm"] == "actor"));
}

#[test]
fn ten_thousand_threads_that_leave_at_once_are_one_exit_with_the_right_status() {
    let _machine = own_machine();
    let watcher = Watcher::start(&[]);
    let threads = here_or_in_guest("10000", "300");
    let truths = ["exit", "exit_group", "kill"]
        .map(|how| (Truth::of(by_attacker(&mut play(&["many-leave", threads, how]))), how));
    let run = watcher.finish();
    for (truth, how) in truths {
        match how {
            "exit_group" => assert_eq!(truth.status.code(), Some(104)),
            "kill" => assert_eq!(truth.status.signal(), Some(SIGKILL)),
            _ => assert!(truth.status.code().is_some_and(|code| code != 99), "{}", truth.status), // the main thread's, since Linux 5.16 the last one's
        }
        truth.assert_in(&run);
    }
}

#[test]
fn of_a_thousand_threads_that_call_exec_at_once_one_is_an_event() {
    let _machine = own_machine();
    let watcher = Watcher::start(&[]);
    let threads = here_or_in_guest("1000", "100");
    let truths: Vec<_> = (0..here_or_in_guest(10, 3))
        .map(|_| Truth::of(by_attacker(&mut play(&["many-exec", threads]))))
        .collect();
    let run = watcher.finish();
    for truth in truths {
        let winner = truth.status.code().expect("an exit").to_string();
        truth.assert_in_after(&run, &[args(&["actor", "exit", &winner])]);
    }
}

#[test]
fn processes_that_are_stopped_and_go_on_all_the_time_lose_nothing() {
    let _machine = own_machine();
    let watcher = Watcher::start(&["--period", "0.05"]);
    let processes = here_or_in_guest(3000, 200);
    let number = processes.to_string();
    let truth = Truth::of(by_attacker(&mut play(&["stopped", "storm", &number, "2"])));
    let run = watcher.finish();
    let storm = truth.ended("stopped");
    assert!(storm.status.success(), "{}", storm.status);
    assert_summary_is_what_was_printed(&run);
    for (kind, dropped, missed) in KINDS {
        let seen = count(children(&run, storm.pid), kind);
        assert!(seen + run.lost(dropped) <= processes);
        assert!(seen + run.lost(dropped) + run.lost(missed) >= processes, "{seen} {kind}s");
    }
}
