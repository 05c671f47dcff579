//! All contenders side by side: in a round, each has its turn.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::contenders::{Contender, EMPTY, Extent, INSERTS};
use crate::machine::{cpus, storm};
use crate::processes::count_bpf_runs;
use crate::report::Metric;
use crate::watcher::{Watcher, lines_of_storm, time_to_first_event};
use crate::{ROUNDS, progress, ratio};

/// Processes of a storm, started one after the other.
pub const STORM: u64 = 3000;

/// Processes of a storm that is timed: a short one takes a different time each time.
const TIMED_STORM: u64 = 10_000;

/// Processes of a storm with several at a time.
pub const PARALLEL_STORM: u64 = 4000;

/// All that was measured of each contender, a figure a round.
pub type Samples = BTreeMap<(&'static str, Metric), Vec<f64>>;

pub fn side_by_side(contenders: &[Contender]) -> Result<Samples> {
    let mut samples = Samples::new();
    for round in 0..ROUNDS {
        let mut alone = storm(TIMED_STORM, 1).as_secs_f64();
        // Each goes first once in a while: what is first finds the machine cooler.
        for place in 0..contenders.len() {
            let contender = &contenders[(place + round) % contenders.len()];
            progress(&format!("round {} of {ROUNDS}: {}", round + 1, contender.name));
            let mut note = |metric, figure: f64| {
                samples.entry((contender.name, metric)).or_default().push(figure);
            };
            let watched = one_after_the_other(contender, &mut note)?;
            let before = alone;
            alone = storm(TIMED_STORM, 1).as_secs_f64();
            if contender.extent != Extent::UserSpace {
                let alone = f64::midpoint(before, alone);
                note(Metric::SlowdownPercent, (watched / alone - 1.0) * 100.0);
            }
            if contender.extent == Extent::All {
                several_at_a_time(contender, &mut note)?;
                let first = time_to_first_event(contender)?;
                note(Metric::FirstEventMs, first.as_secs_f64() * 1e3);
            }
        }
    }
    Ok(samples)
}

/// The seconds that the storm took.
fn one_after_the_other(contender: &Contender, note: &mut impl FnMut(Metric, f64)) -> Result<f64> {
    let watcher = Watcher::start(contender)?;
    let (before, mut processes) = (watcher.cpu_ns()?, TIMED_STORM);
    if contender.extent != Extent::UserSpace {
        let counting = count_bpf_runs();
        let before = watcher.kernel_ns()?;
        storm(STORM, 1);
        note(Metric::KernelNs, ratio(watcher.kernel_ns()? - before, STORM));
        drop(counting);
        processes += STORM;
    }
    let watched = storm(TIMED_STORM, 1).as_secs_f64();
    if ![EMPTY, INSERTS].contains(&contender.name) {
        watcher.settle();
        note(Metric::UserUs, ratio(watcher.cpu_ns()? - before, processes) / 1e3);
        note(Metric::FileMib, ratio(watcher.file_kib()?, 1024));
        note(Metric::PeakMib, ratio(watcher.peak_kib()?, 1024));
        note(Metric::MapMib, ratio(watcher.map_bytes()?, 1 << 20));
    }
    let (_, end) = watcher.stop_in_time()?;
    if contender.extent != Extent::UserSpace {
        note(Metric::EndMs, end.end.as_secs_f64() * 1e3);
        if let Some(account) = end.account {
            note(Metric::AccountMs, account.as_secs_f64() * 1e3);
            note(Metric::RestMs, (end.end - account).as_secs_f64() * 1e3);
        }
    }
    Ok(watched)
}

fn several_at_a_time(contender: &Contender, note: &mut impl FnMut(Metric, f64)) -> Result<()> {
    let watcher = Watcher::start(contender)?;
    storm(PARALLEL_STORM, 4 * cpus());
    watcher.settle();
    note(Metric::LostPercent, lost_percent(&watcher.stop()?, PARALLEL_STORM));
    Ok(())
}

/// Of the execs and exits of a storm, how many are not among what was printed.
pub fn lost_percent(printed: &str, processes: u64) -> f64 {
    let events = 2 * processes;
    ratio(events.saturating_sub(lines_of_storm(printed)), events) * 100.0
}
