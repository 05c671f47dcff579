//! More processes than there should be, and faults at the wrong moment.

use std::collections::HashSet;
use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libbpf_rs::query::{MapInfoIter, ProgInfoIter};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{
    PATIENCE, Run, Tracefs, Watcher, in_guest, own_machine, parse, play, read_from_start,
    run_to_end, share_machine, short, watcher_command,
};

/// The kinds of events, and what their losses are called.
const KINDS: [(&str, &str, &str); 2] = [
    ("exec", "dropped_execs", "missed_execs_at_most"),
    ("exit", "dropped_exits", "missed_exits_at_most"),
];

/// Emulated CPUs get less to do.
fn here_or_in_guest<T>(here: T, guest: T) -> T {
    if in_guest() { guest } else { here }
}

/// How many of so many events the kernel may skip: some where it preempts BPF programs.
fn may_be_missed(events: usize) -> usize {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("a release");
    let major = release.split('.').next().and_then(|major| major.parse::<u32>().ok());
    let preempts = env::var_os("PREEMPT").is_some() || major >= Some(7);
    if preempts { events / 500 } else { 0 }
}

/// Prints a figure also when the test passes: libtest captures what macros print.
fn print_result(figure: &str) {
    let line = format!("RESULT: {figure}\n");
    io::stderr().write_all(line.as_bytes()).expect("stderr is open");
}

/// Starts `count` processes, two at a time, waits for all, and tells their parent.
fn storm(count: usize) -> u32 {
    let (pid, status) = run_to_end(&mut play(&["storm", &count.to_string(), "2"]));
    assert!(status.success(), "{status}");
    pid
}

/// Starts processes for about so many seconds: two at a time at full speed, or one with a
/// pause (in microseconds) after it.
fn storm_for(seconds: u64, pause: Option<u32>) -> Child {
    let jobs = if pause.is_none() { "2" } else { "1" };
    play(&["storm-for", &seconds.to_string(), jobs, &pause.unwrap_or(0).to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the actor starts")
}

/// How many processes a [`storm_for`] has started.
fn started(storm: Child) -> usize {
    let output = storm.wait_with_output().expect("the storm ends");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
}

/// Runs a process that can be found in the output by the word it returns.
fn mark(name: &str) -> String {
    let word = format!("{name}-{}", std::process::id());
    run_to_end(&mut play(&["exit", "0", &word]));
    word
}

/// The events from one mark to another, both included.
fn between<'a>(events: &'a [Value], first: &str, last: &str) -> &'a [Value] {
    let at = |kind: &str, word: &str| {
        let is_it = |event: &Value| event["event"] == kind && event["args"][3] == word;
        events.iter().position(is_it).unwrap_or_else(|| panic!("no {kind} of {word}"))
    };
    &events[at("exec", first)..=at("exit", last)]
}

/// Exits that were lost, and noticed later, are no events of the kernel.
fn was_noticed_late(event: &Value) -> bool {
    event["event"] == "exit" && event["exit_code"].is_null() && event["signal"].is_null()
}

fn count<'a>(events: impl IntoIterator<Item = &'a Value>, kind: &str) -> u64 {
    let of_kind = |event: &&Value| event["event"] == kind && !was_noticed_late(event);
    events.into_iter().filter(of_kind).count() as u64
}

/// The events of the processes that one process has started.
fn children(run: &Run, parent: u32) -> Vec<&Value> {
    run.events.iter().filter(|event| event["ppid"] == parent).collect()
}

