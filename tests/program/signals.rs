//! Signals for the command: from its terminal, and passed on by the program.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;

use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::unistd::setsid;

use crate::support::following::{Following, actor_part, end_of, with_command};
use crate::support::terminal::terminal;
use crate::support::watcher::{Run, open_folder, share_machine, short, text};

#[test]
fn its_signals_are_blocked_and_ignored_as_they_are_in_its_caller() {
    let _machine = share_machine();
    let dir = open_folder();
    let log = dir.path().join("log");
    for options in [&[][..], &["--to", text(&log)]] {
        assert_signals_are_the_callers(options);
    }
}

fn assert_signals_are_the_callers(options: &[&str]) {
    let mut command = with_command(options, &["cat", "/proc/self/status"]);
    let as_under_nohup = || {
        for ignored in [Signal::SIGINT, Signal::SIGHUP] {
            // SAFETY: no handler is installed.
            unsafe { signal(ignored, SigHandler::SigIgn)? };
        }
        Ok(SigSet::from(Signal::SIGUSR1).thread_block()?)
    };
    // SAFETY: the closure makes system calls only; it allocates nothing.
    unsafe { command.pre_exec(as_under_nohup) };
    let run = Following::start(command).end();
    let mask = |name: &str| {
        let line = run.stdout.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        let mask = u32::from_str_radix(&line.trim()[8..], 16).expect("a mask");
        // Those that libraries know nothing of are left out.
        (1..32).filter(|signal| mask & 1 << (signal - 1) != 0).collect::<Vec<_>>()
    };
    assert_eq!(mask("SigBlk:"), [libc::SIGUSR1]);
    let ignored = mask("SigIgn:");
    assert!([libc::SIGINT, libc::SIGHUP].iter().all(|it| ignored.contains(it)), "{ignored:?}");
    assert!(!ignored.contains(&libc::SIGPIPE) && mask("SigCgt:").is_empty(), "{ignored:?}");
}

/// Starts it in a session whose terminal this is. What is typed goes into the file.
fn on_terminal(command: &[&str]) -> (Following, File) {
    let (keyboard, theirs) = terminal();
    let mut command = with_command(&[], command);
    command.stdin(theirs);
    let make_session = || {
        setsid()?;
        // SAFETY: takes a number, and stdin is a terminal.
        match unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: the closure makes system calls only; it allocates nothing.
    unsafe { command.pre_exec(make_session) };
    (Following::start(command), keyboard.into())
}

#[track_caller]
fn assert_ended(run: &Run, status: i32, told: &str) {
    assert_eq!(run.status.code(), Some(status), "{}", run.stderr);
    let first = &run.events.iter().find(|event| event["event"] == "exec").expect("it")["pid"];
    let pid = first.as_u64().and_then(|pid| pid.try_into().ok()).expect("a pid");
    assert_eq!(short(run.exit_of(pid)), told);
    end_of(run);
    assert!(run.stderr.contains("the map was at its fullest"), "{}", run.stderr);
}

#[test]
fn ctrl_c_reaches_the_command_by_its_terminal_and_the_report_still_comes() {
    let _machine = share_machine();
    const CTRL_C: &[u8] = b"\x03";
    let (following, mut keyboard) = on_terminal(&actor_part(&["sleep"]));
    following.wait_for(|event| event["event"] == "exec");
    keyboard.write_all(CTRL_C).expect("a terminal");
    assert_ended(&following.end(), 130, "exit SIGINT");

    // One that catches it, and one that ignores it.
    let catches = "trap 'exit 9' INT; echo ready; while :; do sleep 0.1; done";
    let ignores = "trap '' INT; echo ready; read line; echo line >/dev/tty; exit 7";
    for (script, code) in [(catches, 9), (ignores, 7)] {
        let (following, mut keyboard) = on_terminal(&["sh", "-c", script]);
        following.wait_until_printed("ready");
        keyboard.write_all(CTRL_C).expect("a terminal");
        if code == 7 {
            keyboard.write_all(b"typed\n").expect("a terminal");
        }
        assert_ended(&following.end(), code, &format!("exit {code}"));
        let mut shown = Vec::new();
        let _ = keyboard.read_to_end(&mut shown); // nobody has the other end any more
        assert_eq!(String::from_utf8_lossy(&shown).contains("line"), code == 7);
    }
}

#[test]
fn signals_that_no_terminal_sends_are_passed_on() {
    let _machine = share_machine();
    use Signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    for (signal, status) in [(SIGTERM, 143), (SIGHUP, 129), (SIGINT, 130), (SIGQUIT, 131)] {
        let mut following = Following::start_part(&[], &["sleep"]);
        following.wait_for(|event| event["event"] == "exec");
        following.process().signal(signal);
        assert_ended(&following.end(), status, &format!("exit {signal}"));
    }
}
