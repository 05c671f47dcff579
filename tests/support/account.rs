//! Balances: what happened, what was reported, and what was counted as lost.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::processes::{self, Running, play, wait_until};
use super::watcher::{Run, is_lost_exit, may_be_missed, output_of, run_to_end};

/// The kinds of events, and what their losses are called.
pub const KINDS: [(&str, &str, &str); 2] = [
    ("exec", "dropped_execs", "missed_execs_at_most"),
    ("exit", "dropped_exits", "missed_exits_at_most"),
];

/// Prints a figure also when the test passes: libtest captures what macros print.
pub fn print_result(figure: &str) {
    let line = format!("RESULT: {figure}\n");
    io::stderr().write_all(line.as_bytes()).expect("stderr is open");
}

/// Starts `count` processes, two at a time, waits for all, and tells their parent.
pub fn storm(count: usize) -> u32 {
    processes::storm(count as u64, 2)
}

/// So many processes that sleep until the value is dropped, each with an argument of so many bytes.
pub fn crowd(processes: usize, bytes: usize) -> Running {
    let mut part = play(&["alive", &processes.to_string(), &bytes.to_string()]);
    let mut crowd = Running::start(part.stdin(Stdio::piped()).stdout(Stdio::piped()));
    let mut line = String::new();
    let stdout = crowd.child.stdout.as_mut().expect("a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    assert_eq!(line, "alive\n");
    crowd
}

/// How many processes a [`processes::storm_for`] has started.
pub fn started(storm: Running) -> usize {
    let (_, number) = output_of(storm);
    number.trim().parse().expect("a number")
}

/// Runs a process that can be found in the output by the word it returns.
pub fn mark(name: &str) -> String {
    let word = format!("{name}-{}", std::process::id());
    run_to_end(&mut play(&["exit", "0", &word]));
    word
}

/// The events from one mark to another, both included.
pub fn between<'a>(events: &'a [Value], first: &str, last: &str) -> &'a [Value] {
    let at = |kind: &str, word: &str| {
        let is_it = |event: &Value| event["event"] == kind && event["args"][3] == word;
        events.iter().position(is_it).unwrap_or_else(|| panic!("no {kind} of {word}"))
    };
    &events[at("exec", first)..=at("exit", last)]
}

/// How many events of the kernel there are of a kind.
pub fn count<'a>(events: impl IntoIterator<Item = &'a Value>, kind: &str) -> u64 {
    let of_kind = |event: &&Value| event["event"] == kind && !is_lost_exit(event);
    events.into_iter().filter(of_kind).count() as u64
}

/// The events of the processes that one process has started.
pub fn children(run: &Run, parent: u32) -> Vec<&Value> {
    run.events.iter().filter(|event| event["ppid"] == parent).collect()
}

/// Everything that a watcher with a large map saw between two marks, the other one has
/// reported or counted as lost.
pub fn assert_balanced(run: &Run, witness: &Run, first: &str, last: &str) {
    for (kind, dropped, missed) in KINDS {
        assert_eq!(witness.lost(dropped), 0, "the witness dropped {kind}s");
        let happened = count(between(&witness.events, first, last), kind);
        let accounted = count(between(&run.events, first, last), kind) + run.lost(dropped);
        let unsure = run.lost(missed) + witness.lost(missed);
        assert!(
            accounted.abs_diff(happened) <= unsure,
            "{happened} {kind}s happened, {accounted} are accounted for, {unsure} unsure"
        );
    }
}

/// The closing account, as far as tests need it.
#[derive(Debug, Default)]
pub struct Summary {
    pub reported: [u64; 2],
    pub dropped: [u64; 2],
    pub missed_at_most: [u64; 2],
    pub unwritten: u64,
}

impl Summary {
    pub fn of(run: &Run) -> Self {
        let after = |words: &str| {
            let at = run.stderr.find(words).unwrap_or_else(|| panic!("{words}: {}", run.stderr));
            let mut numbers = run.stderr[at + words.len()..]
                .split(|c: char| !c.is_ascii_digit())
                .filter_map(|number| number.parse().ok());
            [(); 2].map(|()| numbers.next().unwrap_or_default())
        };
        let unwritten = "captured but not written: ";
        Self {
            reported: after("reported "),
            dropped: after("dropped "),
            missed_at_most: after("missed at most "),
            unwritten: if run.stderr.contains(unwritten) { after(unwritten)[0] } else { 0 },
        }
    }

    pub fn all(&self) -> u64 {
        self.reported.iter().sum::<u64>() + self.dropped.iter().sum::<u64>() + self.unwritten
    }
}

pub fn assert_summary_is_what_was_printed(run: &Run) {
    let summary = Summary::of(run);
    assert_eq!(summary.reported, KINDS.map(|(kind, ..)| count(&run.events, kind)), "{summary:?}");
    assert_eq!(summary.dropped, KINDS.map(|(_, dropped, _)| run.lost(dropped)), "{summary:?}");
    assert_eq!(summary.missed_at_most, KINDS.map(|(.., missed)| run.lost(missed)), "{summary:?}");
    assert_eq!(summary.unwritten, 0);
}

/// Runs processes until one of them is in the output: the map has been emptied.
pub fn wait_until_it_reports(stdout: impl Fn() -> String) {
    let before = stdout().len();
    let mut marks = Vec::new();
    let reports = wait_until(|| {
        marks.push(mark(&format!("again-{}-", marks.len())));
        thread::sleep(Duration::from_millis(50));
        stdout()[before..].lines().any(|line| marks.iter().any(|word| line.contains(word)))
    });
    assert!(reports, "it reports nothing any more");
}

/// Both events of each process that the storm has waited for are reported or counted.
#[track_caller]
pub fn assert_storm_is_whole(run: &Run, storm: u32, processes: usize) {
    let processes = processes as u64;
    for (kind, dropped, missed) in KINDS {
        let reported = count(children(run, storm), kind);
        let lost = run.lost(dropped) + run.lost(missed);
        assert!(reported <= processes && processes <= reported + lost, "{reported} {kind}s");
        assert!(lost <= may_be_missed(processes as usize) as u64, "{lost} {kind}s");
    }
    assert_summary_is_what_was_printed(run);
}

/// UTC nanoseconds.
pub fn time_of(event: &Value) -> i128 {
    let text = event["time"].as_str().expect("a time");
    text.parse::<Timestamp>().expect("RFC 3339").as_nanosecond()
}

/// The first and the last line.
pub fn begin_and_end(run: &Run) -> [&Value; 2] {
    let (first, last) = (run.events.first(), run.events.last());
    let [first, last] = [first, last].map(|event| event.expect("lines"));
    assert_eq!((&first["event"], &last["event"]), (&"begin".into(), &"end".into()));
    [first, last]
}
