use std::convert::Infallible;

use super::*;

fn add(tracker: &mut Tracker, records: impl IntoIterator<Item = Record>) {
    records.into_iter().for_each(|record| tracker.add(record));
}

fn record(pid: u32, start_time: u64, exec_id: u32, time: u64, kind: Kind) -> Record {
    Record {
        process: ProcessId { pid, start_time },
        exec_id,
        time,
        common: Common { ppid: 1, comm: (*b"comm").into(), ..Common::default() },
        kind,
    }
}

fn exec(pid: u32, start_time: u64, exec_id: u32, time: u64, argv: &str) -> Record {
    let program = Program::new(None, argv.as_bytes().to_vec(), argv.len());
    record(pid, start_time, exec_id, time, Kind::Exec(program))
}

fn exit(pid: u32, start_time: u64, exec_id: u32, time: u64, code: i32) -> Record {
    record(
        pid,
        start_time,
        exec_id,
        time,
        Kind::Exit { wait_status: code << 8, usage: Usage::default(), parent_exec_id: 0 },
    )
}

/// Each event in short: time, pid, "exec" or the exit code, argv[0].
fn events(tracker: &mut Tracker, before: u64) -> Vec<String> {
    let mut lines = Vec::new();
    let shorten = |event: &Event<'_>| {
        let kind = match event.kind {
            EventKind::Exec => "exec".to_owned(),
            EventKind::Exit { outcome: Some(Outcome::Exited(code)), .. } => code.to_string(),
            EventKind::Exit { .. } => "?".to_owned(),
        };
        let argv0 = event.program.and_then(|program| program.args().next());
        let argv0 = argv0.map_or("-".into(), String::from_utf8_lossy);
        lines.push(format!("{} {} {kind} {argv0}", event.time, event.process.pid));
        Ok::<(), Infallible>(())
    };
    tracker.events_before(before, shorten).expect("infallible");
    lines
}

#[test]
fn an_exit_is_joined_to_its_exec() {
    let mut tracker = Tracker::default();
    add(&mut tracker, [exit(7, 100, 1, 300, 4), exec(7, 100, 1, 200, "ls")]);
    assert_eq!(events(&mut tracker, u64::MAX), ["200 7 exec ls", "300 7 4 ls"]);
    assert_eq!(tracker.live().len(), 0);
}

#[test]
fn events_come_in_time_order_across_reads() {
    let mut tracker = Tracker::default();
    add(&mut tracker, [exec(2, 20, 1, 250, "late"), exec(1, 10, 1, 100, "early")]);
    assert_eq!(events(&mut tracker, 200), ["100 1 exec early"]);
    add(&mut tracker, [exec(3, 30, 1, 220, "between")]);
    assert_eq!(events(&mut tracker, 300), ["220 3 exec between", "250 2 exec late"]);
}

#[test]
fn the_exec_comes_before_the_exit_at_the_same_nanosecond() {
    let mut tracker = Tracker::default();
    add(&mut tracker, [exit(7, 100, 1, 200, 0), exec(7, 100, 1, 200, "ls")]);
    assert_eq!(events(&mut tracker, u64::MAX), ["200 7 exec ls", "200 7 0 ls"]);
}

#[test]
fn each_exec_of_one_pid_is_an_event() {
    let mut tracker = Tracker::default();
    add(
        &mut tracker,
        [
            exec(7, 100, 1, 200, "sh"),
            exec(7, 100, 2, 300, "env"),
            exec(7, 100, 3, 400, "true"),
            exit(7, 100, 3, 500, 0),
        ],
    );
    assert_eq!(
        events(&mut tracker, u64::MAX),
        ["200 7 exec sh", "300 7 exec env", "400 7 exec true", "500 7 0 true"]
    );
}

#[test]
fn a_record_that_comes_again_is_reported_once() {
    let mut tracker = Tracker::default();
    add(&mut tracker, [exec(7, 100, 1, 200, "ls")]);
    assert_eq!(events(&mut tracker, 1000).len(), 1);
    add(&mut tracker, [exec(7, 100, 1, 201, "ls"), exit(7, 100, 1, 300, 0)]);
    assert_eq!(events(&mut tracker, 1000), ["300 7 0 ls"]);
    add(&mut tracker, [exit(7, 100, 1, 301, 0), exec(7, 100, 1, 202, "ls")]);
    assert_eq!(events(&mut tracker, 1000), Vec::<String>::new());
    assert_eq!(tracker.duplicates(), 3);
}

