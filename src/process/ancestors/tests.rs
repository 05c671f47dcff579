use std::convert::Infallible;

use super::*;
use crate::process::event::Event;
use crate::process::record::{Program, Usage};
use crate::process::tracker::{Running, Tracker};

/// A record of a process with a parent of this name.
fn record(process: (u32, u64), parent: (u32, &str), time: u64, name: &str, kind: Kind) -> Record {
    let (pid, start_time) = process;
    let common = Common {
        ppid: parent.0,
        comm: name.as_bytes().into(),
        parent_comm: Some(parent.1.as_bytes().into()),
        ..Common::default()
    };
    Record { process: ProcessId { pid, start_time }, exec_id: 1, time, common, kind }
}

fn exec(process: (u32, u64), parent: (u32, &str), time: u64, name: &str) -> Record {
    let program = Program::new(None, name.as_bytes().to_vec(), name.len());
    record(process, parent, time, name, Kind::Exec(program))
}

fn exit(process: (u32, u64), parent: (u32, &str), time: u64, name: &str) -> Record {
    let kind = Kind::Exit { wait_status: 0, usage: Usage::default(), parent_exec_id: 9 };
    record(process, parent, time, name, kind)
}

fn running(pid: u32, ppid: u32, name: &str) -> Running {
    let comm = name.as_bytes().into();
    let process = ProcessId { pid, start_time: u64::from(pid) };
    Running { process, common: Common { ppid, comm, ..Common::default() }, program: None }
}

/// A tracker that knows init (1), a shell (10), and what /proc tells.
fn tracker() -> Tracker {
    let mut tracker = Tracker::new(true);
    tracker.add_running(running(10, 1, "bash"));
    tracker.add_running(running(1, 0, "init"));
    tracker.name_parents_of_running();
    tracker
}

/// The events of a read: each process, and its ancestors.
fn read(tracker: &mut Tracker, records: impl IntoIterator<Item = Record>) -> Vec<String> {
    records.into_iter().for_each(|record| tracker.add(record));
    let mut lines = Vec::new();
    let push = |event: &Event<'_>| {
        let mut line = event.process.pid.to_string();
        for Ancestor { pid, comm } in event.common.ancestors.iter().flat_map(|it| it.iter()) {
            line += &format!(" < {} {pid}", String::from_utf8_lossy(comm));
        }
        lines.push(line);
        Ok::<(), Infallible>(())
    };
    tracker.events_before(u64::MAX, push).expect("infallible");
    lines
}

/// The same, where nothing is asked of /proc.
fn chains(records: impl IntoIterator<Item = Record>) -> Vec<String> {
    let mut tracker = tracker();
    let records: Vec<_> = records.into_iter().collect();
    records.iter().cloned().for_each(|record| tracker.add(record));
    tracker.unknown_ancestors();
    read(&mut tracker, [])
}

#[test]
fn they_are_those_at_the_exec_also_when_some_have_ended() {
    let make = exec((20, 100), (10, "bash"), 110, "make");
    let cc = exec((30, 120), (20, "make"), 130, "cc");
    let make_ends = exit((20, 100), (10, "bash"), 140, "make");
    let again = exec((40, 150), (30, "cc"), 160, "as");
    let ends = exit((30, 120), (1, "init"), 170, "cc");
    assert_eq!(
        chains([make, cc, make_ends, again, ends]),
        [
            "20 < bash 10 < init 1",
            "30 < make 20 < bash 10 < init 1",
            "20 < bash 10 < init 1",
            "40 < cc 30 < make 20 < bash 10 < init 1",
            "30 < make 20 < bash 10 < init 1",
        ]
    );
}

#[test]
fn nobody_pays_for_what_is_not_asked_for() {
    let mut tracker = Tracker::default();
    tracker.add(exec((20, 100), (10, "bash"), 110, "make"));
    assert_eq!(tracker.unknown_ancestors(), []);
    assert_eq!(read(&mut tracker, []), ["20"]);
}

