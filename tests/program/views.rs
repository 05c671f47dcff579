//! What is shown: filters, views, the summary, and how.

use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::processes::{Running, actor, play, wait_until};
use crate::support::watcher::{
    Run, Tracefs, Watcher, run_to_end, share_machine, short, watcher_command,
};

/// The pids with events, out of these, and how many each has.
fn events_of(run: &Run, pids: &[u32]) -> Vec<usize> {
    pids.iter().map(|&pid| run.of(pid).len()).collect()
}

#[test]
fn filters_take_both_events_of_a_process_or_none() {
    let _machine = share_machine();
    let own = std::process::id().to_string();
    for (filter, expected) in [
        (&["-u", "65534"][..], [0, 2, 0]),
        (&["--ppid", &own], [2, 2, 2]),
        (&["--ppid", "1", "-u", "65534"], [0, 0, 0]),
        (&["-n", "exit 3$"], [0, 0, 2]),
        (&["-x"], [0, 0, 1]),
        (&["--event", "exec"], [1, 1, 1]),
        (&["--event", "exit", "-n", "actor"], [1, 1, 1]),
        (&["--min-duration", "1h"], [0, 0, 0]),
        (&["--min-duration", "1us"], [1, 1, 1]),
    ] {
        let watcher = Watcher::start(filter);
        let (plain, _) = run_to_end(&mut play(&["exit", "0"]));
        let (other_user, _) = run_to_end(play(&["exit", "0"]).uid(65534));
        let (failing, _) = run_to_end(&mut play(&["exit", "3"]));
        let run = watcher.finish();
        assert_eq!(events_of(&run, &[plain, other_user, failing]), expected, "{filter:?}");
        assert_eq!(run.lost("dropped_execs") + run.lost("dropped_exits"), 0, "{filter:?}");
    }
}

#[test]
fn failures_are_shown_with_their_whole_command() {
    let _machine = share_machine();
    let watcher = Watcher::start(&["--failed"]);
    let (pid, _) = run_to_end(&mut play(&["exit", "3"]));
    let run = watcher.finish();
    let exit = run.exit_of(pid);
    assert_eq!((short(exit), &exit["args"][2]), ("exit 3".into(), &json!("3")));
}

#[test]
fn what_is_to_be_hidden_appears_nowhere() {
    let _machine = share_machine();
    for output in ["json", "table"] {
        let options = ["-o", output, "--redact", "s[e3]cret", "--redact", "hush.*"];
        let watcher = Watcher::spawn(watcher_command(Tracefs::Mounted, &options));
        run_to_end(&mut play(&["exit", "0", "--password=s3cret", "hush hush", "shown"]));
        let run = watcher.finish();
        assert!(run.stdout.contains("--password=***") && run.stdout.contains("shown"), "{output}");
        assert!(!run.stdout.contains("s3cret") && !run.stdout.contains("hush"), "{output}");
    }
}

#[test]
fn the_processes_alive_are_listed_newest_last() {
    let _machine = share_machine();
    let before = Running::start(&mut play(&["sleep", "before"]));
    let watcher = Watcher::start(&["--view", "processes", "--period", "0.1"]);
    let all = Watcher::start(&["--view", "processes", "--all", "--period", "0.1"]);
    let first = Running::start(&mut play(&["sleep", "first"]));
    let second = Running::start(&mut play(&["sleep", "second"]));
    let lists = |list: &Value, pid: u32| {
        list["processes"].as_array().into_iter().flatten().position(|row| row["pid"] == pid)
    };
    let pids = [before.pid(), first.pid(), second.pid()];
    watcher.wait_for("both", |list| pids[1..].iter().all(|&pid| lists(list, pid).is_some()));
    // Among many processes, it takes a while to look at all that were running before.
    let has_all = |list: &Value| pids.iter().all(|&pid| lists(list, pid).is_some());
    all.wait_for("all three", has_all);
    drop([before, first, second]);
    for watcher in [&watcher, &all] {
        let mut seen = 0;
        // A list later than the one that had them, without them.
        watcher.wait_for("their end", |list| {
            seen += usize::from(lists(list, pids[2]).is_some());
            seen > 0 && lists(list, pids[1]).is_none() && lists(list, pids[2]).is_none()
        });
    }
    let (run, run_all) = (watcher.finish(), all.finish());
    assert!(run.events.iter().all(|list| lists(list, pids[0]).is_none()), "not without --all");
    // On one CPU, the second may reach its exec before the first: not any list has both.
    let list = run_all.events.iter().find(|list| has_all(list)).expect("a list of all three");
    let at = pids.map(|pid| lists(list, pid).expect("listed"));
    assert!(at.is_sorted(), "{at:?}");
    let row = &list["processes"][at[1]];
    assert_eq!(row["args"], json!([actor().to_string_lossy(), "sleep", "first"]));
    assert!(row["age_ns"].is_u64() && row["cpu_ns"].is_u64() && row.get("exit_code").is_none());
}