#[test]
fn a_pid_used_again_is_another_process() {
    let mut tracker = Tracker::default();
    add(
        &mut tracker,
        [
            exec(7, 100, 1, 110, "old"),
            exit(7, 100, 1, 120, 1),
            exec(7, 130, 1, 140, "new"),
            exit(7, 130, 1, 150, 2),
        ],
    );
    assert_eq!(
        events(&mut tracker, u64::MAX),
        ["110 7 exec old", "120 7 1 old", "140 7 exec new", "150 7 2 new"]
    );
}

#[test]
fn a_lost_exit_is_noticed_when_the_pid_appears_again() {
    let mut tracker = Tracker::default();
    add(&mut tracker, [exec(7, 100, 1, 110, "old"), exec(7, 130, 1, 140, "new")]);
    assert_eq!(events(&mut tracker, u64::MAX), ["110 7 exec old", "140 7 ? old", "140 7 exec new"]);
}

#[test]
fn a_process_that_is_gone_is_reported_unless_its_exit_has_come() {
    let mut tracker = Tracker::default();
    add(&mut tracker, [exec(7, 100, 1, 110, "gone"), exec(8, 100, 1, 111, "ended")]);
    events(&mut tracker, 200);
    add(&mut tracker, [exit(8, 100, 1, 210, 0)]);
    events(&mut tracker, 300);
    let mut lost = Vec::new();
    for (pid, start_time) in [(7, 100), (7, 100), (8, 100), (7, 99)] {
        tracker
            .exit_unseen(ProcessId { pid, start_time }, 400, |event| {
                lost.push((event.process.pid, event.time, event.kind));
                Ok::<(), Infallible>(())
            })
            .expect("infallible");
    }
    assert_eq!(lost, [(7, 400, LOST_EXIT)]);
}

#[test]
fn a_very_late_record_does_not_displace_the_new_owner_of_its_pid() {
    let mut tracker = Tracker::default();
    add(&mut tracker, [exec(7, 130, 1, 140, "new")]);
    events(&mut tracker, 200);
    add(
        &mut tracker,
        [exec(7, 100, 1, 110, "old"), exit(7, 100, 1, 120, 0), exit(7, 130, 1, 210, 3)],
    );
    assert_eq!(events(&mut tracker, 300), ["110 7 exec old", "120 7 0 -", "210 7 3 new"]);
}

#[test]
fn after_a_lost_exec_the_exit_does_not_borrow_the_program_before() {
    let mut tracker = Tracker::default();
    add(&mut tracker, [exec(7, 100, 1, 110, "sh"), exit(7, 100, 2, 120, 0)]);
    assert_eq!(events(&mut tracker, u64::MAX), ["110 7 exec sh", "120 7 0 -"]);
}

#[test]
fn the_parent_at_exec_outlives_the_parent() {
    let mut tracker = Tracker::default();
    let mut orphan_exit = exit(7, 100, 1, 120, 0);
    orphan_exit.common.ppid = 999;
    add(&mut tracker, [exec(7, 100, 1, 110, "daemon"), orphan_exit]);
    tracker
        .events_before(u64::MAX, |event| {
            assert_eq!(event.common.ppid, 1);
            Ok::<(), Infallible>(())
        })
        .expect("infallible");
}

fn running(pid: u32, ticks: u64, ppid: u32, comm: &str) -> Running {
    Running {
        process: ProcessId { pid, start_time: ticks * 10_000_000 },
        common: Common { ppid, comm: comm.as_bytes().into(), ..Common::default() },
        program: Some(Program::new(None, comm.as_bytes().to_vec(), comm.len())),
    }
}

#[test]
fn the_exit_of_an_older_process_has_its_command_and_parent() {
    let mut tracker = Tracker::default();
    tracker.add_running(running(7, 12, 3, "older"));
    tracker.add_running(running(3, 1, 0, "parent"));
    tracker.name_parents_of_running();
    add(&mut tracker, [exit(7, 123_456_789, 5, 200_000_000, 4)]);
    tracker
        .events_before(u64::MAX, |event| {
            assert_eq!(
                event.program.and_then(|program| program.args().next()),
                Some(&b"older"[..])
            );
            assert_eq!((event.common.ppid, event.parent), (3, Some(&b"parent"[..])));
            Ok::<(), Infallible>(())
        })
        .expect("infallible");
    assert_eq!(tracker.live().len(), 1);
}

