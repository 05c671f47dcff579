//! Measures the program side by side with what people use instead.
//!
//! `cargo bench --bench compare` takes some minutes, and writes docs/benchmarks.md and
//! docs/benchmarks.svg. With `-- --short` it measures only the program, and fails when
//! counts that do not depend on the machine have grown (see `short.rs`). With `-- --build 2` it
//! prints what a build costs, of 2 rounds (see `build.rs`).

mod build;
mod chart;
#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../events/mod.rs"]
mod events;
mod machine;
mod report;
mod short;
mod watcher;

use std::collections::BTreeMap;
use std::env;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use common::{Running, count_bpf_runs};
use kernel_and_user_map::report::events_json::EventsJson;
use machine::{Alive, Settings, cpus, room_for_processes, storm};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use report::{Metric, Report};
use watcher::{
    Contender, Memory, Watcher, cpu_ns_of_thread, lines_of_storm, peers, time_to_first_event, us,
};

/// How often all contenders are measured, one after the other.
const ROUNDS: usize = 5;

/// Processes of a storm, started one after the other.
const STORM: u64 = 3000;

/// Processes of a storm that is timed: a short one takes a different time each time.
const TIMED_STORM: u64 = 10_000;

/// Processes of a storm with several at a time.
const PARALLEL_STORM: u64 = 4000;

fn main() -> Result<()> {
    let _settings = Settings::prepare()?;
    let words: Vec<_> = env::args().collect();
    if words.iter().any(|word| word == "--short") {
        return short::run();
    }
    match words.iter().position(|word| word == "--build") {
        Some(place) => {
            let rounds = words.get(place + 1).and_then(|word| word.parse().ok());
            print!("{}", build::builds(rounds.unwrap_or(ROUNDS))?.section());
            Ok(())
        }
        None => run(),
    }
}

fn progress(what: &str) {
    eprintln!("bench: {what}");
}

fn run() -> Result<()> {
    let begun = Instant::now();
    let mut report = Report::new()?;
    let mut contenders = vec![us(&[])];
    for peer in peers() {
        match Watcher::start(&peer).and_then(Watcher::stop) {
            Ok(_) => contenders.push(peer),
            Err(error) => {
                progress(&format!("without {}: {error:#}", peer.name));
                report.left_out(peer.name, &format!("{error:#}"));
            }
        }
    }
    let samples = side_by_side(&contenders)?;
    for contender in &contenders {
        report.contender(contender);
    }
    report.samples(&samples);

    match build::builds(ROUNDS) {
        Ok(builds) => report.builds(&builds),
        Err(error) => {
            progress(&format!("without a build: {error:#}"));
            report.left_out("a build", &format!("{error:#}"));
        }
    }
    progress("user space without a kernel");
    report.pipeline(pipeline());
    progress("growth with processes alive");
    report.growth(&growth()?);
    progress("idle");
    report.idle(idle()?);
    progress("storms against losses");
    report.losses(&losses()?);
    progress("--view processes");
    report.lists(&lists()?);
    report.write(begun.elapsed())?;
    progress(&format!("wrote docs/benchmarks.md and .svg in {:.0?}", begun.elapsed()));
    Ok(())
}

