//! More processes than there should be, for a long time.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::account::{
    KINDS, assert_summary_is_what_was_printed, children, count, print_result, started, storm,
};
use crate::support::processes::{field, storm_for};
use crate::support::program::is_soak;
use crate::support::watcher::{
    Run, Tracefs, Watcher, here_or_in_guest, may_be_missed, own_machine, watcher_command,
};

/// A storm that the reader keeps up with is whole, each process once, in order.
fn assert_nothing_lost_at_full_speed(processes: usize, period: &str) {
    assert_at_full_speed(Tracefs::Mounted, processes, period, may_be_missed(processes) as u64);
}

/// At most so many events of each kind are missing, and all of them are counted as missed.
fn assert_at_full_speed(tracefs: Tracefs, processes: usize, period: &str, may_be_missed: u64) {
    // In each place, the processes make at least twice the records that the map holds.
    let entries = here_or_in_guest("16384", "512");
    let watcher = Watcher::start_with(tracefs, &["--period", period, "--max-entries", entries]);
    let storm = storm(processes);
    let run = watcher.finish();
    assert_summary_is_what_was_printed(&run);

    let events = children(&run, storm);
    let key = |event: &&Value| {
        ["pid", "start_time", "exec_id", "event"].map(|field| event[field].to_string())
    };
    assert_eq!(events.iter().map(key).collect::<HashSet<_>>().len(), events.len(), "twice");
    let lost = KINDS.map(|(kind, ..)| processes as u64 - count(events.iter().copied(), kind));
    let at_most = KINDS.map(|(.., missed)| run.lost(missed));
    print_result(&format!(
        "{processes} processes, --period {period}: missed {} execs (it says at most {}) and {} exits (it says at most {})",
        lost[0], at_most[0], lost[1], at_most[1]
    ));
    for (at, (kind, dropped, _)) in KINDS.into_iter().enumerate() {
        assert_eq!(run.lost(dropped), 0, "{}", run.stderr);
        assert!(lost[at] <= may_be_missed, "{} {kind}s are missing", lost[at]);
        assert!(lost[at] <= at_most[at], "{} {kind}s are missing without a word", lost[at]);
        assert!(
            at_most[at] <= 5 * may_be_missed,
            "the bound of {} {kind}s says nothing",
            at_most[at]
        );
    }

    let times: Vec<_> = run.events.iter().filter_map(|event| event["time"].as_str()).collect();
    // A guest's CPU may stand still between a record's time and its place in the map.
    let unordered = times.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert!(unordered <= here_or_in_guest(0, 2), "{unordered} events are not in time order");
    let unjoined = |event: &&&Value| event["args"] != json!(["tiny", "exit", "0"]);
    let unjoined = events.iter().filter(unjoined).count() as u64;
    assert!(unjoined <= may_be_missed, "{unjoined} events without their command");
}

#[test]
fn a_storm_is_read_in_time_however_long_the_period() {
    let _machine = own_machine();
    let processes = if is_soak() { 100_000 } else { here_or_in_guest(40_000, 600) };
    assert_nothing_lost_at_full_speed(processes, "30");
}

#[test]
fn a_reader_that_hardly_rests_makes_the_kernel_miss_next_to_nothing() {
    let _machine = own_machine();
    assert_nothing_lost_at_full_speed(here_or_in_guest(20_000, 1000), "0.01");
}

#[test]
fn without_tracefs_the_kernel_misses_no_more_than_with_it() {
    let _machine = own_machine();
    // Where the kernel may miss some, twice as many: then the bound is two events, not one.
    let in_guest = if may_be_missed(1) > 0 { 1000 } else { 500 };
    let processes = here_or_in_guest(20_000, in_guest);
    for tracefs in [Tracefs::Absent, Tracefs::Forbidden] {
        assert_at_full_speed(tracefs, processes, "0.01", may_be_missed(processes) as u64);
    }
}

#[test]
fn two_at_once_report_the_same_and_do_not_need_each_other() {
    let _machine = own_machine();
    let processes = here_or_in_guest(5000, 200);
    let told = |run: &Run, parent| {
        let what = |event: &Value| {
            ["pid", "ppid", "event", "exec_id", "comm", "filename", "args", "exit_code", "signal"]
                .map(|field| event[field].to_string())
        };
        let mut told: Vec<_> = children(run, parent).into_iter().map(what).collect();
        told.sort_unstable();
        told
    };
    let one = Watcher::start(&["--period", "0.1"]);
    let two = Watcher::start(&["--period", "0.3"]);
    let both_see = storm(processes);
    let one = one.finish();
    let two_sees = storm(processes);
    let two = two.finish();

    let missed = |run: &Run| KINDS.iter().map(|(.., missed)| run.lost(missed)).sum::<u64>();
    for (run, parent) in [(&one, both_see), (&two, both_see), (&two, two_sees)] {
        let told = told(run, parent).len() as u64;
        assert!(told <= 2 * processes as u64 && told + missed(run) >= 2 * processes as u64);
    }
    assert_eq!(children(&one, two_sees).len(), 0);
    if missed(&one) + missed(&two) == 0 {
        let (by_one, by_two) = (told(&one, both_see), told(&two, both_see));
        by_one.iter().zip(&by_two).for_each(|(one, two)| assert_eq!(one, two));
    }
}

/// The least anonymous memory that a process has at any time from now on, in KiB. What comes
/// and goes with each read is not in it.
fn least_memory_within(time: Duration, pid: u32) -> u64 {
    let begun = Instant::now();
    let mut least = u64::MAX;
    while begun.elapsed() < time {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        least = least.min(field(&status, "RssAnon:").expect("a line"));
        thread::sleep(Duration::from_millis(20));
    }
    least
}

#[test]
fn its_memory_does_not_grow_under_a_steady_load() {
    const MAY_GROW: u64 = 1024; // KiB; after 20 s, about 40 bytes an event
    let _machine = own_machine();
    let seconds = if is_soak() { 300 } else { here_or_in_guest(20, 4) };
    let nowhere = OpenOptions::new().write(true).open("/dev/null").expect("/dev/null");
    // With frequent reads, memory for the records of one read is a small part.
    let options = ["-o", "json", "--period", "0.1"];
    let watcher = Watcher::spawn_into(nowhere, watcher_command(Tracefs::Mounted, &options));
    let load = storm_for(seconds, 1, 300);
    let quarter = Duration::from_secs(seconds) / 4;
    thread::sleep(quarter);
    let before = least_memory_within(quarter, watcher.pid());
    thread::sleep(quarter);
    let after = least_memory_within(quarter, watcher.pid());
    let rate = started(load) as u64 / seconds;
    let run = watcher.finish();

    print_result(&format!(
        "{rate} processes/s for {seconds} s: memory from {before} to {after} KiB"
    ));
    assert!(run.status.success());
    assert!(after <= before + MAY_GROW, "it has grown from {before} to {after} KiB");
}