#[test]
fn of_an_older_process_the_exit_names_the_parent_if_that_is_the_same() {
    for (ppid, expected) in [(3, Some(&b"parent"[..])), (4, None)] {
        let mut tracker = Tracker::default();
        tracker.add_running(running(7, 12, 3, "older"));
        tracker.name_parents_of_running();
        let mut ended = exit(7, 123_456_789, 5, 200_000_000, 4);
        ended.common.ppid = ppid;
        ended.common.parent_comm = Some((*b"parent").into());
        add(&mut tracker, [ended]);
        let check = |event: &Event<'_>| {
            assert_eq!((event.common.ppid, event.parent), (3, expected));
            Ok::<(), Infallible>(())
        };
        tracker.events_before(u64::MAX, check).expect("infallible");
    }
}

#[test]
fn an_older_process_that_calls_exec_is_known_by_its_new_program() {
    let mut tracker = Tracker::default();
    tracker.add_running(running(7, 12, 3, "older"));
    add(
        &mut tracker,
        [exec(7, 123_456_789, 5, 200_000_000, "new"), exit(7, 123_456_789, 5, 300_000_000, 0)],
    );
    assert_eq!(events(&mut tracker, u64::MAX), ["200000000 7 exec new", "300000000 7 0 new"]);
}

#[test]
fn the_peak_of_what_ran_before_is_not_taken_for_the_programs_own() {
    for (peak, expected) in [(900, None), (1000, None), (1001, Some(1001))] {
        let mut tracker = Tracker::default();
        let mut started = exec(7, 100, 1, 110, "small");
        let Kind::Exec(program) = &mut started.kind else { panic!("an exec") };
        program.max_rss_before_kib = 1000;
        let mut ended = exit(7, 100, 1, 120, 0);
        let usage = Usage { max_rss_kib: Some(peak), ..Usage::default() };
        ended.kind = Kind::Exit { wait_status: 0, usage, parent_exec_id: 0 };
        add(&mut tracker, [started, ended]);
        tracker
            .events_before(u64::MAX, |event| {
                if let EventKind::Exit { usage, .. } = event.kind {
                    assert_eq!(usage.map(|usage| usage.max_rss_kib), Some(expected));
                }
                Ok::<(), Infallible>(())
            })
            .expect("infallible");
    }
}

#[test]
fn the_parent_is_named_as_it_was_at_the_exec() {
    let mut tracker = Tracker::default();
    let child_of = |mut record: Record, ppid, name: &str| {
        record.common.ppid = ppid;
        record.common.parent_comm = Some(name.as_bytes().into());
        record
    };
    // The parent is one that calls no exec, such as a subshell: it is known by its child alone.
    let child = child_of(exec(8, 100, 1, 120, "child"), 7, "sh");
    let child_exit = child_of(exit(8, 100, 1, 140, 0), 1, "init");
    let fork_exit = child_of(exit(9, 100, 1, 150, 0), 1, "init");
    add(&mut tracker, [child, child_exit, fork_exit]);
    let mut parents = Vec::new();
    tracker
        .events_before(u64::MAX, |event| {
            parents.push((event.process.pid, event.common.ppid, event.parent.map(<[u8]>::to_vec)));
            Ok::<(), Infallible>(())
        })
        .expect("infallible");
    let [sh, init] = [b"sh".as_slice(), b"init"].map(|name| Some(name.to_vec()));
    assert_eq!(parents, [(8, 7, sh.clone()), (8, 7, sh), (9, 1, init)]);
}

#[test]
fn a_parent_is_known_by_its_start_whoever_has_its_pid_later() {
    let mut tracker = Tracker::default();
    let child_of = |mut record: Record, ppid| {
        record.common.ppid = ppid;
        record
    };
    let parent = [exec(7, 100, 1, 110, "parent"), exit(7, 100, 1, 130, 0)];
    let child = [exec(8, 115, 1, 120, "child"), exit(8, 115, 1, 150, 0)];
    add(&mut tracker, parent);
    add(&mut tracker, [exec(7, 140, 1, 145, "other")]);
    add(&mut tracker, child.map(|record| child_of(record, 7)));
    // One that calls no exec, and one whose parent was running before.
    add(
        &mut tracker,
        [child_of(exit(9, 146, 1, 155, 0), 7), child_of(exit(10, 146, 1, 160, 0), 3)],
    );
    tracker.add_running(running(3, 12, 1, "older"));
    let mut starts = Vec::new();
    tracker
        .events_before(u64::MAX, |event| {
            starts.push((event.process.pid, event.common.parent_start));
            Ok::<(), Infallible>(())
        })
        .expect("infallible");
    starts.retain(|(pid, _)| *pid != 7);
    assert_eq!(starts, [(8, Some(100)), (8, Some(100)), (9, Some(140)), (10, None)]);
}