/// All that was measured of each contender, a figure a round.
pub type Samples = BTreeMap<(&'static str, Metric), Vec<f64>>;

fn side_by_side(contenders: &[Contender]) -> Result<Samples> {
    let mut samples = Samples::new();
    for round in 0..ROUNDS {
        // Each goes first once in a while: what is first finds the machine cooler.
        for place in 0..contenders.len() {
            let contender = &contenders[(place + round) % contenders.len()];
            progress(&format!("round {} of {ROUNDS}: {}", round + 1, contender.name));
            let mut note = |metric, figure: f64| {
                samples.entry((contender.name, metric)).or_default().push(figure);
            };
            let alone = storm(TIMED_STORM, 1).as_secs_f64();
            let watcher = Watcher::start(contender)?;

            let counting = count_bpf_runs();
            let before = watcher.kernel_ns()?;
            storm(STORM, 1);
            note(Metric::KernelNs, ratio(watcher.kernel_ns()? - before, STORM));
            drop(counting);
            watcher.settle();

            let before = watcher.cpu_ns()?;
            let watched = storm(TIMED_STORM, 1).as_secs_f64();
            watcher.settle();
            note(Metric::UserUs, ratio(watcher.cpu_ns()? - before, TIMED_STORM) / 1e3);
            note(Metric::PeakMib, ratio(watcher.peak_kib()?, 1024));
            note(Metric::MapMib, ratio(watcher.map_bytes()?, 1 << 20));
            watcher.stop()?;
            let alone = f64::midpoint(alone, storm(TIMED_STORM, 1).as_secs_f64());
            note(Metric::SlowdownPercent, (watched / alone - 1.0) * 100.0);

            let watcher = Watcher::start(contender)?;
            storm(PARALLEL_STORM, 4 * cpus());
            watcher.settle();
            note(Metric::LostPercent, lost_percent(&watcher.stop()?, PARALLEL_STORM));

            let first = time_to_first_event(contender)?;
            note(Metric::FirstEventMs, first.as_secs_f64() * 1e3);
        }
    }
    Ok(samples)
}

fn ratio(count: u64, by: u64) -> f64 {
    count as f64 / by as f64
}

/// Of the execs and exits of a storm, how many are not among what was printed.
fn lost_percent(printed: &str, processes: u64) -> f64 {
    let events = 2 * processes;
    ratio(events.saturating_sub(lines_of_storm(printed)), events) * 100.0
}

pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// Events a second from the bytes of the map to JSON in /dev/null, on one core.
fn pipeline() -> f64 {
    const READS: usize = 50;
    let (elements, mut out) = (events::elements(), events::dev_null());
    let mut report = EventsJson::default();
    let once = |_| {
        let begun = Instant::now();
        for _ in 0..READS {
            events::print(&mut out, events::decoded(&elements), &mut report);
        }
        (READS * elements.len()) as f64 / begun.elapsed().as_secs_f64()
    };
    median(&(0..ROUNDS).map(once).collect::<Vec<_>>())
}

/// What a process costs while so many others, whose starts were seen, are alive.
pub struct Growth {
    pub alive: u64,
    pub kernel_ns: f64,
    pub user_us: f64,
}

/// In turn, round after round, so that a machine that changes its speed does so for all.
fn growth() -> Result<Vec<Growth>> {
    // The machine holds as many as memory does, not as the usual limit of pids says.
    machine::set("kernel/pid_max", "131072")?;
    let room = room_for_processes()?;
    let mut figures = BTreeMap::<u64, [Vec<f64>; 2]>::new();
    for round in 1..=ROUNDS {
        for wanted in [0, 1_000, 10_000, 50_000] {
            // So many take long to start and to end, and are no target.
            let alive = room.min(wanted);
            if wanted > 10_000 && round > 1
                || figures.get(&alive).is_some_and(|f| f[0].len() == round)
            {
                continue;
            }
            progress(&format!("round {round} of {ROUNDS}: {alive} processes that stay"));
            let watcher = Watcher::start(&us(&[]))?;
            let others = Alive::start(alive)?;
            watcher.settle();
            let counting = count_bpf_runs();
            let (kernel, user) = (watcher.kernel_ns()?, watcher.cpu_ns()?);
            storm(STORM, 1);
            watcher.settle();
            let [kernel_ns, user_us] = figures.entry(alive).or_default();
            kernel_ns.push(ratio(watcher.kernel_ns()? - kernel, STORM));
            user_us.push(ratio(watcher.cpu_ns()? - user, STORM) / 1e3);
            drop(counting);
            watcher.stop()?;
            drop(others);
        }
    }
    let row = |(alive, [kernel_ns, user_us]): (u64, [Vec<f64>; 2])| Growth {
        alive,
        kernel_ns: median(&kernel_ns),
        user_us: median(&user_us),
    };
    Ok(figures.into_iter().map(row).collect())
}

/// A watcher of a machine where nothing starts and nothing ends.
pub struct Idle {
    pub cpu_percent: f64,
    pub bpf_runs: u64,
    /// What a loop takes that only sleeps, for as long as the watcher does between two looks.
    pub sleeper_percent: f64,
    pub memory: Memory,
}

/// The quietest of a few windows: other programs of the machine start processes too.
fn idle() -> Result<Idle> {
    let watcher = Watcher::start(&us(&[]))?;
    watcher.settle();
    let counting = count_bpf_runs();
    let mut windows = Vec::new();
    for _ in 0..ROUNDS {
        let (begun, cpu, runs) = (Instant::now(), watcher.cpu_ns()?, watcher.kernel_runs()?);
        sleep(Duration::from_secs(3));
        let cpu = Duration::from_nanos(watcher.cpu_ns()? - cpu);
        windows
            .push((watcher.kernel_runs()? - runs, cpu.div_duration_f64(begun.elapsed()) * 100.0));
    }
    drop(counting);
    let memory = watcher.memory()?;
    watcher.stop()?;
    let sleeper_percent = sleeper_percent()?;
    let quietest = windows.into_iter().min_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let (bpf_runs, cpu_percent) = quietest.context("there were windows")?;
    Ok(Idle { cpu_percent, bpf_runs, sleeper_percent, memory })
}

fn sleeper_percent() -> Result<f64> {
    let (begun, cpu) = (Instant::now(), cpu_ns_of_thread()?);
    for _ in 0..5 {
        sleep(Duration::from_secs(1));
    }
    let cpu = Duration::from_nanos(cpu_ns_of_thread()? - cpu);
    Ok(cpu.div_duration_f64(begun.elapsed()) * 100.0)
}

/// What was lost of a storm.
pub struct Lost {
    pub period: &'static str,
    pub jobs: usize,
    pub rate: f64,
    pub percent: f64,
}

fn losses() -> Result<Vec<Lost>> {
    let mut rows = Vec::new();
    for period in ["0.1", "1", "10"] {
        for jobs in [1, cpus(), 4 * cpus()] {
            let watcher = Watcher::start(&us(&["--period", period]))?;
            let took = storm(2 * PARALLEL_STORM, jobs);
            // Ending it reads what is still in the map.
            let percent = lost_percent(&watcher.stop()?, 2 * PARALLEL_STORM);
            let rate = 2.0 * PARALLEL_STORM as f64 / took.as_secs_f64();
            rows.push(Lost { period, jobs, rate, percent });
        }
    }
    Ok(rows)
}

/// CPU time to print the processes alive once.
pub struct List {
    pub name: &'static str,
    pub cpu_ms: f64,
}

fn lists() -> Result<Vec<List>> {
    const SECONDS: u64 = 5;
    let _others = Alive::start(room_for_processes()?.min(1000))?;
    let watcher = Watcher::start(&us(&["--view", "processes", "--all"]))?;
    watcher.settle();
    let before = watcher.cpu_ns()?;
    sleep(Duration::from_secs(SECONDS)); // one list a second
    let ours = ratio(watcher.cpu_ns()? - before, SECONDS) / 1e6;
    watcher.stop()?;

    let mut rows = vec![List { name: "kernel_and_user_map --view processes --all", cpu_ms: ours }];
    for (name, words) in [("ps -e", &["ps", "-e"][..]), ("top -b -n1", &["top", "-b", "-n1"])] {
        let mut runs = Vec::new();
        for _ in 0..ROUNDS {
            let before = cpu_of_children()?;
            let mut command = Command::new(words[0]);
            let Ok(mut list) = Running::try_start(command.args(&words[1..]).stdout(Stdio::null()))
            else {
                break;
            };
            ensure!(list.child.wait()?.success(), "{name} fails");
            runs.push((cpu_of_children()? - before).as_secs_f64() * 1e3);
        }
        if !runs.is_empty() {
            rows.push(List { name, cpu_ms: median(&runs) });
        }
    }
    Ok(rows)
}

fn cpu_of_children() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(micros.unsigned_abs()))
}
