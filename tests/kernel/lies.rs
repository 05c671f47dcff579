//! What a user who is not root can do to be taken for somebody else, or to be overlooked.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::nobody::by_attacker;
use crate::support::processes::{Running, play};
use crate::support::truth::{Truth, args, args_of};
use crate::support::watcher::{Watcher, output_of, parse, run_to_end, share_machine, short};

/// What an argv is in memory.
fn bytes(args: &[String]) -> Vec<u8> {
    args.iter().flat_map(|arg| [arg.as_bytes(), &[0]].concat()).collect()
}

#[test]
fn a_rewritten_argv_never_replaces_what_the_kernel_has_recorded() {
    const ARGS_SIZE: usize = 304;
    let _machine = share_machine();
    let watcher = Watcher::start(&["--period", "0.05"]);
    let long = ["a".repeat(200), "b".repeat(99), "c".repeat(150)];
    let one = ["d".repeat(600)];
    let mut runs = Vec::new();
    // From which byte on, filled with what, and the last one; whether it may pass for the rest.
    for (from, fill, last, may_pass) in [
        ("304", "76", "0", true),
        ("304", "0", "0", true),
        ("303", "76", "0", false),
        ("0", "76", "0", false),
        ("6", "0", "0", false),
        ("0", "76", "76", false),
        ("304", "76", "76", false),
    ] {
        for how in ["in-place", "moved"] {
            for texts in [&long[..], &one] {
                let mut command = play(&["retitle", how, from, fill, last]);
                by_attacker(command.args(texts).stdin(Stdio::piped()).stdout(Stdio::piped()));
                watcher.stop(); // so that it looks when this is done
                let mut process = Running::start(&mut command);
                let stdout = process.child.stdout.as_mut().expect("a pipe");
                let mut done = String::new();
                BufReader::new(stdout).read_line(&mut done).expect("a word");
                watcher.signal(Signal::SIGCONT);
                let pid = process.pid();
                watcher.wait_for("the exec", |event| event["pid"] == pid);
                let (status, _) = output_of(process);
                assert_eq!(status.code(), Some(6));
                runs.push((pid, args_of(&command), done == "done\n", may_pass));
            }
        }
    }
    let run = watcher.finish();
    let mut completed = 0;
    for (pid, given, is_rewritten, may_pass) in runs {
        let [exec, exit] = run.of(pid)[..] else { panic!("{:#?}", run.of(pid)) };
        assert_eq!(exec["args"], exit["args"]);
        let shown: Vec<String> = serde_json::from_value(exec["args"].clone()).expect("texts");
        let (given, shown) = (bytes(&given), bytes(&shown));
        assert_eq!(shown[..ARGS_SIZE], given[..ARGS_SIZE], "{exec}");
        if exec["args_truncated"] == true {
            assert_eq!(shown.len(), ARGS_SIZE + 1, "{exec}");
        } else {
            completed += 1;
            assert_eq!(shown.len(), given.len(), "{exec}");
            assert!(shown == given || may_pass && is_rewritten, "{exec}");
        }
    }
    // On a busy machine, a process that does not answer soon is given up.
    assert!(completed > 0, "no command line is ever completed");
}

#[test]
fn a_name_taken_after_the_exec_evades_no_filter() {
    let _machine = share_machine();
    let watchers = ["^actor$", "^kernel_and_user$"].map(|name| Watcher::start(&["-n", name]));
    let (pid, _) = run_to_end(by_attacker(&mut play(&["rename", "kernel_and_user_map", "5"])));
    let [before, after] = watchers.map(Watcher::finish);
    let [exec, exit] = before.of(pid)[..] else { panic!("{:#?}", before.of(pid)) };
    assert_eq!((&exec["comm"], &exit["comm"]), (&"actor".into(), &"kernel_and_user".into()));
    assert_eq!(short(exit), "exit 5");
    assert!(after.of(pid).is_empty());
}

#[test]
fn sixty_five_thousand_arguments_are_whole_or_cut_and_marked() {
    let _machine = share_machine();
    let watcher = Watcher::start(&["--period", "0.05"]);
    for length in ["0", "3"] {
        let mut command = play(&["argv", "65535", length]);
        let command = by_attacker(command.env("TELL", "5").stdout(Stdio::piped()));
        let process = Running::start(command);
        let pid = process.pid();
        // What it prints is more than a pipe holds: it waits for us.
        watcher.wait_for("the exec", |event| {
            event["pid"] == pid && event["args"].as_array().is_some_and(|args| args.len() > 70)
        });
        let truth = Truth::at_end_of(process, args(&[]));
        let seen = &truth.told[0].args;
        assert_eq!((seen.len(), truth.status.code()), (65535, Some(5)));
        let execs: Vec<_> = parse_execs(&watcher, pid);
        let shown: Vec<String> = serde_json::from_value(execs[1]["args"].clone()).expect("texts");
        if execs[1]["args_truncated"] == false {
            assert_eq!(shown, *seen);
        } else {
            let (shown, seen) = (bytes(&shown), bytes(seen));
            assert!(shown.len() < seen.len() && seen.starts_with(&shown[..shown.len() - 1]));
        }
    }
    watcher.finish();
}

fn parse_execs(watcher: &Watcher, pid: u32) -> Vec<Value> {
    let events = parse(&watcher.stdout());
    events.into_iter().filter(|event| event["pid"] == pid && event["event"] == "exec").collect()
}