#[test]
fn the_dead_are_forgotten() {
    let mut tracker = Tracker::default();
    for pid in 0..1000 {
        add(&mut tracker, [exec(pid, 100, 1, 110, "x"), exit(pid, 100, 1, 120, 0)]);
    }
    events(&mut tracker, 200);
    for spans in 1..=3 {
        events(&mut tracker, 200 + spans * REMEMBER_NS);
    }
    assert_eq!((tracker.live().len(), tracker.ended.each_ref().map(HashSet::len)), (0, [0, 0]));
}

/// The exit of a process, started at a time, whose parent 7 is at an `exec_id` by then.
fn exit_of_child(start_time: u64, exec_id: u32, parent_exec_id: u32) -> Record {
    let mut exit = exit(8, start_time, exec_id, 300, 5);
    exit.common.ppid = 7;
    let Kind::Exit { parent_exec_id: of_parent, .. } = &mut exit.kind else { panic!("an exit") };
    *of_parent = parent_exec_id;
    exit
}

#[test]
fn a_fork_has_the_program_of_its_parent_if_both_are_at_the_same_exec() {
    let parent = || exec(7, 100, 4, 110, "sh");
    for (child, argv0) in [
        (exit_of_child(200, 4, 4), "sh"),
        (exit_of_child(200, 5, 4), "-"), // its exec was lost
        (exit_of_child(200, 5, 5), "-"), // that of the parent, too
        (exit_of_child(105, 4, 4), "-"), // it is older than its parent's program
    ] {
        let mut tracker = Tracker::default();
        add(&mut tracker, [parent(), child]);
        assert_eq!(events(&mut tracker, u64::MAX)[1], format!("300 8 5 {argv0}"));
    }
}

#[test]
fn a_fork_that_ends_with_its_parent_or_whose_parent_was_running_has_its_program() {
    let mut ended = Tracker::default();
    let parent = [exec(7, 100, 4, 110, "sh"), exit(7, 100, 4, 299, 0)];
    add(&mut ended, parent.into_iter().chain([exit_of_child(200, 4, 4)]));
    assert_eq!(events(&mut ended, u64::MAX)[2], "300 8 5 sh");
    let mut before = Tracker::default();
    before.add_running(running(7, 0, 1, "old"));
    before.add(exit_of_child(200, 4, 4));
    assert_eq!(events(&mut before, u64::MAX), ["300 8 5 old"]);
}

#[test]
fn memory_for_command_lines_is_bounded_and_what_is_beyond_is_cut_and_marked() {
    let long = "x".repeat(32 * 1024);
    let mut tracker = Tracker::default();
    let mut pid = 0;
    while tracker.takes_long_args() {
        pid += 1;
        tracker.add(exec(pid, 100, 1, 110, &long));
    }
    assert_eq!(tracker.waiting_bytes, LONG_MAX, "those that wait count");
    events(&mut tracker, 200);
    assert_eq!((tracker.waiting_bytes, tracker.live.bytes()), (0, LONG_MAX));
    // Whoever does not ask has still room for records, and then for little more than nothing.
    for pid in pid + 1..=3000 {
        tracker.add(exec(pid, 100, 1, 110, &long));
    }
    events(&mut tracker, 200);
    let bytes = tracker.live.bytes();
    assert!((LONG_MAX..=4 * LONG_MAX).contains(&bytes), "{bytes}");
    let cut = |(_, live): &(ProcessId, &Live)| {
        let event = live.event(1, 0, EventKind::Exec);
        event.program.is_some_and(Program::args_truncated)
    };
    assert!(tracker.live().filter(cut).count() > 2000);
    // All of it is free again when they have ended.
    add(&mut tracker, (1..=3000).map(|pid| exit(pid, 100, 1, 210, 0)));
    events(&mut tracker, 300);
    assert_eq!((tracker.waiting_bytes, tracker.live.bytes()), (0, 0));
}
