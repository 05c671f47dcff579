//! What users may make the program keep in memory is bounded.

use std::fs;

use serde_json::Value;

use crate::support::account::{children, count, crowd, print_result};
use crate::support::program::is_soak;
use crate::support::watcher::{Watcher, may_be_missed, own_machine};

#[test]
fn many_processes_with_long_command_lines_take_little_memory() {
    let _machine = own_machine();
    let full = is_soak().then_some((20_000, 40 << 10, 64 << 10));
    let (processes, bytes, at_most) = full.unwrap_or((4000, 40 << 10, 32 << 10));
    let sees_execs = Watcher::start(&["--period", "0.1"]);
    let crowd = crowd(processes, bytes);
    // The other one finds them in /proc, that with the highest pid last.
    let parent = crowd.pid();
    let children_of = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let pids = children_of.expect("it runs");
    let last = pids.split_whitespace().max_by_key(|pid| pid.parse::<u32>().ok());
    let last = last.expect("it has children");
    let sees_proc =
        Watcher::start(&["--view", "processes", "--all", "-p", last, "--period", "0.1"]);
    sees_proc.wait_for("the last one", |event| event["processes"][0]["args"][4].is_string());
    let peaks = [&sees_execs, &sees_proc].map(Watcher::peak_memory);
    print_result(&format!(
        "{processes} processes with {bytes} bytes each: {} and {} KiB at most",
        peaks[0], peaks[1]
    ));
    assert!(peaks.iter().all(|&peak| peak < at_most), "{peaks:?} KiB");

    drop(sees_proc);
    drop(crowd);
    let run = sees_execs.finish();
    let events = children(&run, parent);
    let execs = count(events.iter().copied(), "exec");
    let may_be_missed = may_be_missed(processes) as u64;
    assert!(execs + may_be_missed >= processes as u64, "{execs}: {}", run.stderr);
    let is_marked = |event: &&&Value| event["args_truncated"] == true;
    assert_eq!(events.iter().filter(is_marked).count(), events.len());
}
