//! Faults at the wrong moment: what they cost is counted.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::account::{
    KINDS, assert_balanced, assert_summary_is_what_was_printed, children, count, mark, started,
    storm, wait_until_it_reports,
};
use crate::support::processes::{Running, play, storm_for};
use crate::support::watcher::{
    Tracefs, Watcher, here_or_in_guest, is_lost_exit, own_machine, parse, run_to_end, short,
    text_of, watcher_command,
};

#[test]
fn what_happened_while_it_was_stopped_is_reported_or_counted_to_the_last_event() {
    let _machine = own_machine();
    let witness = Watcher::start(&["--max-entries", "65536"]);
    let (entries, stopped_for, later) = here_or_in_guest((1024, 5, 100), (64, 1, 10));
    let options = ["--max-entries", &entries.to_string(), "--period", "0.2"];
    let watcher = Watcher::start(&options);
    let begin = mark("begin");
    let long_storm = storm_for(stopped_for + 1, 2, 0);
    let long = long_storm.pid();
    thread::sleep(Duration::from_millis(500));
    watcher.stop();
    thread::sleep(Duration::from_secs(stopped_for));
    storm(entries); // in case the other one is slow
    watcher.signal(Signal::SIGCONT);
    let processes = started(long_storm);
    wait_until_it_reports(|| watcher.stdout());
    let short = storm(later);
    let end = mark("end");
    let run = watcher.finish();
    let witness = witness.finish();

    assert_balanced(&run, &witness, &begin, &end);
    assert_summary_is_what_was_printed(&run);
    let fullest = format!("fullest with {entries} of {entries}");
    assert!(run.stderr.contains(&fullest), "{}", run.stderr);
    let seen = children(&witness, long);
    let recovered = children(&run, short);
    for (kind, dropped, missed) in KINDS {
        assert!(run.lost(dropped) > 0, "the map was never full");
        assert!(count(seen.iter().copied(), kind) + witness.lost(missed) >= processes as u64);
        let reported = count(recovered.iter().copied(), kind);
        assert!(reported + run.lost(missed) >= later as u64, "{reported} of {later} {kind}s");
    }
}

#[test]
fn what_happened_while_nobody_read_its_pipe_is_reported_or_counted_to_the_last_event() {
    let _machine = own_machine();
    let witness = Watcher::start(&["--max-entries", "65536"]);
    let options = ["-o", "json", "--max-entries", "512", "--period", "0.2"];
    let (watcher, mut reader) =
        Watcher::spawn_with_pipe(watcher_command(Tracefs::Mounted, &options));
    let begin = mark("begin");
    let processes = here_or_in_guest(10_000, 600);
    let sleepy = storm(processes);

    let output = tempfile::tempfile().expect("a temporary file");
    let mut copy = output.try_clone().expect("a descriptor");
    let awake = thread::spawn(move || io::copy(&mut reader, &mut copy).expect("a whole copy"));
    wait_until_it_reports(|| text_of(&output));
    let end = mark("end");
    let mut run = watcher.finish();
    awake.join().expect("the reader ends with the program");
    run.events = parse(&text_of(&output));
    let witness = witness.finish();

    assert!(run.status.success());
    assert_balanced(&run, &witness, &begin, &end);
    assert_summary_is_what_was_printed(&run);
    let seen = children(&witness, sleepy);
    for (kind, dropped, missed) in KINDS {
        assert!(run.lost(dropped) > 0, "the map was never full");
        assert!(count(seen.iter().copied(), kind) + witness.lost(missed) >= processes as u64);
    }
}

fn start_sleeping() -> Running {
    Running::start(&mut play(&["sleep"]))
}

/// A watcher with a map of so many entries.
fn start_with_entries(entries: usize, period: &str) -> Watcher {
    Watcher::start(&["--max-entries", &entries.to_string(), "--period", period])
}

/// Fills the map while the watcher stands still, so that what ends then is lost.
fn end_unseen(watcher: &Watcher, entries: usize, processes: Vec<Running>) {
    watcher.stop();
    storm(entries);
    drop(processes);
    watcher.signal(Signal::SIGCONT);
}

