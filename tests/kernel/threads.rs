//! Threads that call exec, and threads that leave.

use std::os::unix::process::ExitStatusExt as _;

use libc::SIGKILL;
use nix::sys::signal::Signal;

use crate::support::processes::play;
use crate::support::truth::{Truth, args, assert_life};
use crate::support::watcher::{Watcher, here_or_in_guest, share_machine};

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
        let count = here_or_in_guest(count, count / 10);
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
fn a_full_map_misses_nothing_when_many_threads_end_at_once() {
    let _machine = share_machine();
    let count = here_or_in_guest("4000", "200");
    let watcher = Watcher::start(&["--max-entries", "1", "--period", "3600"]);
    watcher.stop();
    let truth = Truth::of(&mut play(&["crowd", "exit", "exit", count]));
    watcher.signal(Signal::SIGCONT);
    let run = watcher.finish();
    // The kernel can skip a program, but hardly ever: a bound of this size is a wrong one.
    assert!(run.lost("missed_exits_at_most") <= truth.ended.len() as u64, "{}", run.stderr);
    assert!(run.lost("dropped_exits") >= truth.ended.len() as u64 - 1, "{}", run.stderr);
}