/// Everything that a watcher with a large map saw between two marks, the other one has
/// reported or counted as lost.
fn assert_balanced(run: &Run, witness: &Run, first: &str, last: &str) {
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
struct Summary {
    reported: [u64; 2],
    dropped: [u64; 2],
    missed_at_most: [u64; 2],
    unwritten: u64,
}

impl Summary {
    fn of(run: &Run) -> Self {
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

    fn all(&self) -> u64 {
        self.reported.iter().sum::<u64>() + self.dropped.iter().sum::<u64>() + self.unwritten
    }
}

fn assert_summary_is_what_was_printed(run: &Run) {
    let summary = Summary::of(run);
    assert_eq!(summary.reported, KINDS.map(|(kind, ..)| count(&run.events, kind)), "{summary:?}");
    assert_eq!(summary.dropped, KINDS.map(|(_, dropped, _)| run.lost(dropped)), "{summary:?}");
    assert_eq!(summary.missed_at_most, KINDS.map(|(.., missed)| run.lost(missed)), "{summary:?}");
    assert_eq!(summary.unwritten, 0);
}

/// A storm that the reader keeps up with is whole, each process once, in order.
fn assert_nothing_lost_at_full_speed(processes: usize, period: &str) {
    assert_at_full_speed(Tracefs::Mounted, processes, period, may_be_missed(processes) as u64);
}

/// At most so many events of each kind are missing, and all of them are counted as missed.
fn assert_at_full_speed(tracefs: Tracefs, processes: usize, period: &str, may_be_missed: u64) {
    // In each place, the processes make many times the records that the map holds.
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
    assert!(times.is_sorted(), "events are not in time order");
    let unjoined = |event: &&&Value| event["args"] != json!(["tiny", "exit", "0"]);
    let unjoined = events.iter().filter(unjoined).count() as u64;
    assert!(unjoined <= may_be_missed, "{unjoined} events without their command");
}

#[test]
fn a_hundred_thousand_processes_at_full_speed_are_reported_once_each() {
    let _machine = own_machine();
    assert_nothing_lost_at_full_speed(here_or_in_guest(100_000, 1000), "1");
}

#[test]
fn a_storm_is_read_in_time_however_long_the_period() {
    let _machine = own_machine();
    assert_nothing_lost_at_full_speed(here_or_in_guest(100_000, 1000), "30");
}

#[test]
fn a_reader_that_hardly_rests_makes_the_kernel_miss_next_to_nothing() {
    let _machine = own_machine();
    let in_guest = if may_be_missed(1000) > 0 { 2000 } else { 1000 };
    assert_nothing_lost_at_full_speed(here_or_in_guest(20_000, in_guest), "0.01");
}

#[test]
fn without_tracefs_what_the_kernel_misses_is_counted() {
    let _machine = own_machine();
    let processes = here_or_in_guest(20_000, 1000);
    // One hook alone is skipped whenever it is preempted: the slower the CPU, the more often.
    let may_be_missed = 125 * may_be_missed(processes) as u64;
    assert_at_full_speed(Tracefs::Absent, processes, "0.01", may_be_missed);
}

/// Runs processes until one of them is in the output: the map has been emptied.
fn wait_until_it_reports(mut stdout: impl FnMut() -> String) {
    let begun = Instant::now();
    let before = stdout().len();
    let mut marks = Vec::new();
    while !stdout()[before..].lines().any(|line| marks.iter().any(|word| line.contains(word))) {
        assert!(begun.elapsed() < PATIENCE, "it reports nothing any more");
        marks.push(mark(&format!("again-{}-", marks.len())));
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_happened_while_it_was_stopped_is_reported_or_counted_to_the_last_event() {
    let _machine = own_machine();
    let witness = Watcher::start(&["--max-entries", "65536"]);
    let (entries, stopped_for, later) = here_or_in_guest((1024, 5, 100), (64, 1, 10));
    let options = ["--max-entries", &entries.to_string(), "--period", "0.2"];
    let mut watcher = Watcher::start(&options);
    let begin = mark("begin");
    let long_storm = storm_for(stopped_for + 1, None);
    let long = long_storm.id();
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
    let (mut reader, writer) = io::pipe().expect("a pipe");
    let options = ["-o", "json", "--max-entries", "512", "--period", "0.2"];
    let watcher = Watcher::spawn_into(
        OwnedFd::from(writer).into(),
        watcher_command(Tracefs::Mounted, &options),
    );
    let begin = mark("begin");
    let processes = here_or_in_guest(10_000, 800);
    let sleepy = storm(processes);

    let mut output = tempfile::tempfile().expect("a temporary file");
    let mut copy = output.try_clone().expect("a descriptor");
    let awake = thread::spawn(move || io::copy(&mut reader, &mut copy).expect("a whole copy"));
    wait_until_it_reports(|| read_from_start(&mut output));
    let end = mark("end");
    let mut run = watcher.finish();
    awake.join().expect("the reader ends with the program");
    run.events = parse(&read_from_start(&mut output));
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

/// Two files on a small disk of their own, which is mounted nowhere else.
fn two_files_on_a_small_disk() -> [File; 2] {
    const NONE: Option<&str> = None;
    let dir = tempfile::tempdir().expect("a folder");
    // A thread has a mount namespace of its own; an open file keeps the disk.
    let mount_and_open = || -> io::Result<_> {
        unshare(CloneFlags::CLONE_NEWNS)?;
        mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
        mount(NONE, dir.path(), Some("tmpfs"), MsFlags::empty(), Some("size=16m"))?;
        let open = |name| File::create_new(dir.path().join(name));
        Ok([open("output")?, open("filler")?])
    };
    thread::scope(|scope| scope.spawn(mount_and_open).join())
        .expect("no panic")
        .expect("root mounts a tmpfs")
}

/// Fills a disk but for so many bytes.
fn fill_disk(mut filler: &File, room: u64) {
    let mut filled = 0;
    while let Ok(written) = filler.write(&[0; 4096]) {
        filled += written as u64;
    }
    filler.set_len(filled - room).expect("the disk gives it back");
}

fn assert_one_error_about_stdout(run: &Run) {
    assert_eq!(run.status.code(), Some(1), "{}", run.stderr);
    let errors: Vec<_> = run.stderr.lines().filter(|line| line.contains("error")).collect();
    assert_eq!(errors.len(), 1, "{}", run.stderr);
    assert!(errors[0].contains("stdout") && errors[0].contains("No space left"), "{errors:?}");
}

#[test]
fn a_full_disk_is_one_error_and_the_account_still_balances() {
    let _machine = own_machine();
    let [output, filler] = two_files_on_a_small_disk();
    let witness = Watcher::start(&["--max-entries", "65536"]);
    let options = ["-o", "json", "--max-entries", "256", "--period", "0.05"];
    let mut watcher = Watcher::spawn_into(output, watcher_command(Tracefs::Mounted, &options));
    let begin = mark("begin");
    wait_until_it_reports(|| watcher.stdout());
    watcher.stop();
    // More processes than fit into the map, and more in the map than fits on the disk.
    fill_disk(&filler, 64 * 1024);
    storm(400);
    let end = mark("end");
    watcher.signal(Signal::SIGCONT);
    let run = watcher.wait();
    let witness = witness.finish();

    assert_one_error_about_stdout(&run);
    let summary = Summary::of(&run);
    for (at, (kind, ..)) in KINDS.into_iter().enumerate() {
        let written = count(&run.events, kind);
        assert!((1..=written).contains(&summary.reported[at]), "{written} {kind}s: {summary:?}");
    }
    assert!(summary.unwritten > 0 && summary.dropped[0] > 0, "{summary:?}");
    // Others may run beside the storm, before the first mark and after the last one.
    let both = |events| KINDS.iter().map(|(kind, ..)| count(events, kind)).sum::<u64>();
    let missed = KINDS.iter().map(|(.., missed)| witness.lost(missed)).sum::<u64>();
    let at_least = both(between(&witness.events, &begin, &end));
    let at_most = both(&witness.events[..]) + missed;
    let unsure = summary.missed_at_most.iter().sum::<u64>();
    let all = summary.all();
    assert!(at_least <= all + unsure && all <= at_most, "{at_least} to {at_most}: {summary:?}");
}

#[test]
fn an_event_that_a_full_device_refused_is_not_reported() {
    let _machine = share_machine();
    let full = || OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let watcher = Watcher::spawn_into(full(), watcher_command(Tracefs::Mounted, &["-o", "json"]));
    run_to_end(&mut play(&["exit", "0"]));
    let run = watcher.finish();
    assert_one_error_about_stdout(&run);
    let summary = Summary::of(&run);
    assert_eq!(summary.reported, [0, 0]);
    assert!(summary.unwritten > 0, "{summary:?}");

    // The table's header is refused before anything is captured.
    let output = watcher_command(Tracefs::Mounted, &[]).stdout(full()).output();
    let output = output.expect("the program starts");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let run = Run { status: output.status, events: Vec::new(), stdout: String::new(), stderr };
    assert_one_error_about_stdout(&run);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
}

/// The ids of the BPF programs and maps that a process holds.
fn bpf_ids(pid: u32) -> [HashSet<u32>; 2] {
    let infos: Vec<_> = fs::read_dir(format!("/proc/{pid}/fdinfo"))
        .expect("it runs")
        .map(|entry| fs::read_to_string(entry.expect("an entry").path()).unwrap_or_default())
        .collect();
    ["prog_id:", "map_id:"].map(|name| {
        let lines = infos.iter().flat_map(|info| info.lines());
        let ids = lines.filter_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        ids.collect()
    })
}

/// How many of these the kernel still has.
fn bpf_left([programs, maps]: &[HashSet<u32>; 2]) -> [usize; 2] {
    [
        ProgInfoIter::default().filter(|program| programs.contains(&program.id)).count(),
        MapInfoIter::default().filter(|map| maps.contains(&map.id)).count(),
    ]
}

#[test]
fn sigkill_leaves_nothing_in_the_kernel_and_the_next_start_works() {
    let _machine = share_machine();
    let watcher = Watcher::start(&[]);
    let ids = bpf_ids(watcher.pid());
    let [programs, maps] = bpf_left(&ids);
    assert!(programs >= 4 && maps >= 4, "{ids:?}");
    watcher.signal(Signal::SIGKILL);
    assert!(watcher.wait().stderr.lines().count() == 1, "no more than the greeting");
    let begun = Instant::now();
    // The kernel frees them when every CPU has left them.
    while bpf_left(&ids) != [0, 0] {
        assert!(begun.elapsed() < PATIENCE, "still there: {:?} of {ids:?}", bpf_left(&ids));
        thread::sleep(Duration::from_millis(20));
    }

    let watcher = Watcher::start(&[]);
    let (pid, _) = run_to_end(&mut play(&["exit", "3"]));
    assert_eq!(short(watcher.finish().exit_of(pid)), "exit 3");
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
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a line");
        least = least.min(line.trim().trim_end_matches(" kB").parse().expect("a number"));
        thread::sleep(Duration::from_millis(20));
    }
    least
}

/// Lasts 20 seconds, or as many as the environment variable `STEADY_SECONDS` says.
#[test]
fn its_memory_does_not_grow_under_a_steady_load() {
    const MAY_GROW: u64 = 1024; // KiB; after 20 s, about 40 bytes an event
    let _machine = own_machine();
    let seconds = env::var("STEADY_SECONDS").map_or(here_or_in_guest(20, 4), |seconds| {
        seconds.parse().expect("STEADY_SECONDS is a number of seconds")
    });
    let nowhere = OpenOptions::new().write(true).open("/dev/null").expect("/dev/null");
    // With frequent reads, memory for the records of one read is a small part.
    let options = ["-o", "json", "--period", "0.1"];
    let watcher = Watcher::spawn_into(nowhere, watcher_command(Tracefs::Mounted, &options));
    let load = storm_for(seconds, Some(300));
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

/// A process that lives as long as this value.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        Self(Command::new("sleep").arg("1000").spawn().expect("sleep starts"))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it ends");
    }
}

/// A watcher with a map of so many entries.
fn start_with_entries(entries: usize, period: &str) -> Watcher {
    Watcher::start(&["--max-entries", &entries.to_string(), "--period", period])
}

/// Fills the map while the watcher stands still, so that what ends then is lost.
fn end_unseen(watcher: &Watcher, entries: usize, processes: Vec<Sleeper>) {
    watcher.stop();
    storm(entries);
    drop(processes);
    watcher.signal(Signal::SIGCONT);
}

fn has(kind: &str, pid: u32) -> impl FnMut(&Value) -> bool {
    move |event| event["event"] == kind && event["pid"] == pid
}

fn assert_lost_exit(exit: &Value, exec: &Value) {
    assert!(was_noticed_late(exit), "{exit}");
    for field in ["pid", "ppid", "start_time", "exec_id", "args", "comm"] {
        assert_eq!(exit[field], exec[field]);
    }
    assert!(exit["duration_ns"].is_null());
}

#[test]
fn lost_exits_are_noticed_soon() {
    let _machine = own_machine();
    let entries = here_or_in_guest(1000, 100);
    let mut watcher = start_with_entries(entries, "0.05");
    let sleepers: Vec<_> = (0..20).map(|_| Sleeper::start()).collect();
    let pids: Vec<_> = sleepers.iter().map(Sleeper::pid).collect();
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

#[test]
fn a_lost_exit_is_noticed_when_the_pid_is_used_again() {
    let _machine = own_machine();
    let entries = here_or_in_guest(1000, 400);
    // With this period, the map is read only when it fills up: not for the few events of `as-pid`.
    let mut watcher = start_with_entries(entries, "3600");
    let old = Sleeper::start();
    let pid = old.pid();
    while !parse(&watcher.stdout()).iter().any(has("exec", pid)) {
        storm(entries / 4 + 5);
        thread::sleep(Duration::from_millis(100));
    }
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
    let mut watcher = start_with_entries(entries, "0.05");
    let mut headless =
        play(&["headless", "6"]).stdin(Stdio::piped()).spawn().expect("the actor starts");
    let pid = headless.id();
    let other = Sleeper::start();
    let gone = other.pid();
    watcher.wait_for("the exec", has("exec", pid));
    watcher.wait_for("the exec", has("exec", gone));
    end_unseen(&watcher, entries, vec![other]);
    watcher.wait_for("the lost exit", has("exit", gone));
    drop(headless.stdin.take());
    assert_eq!(headless.wait().expect("it ends").code(), Some(6));
    let run = watcher.finish();
    assert_eq!(short(run.exit_of(pid)), "exit 6");
}
