//! What else the program costs: with many processes alive, idle, in storms, for a list, and beside
//! what it does not follow.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use crate::contenders::{INSERTS, least, us};
use crate::machine::{self, Alive, cpus, room_for_processes, storm};
use crate::processes::{Running, count_bpf_runs};
use crate::rounds::{PARALLEL_STORM, STORM, lost_percent};
use crate::watcher::{Memory, Watcher, cpu_ns_of_thread};
use crate::{ROUNDS, median, progress, ratio};

/// What a process costs while so many others, whose starts were seen, are alive; and what is lost
/// of a storm of several at a time then.
pub struct Growth {
    pub alive: u64,
    pub kernel_ns: f64,
    pub user_us: f64,
    pub lost_percent: f64,
    /// What two inserts alone cost then.
    pub inserts_ns: f64,
}

/// In turn, round after round, so that a machine that changes its speed does so for all.
pub fn growth() -> Result<Vec<Growth>> {
    // The machine holds as many as memory does, not as the usual limit of pids says.
    machine::set("kernel/pid_max", "131072")?;
    let room = room_for_processes()?;
    let mut figures = BTreeMap::<u64, [Vec<f64>; 4]>::new();
    let least = least()?;
    let inserts = least.iter().find(|it| it.name == INSERTS).context("it is one of them")?;
    for round in 1..=ROUNDS {
        for alive in [0, 1_000, 20_000].map(|wanted| room.min(wanted)) {
            if figures.get(&alive).is_some_and(|f| f[0].len() == round) {
                continue; // there was no room for more
            }
            progress(&format!("round {round} of {ROUNDS}: {alive} processes that stay"));
            let watcher = Watcher::start(&us(&[]))?;
            let others = Alive::start(alive)?;
            watcher.settle();
            let counting = count_bpf_runs();
            let (kernel, user) = (watcher.kernel_ns()?, watcher.cpu_ns()?);
            storm(STORM, 1);
            watcher.settle();
            let [kernel_ns, user_us, lost, inserts_ns] = figures.entry(alive).or_default();
            kernel_ns.push(ratio(watcher.kernel_ns()? - kernel, STORM));
            user_us.push(ratio(watcher.cpu_ns()? - user, STORM) / 1e3);
            drop(counting);
            storm(PARALLEL_STORM, 4 * cpus());
            lost.push(lost_percent(&watcher.stop()?, STORM + PARALLEL_STORM));
            let watcher = Watcher::start(inserts)?;
            let counting = count_bpf_runs();
            let kernel = watcher.kernel_ns()?;
            storm(STORM, 1);
            inserts_ns.push(ratio(watcher.kernel_ns()? - kernel, STORM));
            drop(counting);
            watcher.stop()?;
            drop(others);
        }
    }
    let row = |(alive, [kernel_ns, user_us, lost, inserts_ns]): (u64, [Vec<f64>; 4])| Growth {
        alive,
        kernel_ns: median(&kernel_ns),
        user_us: median(&user_us),
        lost_percent: lost.into_iter().fold(0.0, f64::max),
        inserts_ns: median(&inserts_ns),
    };
    Ok(figures.into_iter().map(row).collect())
}

/// Nanoseconds in BPF programs for a process that is not followed, while one is.
pub fn following() -> Result<f64> {
    let mut figures = Vec::new();
    for _ in 0..ROUNDS {
        let watcher = Watcher::start(&us(&["--", "sleep", "1000"]))?;
        let counting = count_bpf_runs();
        let before = watcher.kernel_ns()?;
        storm(STORM, 1);
        figures.push(ratio(watcher.kernel_ns()? - before, STORM));
        drop(counting);
        watcher.stop()?;
    }
    Ok(median(&figures))
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
pub fn idle() -> Result<Idle> {
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

pub fn losses() -> Result<Vec<Lost>> {
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

pub fn lists() -> Result<Vec<List>> {
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