#[test]
fn the_list_of_processes_is_a_block_with_a_time_in_a_pipe() {
    let _machine = share_machine();
    let options = ["--view", "processes", "--all", "--period", "0.1", "-t", "utc"];
    let _listed = Running::start(&mut play(&["sleep", "block"]));
    let watcher = Watcher::spawn(watcher_command(Tracefs::Mounted, &options));
    assert!(wait_until(|| watcher.stdout().contains("sleep block")), "{}", watcher.stdout());
    let run = watcher.finish();
    let mut lines = run.stdout.lines();
    assert_eq!(lines.next().map(|time| time.matches(':').count()), Some(2), "{}", run.stdout);
    assert_eq!(
        lines.next(),
        Some("    PID    PPID USER            AGE      CPU  COMMAND"),
        "{}",
        run.stdout
    );
    assert!(!run.stdout.contains('\x1b'));
}

#[test]
fn the_summary_groups_commands_by_name() {
    let _machine = share_machine();
    let watcher = Watcher::start(&[
        "--summary",
        "--ppid",
        &std::process::id().to_string(),
        "-n",
        "summed-up",
    ]);
    for code in ["0", "0", "3"] {
        run_to_end(&mut play(&["exit", code, "summed-up"]));
    }
    let run = watcher.finish();
    let command = run.events.iter().find(|event| event["event"] == "command").expect("a summary");
    assert_eq!(
        (&command["comm"], &command["count"], &command["failures"]),
        (&json!("actor"), &json!(3), &json!(1))
    );
    assert!(command["total_duration_ns"].as_u64() >= command["longest_duration_ns"].as_u64());

    let watcher = Watcher::spawn(watcher_command(Tracefs::Mounted, &["--summary"]));
    run_to_end(&mut play(&["exit", "0"]));
    let run = watcher.finish();
    let (_, summary) = run.stdout.split_once("\nCOMMAND ").expect("a heading");
    assert!(summary.lines().any(|line| line.starts_with("actor ")), "{summary}");
    assert!(summary.lines().all(|line| line.chars().count() <= 80), "{summary}");
}

/// Runs the table with these options, and gives the line with this word.
fn line_with(options: &[&str], word: &str) -> String {
    let watcher = Watcher::spawn(watcher_command(Tracefs::Mounted, options));
    run_to_end(&mut play(&["exit", "3", word]));
    let run = watcher.finish();
    let line = run.stdout.lines().rfind(|line| line.contains(word));
    line.unwrap_or_else(|| panic!("{word} in {}", run.stdout)).to_owned()
}

#[test]
fn times_and_colours_are_as_asked() {
    let _machine = share_machine();
    for (style, is_named) in [("none", false), ("utc", true)] {
        let greeting = Watcher::spawn(watcher_command(Tracefs::Mounted, &["-t", style])).stderr();
        assert_eq!(greeting.contains("times are"), is_named, "{greeting}");
    }
    assert!(line_with(&["-t", "none"], "timeless").starts_with("exit  "));
    let relative = line_with(&["--time", "relative"], "relative");
    let seconds: f64 = relative[..12].trim().parse().expect("seconds");
    assert!((0.0..600.0).contains(&seconds), "{relative}");
    assert_eq!(line_with(&["-t", "utc"], "utc")[..12].matches(':').count(), 2);
    assert!(line_with(&["--color", "always"], "coloured").contains("\x1b[31m"));
    assert!(!line_with(&["--color", "never"], "plain").contains('\x1b'));
}

#[test]
fn a_lossless_run_passes_fail_on_loss_and_a_lossy_one_does_not() {
    let _machine = share_machine();
    let lossy = Watcher::start(&["--fail-on-loss", "--max-entries", "1", "--period", "3600"]);
    lossy.stop();
    for _ in 0..3 {
        run_to_end(&mut play(&["exit", "0"]));
    }
    lossy.signal(Signal::SIGCONT);
    assert_eq!(lossy.finish().status.code(), Some(3));
    let command = ["--duration", "0.3", "--fail-on-loss"];
    let status = watcher_command(Tracefs::Mounted, &command)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("the program starts");
    assert_eq!(status.code(), Some(0));
}