#[test]
fn what_called_no_exec_is_known_by_its_exit() {
    // A subshell in a subshell; and another process that had the pid of one before.
    let before = exit((20, 50), (1, "init"), 90, "other");
    let ls = exec((30, 120), (21, "bash"), 130, "ls");
    let inner = exit((21, 110), (20, "bash"), 140, "bash");
    let outer = exit((20, 100), (10, "bash"), 150, "bash");
    let lines = chains([before, ls, inner, outer]);
    assert_eq!(lines[1], "30 < bash 21 < bash 20 < bash 10 < init 1");
}

#[test]
fn what_lives_is_to_be_asked_for_and_the_rest_stays_unknown() {
    let mut tracker = tracker();
    tracker.add(exec((30, 120), (21, "bash"), 130, "ls"));
    tracker.add(exec((31, 125), (21, "bash"), 135, "wc"));
    let unknown = tracker.unknown_ancestors();
    assert_eq!(unknown, [Unknown { pid: 21, started_by: 120, alive_at: 130 }], "once");
    let link = |ppid| Link { ppid, comm: b"bash".as_slice().into(), until: 200 };
    let next = tracker.add_link(ProcessId { pid: 21, start_time: 110 }, link(20));
    assert_eq!(next, Some(Unknown { pid: 20, started_by: 110, alive_at: 200 }));
    let mut cut = tracker;
    assert_eq!(read(&mut cut, [])[0], "30 < bash 21");

    let mut tracker = self::tracker();
    tracker.add(exec((30, 120), (21, "bash"), 130, "ls"));
    tracker.unknown_ancestors();
    tracker.add_link(ProcessId { pid: 21, start_time: 110 }, link(20));
    assert_eq!(tracker.add_link(ProcessId { pid: 20, start_time: 100 }, link(10)), None);
    assert_eq!(read(&mut tracker, []), ["30 < bash 21 < bash 20 < bash 10 < init 1"]);
}

#[test]
fn one_that_got_the_pid_later_is_no_ancestor() {
    let mut tracker = tracker();
    read(&mut tracker, [exec((20, 500), (10, "bash"), 510, "younger")]);
    let lines = read(&mut tracker, [exec((30, 120), (20, "older"), 520, "ls")]);
    assert_eq!(lines, ["30 < older 20"]);
}

#[test]
fn a_parent_that_calls_exec_in_the_same_read_is_not_asked_for() {
    let mut tracker = tracker();
    tracker.add(exec((30, 120), (20, "make"), 130, "cc"));
    tracker.add(exec((20, 100), (10, "bash"), 110, "make"));
    assert_eq!(tracker.unknown_ancestors(), []);
    // But one that calls it only after it has started a child is.
    tracker.add(exec((40, 140), (41, "bash"), 150, "ls"));
    tracker.add(exec((41, 135), (10, "bash"), 160, "sleep"));
    assert_eq!(tracker.unknown_ancestors().len(), 1);
}

#[test]
fn a_chain_has_an_end() {
    let mut tracker = tracker();
    let mut longest = 0;
    for pid in 11..1_000 {
        let time = u64::from(pid) * 10;
        read(&mut tracker, [exec((pid, time), (pid - 1, "x"), time + 1, "x")]);
        let live = tracker.live_as(ProcessId { pid, start_time: time }).expect("it lives");
        longest = longest.max(live.common.ancestors.as_deref().map_or(0, <[_]>::len));
    }
    assert_eq!(longest, ANCESTORS_MOST);
    // Nor does a circle, which wrong pids could make.
    let mut circle = Tracker::new(true);
    circle.add_running(running(7, 8, "a"));
    circle.add_running(running(8, 7, "b"));
    circle.name_parents_of_running();
}

#[test]
fn who_was_running_before_is_known_once_all_are_in() {
    let mut tracker = Tracker::new(true);
    read(&mut tracker, [exec((20, 100), (10, "bash"), 110, "make")]);
    let make = ProcessId { pid: 20, start_time: 100 };
    let known = |tracker: &Tracker| {
        let Common { ppid, ancestors, .. } = &tracker.live_as(make).expect("it lives").common;
        ancestors.as_ref().is_some_and(|ancestors| is_whole(*ppid, ancestors))
    };
    assert!(!known(&tracker));
    tracker.add_running(running(10, 1, "bash"));
    tracker.add_running(running(1, 0, "init"));
    tracker.name_parents_of_running();
    assert!(known(&tracker));
}