fn has(kind: &str, pid: u32) -> impl FnMut(&Value) -> bool {
    move |event| event["event"] == kind && event["pid"] == pid
}

fn assert_lost_exit(exit: &Value, exec: &Value) {
    assert!(is_lost_exit(exit), "{exit}");
    for field in ["pid", "ppid", "start_time", "exec_id", "args", "comm"] {
        assert_eq!(exit[field], exec[field]);
    }
    assert!(exit["duration_ns"].is_null());
}

#[test]
fn lost_exits_are_noticed_soon() {
    let _machine = own_machine();
    let entries = here_or_in_guest(1000, 100);
    let watcher = start_with_entries(entries, "0.05");
    let sleepers: Vec<_> = (0..20).map(|_| start_sleeping()).collect();
    let pids: Vec<_> = sleepers.iter().map(Running::pid).collect();
    pids.iter().for_each(|&pid| watcher.wait_for("the exec", has("exec", pid)));
    end_unseen(&watcher, entries, sleepers);
    pids.iter().for_each(|&pid| watcher.wait_for("the lost exit", has("exit", pid)));
    let run = watcher.finish();

    for pid in pids {
        let [exec, exit] = run.of(pid)[..] else { panic!("{:#?}", run.of(pid)) };
        assert_lost_exit(exit, exec);
    }
    assert!(run.stderr.contains("processes that ended unseen: "), "{}", run.stderr);
    assert_summary_is_what_was_printed(&run);
}

/// Without root's rights, the program finds nobody in such a `/proc`.
fn hide_processes() -> io::Result<()> {
    const NONE: Option<&str> = None;
    Ok(mount(NONE, "/proc", Some("proc"), MsFlags::empty(), Some("hidepid=2"))?)
}

#[test]
fn a_lost_exit_is_noticed_when_the_pid_is_used_again() {
    let _machine = own_machine();
    let entries = here_or_in_guest(1000, 100);
    let options = ["-o", "json", "--period", "0.05", "--max-entries", &entries.to_string()];
    let mut command = watcher_command(Tracefs::Mounted, &options);
    // Else it asks /proc for processes that are gone.
    // SAFETY: the closure makes one system call; it allocates nothing.
    unsafe { command.pre_exec(hide_processes) };
    let watcher = Watcher::spawn(command);
    let old = start_sleeping();
    let pid = old.pid();
    watcher.wait_for("the exec", has("exec", pid));
    end_unseen(&watcher, entries, vec![old]);
    watcher.wait_for("the loss", |event| event["event"] == "loss");
    let (_, status) = run_to_end(&mut play(&["as-pid", &pid.to_string(), "5"]));
    assert_eq!(status.code(), Some(5));
    let run = watcher.finish();

    let [old_exec, old_exit, exec, exit] = run.of(pid)[..] else { panic!("{:#?}", run.of(pid)) };
    assert_lost_exit(old_exit, old_exec);
    assert_eq!(old_exit["time"], exec["time"], "noticed when the pid is used again");
    assert_ne!(exec["start_time"], old_exec["start_time"]);
    assert!(short(exec).ends_with(" exit 5"));
    assert_eq!(short(exit), "exit 5");
}

#[test]
fn after_a_loss_a_process_without_its_main_thread_still_runs() {
    let _machine = own_machine();
    let entries = here_or_in_guest(1000, 100);
    let watcher = start_with_entries(entries, "0.05");
    let mut part = play(&["last-thread", "pthread_exit", "exit_group"]);
    let mut headless = Running::start(part.stdin(Stdio::piped()));
    let pid = headless.pid();
    let other = start_sleeping();
    let gone = other.pid();
    watcher.wait_for("the exec", has("exec", pid));
    watcher.wait_for("the exec", has("exec", gone));
    end_unseen(&watcher, entries, vec![other]);
    watcher.wait_for("the lost exit", has("exit", gone));
    drop(headless.child.stdin.take());
    assert_eq!(headless.child.wait().expect("it ends").code(), Some(4));
    let run = watcher.finish();
    assert_eq!(short(run.exit_of(pid)), "exit 4");
}
