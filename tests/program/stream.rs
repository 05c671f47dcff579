//! The stream of JSON: how it begins and ends, and what each line tells.

use std::fs;

use crate::support::account::{Summary, begin_and_end, time_of};
use crate::support::processes::play;
use crate::support::watcher::{Watcher, run_to_end, share_machine};

#[test]
fn the_stream_begins_with_what_is_watched_and_ends_with_the_whole_account() {
    let _machine = share_machine();
    for view in ["events", "processes"] {
        let watcher = Watcher::start(&["-x", "-n", "actor", "--view", view, "--summary"]);
        run_to_end(&mut play(&["exit", "3"]));
        run_to_end(&mut play(&["exit", "0"]));
        let run = watcher.finish();
        let [begin, end] = begin_and_end(&run);
        let times: Vec<_> = run.events.iter().map(time_of).collect();
        assert!(times.is_sorted(), "{}", run.stdout);
        assert_eq!(begin["version"], env!("CARGO_PKG_VERSION"));
        for (field, file) in [
            ("host_name", "hostname"),
            ("kernel_release", "osrelease"),
            ("boot_id", "random/boot_id"),
        ] {
            let text = fs::read_to_string(format!("/proc/sys/kernel/{file}"));
            assert_eq!(begin[field], text.expect("a file of the kernel").trim_end());
        }
        assert_eq!(begin["filter"], serde_json::json!({"name": ["actor"], "failed": true}));
        let run_time = time_of(end) - time_of(begin);
        let stated = end["run_time_ns"].as_i64().expect("a number");
        assert!(run_time.abs_diff(stated.into()) < 1_000_000_000, "{end} {begin}");
        let summary = Summary::of(&run);
        let numbers =
            |fields: [&str; 2]| fields.map(|field| end[field].as_u64().expect("a number"));
        assert_eq!(numbers(["reported_execs", "reported_exits"]), summary.reported);
        assert_eq!(numbers(["dropped_execs", "dropped_exits"]), summary.dropped);
        let missed = numbers(["missed_execs_at_most", "missed_exits_at_most"]);
        assert_eq!(missed, summary.missed_at_most);
        assert_eq!(end["unwritten"], 0);
        assert!(end["hidden"].as_u64().expect("a number") >= 3, "{end}");
    }
}

#[test]
fn each_line_tells_its_host_where_that_is_asked_for() {
    let _machine = share_machine();
    for options in [&["--view", "events", "--summary"][..], &["--view", "tree"]] {
        let watcher = Watcher::start(&[options, &["--host-fields"]].concat());
        run_to_end(&mut play(&["exit", "3"]));
        let run = watcher.finish();
        let [begin, _] = begin_and_end(&run);
        assert!(run.events.len() >= 4, "{}", run.stdout);
        for line in &run.events {
            let host = ["host_name", "boot_id"].map(|field| &line[field]);
            assert_eq!(host, ["host_name", "boot_id"].map(|field| &begin[field]), "{line}");
            assert!(host[0].is_string(), "{line}");
        }
    }
}
